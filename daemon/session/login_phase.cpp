#include "daemon/session/login_phase.hpp"

#include "daemon/auth/secret_lookup.hpp"
#include "daemon/background_priority.hpp"
#include "daemon/console/console_phase.hpp"
#include "daemon/credentials.hpp"
#include "daemon/insight/log.hpp"
#include "daemon/net/worker.hpp"
#include "daemon/pool_directory.hpp"
#include "daemon/session/relay.hpp"
#include "daemon/session/replication_tunnel.hpp"
#include "daemon/session/tls_phase.hpp"
#include "daemon/user_places.hpp"
#include "pool/cancel_registry.hpp"
#include "pool/saslprep.hpp"
#include "protocol/authentication.hpp"
#include "protocol/crypto.hpp"
#include "protocol/frame.hpp"
#include "protocol/sqlstate.hpp"

#include <boost/asio/post.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace weir::daemon {

namespace {

namespace sqlstate = protocol::sqlstate;
using auth::exchange;
using insight::login_result;
using protocol::replication_kind;

/// Of those whom one look sees, so that a stranger costs little.
bool most_have_scram(const config::user_secrets& users) {
    constexpr std::size_t looked_at = 100;
    std::size_t seen = 0;
    std::size_t scram = 0;
    for (const auto& [name, secret] : users) {
        if (seen++ == looked_at) break;
        if (secret.kind == config::secret_kind::scram_sha_256) ++scram;
    }
    return scram * 2 > std::min(seen, looked_at);
}

std::uint32_t big_endian(std::string_view four_bytes) {
    std::uint32_t value = 0;
    for (const char byte : four_bytes)
        value = value << 8 | static_cast<unsigned char>(byte);
    return value;
}

}  // namespace

client_phase::time_point login_deadline(client_session& session) {
    const auto limit = session.home().configuration()->listen.client_login_timeout;
    return limit.count() > 0 ? session.connected_at() + limit : client_phase::time_point::max();
}

// With its deadline: after a TLS handshake the session's ticks go on before on_start().
login_phase::login_phase(client_session& session)
    : session_{&session}, deadline_{login_deadline(session)} {}

void login_phase::on_start() {
    session_->home().set_ticking(*session_, true);
    on_input();
}

void login_phase::on_tick(time_point now) {
    if (now < deadline_) return;
    refuse(
        {severity::fatal,
         sqlstate::protocol_violation,
         "login timed out",
         "The client said nothing that completes a login within listen.client_login_timeout.",
         "Send the start-up packet and the password as soon as the connection is open."},
        login_result::timed_out
    );
}

void login_phase::on_drain(drain_call call) {
    if (session_ == nullptr || step_ == step::finished || call == drain_call::first) return;
    refuse(shutting_down(), login_result::shutting_down);
}

void login_phase::on_end(const client_error& why) {
    if (session_ == nullptr) return;
    if (step_ != step::finished) {
        refuse(why, login_result::shutting_down);
    } else if (!session_->is_ending()) {
        session_->close_after_flush(why.message);
    }
}

void login_phase::on_closed(std::string_view) {
    if (session_ != nullptr && step_ != step::finished) {
        session_->home().counters().client_login_ended(login_result::disconnected);
    }
    session_ = nullptr;
}

void login_phase::on_input() {
    while (session_ != nullptr && step_ != step::finished && step_ != step::working) {
        const bool progress =
            step_ == step::awaiting_startup ? read_startup() : read_authentication();
        if (!progress) return;
    }
}

bool login_phase::read_startup() {
    auto& input = session_->input();
    if (is_tls_record(input.unread()) && !asked_for_tls_ && !asked_for_gss_ &&
        session_->tls() == nullptr) {
        begin_direct_tls();
        return false;
    }
    protocol::startup_packet packet;
    const std::error_code error = protocol::parse_startup_packet(input.unread(), packet);
    if (error) {
        const bool version = error == protocol::errc::unsupported_protocol_version;
        client_error reply = protocol_violation(
            "start-up packet of length " +
            std::to_string(static_cast<std::int32_t>(big_endian(input.unread().substr(0, 4)))) +
            ": " + error.message()
        );
        if (version) {
            reply.sqlstate = sqlstate::feature_not_supported;
            reply.message = protocol::unsupported_version_text(packet.protocol_version);
        } else if (error == protocol::errc::missing_user) {
            reply.sqlstate = sqlstate::invalid_authorization_specification;
            reply.message = "no PostgreSQL user name specified in startup packet";
            reply.hint = "The start-up packet must name the user, as in user=app or PGUSER=app.";
        }
        refuse(reply, login_result::malformed);
        return false;
    }
    if (packet.kind == protocol::startup_kind::incomplete) {
        input.want(std::min<std::size_t>(input.unread().size() + 1024, 16 * 1024));
        return false;
    }
    input.consume(packet.size);
    switch (packet.kind) {
        case protocol::startup_kind::incomplete:
            return false;
        case protocol::startup_kind::ssl_request:
        case protocol::startup_kind::gssenc_request:
            return answer_encryption_request(packet.kind);
        case protocol::startup_kind::cancel_request:
            on_cancel_request(packet);
            return false;
        case protocol::startup_kind::startup:
            if (const auto refusal = refusal_by_tls_mode(*session_)) {
                refuse(*refusal, login_result::refused);
                return false;
            }
            on_startup(std::move(packet));
            return true;
    }
    return false;
}

bool login_phase::answer_encryption_request(protocol::startup_kind kind) {
    const bool is_tls = kind == protocol::startup_kind::ssl_request;
    if (std::exchange(is_tls ? asked_for_tls_ : asked_for_gss_, true) ||
        session_->tls() != nullptr) {
        refuse(protocol_violation("encryption was asked for again"), login_result::malformed);
        return false;
    }
    // CVE-2021-3935: what somebody put in between would pass for what the client says in TLS. An
    // honest client waits for the answer.
    if (!session_->input().empty()) {
        refuse(
            protocol_violation("unencrypted data after an encryption request"),
            login_result::malformed
        );
        return false;
    }
    const auto context = is_tls ? tls_offered_to(*session_) : nullptr;
    session_->output().add_copy(context ? "S" : "N");
    if (!session_->flush()) return false;
    if (!context) return true;
    step_ = step::finished;
    session_->enter(client_phase_ptr{new tls_phase(*session_, context, false)});
    return false;
}

void login_phase::begin_direct_tls() {
    step_ = step::finished;
    if (const auto context = tls_offered_to(*session_)) {
        session_->enter(client_phase_ptr{new tls_phase(*session_, context, true)});
        return;
    }
    // Nothing that we can say would be understood.
    worker& home = session_->home();
    home.set_ticking(*session_, false);
    home.counters().client_login_ended(login_result::unsupported);
    log_info(
        "login ended: client={}: direct TLS is not offered: {}",
        session_->endpoint_text(),
        session_->is_unix() ? "the socket is a unix socket" : "listen.tls.mode is disable"
    );
    session_->close("direct TLS is not offered");
}

void login_phase::on_cancel_request(const protocol::startup_packet& packet) {
    step_ = step::finished;
    worker& home = session_->home();
    const auto target = home.shared().cancels.find(packet.process_id, packet.secret_key);
    if (target) home.shared().pass_cancel(*target);
    // No answer, whether the key was right or not: that is the protocol.
    session_->close("cancel request");
}

void login_phase::on_startup(protocol::startup_packet packet) {
    user_ = packet.find("user");
    database_ = packet.find("database");
    worker& home = session_->home();
    if (home.is_drained()) {
        refuse(shutting_down(), login_result::shutting_down);
        return;
    }
    // Who may mend it gets in all the same: the console shows who holds the places. The places
    // beyond the limit are few, and whoever is no administrator is refused after authentication.
    if (session_->is_surplus() && !is_console()) {
        refuse(
            too_many_clients("listen.max_clients", home.configuration()->listen.max_clients),
            login_result::too_many_clients,
            "listen.max_clients is reached"
        );
        return;
    }
    if (!read_replication(packet.parameters)) return;
    if (packet.spoken_version() >= protocol::protocol_version_3_2) session_->use_long_cancel_key();
    if (packet.needs_negotiation()) {
        protocol::write_negotiate_protocol_version(
            session_->output().writable(), packet.spoken_version(), packet.unknown_options
        );
    }
    parameters_ = std::move(packet.parameters);
    authenticate();
}

// In one spelling from here on: what we take it for and what PostgreSQL does must be the same.
bool login_phase::read_replication(protocol::startup_parameters& parameters) {
    const auto given = std::find_if(parameters.begin(), parameters.end(), [](const auto& one) {
        return one.first == "replication";
    });
    if (given == parameters.end()) return true;
    const auto kind = protocol::parse_replication(given->second);
    if (!kind || (*kind != replication_kind::none && is_console())) {
        refuse(
            {severity::fatal,
             sqlstate::invalid_parameter_value,
             "invalid value for parameter \"replication\": \"" + given->second + "\"",
             is_console() ? "The admin console has nothing to replicate." : "",
             "Valid values are: \"false\", 0, \"true\", 1, \"database\"."},
            login_result::malformed
        );
        return false;
    }
    replication_ = *kind;
    if (replication_ == replication_kind::none) {
        parameters.erase(given);
    } else {
        given->second = replication_ == replication_kind::logical ? "database" : "true";
    }
    return true;
}

auth::connection_facts login_phase::connection() const {
    auth::connection_facts facts;
    facts.is_unix = session_->is_unix();
    facts.address = session_->address();
    if (const auto* const tls = session_->tls()) {
        facts.is_tls = true;
        facts.server_end_point = tls->server_end_point();
        if (const auto peer = tls->peer()) {
            facts.certificate = {peer->common_name, peer->distinguished_name, peer->verified};
        }
    }
    facts.system_user = [this] {
        const auto id = session_->peer_user_id();
        return id ? auth::system_user_name(*id) : std::nullopt;
    };
    return facts;
}

void login_phase::authenticate() {
    const auto& configuration = *session_->home().configuration();
    if (is_console() && session_->is_unix() && session_->peer_is_same_user() &&
        (user_ == "pgweir" || user_ == "pgbouncer")) {
        authenticated();
        return;
    }
    // Logical replication belongs to its database, as any client does.
    const bool is_physical = replication_ == replication_kind::physical;
    const auth::login_name login{
        database_,
        user_,
        is_physical,
        !auth::secret_lookup::source_of(configuration, database_).auth_user.empty()};
    const auto choice = auth::choose_method(configuration.auth, connection(), login);
    switch (choice.what) {
        case auth::method_choice::verdict::granted:
            authenticated();
            return;
        case auth::method_choice::verdict::prove:
            begin_exchange(choice.how);
            return;
        case auth::method_choice::verdict::unknown_user:
            refuse_credentials("unknown user");
            return;
        case auth::method_choice::verdict::refused:
            refuse(
                {severity::fatal,
                 sqlstate::invalid_authorization_specification,
                 choice.message,
                 "",
                 choice.hint},
                login_result::refused,
                choice.reason
            );
            return;
    }
}

void login_phase::begin_exchange(auth::proof how) {
    const auto& configuration = *session_->home().configuration();
    auth::exchange_options options;
    options.user = user_;
    options.how = how;
    const auto& users = configuration.auth.users;
    const auto known = users.find(user_);
    // Who stands in the file without a password may have one at the server, as in PgBouncer.
    if (known != users.end() && known->second.kind != config::secret_kind::none) {
        options.secret = known->second;
    }
    options.can_fetch =
        !options.secret && auth::secret_lookup::source_of(configuration, database_).can_be_asked();
    options.strangers_get_scram = configuration.auth.asks_server() || most_have_scram(users);
    options.server_end_point = connection().server_end_point;
    exchange_ = std::make_unique<exchange>(std::move(options), session_->home().shared().users);
    perform(exchange_->begin());
}

void login_phase::perform(exchange::reply reply) {
    session_->output().writable() += reply.output;
    switch (reply.next) {
        case exchange::action::read:
            step_ = step::authenticating;
            session_->flush();
            return;
        case exchange::action::fetch_secret:
        case exchange::action::fetch_anew:
            fetch_secret(reply.next == exchange::action::fetch_anew);
            return;
        case exchange::action::derive_keys:
            derive_keys();
            return;
        case exchange::action::granted:
            authenticated();
            return;
        case exchange::action::refused:
            exchange_refused();
            return;
    }
}

void login_phase::fetch_secret(bool anew) {
    step_ = step::working;
    worker& home = session_->home();
    // Only values travel: this phase lives on its own thread.
    home.shared().secrets.find(
        {home.configuration(), database_, user_, anew},
        [home = &home, id = session_->id()](auth::fetched_secret fetched) {
            home->with_session(id, [fetched = std::move(fetched)](client_session& session) {
                auto* const phase = dynamic_cast<login_phase*>(session.phase());
                if (phase == nullptr || phase->step_ != step::working) return;
                const client_phase_ptr keep{phase};  // the next phase may take its place
                phase->perform(phase->exchange_->on_secret(fetched));
                phase->on_input();
            });
        }
    );
}

void login_phase::derive_keys() {
    step_ = step::working;
    worker& home = session_->home();
    boost::asio::post(
        home.shared().blocking,
        [home = &home, id = session_->id(), work = exchange_->work()]() mutable {
            let_loops_go_first();
            protocol::scram_keys keys;
            const bool failed{
                pool::derive_password_keys(work.password, work.salt, work.iterations, keys)};
            protocol::wipe(work.password);
            home->with_session(id, [failed, keys](client_session& session) {
                auto* const phase = dynamic_cast<login_phase*>(session.phase());
                if (phase == nullptr || phase->step_ != step::working) return;
                const client_phase_ptr keep{phase};  // the next phase may take its place
                phase->perform(phase->exchange_->on_keys(failed ? nullptr : &keys));
                phase->on_input();
            });
        }
    );
}

void login_phase::exchange_refused() {
    switch (exchange_->refusal()) {
        case exchange::refused_for::malformed:
            refuse(protocol_violation(exchange_->reason()), login_result::malformed);
            return;
        case exchange::refused_for::unavailable:
            refuse(
                {severity::fatal,
                 sqlstate::cannot_connect_now,
                 "the password cannot be checked now",
                 "PostgreSQL, which keeps it, gave no answer.",
                 exchange_->hint()},
                login_result::refused,
                exchange_->reason()
            );
            return;
        case exchange::refused_for::bad_credentials:
            break;
    }
    if (exchange_->is_secret_doubtful()) {
        worker& home = session_->home();
        home.shared().secrets.forget(
            auth::secret_lookup::source_of(*home.configuration(), database_), user_
        );
    }
    refuse_credentials(exchange_->reason());
}

bool login_phase::read_authentication() {
    auto& input = session_->input();
    const std::string_view bytes = input.unread();
    protocol::frame_header header;
    switch (protocol::parse_frontend_header(bytes, true, header)) {
        case protocol::header_result::incomplete:
            return false;
        case protocol::header_result::malformed:
            refuse(
                protocol_violation(
                    "expected a password, got message type " +
                    std::to_string(static_cast<unsigned char>(header.type)) + " of length " +
                    std::to_string(header.length)
                ),
                login_result::malformed
            );
            return false;
        case protocol::header_result::complete:
            break;
    }
    if (bytes.size() < header.size()) {
        input.want(header.size());
        return false;
    }
    std::string body{bytes.substr(protocol::frame_header_size, header.body_size())};
    input.consume(header.size());
    if (header.type == 'X') {
        session_->close("the client left during the login");
        return false;
    }
    auto reply = exchange_->on_message(body);
    protocol::wipe(body);  // it may be a password
    perform(std::move(reply));
    return true;
}

void login_phase::authenticated() {
    worker& home = session_->home();
    const auto& configuration = *home.configuration();
    client_session& session = *session_;
    if (is_console()) {
        const auto listed = [&](const std::vector<std::string>& names) {
            return std::find(names.begin(), names.end(), user_) != names.end();
        };
        const bool local = session.is_unix() && session.peer_is_same_user();
        const bool admin = listed(configuration.admin.users) || local;
        if (!admin && !listed(configuration.admin.stats_users)) {
            refuse(
                {severity::fatal,
                 sqlstate::insufficient_privilege,
                 "user \"" + user_ + "\" may not use the admin console",
                 "",
                 "Name the user in admin.users or admin.stats_users, or connect over the unix "
                 "socket as the operating-system user that runs pgweir."},
                login_result::refused,
                "neither in admin.users nor in admin.stats_users"
            );
            return;
        }
        step_ = step::finished;
        home.set_ticking(session, false);
        home.counters().client_login_ended(login_result::ok);
        protocol::write_authentication_ok(session.output().writable());
        session.enter(client_phase_ptr{new console_phase(session, user_, database_, admin)});
        return;
    }
    const auto* const entry = configuration.find_database(database_);
    if (entry == nullptr) {
        refuse(
            login_refused(sqlstate::invalid_catalog_name, user_, database_),
            login_result::unknown_database,
            "unknown database"
        );
        return;
    }
    if (home.shared().pools.is_disabled(database_)) {
        refuse(
            {severity::fatal,
             sqlstate::cannot_connect_now,
             "database \"" + database_ + "\" is disabled",
             "An administrator has disabled it for new clients.",
             "ENABLE at the admin console ends that."},
            login_result::refused,
            "the database is disabled"
        );
        return;
    }
    const auto* const own = configuration.find_user(user_);
    const int limit = own == nullptr ? 0 : own->max_connections;
    auto place = home.shared().places.take(user_, limit);
    if (!place) {
        const std::string name = "users." + user_ + ".max_connections";
        refuse(too_many_clients(name, limit), login_result::too_many_clients, name + " is reached");
        return;
    }
    step_ = step::finished;
    home.set_ticking(session, false);
    const auto learnt = exchange_ ? exchange_->learnt() : pool::learnt_secret{};
    protocol::write_authentication_ok(session.output().writable());
    if (replication_ != replication_kind::none) {
        std::erase_if(parameters_, [](const auto& one) {
            return one.first == "user" || one.first == "database";
        });
        auto pool = home.shared().pools.make_dedicated(
            configuration, *entry, database_, user_, std::move(parameters_), learnt
        );
        session.enter(client_phase_ptr{
            new replication_tunnel(session, std::move(pool), std::move(place))});
        return;
    }
    auto pool = home.shared().pools.find_or_make(configuration, *entry, database_, user_, learnt);
    session.enter(client_phase_ptr{
        new relay(session, std::move(pool), std::move(place), std::move(parameters_))});
}

void login_phase::refuse_credentials(std::string reason) {
    const auto& configuration = *session_->home().configuration();
    if (!is_console() && configuration.find_database(database_) == nullptr) {
        reason += "; unknown database";
    }
    refuse(
        login_refused(sqlstate::invalid_password, user_, database_),
        login_result::bad_credentials,
        reason
    );
}

void login_phase::refuse(
    const client_error& error, insight::login_result result, std::string_view reason
) {
    step_ = step::finished;
    worker& home = session_->home();
    home.set_ticking(*session_, false);
    home.counters().client_login_ended(result);
    home.counters().error_sent(error.sqlstate, insight::error_origin::pgweir);
    const std::string client = session_->endpoint_text();
    if (reason.empty()) {
        log_info("login ended: client={}: {}", client, error.message);
    } else {
        log_warning(
            "login refused: client={} user={} database={}: {}", client, user_, database_, reason
        );
    }
    write_error(session_->output().writable(), error);
    session_->close_after_flush(error.message);
}

}  // namespace weir::daemon

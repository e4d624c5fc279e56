#include "daemon/session/login_phase.hpp"

#include "daemon/console/console_phase.hpp"
#include "daemon/credentials.hpp"
#include "daemon/insight/log.hpp"
#include "daemon/net/worker.hpp"
#include "daemon/pool_directory.hpp"
#include "daemon/session/relay.hpp"
#include "daemon/session/replication_tunnel.hpp"
#include "daemon/user_places.hpp"
#include "pool/cancel_registry.hpp"
#include "protocol/frame.hpp"
#include "protocol/sqlstate.hpp"

#include <boost/asio/post.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace weir::daemon {

namespace {

namespace sqlstate = protocol::sqlstate;
using config::auth_type;
using config::secret_kind;
using insight::login_result;

client_error bad_message(std::string_view what, std::size_t bytes) {
    return protocol_violation(
        std::string{what} + " in a message of type 112 with " + std::to_string(bytes) + " bytes"
    );
}

/// Whether the right password would let a user with such a secret in.
bool can_be_checked(auth_type how, secret_kind kind) {
    switch (kind) {
        case secret_kind::plain:
            return true;
        case secret_kind::md5:
            return how == auth_type::plain || how == auth_type::md5;
        case secret_kind::scram_sha_256:
            return how == auth_type::md5 || how == auth_type::scram_sha_256;
        case secret_kind::none:
            break;
    }
    return false;
}

/// Of the start-up parameter `replication`: "database", or true as PostgreSQL spells it. What is
/// neither true nor false is PostgreSQL's to refuse.
bool is_for_replication(std::string_view value) {
    return !value.empty() && value != "off" && value != "false" && value != "no" && value != "0";
}

std::uint32_t big_endian(std::string_view four_bytes) {
    std::uint32_t value = 0;
    for (const char byte : four_bytes)
        value = value << 8 | static_cast<unsigned char>(byte);
    return value;
}

}  // namespace

login_phase::login_phase(client_session& session) : session_{&session} {}

void login_phase::on_start() {
    const auto limit = session_->home().configuration()->listen.client_login_timeout;
    const auto now = std::chrono::steady_clock::now();
    deadline_ = limit.count() > 0 ? now + limit : time_point::max();
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
    if (session_ != nullptr && call == drain_call::last)
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
    while (session_ != nullptr && step_ != step::finished && step_ != step::deriving_secret) {
        const bool progress =
            step_ == step::awaiting_startup ? read_startup() : read_authentication();
        if (!progress) return;
    }
}

bool login_phase::read_startup() {
    auto& input = session_->input();
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
            if (++encryption_requests_ > 2) {
                refuse(
                    protocol_violation("encryption was asked for again"), login_result::malformed
                );
                return false;
            }
            session_->output().add_copy("N");
            return session_->flush();
        case protocol::startup_kind::cancel_request:
            on_cancel_request(packet);
            return false;
        case protocol::startup_kind::startup:
            on_startup(std::move(packet));
            return true;
    }
    return false;
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
    wants_replication_ = is_for_replication(packet.find("replication"));
    if (packet.spoken_version() >= protocol::protocol_version_3_2) session_->use_long_cancel_key();
    if (packet.needs_negotiation()) {
        protocol::write_negotiate_protocol_version(
            session_->output().writable(), packet.spoken_version(), packet.unknown_options
        );
    }
    parameters_ = std::move(packet.parameters);
    const auto& users = home.configuration()->auth.users;
    if (const auto known = users.find(user_); known != users.end()) secret_ = known->second;
    choose_authentication();
}

void login_phase::choose_authentication() {
    const auto& configuration = *session_->home().configuration();
    if (is_console() && session_->is_unix() && session_->peer_is_same_user() &&
        (user_ == "pgweir" || user_ == "pgbouncer")) {
        authenticated();
        return;
    }
    switch (configuration.auth.type) {
        case auth_type::trust:
            // Without a users file everybody is known; with one, only who is in it.
            if (!configuration.auth.users_file.empty() && !secret_) {
                refuse_credentials();
                return;
            }
            authenticated();
            return;
        case auth_type::plain:
            ask_for_password(auth_type::plain);
            return;
        case auth_type::md5:
            if (secret_ && secret_->kind == secret_kind::scram_sha_256) {
                start_scram();
            } else {
                ask_for_password(auth_type::md5);
            }
            return;
        case auth_type::scram_sha_256:
            start_scram();
            return;
        case auth_type::cert:
        case auth_type::hba:
        case auth_type::any:
            // The configuration refuses these; a client must not get in if that check were ever
            // lost.
            refuse_credentials();
            return;
    }
}

void login_phase::ask_for_password(config::auth_type how) {
    std::string& out = session_->output().writable();
    asks_cleartext_ = how == auth_type::plain;
    if (asks_cleartext_) {
        protocol::write_authentication_cleartext_password(out);
    } else {
        const std::string salt = protocol::random_bytes(salt_.size());
        std::copy(salt.begin(), salt.end(), salt_.begin());
        protocol::write_authentication_md5_password(out, salt_);
    }
    step_ = step::awaiting_password;
    session_->flush();
}

void login_phase::start_scram() {
    const std::array<std::string_view, 1> mechanisms{protocol::scram_sha_256_mechanism};
    protocol::write_authentication_sasl(session_->output().writable(), mechanisms);
    step_ = step::awaiting_sasl_initial;
    session_->flush();
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
    const std::string body{bytes.substr(protocol::frame_header_size, header.body_size())};
    input.consume(header.size());
    if (header.type == 'X') {
        session_->close("the client left during the login");
        return false;
    }
    switch (step_) {
        case step::awaiting_password:
            on_password(body);
            break;
        case step::awaiting_sasl_initial:
            on_sasl_initial(body);
            break;
        case step::awaiting_sasl_response:
            on_sasl_response(body);
            break;
        case step::awaiting_startup:
        case step::deriving_secret:
        case step::finished:
            break;
    }
    return true;
}

void login_phase::on_password(std::string_view body) {
    protocol::password_message message;
    if (protocol::decode(body, message)) {
        refuse(bad_message("password message", body.size()), login_result::malformed);
        return;
    }
    bool right = false;
    if (secret_ && !message.password.empty()) {
        std::string stored = secret_->value;
        if (asks_cleartext_) {
            switch (secret_->kind) {
                case secret_kind::plain:
                    right = protocol::constant_time_equal(stored, message.password);
                    break;
                case secret_kind::md5:
                    right = protocol::constant_time_equal(
                        stored, protocol::md5_password(user_, message.password)
                    );
                    break;
                case secret_kind::scram_sha_256:  // would need PBKDF2 on the loop: use scram
                                                  // instead
                case secret_kind::none:
                    break;
            }
        } else if (secret_->kind == secret_kind::plain || secret_->kind == secret_kind::md5) {
            if (secret_->kind == secret_kind::plain) stored = protocol::md5_password(user_, stored);
            const std::string expected = protocol::md5_response(stored, salt_);
            right = !expected.empty() && protocol::constant_time_equal(expected, message.password);
        }
    }
    if (right) {
        authenticated();
    } else {
        refuse_credentials();
    }
}

void login_phase::on_sasl_initial(std::string_view body) {
    protocol::sasl_initial_response message;
    if (protocol::decode(body, message) || message.mechanism != protocol::scram_sha_256_mechanism) {
        refuse(
            bad_message("SASL mechanism is not SCRAM-SHA-256", body.size()), login_result::malformed
        );
        return;
    }
    sasl_first_ = message.data;
    auto& users = session_->home().shared().users;
    protocol::scram_secret secret;
    if (!secret_ || secret_->kind == secret_kind::none || secret_->kind == secret_kind::md5) {
        continue_scram(users.mock(user_), protocol::scram_account::mock);
    } else if (secret_->kind == secret_kind::scram_sha_256) {
        if (protocol::parse_scram_secret(secret_->value, secret)) {
            continue_scram(users.mock(user_), protocol::scram_account::mock);
        } else {
            continue_scram(std::move(secret), protocol::scram_account::known);
        }
    } else if (auto made = users.derived(user_, secret_->value)) {
        continue_scram(std::move(*made), protocol::scram_account::known);
    } else {
        step_ = step::deriving_secret;
        services& shared = session_->home().shared();
        // Only values travel: this phase lives on its own thread.
        boost::asio::post(
            shared.blocking,
            [&shared,
             home = &session_->home(),
             id = session_->id(),
             user = user_,
             password = secret_->value] {
                protocol::scram_secret derived;
                const auto failed = protocol::derive_scram_secret(
                    password,
                    protocol::random_bytes(protocol::default_scram_salt_size),
                    protocol::default_scram_iterations,
                    derived
                );
                if (!failed) shared.users.remember(user, password, derived);
                home->with_session(id, [failed = bool{failed}, derived](client_session& session) {
                    auto* const phase = dynamic_cast<login_phase*>(session.phase());
                    if (phase == nullptr || phase->step_ != step::deriving_secret) return;
                    phase->continue_scram(
                        derived,
                        failed ? protocol::scram_account::mock : protocol::scram_account::known
                    );
                    phase->on_input();
                });
            }
        );
    }
}

void login_phase::continue_scram(protocol::scram_secret secret, protocol::scram_account account) {
    scram_ = std::make_unique<protocol::scram_server>(
        std::move(secret), account, protocol::make_scram_nonce()
    );
    std::string reply;
    if (scram_->on_client_first(sasl_first_, reply)) {
        refuse(
            bad_message("SCRAM client-first-message", sasl_first_.size()), login_result::malformed
        );
        return;
    }
    protocol::write_authentication_sasl_continue(session_->output().writable(), reply);
    step_ = step::awaiting_sasl_response;
    session_->flush();
}

void login_phase::on_sasl_response(std::string_view body) {
    std::string reply;
    if (scram_->on_client_final(body, reply)) {
        refuse_credentials();
        return;
    }
    protocol::write_authentication_sasl_final(session_->output().writable(), reply);
    authenticated();
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
    protocol::write_authentication_ok(session.output().writable());
    if (wants_replication_) {
        std::erase_if(parameters_, [](const auto& one) {
            return one.first == "user" || one.first == "database";
        });
        auto pool = home.shared().pools.make_dedicated(
            configuration, *entry, database_, user_, std::move(parameters_)
        );
        session.enter(client_phase_ptr{
            new replication_tunnel(session, std::move(pool), std::move(place))});
        return;
    }
    auto pool = home.shared().pools.find_or_make(configuration, *entry, database_, user_);
    session.enter(client_phase_ptr{
        new relay(session, std::move(pool), std::move(place), std::move(parameters_))});
}

void login_phase::refuse_credentials() {
    const auto& configuration = *session_->home().configuration();
    std::string reason = "unknown user";
    if (secret_) {
        reason = can_be_checked(configuration.auth.type, secret_->kind)
                     ? "wrong password"
                     : "the user's secret is of a kind that auth.type cannot check";
    }
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

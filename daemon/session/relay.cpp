#include "daemon/session/relay.hpp"

#include "daemon/cache_databases.hpp"
#include "daemon/insight/log.hpp"
#include "daemon/net/cancel_sender.hpp"
#include "daemon/net/worker.hpp"
#include "protocol/error_fields.hpp"
#include "protocol/sqlstate.hpp"
#include "protocol/status.hpp"
#include "querycache/cache.hpp"

#include <boost/asio/buffer.hpp>

#include <algorithm>
#include <utility>

namespace weir::daemon {

namespace sqlstate = protocol::sqlstate;
using std::chrono::steady_clock;

relay::relay(
    client_session& session,
    std::shared_ptr<pool::pool> pool,
    std::string user,
    std::string database,
    protocol::startup_parameters parameters
)
    : session_{&session},
      pool_{std::move(pool)},
      counters_{session.home().counters().pool(database, user)},
      user_{std::move(user)},
      database_{std::move(database)},
      parameters_{std::move(parameters)} {}

relay::~relay() = default;

std::string_view relay::application() const {
    const auto* const name = settings_.current().find("application_name");
    return name == nullptr ? std::string_view{} : std::string_view{name->value};
}

// --- greeting ---

void relay::on_start() {
    for (const auto& [name, value] : parameters_) {
        if (const auto error = settings_.on_startup(name, value)) {
            fatal(
                {severity::fatal,
                 sqlstate::invalid_parameter_value,
                 "start-up parameter \"" + name + "\": " + error.message(),
                 "",
                 "Parameters are name and value; options may hold -c name=value and --name=value."}
            );
            return;
        }
    }
    parameters_ = {};
    greet();
}

bool relay::needs_server_to_greet() const {
    const auto greeting = pool_->greeting();
    if (!greeting) return true;
    // A value that the server has by default needs no proof; any other might be refused, or spelt
    // differently.
    for (const auto& wanted : settings_.current().all()) {
        if (wanted.name == "application_name") continue;
        const auto known =
            std::find_if(greeting->begin(), greeting->end(), [&](const auto& status) {
                return std::equal(
                    status.first.begin(),
                    status.first.end(),
                    wanted.name.begin(),
                    wanted.name.end(),
                    [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; }
                );
            });
        if (known == greeting->end() || known->second != wanted.value) return true;
    }
    return false;
}

void relay::greet() {
    if (!needs_server_to_greet()) {
        send_greeting();
        return;
    }
    if (auto server = pool_->acquire(home().loop(), this, steady_clock::now(), ticket_)) {
        on_lease(std::move(server));
    }
}

void relay::send_greeting() {
    const auto greeting = pool_->greeting();
    std::string& out = session_->output().writable();
    bool told_application = false;
    for (const auto& [name, value] : *greeting) {
        std::string_view shown = value;
        if (name == "application_name") {
            shown = application();
            told_application = true;
        } else if (server_) {
            // This client's own settings are applied there: what the server reports now is true for
            // it.
            if (const auto* now = server_->session().settings.reported(name)) shown = *now;
        } else if (const auto* own = settings_.current().find(name)) {
            shown = own->value;
        }
        protocol::write_parameter_status(out, name, shown);
    }
    if (!told_application) protocol::write_parameter_status(out, "application_name", application());
    key_ = home().shared().cancels.add(home().index(), session_->id());
    const std::uint32_t secret = key_.secret_key();
    const char bytes[4] = {
        static_cast<char>(secret >> 24),
        static_cast<char>(secret >> 16),
        static_cast<char>(secret >> 8),
        static_cast<char>(secret)};
    protocol::write_backend_key_data(out, key_.process_id(), {bytes, 4});
    protocol::write_ready_for_query(out, 'I');
    state_ = server_ ? state::linked : state::idle;
    counters_.client_logged_in();
    home().counters().client_login_ended(insight::login_result::ok);
    log_debug(
        "client logged in: client={} user={} database={}",
        session_->endpoint_text(),
        user_,
        database_
    );
    adopt_cache();
    if (server_) {
        maybe_release();
        if (session_ == nullptr) return;
    }
    if (session_->flush()) process();
}

// --- the cache of this client's database ---

void relay::adopt_cache() {
    if (session_ == nullptr || state_ == state::greeting) return;
    services& shared = home().shared();
    auto* const known = shared.cached.find(database_, *home().configuration(), pool_->target());
    if (cache_ && cache_->database() == known) return;
    if (cache_) {
        // The name leads to another database now (failover, DROP and CREATE): what is marked in the
        // old one is settled.
        settle(cache_->on_server_lost());
        capture_.reset();
        cache_.reset();
    }
    if (known == nullptr) return;
    cache_.emplace(shared.cache, home().bindings());
    cache_->set_identity(*known, database_, user_, application());
    refresh_cache_settings();
    if (server_ && !server_->pipeline().is_idle()) {
        // What this transaction has written before nobody watched is not known: it may be anything,
        // and it is settled with the last reply that is owed.
        const auto& pipeline = server_->pipeline();
        for (std::size_t i = 0; i < pipeline.size(); ++i) {
            const auto kind = pipeline.at(i).kind;
            if (kind == protocol::request_kind::sync || kind == protocol::request_kind::query ||
                kind == protocol::request_kind::function_call) {
                cache_->end_of_cycle();
            }
        }
        (void)cache_->begin_statement(
            unknown_extended(), text_facts{}.context(std::nullopt), steady_clock::now()
        );
    }
}

void relay::refresh_cache_settings() {
    if (!cache_) return;
    std::string signature;
    settings_.current().append_canonical(signature);
    cached_settings_ = settings_.current();
    cached_uncertain_ = settings_.is_uncertain();
    // What decides to which relation a name leads, or as whom, is not keyed: such sessions are not
    // served.
    bool understood = !settings_.is_uncertain();
    for (const auto& one : settings_.current().all()) {
        if (one.name == "search_path" || one.name == "role" ||
            one.name == "session_authorization" || one.name == "standard_conforming_strings" ||
            one.name == "row_security" || one.name == "transform_null_equals") {
            understood = false;
        }
        if (one.name == "client_encoding" && one.value != "UTF8" && one.value != "utf8" &&
            one.value != "UTF-8" && one.value != "utf-8") {
            understood = false;  // other encodings may hide quotes from the lexer
        }
    }
    cache_->set_settings(signature, understood);
}

void relay::settle(const querycache::settlement& settlement) {
    if (settlement.catalog_changed || settlement.catalog_suspect) {
        home().shared().cached.refresh(database_, settlement.catalog_changed);
    }
}

// --- servers ---

void relay::on_lease(pool::server_ptr server) {
    const client_phase_ptr keep{this};
    ticket_ = 0;
    if (session_ == nullptr || session_->is_ending()) {
        pool_->release(std::move(server), {pool::release_action::idle, ""}, steady_clock::now());
        return;
    }
    if (server->is_closed()) {
        // It died on its way here: back into the queue.
        if (auto other = pool_->acquire(home().loop(), this, steady_clock::now(), ticket_)) {
            on_lease(std::move(other));
        }
        return;
    }
    link(std::move(server));
    if (session_ != nullptr && state_ != state::greeting) process();
}

void relay::link(pool::server_ptr server) {
    server_ = std::move(server);
    counters_.server_assigned();
    lease_ = server_->cancels().begin_lease();
    if (state_ == state::waiting) {
        unit_.wait = steady_clock::now() - unit_.started;
        counters_.client_waited(unit_.wait);
    }
    const bool greeting = state_ == state::greeting;
    if (!greeting) state_ = state::linked;
    server_->link(*this);
    send_settings();
    if (greeting && session_ != nullptr && !applying_settings_) send_greeting();
}

void relay::send_settings() {
    std::string sql;
    const auto gap = settings_.difference(server_->session().settings, sql);
    if (gap == pool::settings_gap::none) {
        settings_.applied(server_->session().settings);
        return;
    }
    protocol::write_query(server_->output().writable(), sql);
    server_->session().unnamed_statement = 0;
    (void)server_->pipeline().push(
        {protocol::request_kind::query, protocol::reply_action::swallow, 0}
    );
    applying_settings_ = true;
    hold_for_settings_ = gap == pool::settings_gap::wait || state_ == state::greeting;
    if (hold_for_settings_) server_->flush();
}

void relay::settings_applied() {
    applying_settings_ = false;
    hold_for_settings_ = false;
    settings_.applied(server_->session().settings);
    if (state_ == state::greeting) send_greeting();
}

void relay::settings_failed(std::string_view body) {
    protocol::error_fields fields;
    (void)protocol::decode(body, fields);
    fatal(
        {severity::fatal,
         sqlstate::invalid_parameter_value,
         "a setting of this session could not be applied to the server: " + fields.message,
         fields.detail,
         "Check the connection's options and the SET statements of the application."}
    );
}

void relay::on_lease_failed(const pool::lease_error& error) {
    const client_phase_ptr keep{this};
    ticket_ = 0;
    if (session_ == nullptr || session_->is_ending()) return;
    if (state_ == state::greeting) {
        fatal(make_error(severity::fatal, error));
        return;
    }
    state_ = state::idle;
    drop_query();
    fail_statement(make_error(severity::error, error));
}

// The unit that waits in the input is refused; the session lives on.
void relay::fail_statement(const client_error& error) {
    log_info(
        "statement refused: client={} user={} database={}: {}",
        session_->endpoint_text(),
        user_,
        database_,
        error.message
    );
    home().counters().error_sent(error.sqlstate, insight::error_origin::pgweir);
    write_error(session_->output().writable(), error);
    skipping_ = true;
    process();
}

void relay::maybe_release() {
    if (!server_ || state_ != state::linked || !is_transaction_mode()) return;
    if (!server_->pipeline().is_idle() || applying_settings_ || request_rest_ > 0) return;
    if (is_pinned()) return;
    release();
}

void relay::release() {
    const auto now = steady_clock::now();
    pool::server_ptr server = std::move(server_);
    server->cancels().end_lease();
    pool::server_facts facts;
    facts.transaction_status = server->pipeline().transaction_status();
    facts.replies_owed = server->pipeline().size();
    facts.everything_sent = server->output().empty();
    facts.everything_delivered = server->input().empty();
    facts.copy_open = server->pipeline().in_copy();
    facts.protocol_error = server->pipeline().is_doubtful() ||
                           server->pipeline().state() == protocol::pipeline_state::out_of_sync ||
                           server->pipeline().awaits_sync() || reply_rest_ > 0 || request_rest_ > 0;
    facts.always_reset = !is_transaction_mode();
    facts.cancels_in_flight = server->cancels().in_flight();
    facts.left = left_ | dirt_;
    if (settings_.is_uncertain()) facts.left |= pool::left_behind::settings_uncertain;
    settings_.end_lease(server->session().settings);
    left_ = pool::left_behind::nothing;
    dirt_ = pool::left_behind::nothing;
    if (state_ == state::linked) state_ = state::idle;
    server->unlink();
    pool_->release(std::move(server), pool::reusable(facts), now);
}

// The client is gone in the middle of something: PostgreSQL is asked to stop, and the server is not
// used again.
void relay::abandon_server() {
    pool::server_ptr server = std::move(server_);
    server->cancels().end_lease();
    server->abandon();
    if (server->pipeline().empty()) {
        server->hang_up();
    } else {
        send_cancel(home().loop(), *server, [server] { server->hang_up(); });
    }
}

void relay::on_server_lost(pool::server_connection&, std::string_view reason) {
    const client_phase_ptr keep{this};
    if (session_ == nullptr) return;
    server_.reset();
    if (cache_) settle(cache_->on_server_lost());
    capture_.reset();
    if (told_fatal_) {
        session_->close_after_flush("PostgreSQL ended the session");
        return;
    }
    fatal(
        {severity::fatal,
         sqlstate::connection_failure,
         "the connection to PostgreSQL was lost",
         std::string{reason},
         "The outcome of a statement that was running is not known. Connect again; new servers are "
         "opened as soon as PostgreSQL accepts them."}
    );
}

// One ReadyForQuery that the client asked for: a query group of the statistics, as PgBouncer counts
// them.
void relay::finish_query() {
    const auto now = steady_clock::now();
    insight::query_event event;
    event.kind = unit_.statement ? unit_.statement->kind : insight::query_kind::unknown;
    event.cache = unit_.cache;
    event.total = now - unit_.started;
    event.wait = unit_.wait;
    if (unit_.sent != time_point{}) event.server = now - unit_.sent;
    event.rows = unit_.rows;
    event.bytes = unit_.reply_bytes;
    std::string client;
    std::string request_id;
    home().observer().query_finished(counters_, event, [&] {
        insight::slow_query_texts texts;
        client = session_->endpoint_text();
        if (unit_.statement) {
            texts.query = unit_.statement->normalised;
            texts.fingerprint = unit_.statement->fingerprint;
        }
        texts.application = application();
        texts.client = client;
        texts.rule = unit_.rule;
        texts.sqlstate = unit_.sqlstate;
        request_id = next_request_id();
        texts.request_id = request_id;
        return texts;
    });
    if (server_ && server_->pipeline().transaction_status() == 'I') {
        counters_.transaction_finished(now - unit_.transaction_started);
        unit_.in_transaction = false;
    }
    unit_.wait = {};
    unit_.sent = {};
    unit_.is_open = false;
    unit_.cache = insight::cache_outcome::none;
    unit_.rule = {};
    unit_.reply_bytes = 0;
    unit_.rows = 0;
    unit_.sqlstate.clear();
}

// Unique while the daemon runs: the client's number and the count of its slow statements.
std::string relay::next_request_id() {
    return std::to_string(session_->id()) + "-" + std::to_string(++slow_statements_);
}

// A shape that ends with Sync, for statements of which nothing more is known.
querycache::request relay::unknown_extended() {
    querycache::request request;
    request.shape = querycache::reply_shape::extended;
    return request;
}

// What was begun needed no server and is no query of the statistics.
void relay::drop_query() {
    unit_.is_open = false;
    unit_.in_transaction = false;
}

void relay::open_query(time_point now) {
    if (unit_.is_open) return;
    unit_.is_open = true;
    unit_.started = now;
    if (!unit_.in_transaction) {
        unit_.in_transaction = true;
        unit_.transaction_started = now;
    }
}

// --- the end ---

void relay::fatal(const client_error& error) {
    if (session_ == nullptr || session_->is_ending()) return;
    if (ticket_ != 0) {
        pool_->cancel_wait(ticket_);
        ticket_ = 0;
    }
    home().counters().error_sent(error.sqlstate, insight::error_origin::pgweir);
    log_info(
        "client closed: client={} user={} database={}: {}{}{}",
        session_->endpoint_text(),
        user_,
        database_,
        error.message,
        error.detail.empty() ? "" : ": ",
        error.detail
    );
    write_error(session_->output().writable(), error);
    session_->close_after_flush(error.message);
    if (server_) {
        if (server_->pipeline().is_idle() && server_->output().empty()) {
            release();
        } else {
            abandon_server();
        }
    }
}

void relay::on_closed(std::string_view) {
    const client_phase_ptr keep{this};
    if (state_ == state::greeting) {
        home().counters().client_login_ended(insight::login_result::disconnected);
    }
    if (ticket_ != 0) {
        pool_->cancel_wait(ticket_);
        ticket_ = 0;
    }
    key_.reset();
    if (server_) {
        if (server_->pipeline().is_idle() && server_->output().empty() && request_rest_ == 0) {
            release();
        } else {
            if (cache_) settle(cache_->on_server_lost());
            abandon_server();
        }
    }
    capture_.reset();
    cache_.reset();
    state_ = state::closed;
    session_ = nullptr;
}

void relay::on_cancel() {
    if (session_ == nullptr) return;
    if (state_ == state::waiting) {
        if (!pool_->cancel_wait(ticket_))
            return;  // a server is on its way: too late, as with PostgreSQL
        ticket_ = 0;
        state_ = state::idle;
        drop_query();
        fail_statement(
            {severity::error,
             sqlstate::query_canceled,
             "canceling statement due to user request",
             "The statement was still waiting for a server.",
             ""}
        );
        return;
    }
    if (!server_ || server_->pipeline().empty()) return;
    if (!server_->cancels().begin(lease_)) return;
    pool::server_ptr target = server_;
    send_cancel(home().loop(), *target, [target, pool = pool_] {
        if (target->cancels().finish()) pool->unpark(target, steady_clock::now());
    });
}

void relay::on_drain() {
    if (session_ == nullptr) return;
    leaving_ = true;
    if (state_ == state::idle || state_ == state::greeting || state_ == state::waiting) {
        fatal(shutting_down());
    } else if (server_ && server_->pipeline().is_idle()) {
        fatal(shutting_down());
    }
}

bool relay::wants_input() const {
    if (server_ && server_->is_write_blocked()) return false;
    return session_ != nullptr;
}

void relay::on_writable() {
    if (server_) server_->resume_reading();
    if (session_ != nullptr) process();
}

void relay::on_server_writable(pool::server_connection&) {
    const client_phase_ptr keep{this};
    process();
    if (session_ != nullptr) session_->resume_reading();
}

void relay::on_facts(std::uint64_t ticket, std::shared_ptr<const void> facts) {
    if (session_ == nullptr || ticket != facts_ticket_) return;
    facts_ticket_ = 0;
    facts_arrived_ = std::static_pointer_cast<const querycache::sql::statement>(facts);
    process();
    if (session_ != nullptr) session_->resume_reading();
}

}  // namespace weir::daemon

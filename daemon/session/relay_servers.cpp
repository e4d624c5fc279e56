// How the relay comes to a server, fits it to its client and gives it away again.

#include "daemon/insight/log.hpp"
#include "daemon/net/cancel_sender.hpp"
#include "daemon/net/worker.hpp"
#include "daemon/pool_directory.hpp"
#include "daemon/session/database_code.hpp"
#include "daemon/session/relay.hpp"
#include "daemon/session/shown_value.hpp"
#include "pool/connect_errors.hpp"
#include "pool/errc.hpp"
#include "protocol/ascii.hpp"
#include "protocol/error_fields.hpp"
#include "protocol/sqlstate.hpp"
#include "querycache/sql/lexed_statement.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace weir::daemon {

namespace sqlstate = protocol::sqlstate;
using std::chrono::steady_clock;

namespace {

// Settings are kept and sent in lower case; PostgreSQL would have named the one that it does not
// know as the start-up packet wrote it.
std::string as_written(std::string message, const protocol::startup_parameters& parameters) {
    for (const auto& [name, value] : parameters) {
        const auto at = message.find('"' + protocol::ascii_lower(name) + '"');
        if (at != std::string::npos) message.replace(at + 1, name.size(), name);
    }
    return message;
}

// The role that a connect_query leaves to the server's clients, as far as its text tells: SET ROLE
// in it, else what was there before.
void take_role_of(std::string_view connect_query, session_inventory::authority& as) {
    const auto statement = querycache::sql::lex_statement(connect_query);
    for (const auto& did : statement->steps) {
        if (did.setting.name == "session_authorization") as.default_role = "none";
        if (did.setting.name != "role") continue;
        const std::string& written = did.setting.value_sql;
        as.default_role = did.setting.is_raw ? written : shown_role(written);
    }
}

// Messages that a server is asked for.
constexpr std::string_view statement_types = "QFPBDEC";

bool holds_whole_statement(std::string_view bytes) {
    protocol::frame_header header;
    return protocol::parse_frontend_header(bytes, false, header) ==
               protocol::header_result::complete &&
           bytes.size() >= header.size() &&
           statement_types.find(header.type) != std::string_view::npos;
}

}  // namespace

relay::step relay::acquire() {
    if (auto server = pool_->acquire(home().loop(), this, steady_clock::now(), ticket_)) {
        link(std::move(server));
        return session_ == nullptr ? step::ended : step::done;
    }
    state_ = state::waiting;
    start_ticking();
    return step::blocked;
}

// --- servers ---

void relay::on_lease(pool::server_ptr server) {
    const client_phase_ptr keep{this};
    ticket_ = 0;
    if (session_ == nullptr || session_->is_ending()) {
        pool_->release(std::move(server), {pool::release_action::idle, ""}, steady_clock::now());
        return;
    }
    if (state_ == state::waiting && std::exchange(cancel_is_held_, false)) {
        pool_->release(std::move(server), {pool::release_action::idle, ""}, steady_clock::now());
        fail_statement(canceled_while_waiting());
        return;
    }
    link(std::move(server));
    if (session_ != nullptr && state_ != state::greeting) process();
}

void relay::on_put_back(pool::waiting_ticket ticket) {
    if (session_ == nullptr || session_->is_ending()) {
        pool_->cancel_wait(ticket);
        return;
    }
    if (noticed_ == ticket_) noticed_ = ticket;  // the same wait
    ticket_ = ticket;
    if (std::exchange(cancel_is_held_, false)) on_cancel();
}

void relay::link(pool::server_ptr server) {
    server_ = std::move(server);
    texts_.begin_lease();
    traces_.forget();
    sequences_.begin_lease();
    asked_shape_ = 0;
    cancel_is_held_ = is_overdue_ = false;
    counters_.server_assigned();
    counted_to_server_ = server_->output().added();
    lease_ = server_->cancels().begin_lease();
    if (state_ == state::waiting) {
        counters_.client_waited(account_.waited(steady_clock::now()));
    }
    const bool greeting = state_ == state::greeting;
    if (!greeting) state_ = state::linked;
    server_->link(*this);
    send_settings();
    if (greeting && session_ != nullptr && !effects_.is_applying()) send_greeting();
}

void relay::send_own_query(std::string_view sql) {
    protocol::write_query(server_->output().writable(), sql);
    server_->session().unnamed_statement = 0;
    (void)server_->pipeline().push(
        {protocol::request_kind::query, protocol::reply_action::swallow, tag_none}
    );
}

void relay::send_settings() {
    std::string sql{sequences_to_discard()};
    const bool greets = state_ == state::greeting;
    if (!effects_.begin_lease(server_->session().settings, greets, sql)) return;
    send_own_query(sql);
    if (effects_.is_applying_alone()) server_->flush();
}

void relay::settings_applied() {
    const bool greets = state_ == state::greeting;
    const pool::settings asked = greets ? effects_.settings().current() : pool::settings{};
    effects_.on_applied(server_->session().settings);
    if (!greets) return;
    pool_->accepted().add(asked, effects_.settings().current());
    send_greeting();
}

// ReadyForQuery behind a RESET: it waits until the start-up values are back.
bool relay::restores_first(const protocol::reply_verdict& verdict) {
    auto& pipeline = server_->pipeline();
    if (!effects_.awaits_restoring() || !pipeline.empty()) return false;
    const std::string sql = effects_.restore(pipeline.transaction_status(), !is_transaction_mode());
    if (sql.empty()) return false;
    send_own_query(sql);
    server_->flush();
    resolve_ended(verdict);
    return true;
}

void relay::settings_restored() {
    const char status = server_->pipeline().transaction_status();
    std::string& out = session_->output().writable();
    effects_.on_restored(status, server_->session().settings, out);
    if (cache_ && status == 'I') check_looks();
    cancel_is_held_ = false;  // it was meant for the RESET, which has ended
    protocol::write_ready_for_query(out, status);
}

// A query of our own was answered. False: the server is somebody else's or gone.
bool relay::after_own_query() {
    const bool was_look = effects_.is_looking() || effects_.is_regaining();
    const bool was_held = effects_.is_applying_alone();
    const bool was_telling = effects_.is_telling_names();
    if (was_telling) {
        if (!server_->pipeline().empty()) return true;  // a ReadyForQuery each
        effects_.end_names();
    } else if (effects_.is_looking()) {
        end_look();
        if (effects_.is_regaining()) return true;
    } else if (effects_.is_probing_locks()) {
        if (!end_lock_probe()) return false;
        if (effects_.is_probing_locks()) return true;
    } else if (effects_.is_applying()) {
        settings_applied();
    }
    if (session_ == nullptr) return false;
    const bool is_canceled = std::exchange(cancel_is_held_, false);
    if (is_canceled && !was_held) on_cancel();
    // The statement that waited for our own may ask for this server.
    const bool is_wanted =
        !is_canceled && !was_look && holds_whole_statement(session_->input().unread());
    if ((is_canceled || was_look || !was_held) && !is_wanted) maybe_release();
    // Not a byte of the statement was sent. Behind a look there may be none, or the rest of a COPY.
    if (is_canceled && was_held && !server_ && (!was_look || has_statement_waiting())) {
        fail_statement(canceled_by());
        return false;
    }
    if (is_canceled && was_telling) {  // nor here, where the server stays
        const std::string_view bytes = session_->input().unread();
        protocol::frame_header header;
        (void)protocol::parse_frontend_header(bytes, false, header);
        if (header.type == 'Q') {
            refuse_query(canceled_by());
        } else {
            refuse_in_stream(canceled_by(), header.type == 'P');
        }
        session_->input().consume(std::min(bytes.size(), header.size()));
    }
    if (leaving_ && !account_.is_open() && (!server_ || server_->pipeline().is_idle())) {
        fatal(shutting_down());
        return false;
    }
    return server_ != nullptr;
}

bool relay::has_statement_waiting() const {
    const std::string_view bytes = session_->input().unread();
    return !bytes.empty() && statement_types.find(bytes.front()) != std::string_view::npos;
}

// What the code of this client's database may leave behind.
database_code& relay::code_here() {
    database_code& code = home().code().of(pool_.get());
    const auto& database = server_->session().target;
    const auto changes = home().shared().code_changes.load(std::memory_order_relaxed);
    if (!code.is_of(database.get(), changes)) code.adopt(database, changes);
    return code;
}

void relay::note_sent(const text_facts& facts, change_tag tag, std::string_view text) {
    effects_.on_sent(facts, tag);
    schemas_.on_sent(facts, tag);
    using querycache::sql::session_effect;
    if (facts.statement && has(facts.statement->effects, session_effect::session_defaults)) {
        defaults_asked_ = true;
    }
    if (facts.statement && has(facts.statement->effects, session_effect::empties_database)) {
        leave_databases(*facts.statement);
    }
    if (!is_transaction_mode()) return;
    // What functions do may have changed since: then nothing is trusted.
    database_code& code = code_here();
    const auto trusted = traces_.on_sent(facts, pool_.get(), home().harmless(), code, text);
    if (trusted && code.is_due(steady_clock::now())) traces_.doubt(*trusted);
}

// The next session shall begin with them, whichever server it gets.
void relay::retire_servers() {
    defaults_change_ = defaults_asked_ = false;
    const auto here = pool_->target();
    for (const auto& one : home().shared().pools.all()) {
        if (one->target()->addresses == here->addresses) one->retire_all();
    }
}

// PostgreSQL refuses such a statement while anybody is connected to the database, and waits some
// seconds for them to go: idle servers go, and those that are lent go when they come back.
void relay::leave_databases(const querycache::sql::statement& statement) {
    const auto here = pool_->target();
    for (const auto& one : home().shared().pools.all()) {
        const auto there = one->target();
        const bool is_named = std::ranges::any_of(statement.steps, [&](const auto& did) {
            return has(did.effects, querycache::sql::session_effect::empties_database) &&
                   did.name == there->database;
        });
        if (is_named && there->addresses == here->addresses) one->retire_all();
    }
}

// The client has its answer; only its next statement waits for this one.
void relay::look_for_traces() {
    effects_.begin_look();
    database_code& code = code_here();
    const auto now = steady_clock::now();
    const bool reads_catalog = code.is_due(now);
    if (reads_catalog) code.on_asked(now);
    const auto* const version = server_->session().settings.reported("server_version");
    const bool has_sql_bodies = version != nullptr && std::atoi(version->c_str()) >= 14;
    send_own_query(
        traces_.question(code, reads_catalog, has_sql_bodies, effects_.settings().current())
    );
    server_->flush();
}

// Once a minute at most: end_look() puts the next reading off for so long.
void relay::tell_of_failed_look(std::string_view error) {
    if (!code_here().is_due(steady_clock::now())) return;
    protocol::error_fields fields;
    (void)protocol::decode(error, fields);
    log_warning(
        "PostgreSQL does not tell what code may leave in a session: database={} user={}: {}. Each "
        "statement that may run code costs a look at its server until it does; it is asked again "
        "in a minute. The user needs to read pg_proc and its kin, within five seconds.",
        database(),
        user(),
        fields.message
    );
}

// True: one more look has to be asked for all names, and for settings: reading the catalog has
// changed one of them.
bool relay::learn_names(session_inventory& found) {
    database_code& code = code_here();
    code.on_newest(found.newest_function);
    const auto now = steady_clock::now();
    const bool was_reading = found.catalog.has_value();
    if (was_reading) {
        found.settings.clear();
        if (code.on_read(std::move(*found.catalog), now)) home().harmless().learn_anew();
    }
    for (auto& one : found.placeholders) {
        one.by_default = code.default_of(one.name);
        if (!one.value.empty() && one.value != one.by_default) code.on_set(one.name);
    }
    return was_reading || code.is_due(now);
}

// The client leaves in the middle of a look. What that tells about code is still news; the server
// is wiped, or had nothing to hide.
std::function<void(char type, std::string_view body)> relay::learn_later() {
    auto rest = std::make_shared<unseen_traces>(std::exchange(traces_, {}));
    return [rest, &here = home(), key = pool_.get(), database = pool_->target()](
               char type, std::string_view body
           ) {
        if (type == 'D') rest->on_row(body);
        if (type != 'Z') return;
        database_code& code = here.code().of(key);
        if (!code.is_of(database.get(), code.changes())) return;
        auto found = rest->take();
        const auto now = steady_clock::now();
        if (!found) {
            code.on_read_failed(now);
        } else if (found->catalog && code.on_read(std::move(*found->catalog), now)) {
            here.harmless().learn_anew();
        }
    };
}

void relay::end_look() {
    const bool is_for_code_alone = !traces_.may_be_there();
    auto found = traces_.take();
    if (!found) {
        code_here().on_read_failed(steady_clock::now());
        if (is_for_code_alone) {
            effects_.end_look();
        } else {
            effects_.on_look_failed();
        }
        return;
    }
    const bool has_to_look_again = learn_names(*found);
    // What it has set looks as if a client's statement had: nobody can tell the two apart.
    const std::string& connect_query = server_->session().target->connect_query;
    if (!connect_query.empty()) {
        found->settings.clear();
        found->unset.clear();
        found->placeholders.clear();
        take_role_of(connect_query, *found->as);
    }
    const auto before = effects_.pins();
    const bool was_pinned = effects_.is_pinned();
    const bool have_left_something = effects_.on_looked(*found, server_->session().settings);
    traces_.on_pinned(pool::without(effects_.pins(), before));
    // What was there before hides what came to it.
    if (!have_left_something && (was_pinned || has_to_look_again)) traces_.learn_nothing();
    traces_.settle(have_left_something, home().harmless());
    if (was_pinned || has_to_look_again) traces_.look_again();
    // The next statement may not be answered as if nothing had changed.
    if (cache_ && !cached_.are(effects_.settings())) refresh_cache_settings();
    std::string sql;
    if (!effects_.begin_regain(server_->session().settings, sql)) return;
    send_own_query(sql);
    server_->flush();
}

// After a COPY that failed, one more ReadyForQuery may come or not. An answer to us ends the doubt,
// so that the server can go to other clients while this one is idle.
void relay::end_doubt() {
    const auto& pipeline = server_->pipeline();
    if (!pipeline.is_doubtful() || !pipeline.empty() || pipeline.transaction_status() != 'I') {
        return;
    }
    send_own_query("");
    server_->flush();
}

void relay::settings_failed(std::string_view body) {
    protocol::error_fields fields;  // longer than the error that looks at its code
    (void)protocol::decode(body, fields);
    if (effects_.is_plain()) {
        fatal(
            {severity::fatal,
             sqlstate::connection_failure,
             "DISCARD SEQUENCES failed on the server: " + fields.message,
             fields.detail,
             "The session ends, as currval() might have told it of another client's value. Connect "
             "again."}
        );
        return;
    }
    fatal(
        {severity::fatal,
         fields.code.empty() ? sqlstate::invalid_parameter_value : std::string_view{fields.code},
         "a setting of this session could not be applied to the server: " +
             as_written(fields.message, parameters_),
         fields.detail,
         "The session ends, as its statements would run with other settings than its own. Look at "
         "the connection's options and the application's SET statements, and whether a role or an "
         "extension that they name was dropped since."}
    );
}

void relay::on_lease_failed(const pool::lease_error& error) {
    const client_phase_ptr keep{this};
    ticket_ = 0;
    cancel_is_held_ = false;
    if (session_ == nullptr || session_->is_ending()) return;
    if (state_ == state::greeting) {
        fatal(make_error(severity::fatal, error));
        return;
    }
    // Who was refused gets nothing, either, while nobody is there to refuse him again.
    if (pool::is_outage(error) && !pool_->is_refused() && answer_stale()) return;
    // In an outage it would be every statement of every client: the pool's own lines tell how many.
    if (error.cause == pool::errc::wait_timeout || error.cause == pool::errc::pool_paused) {
        log_info(
            "statement refused: client={} user={} database={}: {}",
            session_->endpoint_text(),
            user(),
            database(),
            error.message
        );
    }
    fail_statement(make_error(severity::error, error));
}

// The unit that waits in the input is refused; the session lives on.
void relay::fail_statement(const client_error& error) {
    // Nobody is to wait for a server one after the other.
    flight_.land(querycache::landing::go_alone);
    fail_query_under_way(error.sqlstate);
    state_ = state::idle;
    home().counters().error_sent(error.sqlstate, insight::error_origin::pgweir);
    write_error(session_->output().writable(), error);
    const char first = session_->input().unread().front();  // nobody waits without a message
    skip_ = first == 'Q' || first == 'F' ? skipping::one_message : skipping::up_to_sync;
    process();
}

void relay::maybe_release() {
    if (!server_ || state_ != state::linked || !is_transaction_mode()) return;
    if (!server_->pipeline().is_idle() || effects_.is_applying() || request_rest_ > 0) return;
    if (traces_.take_code_change()) ++home().shared().code_changes;
    const auto pins = effects_.pins();
    const bool may_end = (pins & traces_.may_have_ended()) != pool::left_behind::nothing;
    const bool is_pinned = effects_.is_pinned();
    if (may_end || (traces_.may_be_there() && !is_pinned)) return look_for_traces();
    if (is_pinned) return traces_.learn_nothing();
    if (hears_more()) return;
    const auto now = steady_clock::now();
    // Also of those who only read: a view may run code that was made since.
    if (code_here().has_to_be_renewed(now)) return look_for_traces();
    // Of what is answered by nothing (CopyData behind a failed COPY) something may still be here.
    if (!server_->output().empty() && server_->flush() == pool::output_queue::result::failed)
        return;
    release(now);
}

// Behind the answer, and with it, a notice or the like has come. It is no answer, so the server is
// as good as before once it is read; of anything else release() thinks the worst.
bool relay::hears_more() const {
    const std::string_view bytes = server_->input().unread();
    protocol::frame_header header;
    return protocol::parse_backend_header(bytes, header) == protocol::header_result::complete &&
           bytes.size() >= header.size() &&
           std::string_view{"NSA"}.find(header.type) != std::string_view::npos;
}

// Nothing of the client's is under way. A look may be: its answer is read by whoever wipes the
// server.
bool relay::may_give_back() const {
    const auto& pipeline = server_->pipeline();
    const bool is_done =
        effects_.is_looking() ? pipeline.size() == 1 && reply_rest_ == 0 : pipeline.is_idle();
    return is_done && server_->output().empty() && request_rest_ == 0;
}

void relay::release(time_point now) {
    const bool is_looking = effects_.is_looking();
    if (is_looking && !traces_.may_be_there()) {
        effects_.end_look();
    } else if (is_looking) {
        effects_.on_look_failed();
    }
    const bool has_moved = is_on_old_place();
    note_server_left(now);
    pool::server_ptr server = std::move(server_);
    server->cancels().end_lease();
    pool::server_facts facts;
    facts.transaction_status = server->pipeline().transaction_status();
    facts.replies_owed = server->pipeline().size() - (is_looking ? 1 : 0);
    facts.everything_sent = server->output().empty();
    facts.everything_delivered = server->input().empty();
    facts.copy_open = server->pipeline().in_copy();
    facts.protocol_error = server->pipeline().is_doubtful() ||
                           server->pipeline().state() == protocol::pipeline_state::out_of_sync ||
                           server->pipeline().awaits_sync() || reply_rest_ > 0 || request_rest_ > 0;
    facts.always_reset = !is_transaction_mode();
    facts.cancels_in_flight = server->cancels().in_flight();
    facts.owes_us = is_looking;
    facts.left = effects_.left();
    if (server->session().settings.has_lost_defaults())
        facts.left |= pool::left_behind::settings_uncertain;
    // Not looked at: the client goes in the middle of a pin that wipes nothing.
    if (traces_.may_be_there()) facts.left |= pool::left_behind::unknown;
    if (is_looking) server->tell_rest(learn_later());
    effects_.end_lease(server->session().settings);
    // A notice among our own replies may be a view into the server's buffer still.
    if (session_ != nullptr) session_->output().settle();
    if (state_ == state::linked) state_ = state::idle;
    server->unlink();
    pool_->release(std::move(server), pool::reusable(facts), now);
    if (has_moved) adopt_cache();
}

// The client is gone in the middle of something: PostgreSQL is asked to stop, and the server is not
// used again.
void relay::note_server_left(time_point now) {
    if (session_ != nullptr) account_.server_left(home().observer(), counters_, now);
}

void relay::abandon_server() {
    end_schema_changes();
    note_server_left(steady_clock::now());
    pool::server_ptr server = std::move(server_);
    server->cancels().end_lease();
    server->abandon();
    if (server->pipeline().empty()) {
        server->hang_up();
    } else {
        send_cancel(home().loop(), *server, [server] { server->hang_up(); });
    }
}

// It had nothing of the client's any more.
void relay::forget_server() {
    effects_.on_look_failed();
    effects_.end_lease(server_->session().settings);
    server_->cancels().end_lease();
    server_.reset();
    state_ = state::idle;
    reply_rest_ = 0;  // of the look's answer
    reply_forwards_ = rows_forward_ = cancel_is_held_ = false;
}

void relay::on_server_lost(pool::server_connection&, std::string_view reason) {
    const client_phase_ptr keep{this};
    if (session_ == nullptr) return;
    end_schema_changes();
    note_server_left(steady_clock::now());
    if (effects_.is_looking() && !effects_.is_pinned() && !told_fatal_) {
        forget_server();
        if (leaving_) return fatal(shutting_down());
        process();
        return;
    }
    server_.reset();
    if (cache_) settle(cache_->on_server_lost());
    capture_.reset();
    fail_query(sqlstate::connection_failure);
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

}  // namespace weir::daemon

// What the relay looks at from time to time: whether its client waits for long, is gone, or has
// broken one of its limits of time; also how many clients its database may have.

#include "daemon/insight/log.hpp"
#include "daemon/net/worker.hpp"
#include "daemon/session/relay.hpp"
#include "protocol/sqlstate.hpp"

#include <utility>

namespace weir::daemon {

namespace {

namespace sqlstate = protocol::sqlstate;
using std::chrono::steady_clock;

client_error long_wait(const pool::pool& pool, const pool::waiting_place& place) {
    const std::string name = "pool " + pool.database() + "/" + pool.user();
    const std::string waited = std::to_string(place.waited.count()) + " ms";
    client_error notice;
    notice.level = severity::notice;
    notice.sqlstate = sqlstate::successful_completion;
    notice.detail = std::to_string(place.ahead) + " clients were ahead when this one came.";
    if (place.is_paused) {
        notice.message = name + " is paused, still waiting after " + waited;
        notice.hint = "RESUME on the admin console ends the pause.";
    } else {
        notice.message =
            "no server connection became free in " + name + " within " + waited + ", still waiting";
        notice.hint =
            "Raise pool.size or pool.overflow, or shorten transactions. SHOW POOLS on the admin "
            "console tells who holds the servers.";
    }
    return notice;
}

std::string limit_of(std::string_view option, std::chrono::milliseconds time) {
    return "pool." + std::string{option} + " of this database and user is " +
           std::to_string(time.count()) + " ms.";
}

// In PostgreSQL's words, which drivers and people look for.
client_error time_is_up(
    std::string_view code,
    std::string_view what,
    std::string_view option,
    std::chrono::milliseconds time,
    std::string_view remedy
) {
    return {
        severity::fatal,
        code,
        "terminating connection due to " + std::string{what} + " timeout",
        limit_of(option, time),
        std::string{remedy}};
}

}  // namespace

// --- clients of a database ---

// False: it has as many as it may have, and the client is told.
bool relay::take_place() {
    worker& here = home();
    if (session_->is_own()) return true;
    const auto* const entry = here.configuration()->find_database(database());
    const int limit = entry == nullptr ? 0 : entry->max_client_connections;
    database_place_ = here.shared().database_places.take(database(), limit);
    if (database_place_) return true;
    here.counters().client_login_ended(insight::login_result::too_many_clients);
    state_ = state::closed;  // its login has ended, and is counted
    fatal(too_many_clients("databases." + entry->name + ".max_client_connections", limit));
    return false;
}

// --- the tick ---

void relay::start_ticking() {
    // Left on until a tick finds nothing to look at: most waits are shorter than a tick.
    if (!std::exchange(is_ticking_, true)) home().set_ticking(*session_, true);
}

// For all clients of its pool on this loop.
void relay::adopt_slow_threshold() {
    const auto threshold = home().configuration()->slow_threshold(database(), user());
    counters_.set_slow_threshold(
        threshold.count() < 0 ? std::chrono::nanoseconds::max()
                              : std::chrono::nanoseconds{threshold}
    );
}

void relay::adopt_limits() {
    if (session_ == nullptr || state_ == state::greeting) return;
    adopt_slow_threshold();
    const auto options = pool_->options();
    is_advising_ = options.advise;
    const pool::client_times& times = options.times;
    if (limits_) {
        limits_->set(times);  // a statement that it has cancelled may still have to be ended
    } else if (!times.are_all_off()) {
        limits_ = std::make_unique<time_limits>(times);
        start_ticking();
    }
}

void relay::on_tick(time_point now) {
    if (session_ == nullptr || session_->is_ending()) return;
    if (ticket_ != 0) {
        watch_waiting(now);
    } else if (flight_.is_waiting()) {
        watch_flight(now);
    } else if (!limits_) {
        is_ticking_ = false;
        home().set_ticking(*session_, false);
    }
    if (limits_ && session_ != nullptr) watch_times(now);
}

void relay::watch_waiting(time_point now) {
    // Whoever has sent more than fits while he waits is not read from: his end shows here alone.
    if (session_->has_left_unseen()) {
        session_->close("the client closed the connection");
        return;
    }
    if (ticket_ == noticed_ || session_->is_write_blocked()) return;
    const auto place = pool_->place_of(ticket_, now);
    if (!place || !place->is_long_wait) return;
    noticed_ = ticket_;
    // A waiting client is owed nothing but the answer to what waits, so no message is half sent.
    write_notice(session_->output().writable(), long_wait(*pool_, *place));
    session_->flush();
}

// Where a statement has no time of its own, who waits for another's miss does it as long as one may
// wait for a server. Then he asks the database himself, which he might have done at once.
void relay::watch_flight(time_point now) {
    // As in watch_waiting().
    if (session_->has_left_unseen()) {
        session_->close("the client closed the connection");
        return;
    }
    const auto options = pool_->options();
    if (options.times.query.count() > 0) return;
    const auto longest =
        options.wait_timeout.count() > 0 ? options.wait_timeout : pool::pool_options{}.wait_timeout;
    if (now - account_.started() < longest) return;
    flight_.give_up();
    process();
    if (session_ != nullptr) session_->resume_reading();
}

// --- limits of time ---

time_limits::sight relay::see() const {
    using activity = time_limits::activity;
    time_limits::sight seen;
    seen.progress = session_->output().added();
    seen.in_transaction = server_ != nullptr && account_.is_in_transaction();
    seen.transaction = account_.transaction_started();
    if (flight_.is_waiting()) {
        // Its time is that of the statement which works for it, and goes on with its own.
        if (home().shared().cache.flights().is_running(flight_.awaited())) {
            seen.doing = activity::running;
            seen.progress = account_.ended();
        }
        return seen;
    }
    if (state_ == state::greeting || state_ == state::waiting || question_.is_open()) return seen;
    const protocol::pipeline* const pipeline = server_ ? &server_->pipeline() : nullptr;
    if (pipeline != nullptr && pipeline->state() == protocol::pipeline_state::copy_both) {
        seen.in_transaction = false;  // replication: neither a statement nor a transaction
        return seen;
    }
    if (effects_.is_looking()) return seen;  // no statement of the client's
    if (pipeline != nullptr && !pipeline->empty()) {
        seen.doing = activity::running;
        seen.progress = account_.ended();
    } else if (pipeline != nullptr && (pipeline->transaction_status() != 'I' || pipeline->awaits_sync())) {
        // Also of a client that has not read the reply: it holds the server all the same.
        seen.doing = activity::idle_in_transaction;
    } else if (!session_->is_write_blocked()) {
        seen.doing = activity::idle;
        // Who is sending is not idle.
        seen.progress ^= std::uint64_t{session_->input().unread().size()} << 40U;
    }
    return seen;
}

void relay::watch_times(time_point now) {
    using verdict = time_limits::verdict;
    const pool::client_times& times = limits_->limits();
    switch (limits_->look(now, see())) {
        case verdict::nothing:
            return;
        case verdict::cancel_statement:
            log_info(
                "statement cancelled: client={} user={} database={}: it ran longer than "
                "pool.query_timeout",
                session_->endpoint_text(),
                user(),
                database()
            );
            is_overdue_ = true;
            on_cancel();
            return;
        case verdict::end_statement:
            fatal(query_overdue(true));
            return;
        case verdict::end_transaction:
            fatal(time_is_up(
                sqlstate::transaction_timeout,
                "transaction",
                "transaction_timeout",
                times.transaction,
                "The transaction is rolled back. Make it shorter, or give this database or user "
                "another transaction_timeout."
            ));
            return;
        case verdict::end_idle_in_transaction:
            fatal(time_is_up(
                sqlstate::idle_in_transaction_session_timeout,
                "idle-in-transaction",
                "idle_in_transaction_timeout",
                times.idle_in_transaction,
                "The transaction is rolled back. End transactions before anything else is waited "
                "for, or give this database or user another idle_in_transaction_timeout."
            ));
            return;
        case verdict::end_idle:
            fatal(time_is_up(
                sqlstate::idle_session_timeout,
                "idle-session",
                "client_idle_timeout",
                times.idle,
                "Let the application's own pool close idle connections earlier, or give this "
                "database or user another client_idle_timeout."
            ));
            return;
    }
}

// What a statement is told that was cancelled before a byte of it was sent.
client_error relay::canceled_by() const {
    return is_overdue_ ? query_overdue(false) : canceled_while_waiting();
}

client_error relay::query_overdue(bool ended) const {
    const auto time = limits_ ? limits_->limits().query : std::chrono::milliseconds{0};
    const std::string limit = limit_of("query_timeout", time);
    if (!ended) {
        return {
            severity::error,
            sqlstate::query_canceled,
            "canceling statement due to pool.query_timeout",
            limit,
            "Make the statement faster, or give this database or user another query_timeout."};
    }
    return {
        severity::fatal,
        sqlstate::query_canceled,
        "terminating connection: a statement over pool.query_timeout did not end when it was "
        "cancelled",
        limit +
            " The server connection was closed; whether the statement still commits is not "
            "known.",
        "Look for the statement in pg_stat_activity, and read results as they come: a client that "
        "does not read holds up its statement, too."};
}

}  // namespace weir::daemon

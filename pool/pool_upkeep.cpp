// The pool's upkeep: what ends by time, and what an operator or a reload changes.

#include "pool/errc.hpp"
#include "pool/pool.hpp"

#include <algorithm>
#include <utility>

namespace weir::pool {

namespace {

using std::chrono::milliseconds;

// A failure says something about now for this long after the next attempt was due: clients try
// again.
constexpr milliseconds failure_is_news{5'000};

lease_error paused_error(const std::string& pool_name, milliseconds waited) {
    lease_error why;
    why.cause = errc::pool_paused;
    why.sqlstate = "57P03";
    why.message = "pool " + pool_name + " is paused, no server connection was lent within " +
                  std::to_string(waited.count()) + " ms";
    why.detail = "An administrator has stopped it with PAUSE or KILL.";
    why.hint = "RESUME on the admin console ends the pause.";
    return why;
}

lease_error wait_timeout_error(
    const std::string& pool_name,
    milliseconds waited,
    std::size_t ahead,
    const std::string& last,
    const std::string& limit
) {
    lease_error why;
    why.cause = errc::wait_timeout;
    why.sqlstate = "53300";
    why.message = "no server connection became free in pool " + pool_name + " within " +
                  std::to_string(waited.count()) + " ms";
    why.detail = std::to_string(ahead) + " clients were ahead when this one came.";
    if (!last.empty()) why.detail += " The last failed connection attempt: " + last;
    if (!limit.empty()) {
        why.detail += " " + limit + " is reached by all pools under it together.";
        why.hint = "Raise " + limit +
                   ", or shorten transactions. SHOW POOLS on the admin console "
                   "tells who holds the servers.";
        return why;
    }
    why.hint =
        "Raise pool.size or pool.overflow, shorten transactions, or raise pool.wait_timeout. "
        "SHOW POOLS on the admin console tells who holds the servers.";
    return why;
}

}  // namespace

void pool::expire_waiters(event_loop& loop, time_point now) {
    std::vector<queue::waiter> overdue;
    std::string last;
    std::string limit;
    bool is_paused = false;
    {
        const change guard{*this};
        waiting_.expire(now, overdue);
        if (!overdue.empty()) last = last_error_;
        if (!overdue.empty() && wished_of_) limit = wished_of_->name();
        is_paused = paused_;
    }
    const std::string name = database_ + "/" + user_;
    for (auto& waiter : overdue) {
        events_.wait_timed_out(*this, loop.index(), now - waiter.enqueued);
        const auto waited = since(waiter.enqueued, now);
        auto why = is_paused ? paused_error(name, waited)
                             : wait_timeout_error(name, waited, waiter.ahead, last, limit);
        fail_waiter(std::move(waiter), std::move(why));
    }
}

void pool::close_idle(event_loop& loop, time_point now) {
    for (;;) {
        server_ptr victim;
        close_reason why = close_reason::keep;
        {
            const change guard{*this};
            auto& idle = idle_[loop.index()];
            if (idle.empty()) return;
            const idle_limits limits{
                options_.overflow_idle,
                options_.idle_timeout,
                options_.lifetime.count() > 0 ? options_.lifetime : milliseconds::max()};
            if (is_above_limit()) {
                victim = idle.list().front();
                why = close_reason::shared_limit;
            }
            for (std::size_t i = 0; i < idle.list().size() && why == close_reason::keep; ++i) {
                server_connection& server = *idle.list()[i];
                idle_server facts;
                facts.idle_for = since(server.session().idle_since, now);
                facts.age = since(server.session().connected_at, now);
                facts.retire = paused_ || shut_down_ || has_retired(server.session());
                why = should_close(numbers(), limits, facts, since(last_lifetime_close_, now));
                if (why != close_reason::keep) victim = idle.list()[i];
            }
            if (!victim) return;
            idle.erase(*victim);
            leave(victim->state());
            victim->set_uncounted();
            if (why == close_reason::lifetime) last_lifetime_close_ = now;
        }
        victim->close(to_string(why));
    }
}

// Retired ones do not wait for the next tick: who connects after RECONNECT or a reload must not
// meet one.
void pool::close_idle_everywhere() {
    for (event_loop* const loop : loops_) {
        loop->post([self = shared_from_this(), loop] {
            self->close_idle(*loop, std::chrono::steady_clock::now());
        });
    }
}

void pool::tick(event_loop& loop, time_point now) {
    (void)serve_waiters_here(loop, now);
    expire_waiters(loop, now);
    close_idle(loop, now);
    connect_more(loop, now);
    refuse_hopeless(now);
    for (server_connection* server : std::vector<server_connection*>(all_[loop.index()])) {
        server->check_deadline(now);
    }
}

void pool::try_again() {
    const change guard{*this};
    is_asked_about_ = true;
}

void pool::reconfigure(pool_options options, connect_target_ptr target) {
    {
        const change guard{*this};
        adopt(std::move(options));
        if (*target != *target_) {
            lead_to(std::move(target));
            accepted_.clear();
            pause_.on_success();  // what failed there says nothing about here
            failed_for_all_ = false;
            is_refused_ = false;
        }
    }
    close_idle_everywhere();
}

void pool::retire_all() {
    {
        const change guard{*this};
        retire_generation_.fetch_add(1, std::memory_order_acq_rel);
        upstream_.try_soon();
    }
    close_idle_everywhere();
}

void pool::pause() {
    {
        const change guard{*this};
        paused_ = true;
    }
    close_idle_everywhere();
}

void pool::resume() {
    {
        const change guard{*this};
        paused_ = false;
        pause_.on_success();
        upstream_.try_soon();
    }
    for (event_loop* const loop : loops_) {
        loop->post([self = shared_from_this(), loop] {
            self->tick(*loop, std::chrono::steady_clock::now());
        });
    }
}

void pool::shut_down(const lease_error& error) {
    std::vector<queue::waiter> waiters;
    {
        const change guard{*this};
        shut_down_ = error;
        waiters = take_all_waiters();
    }
    fail_waiters(std::move(waiters), error);
    close_idle_everywhere();
}

pool_figures pool::figures(time_point now) const {
    std::lock_guard guard{lock_};
    pool_figures f;
    f.idle = std::min(idle_count(), counts_.in_service());
    f.active = counts_.in_service() - f.idle;
    f.login = counts_.in(server_state::login);
    f.tested = counts_.in(server_state::tested);
    f.being_canceled = counts_.in(server_state::being_canceled);
    f.open = counts_.open();
    f.waiting = waiting_.size();
    if (const auto oldest = waiting_.oldest_since()) {
        f.max_wait = duration_cast<std::chrono::microseconds>(now - *oldest);
    }
    f.paused = paused_;
    f.failed_lately =
        outage_.failures > 0 && now < std::max(failed_at_, pause_.next()) + failure_is_news;
    f.unreachable = outage_.failures > 0 && failed_for_all_;
    return f;
}

std::shared_ptr<const std::vector<std::pair<std::string, std::string>>> pool::greeting() const {
    std::lock_guard guard{lock_};
    return greeting_;
}

std::string pool::last_error() const {
    std::lock_guard guard{lock_};
    return last_error_;
}

bool pool::is_refused() const {
    std::lock_guard guard{lock_};
    return is_refused_;
}

}  // namespace weir::pool

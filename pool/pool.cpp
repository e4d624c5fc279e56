#include "pool/pool.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace weir::pool {

pool::pool(
    std::string database,
    std::string user,
    pool_options options,
    connect_target_ptr target,
    std::vector<event_loop*> loops,
    pool_events& events,
    host_directory& hosts
)
    : database_{std::move(database)},
      user_{std::move(user)},
      loops_{std::move(loops)},
      events_{events},
      hosts_{hosts},
      mode_{options.mode},
      idle_(loops_.size()),
      all_(loops_.size()) {
    const change begun{*this};
    adopt(std::move(options));
    lead_to(std::move(target));
}

// The only place that decides who may do without the lock.
void pool::publish() {
    const bool is_needed =
        !waiting_.empty() || paused_ || shut_down_ || !limits_.empty() || counts_.open() > most();
    if (is_needed == needs_lock_.load(std::memory_order_relaxed)) return;
    needs_lock_.store(is_needed, std::memory_order_seq_cst);
}

void pool::adopt(pool_options options) {
    mode_.store(options.mode, std::memory_order_relaxed);
    lifetime_.store(options.lifetime, std::memory_order_relaxed);
    check_after_idle_.store(options.check_after_idle, std::memory_order_relaxed);
    options_ = std::move(options);
}

pool_options pool::options() const {
    std::lock_guard guard{lock_};
    return options_;
}

pool_numbers pool::numbers() const {
    pool_numbers n;
    n.size = static_cast<unsigned>(options_.size);
    n.overflow = static_cast<unsigned>(options_.overflow);
    n.min_idle = static_cast<unsigned>(options_.min_idle);
    n.open = counts_.open();
    n.connecting = counts_.in(server_state::login) + counts_.in(server_state::tested);
    n.idle = idle_count();
    n.waiting = static_cast<unsigned>(waiting_.size());
    return n;
}

unsigned pool::idle_count() const {
    return std::accumulate(idle_.begin(), idle_.end(), 0U, [](unsigned sum, const auto& one) {
        return sum + one.count();
    });
}

void pool::move(server_connection& server, server_event event) {
    server_state state = server.state();
    if (counts_.move(state, event)) server.set_state(state);
}

// --- without the lock ---

server_ptr pool::take_idle(event_loop& loop, time_point now) {
    if (needs_lock_.load(std::memory_order_acquire)) return nullptr;
    auto& idle = idle_[loop.index()];
    if (idle.empty() || is_doubtful(*idle.list().back(), now)) return nullptr;
    server_ptr found = idle.pop_last();
    found->set_state(server_state::active);
    return found;
}

// False, and nothing done, when something is to be decided about it.
bool pool::put_idle(const server_ptr& server, time_point now) {
    if (needs_lock_.load(std::memory_order_acquire)) return false;
    const auto& session = server->session();
    const auto lifetime = lifetime_.load(std::memory_order_relaxed);
    const bool is_old = lifetime.count() > 0 && since(session.connected_at, now) >= lifetime;
    if (is_old || has_retired(session) || server->has_changed_role()) return false;
    if (server->state() != server_state::active) return false;
    server->set_state(server_state::idle);
    server->session().idle_since = now;
    event_loop& loop = server->loop();
    idle_[loop.index()].push(server);
    if (needs_lock_.load(std::memory_order_seq_cst)) (void)serve_waiters_here(loop, now);
    if (server->state() == server_state::idle) server->start_reading();
    return true;
}

// --- with it ---

server_ptr pool::acquire(
    event_loop& loop, waiter_ptr waiter, time_point now, waiting_ticket& ticket
) {
    if (auto found = take_idle(loop, now)) return found;
    server_ptr doubtful;
    std::vector<connect_plan> to_open;
    bool idle_elsewhere = false;
    bool is_hopeless = false;
    bool is_limited = false;
    {
        const change guard{*this};
        if (shut_down_) {
            fail_waiter({std::move(waiter), loop.index(), now, now, 0, 0}, *shut_down_);
            return nullptr;
        }
        auto& idle = idle_[loop.index()];
        if (!paused_ && waiting_.empty() && !idle.empty()) {
            server_ptr last = idle.pop_last();
            if (!is_doubtful(*last, now)) {
                move(*last, server_event::linked);
                return last;
            }
            // The check ends in on_tested(), which serves the queue.
            move(*last, server_event::check_due);
            doubtful = std::move(last);
        }
        const auto deadline =
            options_.wait_timeout.count() > 0 ? now + options_.wait_timeout : time_point::max();
        ticket = waiting_.push(std::move(waiter), loop.index(), now, deadline);
        publish();  // before the counts are looked at
        idle_elsewhere = !paused_ && idle_count() > idle.count();
        to_open = claim_connects(now);
        is_hopeless = to_open.empty() && has_nobody();
        is_limited = wished_of_ != nullptr;
    }
    if (doubtful) doubtful->test("");
    if (idle_elsewhere) serve_waiters_elsewhere(loop, now);
    launch(loop, std::move(to_open), now);
    if (is_hopeless) refuse_hopeless(now);
    if (is_limited) ask_for_place(now);
    return nullptr;
}

bool pool::cancel_wait(waiting_ticket ticket) {
    std::optional<queue::waiter> gone;  // dropped after the lock is released
    const change guard{*this};
    gone = waiting_.remove(ticket);
    return gone.has_value();
}

std::optional<waiting_place> pool::place_of(waiting_ticket ticket, time_point now) const {
    std::lock_guard guard{lock_};
    const auto* const waiter = waiting_.find(ticket);
    if (waiter == nullptr) return std::nullopt;
    const auto waited = since(waiter->enqueued, now);
    const bool is_long = options_.wait_notice.count() > 0 && waited >= options_.wait_notice;
    return waiting_place{waited, waiter->ahead, is_long, paused_};
}

// What claim_connects() has counted on may be gone by now: then it counts again.
void pool::serve_waiters_elsewhere(event_loop& loop, time_point now) {
    bool is_nobody_idle = true;
    for (event_loop* const other : loops_) {
        if (other == &loop || idle_[other->index()].count() == 0) continue;
        is_nobody_idle = false;
        other->post([self = shared_from_this(), other] { self->serve_waiters_on(*other); });
    }
    if (is_nobody_idle) connect_more(loop, now);
}

void pool::serve_waiters_on(event_loop& loop) {
    const auto now = std::chrono::steady_clock::now();
    if (serve_waiters_here(loop, now)) connect_more(loop, now);
}

// Servers that are idle on this loop while clients wait: on another loop, after resume(), or when
// the one that was tested for a waiter has failed its test. Whether somebody waits on.
bool pool::serve_waiters_here(event_loop& loop, time_point now) {
    for (;;) {
        server_ptr server;
        next_use next;
        {
            const change guard{*this};
            auto& idle = idle_[loop.index()];
            if (paused_ || waiting_.empty()) return false;
            if (idle.empty()) return true;
            server = idle.pop_last();
            next = use(*server, now, is_doubtful(*server, now));
        }
        put_to(std::move(server), std::move(next));
    }
}

void pool::hand_over(server_ptr server, queue::waiter waiter) {
    event_loop& from = server->loop();
    if (waiter.worker == from.index()) {
        // Posted, not called: the caller is in the middle of another client's bytes.
        // The server keeps its pool.
        from.post([waiter = std::move(waiter), server = std::move(server)]() mutable {
            pool& owner = *server->owner();
            owner.deliver(std::move(server), std::move(waiter));
        });
        return;
    }
    event_loop& to = *loops_[waiter.worker];
    auto parts = std::make_shared<server_connection::detached>(server->detach());
    to.post([self = shared_from_this(), &to, parts, waiter = std::move(waiter)]() mutable {
        self->deliver(server_connection::attach(to, self, std::move(*parts)), std::move(waiter));
    });
}

// On the waiter's loop. Who has waited keeps his place when the server has died on its way.
void pool::deliver(server_ptr server, queue::waiter waiter) {
    const waiter_ptr owner = waiter.owner;
    if (!server->is_closed()) {
        owner->on_lease(std::move(server));
        return;
    }
    event_loop& loop = *loops_[waiter.worker];
    const auto now = std::chrono::steady_clock::now();
    waiting_ticket ticket = 0;
    std::vector<connect_plan> to_open;
    {
        const change guard{*this};
        if (shut_down_) {
            fail_waiter(std::move(waiter), *shut_down_);
            return;
        }
        ticket = waiting_.put_back(std::move(waiter));
        publish();  // before the counts are looked at
        to_open = claim_connects(now);
    }
    owner->on_put_back(ticket);
    (void)serve_waiters_here(loop, now);
    serve_waiters_elsewhere(loop, now);
    launch(loop, std::move(to_open), now);
}

bool pool::should_retire(server_connection& server) const {
    if (shut_down_ || has_retired(server.session())) return true;
    if (server.has_changed_role()) return true;
    if (is_above_limit()) return true;
    return counts_.open() > most();
}

bool pool::has_served_its_time(server_connection& server, time_point now) const {
    if (outage_.failures > 0) return false;  // what would replace it may not come
    return is_too_old(
        options_.lifetime,
        static_cast<unsigned>(options_.size),
        since(server.session().connected_at, now),
        since(last_lifetime_close_, now)
    );
}

// It may be dead: idle for long, or it has sent what nobody has read, which may be its end and
// would be lost on the way to another loop.
bool pool::is_doubtful(server_connection& server, time_point now) const {
    return server.has_input() || since(server.session().idle_since, now) >=
                                     check_after_idle_.load(std::memory_order_relaxed);
}

// What becomes of a server that is free: under the lock that decides it.
pool::next_use pool::use(server_connection& server, time_point now, bool doubtful) {
    if (paused_ || should_retire(server)) return {next_use::retire, close_reason::retired, {}};
    if (has_served_its_time(server, now)) {
        last_lifetime_close_ = now;
        return {next_use::retire, close_reason::lifetime, {}};
    }
    if (must_give_up_place(now)) return {next_use::retire, close_reason::shared_limit, {}};
    const auto* const next = waiting_.front();
    if (next == nullptr) return {};
    // On another loop it would be taken for what the client there is told.
    const bool moves = next->worker != server.loop().index();
    if (doubtful || (moves && server.has_unheard())) {
        move(server, server_event::check_due);
        return {next_use::check, close_reason::keep, {}};
    }
    move(server, server_event::linked);
    return {next_use::lend, close_reason::keep, waiting_.pop_oldest()};
}

void pool::put_to(server_ptr server, next_use use) {
    switch (use.what) {
        case next_use::retire:
            // Takes it out of the count, whatever its state.
            server->close(to_string(use.why));
            return;
        case next_use::wait:
            server->start_reading();
            return;
        case next_use::check:
            server->test("");
            return;
        case next_use::lend:
            hand_over(std::move(server), std::move(*use.waiter));
            return;
    }
}

// `event`: what has made it free.
void pool::offer(server_ptr server, server_event event, time_point now) {
    next_use next;
    {
        const change guard{*this};
        move(*server, event);
        server->session().idle_since = now;
        next = use(*server, now, server->has_input());
        if (next.what == next_use::wait) idle_[server->loop().index()].push(server);
    }
    put_to(std::move(server), std::move(next));
}

void pool::release(server_ptr server, release_decision decision, time_point now) {
    if (server->is_closed()) return;
    switch (decision.action) {
        case release_action::idle:
            if (put_idle(server, now)) return;
            offer(std::move(server), server_event::released, now);
            return;
        case release_action::reset_first: {
            std::string reset_query;
            {
                const change guard{*this};
                reset_query = options_.reset_query;
                if (!reset_query.empty()) move(*server, server_event::released_dirty);
            }
            if (reset_query.empty()) {
                server->close("it was left dirty and pool.reset_query is empty");
            } else {
                server->test(reset_query);
            }
            return;
        }
        case release_action::check_first: {
            {
                const change guard{*this};
                move(*server, server_event::released_dirty);
            }
            server->test("");
            return;
        }
        case release_action::park: {
            const change guard{*this};
            move(*server, server_event::parked);
            return;
        }
        case release_action::close:
            server->close(decision.reason);
            return;
    }
}

void pool::unpark(server_ptr server) {
    if (server->state() != server_state::being_canceled) return;
    // The signal has been delivered by now, maybe to an idle backend, which ignores it. The check
    // proves that the session still answers before anybody gets it.
    std::string reset_query;
    {
        const change guard{*this};
        move(*server, server_event::released_dirty);
        reset_query = options_.reset_query;
    }
    if (reset_query.empty()) {
        server->close("a cancel request hit it and pool.reset_query is empty");
    } else {
        server->test(reset_query);
    }
}

void pool::on_tested(server_ptr server, bool passed, time_point now) {
    if (!passed) {
        server->close("check or reset query failed");
        return;
    }
    offer(std::move(server), server_event::check_passed, now);
}

void pool::on_abandoned(server_connection& server) {
    const change guard{*this};
    move(server, server_event::failed);
}

void pool::on_closed(server_connection& server, std::string_view reason) {
    event_loop& loop = server.loop();
    const bool was_up = server.session().process_id != 0;
    std::vector<connect_plan> to_open;
    bool has_idle = false;
    const auto now = std::chrono::steady_clock::now();
    {
        const change guard{*this};
        idle_[loop.index()].erase(server);
        if (server.is_counted()) leave(server.state());
        server.set_state(server_state::closing);
        to_open = claim_connects(now);
        // It may have been checked for a waiter.
        has_idle = !paused_ && !waiting_.empty() && idle_count() > 0;
    }
    if (was_up) events_.server_closed(*this, loop.index(), reason);
    wake_others();
    if (!to_open.empty() || has_idle) {
        // Not from inside the failing server's call chain.
        loop.post([self = server.owner(), &loop, to_open = std::move(to_open), has_idle]() mutable {
            const auto later = std::chrono::steady_clock::now();
            self->launch(loop, std::move(to_open), later);
            if (!has_idle) return;
            (void)self->serve_waiters_here(loop, later);
            self->serve_waiters_elsewhere(loop, later);
        });
    }
}

void pool::fail_waiter(queue::waiter waiter, lease_error why) {
    loops_[waiter.worker]->post([owner = std::move(waiter.owner), why = std::move(why)] {
        owner->on_lease_failed(why);
    });
}

std::vector<pool::queue::waiter> pool::take_all_waiters() {
    std::vector<queue::waiter> all;
    while (auto next = waiting_.pop_oldest())
        all.push_back(std::move(*next));
    return all;
}

void pool::fail_waiters(std::vector<queue::waiter> waiters, const lease_error& why) {
    for (auto& waiter : waiters)
        fail_waiter(std::move(waiter), why);
}

void pool::enlist(server_connection& server) {
    all_[server.loop().index()].push_back(&server);
}

void pool::delist(server_connection& server) {
    std::erase(all_[server.loop().index()], &server);
}

}  // namespace weir::pool

// The servers of one (database, user) and the clients that wait for one, over all event loops. A
// limit is the pool's, a connection is its loop's: each loop keeps the idle servers that live on
// it, and a waiter on another loop gets one by its socket being moved there. Thread-safe where
// said; the lock is held for a few list operations and never while anything is called back. Below
// it in the lock order are those of its hosts and of the limits that it shares.
//
// A transaction that stays on its loop takes no lock: take_idle() and put_idle(). They look at
// needs_lock_, which publish() makes, under the lock and nowhere else, of all that would concern
// them: somebody waits, the pool is paused or shut down, shares a limit, or has too many servers.
//
//   who waits                                    who puts a server among the idle
//   1. stands in the queue, under the lock       1. adds it to its loop's list: count_
//   2. publish(): needs_lock_                    2. looks at needs_lock_; when it is set, serves
//   3. looks at the counts of all loops, and        the queue from the list, under the lock
//      posts to those that have idle servers
//
// Nobody is forgotten: the four accesses have one order over all threads (seq_cst). Either 2 on the
// right is after 2 on the left, and the server is offered to the queue; or it is before, then so is
// 1 on the right, and 3 on the left sees the server.
// What 3 has seen may be lent again before the post arrives, by a client that came before the wait
// was published. No connect was claimed for the sake of that server; so whoever finds none on his
// loop while clients wait, claims anew (serve_waiters_on()). needs_lock_ stays set until the queue
// is empty, so that from then on all stand in the queue.
// PAUSE, retiring and shutting down publish first and then post a look at the idle servers to each
// loop. A server that is put among the idle by what was so before is in the list by the time the
// post runs, on the same thread.
// The list itself, and a server's state between idle and active, are its loop's alone; state_counts
// has one number for the two, so that what the lock guards is right at every moment.
#pragma once

#include "pool/accepted_values.hpp"
#include "pool/back_off.hpp"
#include "pool/connect_plan.hpp"
#include "pool/idle_servers.hpp"
#include "pool/lease.hpp"
#include "pool/pool_options.hpp"
#include "pool/reusable.hpp"
#include "pool/sequence_habits.hpp"
#include "pool/server_connection.hpp"
#include "pool/server_state.hpp"
#include "pool/shared_limit.hpp"
#include "pool/sizing.hpp"
#include "pool/upstream_host.hpp"
#include "pool/waiting_queue.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::pool {

/// Attempts to connect that have failed since the last that did not, and the clients that got no
/// server because of them.
struct outage {
    unsigned failures = 0;
    std::size_t refused = 0;
};

/// What a pool tells its surroundings, for metrics and logs. Called on the loop where it happened.
class pool_events {
public:
    /// `before`: what this connection has ended.
    virtual void server_connected(
        const pool& owner, unsigned loop, std::chrono::nanoseconds duration, const outage& before
    ) = 0;
    /// `so_far`: with this attempt.
    virtual void server_connect_failed(
        const pool& owner, unsigned loop, const lease_error& why, const outage& so_far
    ) = 0;
    /// `said`: SQLSTATE and text of PostgreSQL. The server is used all the same.
    virtual void connect_query_failed(const pool& owner, unsigned loop, std::string_view said) = 0;
    virtual void server_closed(const pool& owner, unsigned loop, std::string_view reason) = 0;
    virtual void wait_timed_out(
        const pool& owner, unsigned loop, std::chrono::nanoseconds duration
    ) = 0;
    /// Runs blocking work (PBKDF2) off the event loops, then `done` on `loop`.
    virtual void run_blocking(
        event_loop& loop, std::function<void()> work, std::function<void()> done
    ) = 0;

protected:
    ~pool_events() = default;
};

/// A pool's figures at one moment, for SHOW POOLS and gauges.
struct pool_figures {
    unsigned active = 0, idle = 0, login = 0, tested = 0, being_canceled = 0;
    unsigned open = 0;
    std::size_t waiting = 0;
    std::chrono::microseconds max_wait{0};
    bool paused = false;
    /// The last attempt to connect failed, and not so long ago that it says nothing any more: a
    /// pool whose clients have gone makes no further one.
    bool failed_lately = false;
    /// The last attempt to connect failed as every attempt would that leads there: true until one
    /// succeeds. try_again() finds out.
    bool unreachable = false;
};

/// A client's place in the queue.
struct waiting_place {
    std::chrono::milliseconds waited{0};
    std::size_t ahead = 0;      ///< when it came
    bool is_long_wait = false;  ///< longer than pool.wait_notice
    bool is_paused = false;     ///< the pool: nobody is served before RESUME
};

class pool final : public std::enable_shared_from_this<pool>, public limit_member {
public:
    using time_point = std::chrono::steady_clock::time_point;
    using limit_list = std::vector<shared_limit_ptr>;

    pool(
        std::string database,
        std::string user,
        pool_options options,
        connect_target_ptr target,
        std::vector<event_loop*> loops,
        pool_events& events,
        host_directory& hosts
    );

    /// What it has wished for is nobody's any more.
    ~pool();

    const std::string& database() const { return database_; }
    const std::string& user() const { return user_; }
    /// Any thread. A copy, as a reload may replace them.
    pool_options options() const;
    connect_target_ptr target() const {
        std::lock_guard guard{lock_};
        return target_;
    }
    /// Any thread, without a lock. False for a target that a reload has replaced.
    bool leads_to(const connect_target& target) const {
        return &target == current_target_.load(std::memory_order_acquire);
    }
    /// Whether RECONNECT or a reload has retired the server, which closes it at its release. Any
    /// thread.
    bool has_retired(const server_session& server) const {
        return !leads_to(*server.target) ||
               server.retire_generation != retire_generation_.load(std::memory_order_acquire);
    }
    pool_mode mode() const { return mode_.load(std::memory_order_relaxed); }

    /// A server for `waiter`, at once if one is idle on this loop and nobody waits before it; else
    /// nothing, and on_lease() or on_lease_failed() follows. `ticket` then names the place in the
    /// queue. On the waiter's loop.
    server_ptr acquire(event_loop& loop, waiter_ptr waiter, time_point now, waiting_ticket& ticket);

    /// Leaves the queue. False when it was left already: an answer is on its way. On the waiter's
    /// loop.
    bool cancel_wait(waiting_ticket ticket);

    /// Nothing when the queue was left. On the waiter's loop.
    std::optional<waiting_place> place_of(waiting_ticket ticket, time_point now) const;

    /// Gives a server back after its client has unlinked it; `decision` is what reusable() said. On
    /// its loop.
    void release(server_ptr server, release_decision decision, time_point now);

    /// The last cancel request for a parked server has ended. On its loop.
    void unpark(server_ptr server);

    // --- from server_connection, on its loop ---
    void on_connected(server_ptr server, time_point now);
    void on_connect_failed(server_ptr server, const lease_error& why);
    void on_tested(server_ptr server, bool passed, time_point now);
    /// Nobody uses it any more, PostgreSQL is still busy with it: it counts until on_closed().
    void on_abandoned(server_connection& server);
    void on_closed(server_connection& server, std::string_view reason);

    /// Ends waits that are overdue, closes servers that are too old or idle for too long, connects
    /// again after a failure. Several times a second, on each loop.
    void tick(event_loop& loop, time_point now);

    /// Somebody asks whether the pool would serve: without a server it connects although no client
    /// waits, once, when the pause after a failed attempt is over. Any thread.
    void try_again();

    /// New numbers and place, from a reload. Servers of another place retire. Any thread.
    void reconfigure(pool_options options, connect_target_ptr target);
    /// What it shares with other pools from now on; at first nothing. Any thread.
    void share(limit_list limits);

    /// Closes idle servers now and the others when they are released (RECONNECT). Any thread.
    void retire_all();
    /// PAUSE: no server is lent until resume(). Any thread.
    void pause();
    void resume();
    /// The pool goes away: waiters get `error`, servers close when released. Any thread.
    void shut_down(const lease_error& error);

    pool_figures figures(time_point now) const;
    /// ParameterStatus of the newest login, for the greeting of clients; nullptr before the first.
    /// Any thread.
    std::shared_ptr<const std::vector<std::pair<std::string, std::string>>> greeting() const;
    /// What its servers have taken of start-up packets. Any thread.
    accepted_values& accepted() { return accepted_; }
    /// Who asks for currval(). Any thread.
    sequence_habits& habits() { return habits_; }
    std::string last_error() const;
    /// PostgreSQL has refused the login itself (a role that may not log in, a wrong password, no
    /// such database), and has accepted none since; outages in between change nothing about that.
    bool is_refused() const;
    /// Servers that live on `loop`, for SHOW SERVERS. On that loop's thread.
    const std::vector<server_connection*>& servers_on(const event_loop& loop) const {
        return all_[loop.index()];
    }

    /// Every server registers with its loop's list for its whole life. On its loop.
    void enlist(server_connection& server);
    void delist(server_connection& server);
    pool_events& events() { return events_; }

private:
    using queue = waiting_queue<waiter_ptr>;
    struct next_use {
        enum kind : std::uint8_t { retire, wait, check, lend } what = wait;
        close_reason why = close_reason::keep;  // of retire
        std::optional<queue::waiter> waiter;    // of lend
    };

    static std::chrono::milliseconds since(time_point then, time_point now) {
        return std::chrono::duration_cast<std::chrono::milliseconds>(now - then);
    }

    /// Holds lock_ while something changes, and publishes it.
    class change {
    public:
        explicit change(pool& of) : of_{of}, guard_{of.lock_} {}
        ~change() { of_.publish(); }
        change(const change&) = delete;
        change& operator=(const change&) = delete;

    private:
        pool& of_;
        const std::lock_guard<std::mutex> guard_;
    };

    // Without lock_, on the loop.
    server_ptr take_idle(event_loop& loop, time_point now);
    bool put_idle(const server_ptr& server, time_point now);
    bool is_doubtful(server_connection& server, time_point now) const;
    unsigned idle_count() const;

    // All need lock_.
    void publish();
    void adopt(pool_options options);
    unsigned most() const { return static_cast<unsigned>(options_.size + options_.overflow); }
    pool_numbers numbers() const;
    std::vector<connect_plan> claim_connects(time_point now);
    bool claim_places(time_point now);
    void give_places_back();
    void wish_nothing();
    void leave(server_state state);
    bool must_give_up_place(time_point now);
    bool is_above_limit() const;
    time_point next_connect() const;
    void lead_to(connect_target_ptr target);
    bool has_nobody() const;
    std::vector<queue::waiter> take_all_waiters();
    bool should_retire(server_connection& server) const;
    bool has_served_its_time(server_connection& server, time_point now) const;
    next_use use(server_connection& server, time_point now, bool doubtful);
    void move(server_connection& server, server_event event);

    void on_place_free() override;
    std::optional<time_point> idle_longest() const override;
    void give_up_idle() override;
    void close_longest_idle(event_loop& loop);
    void ask_for_place(time_point now);
    void wake_others();
    void connect_more(event_loop& loop, time_point now);
    void launch(event_loop& loop, std::vector<connect_plan> plans, time_point now);
    void refuse_hopeless(time_point now);
    void hand_over(server_ptr server, queue::waiter waiter);
    void deliver(server_ptr server, queue::waiter waiter);
    void put_to(server_ptr server, next_use use);
    void offer(server_ptr server, server_event event, time_point now);
    void serve_waiters_elsewhere(event_loop& loop, time_point now);
    void serve_waiters_on(event_loop& loop);
    bool serve_waiters_here(event_loop& loop, time_point now);
    void fail_waiters(std::vector<queue::waiter> waiters, const lease_error& why);
    void fail_waiter(queue::waiter waiter, lease_error why);
    void close_idle(event_loop& loop, time_point now);
    void close_idle_everywhere();
    void expire_waiters(event_loop& loop, time_point now);

    const std::string database_;
    const std::string user_;
    const std::vector<event_loop*> loops_;
    pool_events& events_;
    host_directory& hosts_;
    std::atomic<pool_mode> mode_;
    accepted_values accepted_;
    sequence_habits habits_;

    mutable std::mutex lock_;
    pool_options options_;                  // guarded by lock_
    connect_target_ptr target_;             // guarded by lock_
    queue waiting_;                         // guarded by lock_
    state_counts counts_;                   // guarded by lock_
    bool paused_ = false;                   // guarded by lock_
    bool is_asked_about_ = false;           // guarded by lock_; see try_again()
    std::optional<lease_error> shut_down_;  // guarded by lock_
    std::string last_error_;                // guarded by lock_
    bool is_refused_ = false;               // guarded by lock_
    outage outage_;                         // guarded by lock_
    time_point failed_at_{};                // guarded by lock_; the last connect that failed
    bool failed_for_all_ = false;           // guarded by lock_; as is_for_all() said of it
    // After a login that was refused for this pool's own reasons; after a host's, the host has one.
    back_off pause_;             // guarded by lock_
    upstream_hosts upstream_;    // guarded by lock_
    upstream_host_ptr awaited_;  // guarded by lock_; will call on_place_free()
    limit_list limits_;          // guarded by lock_
    // The limit that has refused it a place: it has a wish there, and there alone.
    shared_limit_ptr wished_of_;        // guarded by lock_
    time_point last_lifetime_close_{};  // guarded by lock_
    std::shared_ptr<const std::vector<std::pair<std::string, std::string>>> greeting_;  // ditto

    // What take_idle() and put_idle() look at: changed under lock_, and seldom.
    alignas(64) std::atomic<bool> needs_lock_{false};
    std::atomic<std::uint64_t> retire_generation_{0};
    // target_, for a comparison; who compares holds a reference to what he compares with it.
    std::atomic<const connect_target*> current_target_{nullptr};
    std::atomic<std::chrono::milliseconds> lifetime_;          // of options_
    std::atomic<std::chrono::milliseconds> check_after_idle_;  // of options_

    // Per loop.
    std::vector<idle_servers> idle_;
    std::vector<std::vector<server_connection*>> all_;  // on the loop only
};

}  // namespace weir::pool

// One host that PostgreSQL is expected at, as all pools and loops know it together: its circuit
// breaker, the pause after a failure, how many logins are under way there. Not a connection, and
// not a pool's list of hosts (connect_plan.hpp).
//
// Thread-safe. Lock order: a pool's lock, then a host's; nothing is called with a host's lock held.
#pragma once

#include "pool/back_off.hpp"
#include "pool/breaker.hpp"
#include "pool/place_waiter.hpp"
#include "pool/pool_options.hpp"
#include "pool/session_role.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace weir::pool {

/// Whose fault it is that a login has failed.
enum class login_fault : std::uint8_t {
    of_login,   ///< this user's, this database's, or a limit's: another login may succeed
    of_moment,  ///< PostgreSQL answers and takes nobody now: it starts, stops or recovers
    of_host,    ///< nobody is there, or nobody that logs anybody in
};

/// For SHOW BREAKERS and metrics.
struct host_figures {
    std::string upstream;  ///< HOST:PORT
    breaker_state state = breaker_state::closed;
    unsigned failures = 0;
    breaker::time_point since{};                  ///< when the state began, or the first pool came
    std::optional<breaker::time_point> next_try;  ///< of an open one
    std::string last_error;                       ///< until a login succeeds
    unsigned logins = 0;                          ///< under way
};

/// One line of the log. A pool's lock may be held: it must call nobody back.
using breaker_listener = std::function<void(breaker_state before, const host_figures& now)>;

class upstream_host;
using upstream_host_ptr = std::shared_ptr<upstream_host>;

/// The right to log in to a host once. Who drops it without saying how it went gives it back.
class login_permit {
public:
    login_permit() = default;
    login_permit(login_permit&& other) noexcept;
    login_permit& operator=(login_permit&& other) noexcept;
    ~login_permit();

    /// `role`: what the session has said of its server.
    void succeeded(const session_role& role);
    /// `options`: of the pool whose login it was.
    void failed(login_fault whose, std::string why, const breaker_options& options);

private:
    friend class upstream_host;
    login_permit(upstream_host_ptr host, breaker::time_point began, bool is_probe)
        : host_{std::move(host)}, began_{began}, is_probe_{is_probe} {}
    void give_back();

    upstream_host_ptr host_;  // nullptr: used up
    breaker::time_point began_{};
    bool is_probe_ = false;
};

class upstream_host : public std::enable_shared_from_this<upstream_host> {
public:
    using time_point = breaker::time_point;

    /// `most_logins`: how many may be under way at the same time.
    upstream_host(upstream_address address, unsigned most_logins, breaker_listener listener);

    const upstream_address& address() const { return address_; }

    enum class answer : std::uint8_t {
        granted,
        full,     ///< as many logins as may be are under way
        tested,   ///< it has failed, and one login is finding out whether it is back
        pausing,  ///< it has failed a moment ago
        open,     ///< its breaker is
    };
    struct application {
        answer said = answer::open;
        login_permit permit;  ///< of granted
    };
    /// May a login begin? `is_moving_on`: of a connection that has been refused by another host; it
    /// is one of a bounded number there and waits for nobody here.
    application apply(time_point now, bool is_moving_on);

    /// A failure, not so long ago that the host should be tried before others.
    bool is_doubtful(time_point now) const;
    /// As its last session said.
    session_role role() const;

    /// Whether the breaker lets nobody through now.
    bool is_open(time_point now) const;
    host_figures figures() const;

    /// A session that nobody has used yet has died, soon after its login: the login was worth
    /// nothing.
    void died_unused(time_point connected_at, const std::string& why, const breaker_options&);
    /// RESUME, RECONNECT: the next login need not wait.
    void try_soon();

    /// on_place_free() once, when a place among the logins may be free. The longest waiting first.
    void await_place(std::weak_ptr<place_waiter> waiter);
    /// Passes the news on when there are more places.
    void wake_next();

private:
    friend class login_permit;
    using lock = std::unique_lock<std::mutex>;

    void on_given_back(bool is_probe);
    void on_success(const session_role& role);
    void on_failure(
        time_point began, login_fault whose, std::string why, const breaker_options& options
    );
    // With lock_ held:
    bool in_trouble() const { return !last_error_.empty(); }
    void note_trouble(time_point now, std::string why, const breaker_options& options);
    host_figures describe() const;
    double chance() { return std::uniform_real_distribution<>{0.0, 1.0}(random_); }
    /// Releases the lock.
    void tell(breaker_state before, lock held);

    const upstream_address address_;
    const unsigned most_logins_;
    const breaker_listener listener_;

    mutable std::mutex lock_;  // guards all below
    breaker breaker_;
    back_off pause_;
    back_off pause_before_;  // the last success; see died_unused()
    unsigned logins_ = 0;
    std::string last_error_;       // empty after a success
    time_point doubtful_until_{};  // while in_trouble()
    session_role role_;
    std::deque<std::weak_ptr<place_waiter>> waiting_;
    std::minstd_rand random_;

    const time_point made_at_ = std::chrono::steady_clock::now();
};

/// All hosts by address. Thread-safe.
class host_directory {
public:
    /// Both before the first pool.
    void set_most_logins(unsigned count) { most_logins_ = count; }
    void set_listener(breaker_listener listener) { listener_ = std::move(listener); }

    upstream_host_ptr find_or_make(const upstream_address& address);
    /// In order of host and port.
    std::vector<host_figures> figures() const;
    /// Of all breakers since the start.
    std::uint64_t transitions() const { return transitions_.load(std::memory_order_relaxed); }
    /// Forgets those that no pool leads to any more. Its hosts must not outlive the directory.
    void drop_unused();

    /// Logins under way at one host, for each event loop. PgBouncer logs in one server of a pool at
    /// a time, so that N servers take N logins' time; without a bound a burst of clients would be a
    /// burst of forks at PostgreSQL.
    static constexpr unsigned logins_per_loop = 4;

private:
    unsigned most_logins_ = logins_per_loop;
    breaker_listener listener_;
    std::atomic<std::uint64_t> transitions_{0};
    mutable std::mutex lock_;
    std::map<std::pair<std::string, std::uint16_t>, upstream_host_ptr> all_;  // guarded by lock_
};

}  // namespace weir::pool

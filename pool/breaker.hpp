// The circuit breaker of one host: whether a login may be tried there, after what happened to those
// before. Pure: time and chance come in as arguments, nothing is logged. Guarded by its owner's
// lock. Not the back-off between two attempts while it is closed (see back_off.hpp).
//
//   closed     -> open       failures within the window
//   open       -> half_open  the pause is over and a login begins: the probe
//   half_open  -> closed     the probe has logged in
//   half_open  -> open       it has not: a longer pause
//   open       -> closed     a login that began before has come through
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

namespace weir::pool {

enum class breaker_state : std::uint8_t {
    closed,     ///< logins are tried
    half_open,  ///< one login, the probe, is under way: it decides
    open,       ///< none is tried before next_try()
};

/// closed, half_open, open: the words of SHOW BREAKERS.
[[nodiscard]] const char* to_string(breaker_state state) noexcept;

struct breaker_options {
    unsigned failures = 5;
    std::chrono::milliseconds window{10'000};
    std::chrono::milliseconds open{15'000};  ///< the longest pause
    friend bool operator==(const breaker_options&, const breaker_options&) = default;
};

class breaker {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// The pause after it has opened. After a failed probe it is at least that, and a quarter of
    /// the time for which it has not been closed; never longer than pool.breaker.open. So a host
    /// that was away for some seconds, for a restart, is used again a second or two after it is
    /// back.
    static constexpr std::chrono::milliseconds first_pause{1'000};

    [[nodiscard]] bool may_try(time_point now) const noexcept;

    /// A login begins. Open turns half-open by it, and it is then the probe.
    /// Shape: only after may_try(now).
    void on_attempt(time_point now);

    /// A login has come to its first ReadyForQuery.
    void on_success(time_point now);

    /// A login that began at `began` has shown that the host is not there. Those that ran at the
    /// same time fail for the same reason and count as one: a restart of PostgreSQL that meets ten
    /// logins is one failure. `chance`: 0..1, spreads the pauses of several daemons by a tenth.
    void on_failure(
        time_point began, time_point now, const breaker_options& options, double chance
    );

    /// The server of the last success has died before anybody could use it: that was none.
    void take_success_back();

    /// The probe has ended and tells nothing of the host: another may follow at once.
    void on_probe_given_up(time_point now);

    /// Somebody knows better (RESUME, RECONNECT): the next attempt need not wait.
    void try_soon(time_point now);

    [[nodiscard]] breaker_state state() const noexcept { return state_; }
    /// Failures within the window, or in a row when it is not closed.
    [[nodiscard]] unsigned failures() const noexcept;
    /// When the state began; time_point{} = it was never another.
    [[nodiscard]] time_point since() const noexcept { return since_; }
    /// Of an open one.
    [[nodiscard]] time_point next_try() const noexcept { return next_try_; }

private:
    void enter(breaker_state state, time_point now);
    void open(time_point now, const breaker_options& options, double chance);

    breaker_state state_ = breaker_state::closed;
    time_point since_{};
    time_point next_try_{};
    time_point last_failure_{};
    std::deque<time_point> recent_;     // while closed; oldest first, no more than options.failures
    std::deque<time_point> forgotten_;  // what the last success has made of recent_
    unsigned in_a_row_ = 0;             // while not closed
    time_point opened_{};               // when it was closed last
};

}  // namespace weir::pool

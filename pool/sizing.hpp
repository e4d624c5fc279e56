// How many server connections to open now, and whether an idle one should be closed: pure functions
// of a few integers and ages. Not the pool: nothing here counts, waits or connects. Any thread; no
// state.
#pragma once

#include <chrono>

namespace weir::pool {

/// A pool's numbers at one moment, over all threads.
struct pool_numbers {
    unsigned size = 0;        ///< connections kept
    unsigned overflow = 0;    ///< more under load
    unsigned min_idle = 0;    ///< idle connections kept ready, never beyond `size`
    unsigned open = 0;        ///< all server connections, including those connecting and closing
    unsigned connecting = 0;  ///< in connect or login, no client on them yet
    unsigned idle = 0;        ///< may be leased at once
    unsigned waiting = 0;     ///< clients in the queue
};

/// Connects that one pool runs at the same time. PgBouncer runs one, so that N connections take N
/// log-ins' time; without a bound a burst of clients would become a burst of forks on the
/// PostgreSQL machine.
inline constexpr unsigned max_parallel_connects = 4;

/// How many connections to open now.
/// Shape: for waiters never more than `waiting - connecting - idle`, never beyond `size +
/// overflow`; for min_idle
///        never beyond `size`; never more than `parallel` in connect at once. 0 when nothing is to
///        be done.
[[nodiscard]] unsigned connections_to_open(
    const pool_numbers& numbers, unsigned parallel = max_parallel_connects
) noexcept;

struct idle_limits {
    std::chrono::milliseconds
        overflow_idle{};  ///< idle time of connections above `size`; 0 = closed at once
    std::chrono::milliseconds idle_timeout{};  ///< 0 = never
    std::chrono::milliseconds lifetime{};      ///< 0 = never
};

struct idle_server {
    std::chrono::milliseconds idle_for{};
    std::chrono::milliseconds age{};
    bool retire = false;  ///< RECONNECT, a changed configuration or address: close when idle
};

enum class close_reason { keep, retired, lifetime, overflow_idle, idle_timeout, shared_limit };

/// Whether a connection of this age is to end for it now, idle or at its release. A `lifetime` of 0
/// is no limit. `since_lifetime_close`: time since this pool last closed one for its age. They are
/// spaced by lifetime / size, so that connections opened together do not end together.
[[nodiscard]] bool is_too_old(
    std::chrono::milliseconds lifetime,
    unsigned size,
    std::chrono::milliseconds age,
    std::chrono::milliseconds since_lifetime_close
) noexcept;

/// Whether an idle connection should be closed now. Ask again after each close with the new
/// numbers. `since_lifetime_close`: as above.
/// Shape: with clients waiting only `retired` and `lifetime` close; idle_timeout leaves min_idle
/// connections.
[[nodiscard]] close_reason should_close(
    const pool_numbers& numbers,
    const idle_limits& limits,
    const idle_server& server,
    std::chrono::milliseconds since_lifetime_close
) noexcept;

/// The words of SHOW and of the log line "closing because: ...".
[[nodiscard]] const char* to_string(close_reason reason) noexcept;

}  // namespace weir::pool

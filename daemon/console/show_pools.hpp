// The rows of SHOW for clients, servers, pools, databases and users. Values in, rows out; any
// thread.
#pragma once

#include "daemon/config/config.hpp"
#include "daemon/console/result.hpp"
#include "daemon/console/sightings.hpp"
#include "daemon/pause_state.hpp"
#include "pool/pool.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace weir::daemon::console {

/// A pool as the console sees it.
struct pool_sighting {
    std::string database;
    std::string user;
    pool::pool_figures figures;
    pool::pool_options options;
    std::size_t hosts = 1;
    pool::host_order order = pool::host_order::listed;
    std::string last_error;
};

/// Both clocks at one moment, to tell a steady time as a time of day.
struct clocks {
    time_point steady = std::chrono::steady_clock::now();
    std::chrono::system_clock::time_point wall = std::chrono::system_clock::now();
    /// "2026-01-31 23:59:59 UTC" in local time, as in PgBouncer.
    [[nodiscard]] std::string tell(time_point when) const;
};

/// A row a host; `next_try` is null unless its breaker is open.
[[nodiscard]] std::vector<row> breaker_rows(
    const std::vector<pool::host_figures>& hosts, const clocks& now
);

[[nodiscard]] std::vector<row> pool_rows(
    const std::vector<pool_sighting>& pools, const sightings& seen
);
/// Without clients that have not logged in yet.
[[nodiscard]] std::vector<row> client_rows(const sightings& seen, const clocks& now);
[[nodiscard]] std::vector<row> server_rows(const sightings& seen, const clocks& now);
/// Clients, then servers, with PgBouncer's names of their lists ("cl_active", "sv_idle") as states.
/// Where they stand in their buffers is told as 0: those are shared. `active_only`: without clients
/// and servers that are idle.
[[nodiscard]] std::vector<row> socket_rows(
    const sightings& seen, const clocks& now, bool active_only
);
[[nodiscard]] std::vector<row> pin_rows(const sightings& seen);
[[nodiscard]] std::vector<row> database_rows(
    const config::config& configuration,
    const std::vector<pool_sighting>& pools,
    const pause_state& paused,
    const sightings& seen
);
[[nodiscard]] std::vector<row> user_rows(
    const config::config& configuration,
    const std::vector<pool_sighting>& pools,
    const sightings& seen
);
[[nodiscard]] std::vector<row> list_rows(
    const config::config& configuration,
    const std::vector<pool_sighting>& pools,
    const sightings& seen
);
/// Paused when a database that nobody has named is, as with PgBouncer: after PAUSE, not after PAUSE
/// db.
[[nodiscard]] std::vector<row> state_rows(const pause_state& paused);

}  // namespace weir::daemon::console

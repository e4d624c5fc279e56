// The rows of SHOW STATS and its kin. Values in, rows out; stats_window one thread.
#pragma once

#include "daemon/console/result.hpp"
#include "daemon/insight/counters.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace weir::daemon::console {

/// PgBouncer's twelve counters of one database, in its order; times in microseconds.
struct stats_counters {
    static constexpr std::size_t count = 12;
    std::array<std::uint64_t, count> values{};
};
using stats_by_database = std::map<std::string, stats_counters>;

[[nodiscard]] stats_by_database count_stats(const std::vector<insight::pool_totals>& databases);

/// What the averages are taken over: from the session's last look that is more than a minute old,
/// at first from the daemon's start, until now. Nobody has to take a snapshot while nobody looks.
class stats_window {
public:
    using time_point = std::chrono::system_clock::time_point;

    struct baseline {
        time_point at{};
        stats_by_database counters;
    };

    /// `started_at`: of the daemon, when all counters were zero.
    explicit stats_window(time_point started_at) : older_{started_at, {}}, newer_{older_} {}
    /// The counters to compare with; `now_counters` may become a later call's.
    const baseline& look(time_point now, const stats_by_database& now_counters);

private:
    static constexpr std::chrono::seconds least{60};

    baseline older_;
    baseline newer_;
};

enum class stats_part : std::uint8_t { all, totals, averages };

/// A row a database. Counts are averages a second; times (transaction, query) averages of one,
/// except the wait, which is microseconds waited a second, as in PgBouncer.
[[nodiscard]] std::vector<row> stats_rows(
    const stats_by_database& now_counters,
    const stats_window::baseline& since,
    stats_window::time_point now,
    stats_part part
);
/// SHOW TOTALS: names and values over all databases.
[[nodiscard]] std::vector<row> total_rows(
    const stats_by_database& now_counters,
    const stats_window::baseline& since,
    stats_window::time_point now
);

}  // namespace weir::daemon::console

// The rows of SHOW STATS and its kin. Values in, rows out.
#pragma once

#include "daemon/console/result.hpp"
#include "daemon/insight/counters.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
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

using stats_time = std::chrono::steady_clock::time_point;

/// All counters at one moment.
struct stats_snapshot {
    stats_time at{};
    stats_by_database counters;
};

/// What averages are taken over.
struct stats_span {
    stats_snapshot from;
    stats_snapshot until;
};

/// The periods of PgBouncer's stats_period, one sequence for the daemon: averages are those of the
/// last whole period, whoever asks and however often. Thread-safe.
class stats_periods {
public:
    static constexpr std::chrono::seconds length{60};

    /// `started_at`: of the daemon, when all counters were zero.
    explicit stats_periods(stats_time started_at) : from_{started_at, {}} {}

    /// To be called about once a second; `count` is called when a period has ended.
    void tick(stats_time now, const std::function<stats_by_database()>& count);
    /// In the first period, which is not over, from the start until `now`.
    [[nodiscard]] stats_span last(stats_time now, const stats_by_database& now_counters) const;

private:
    mutable std::mutex lock_;
    stats_snapshot from_;                  // guarded by lock_
    std::optional<stats_snapshot> until_;  // guarded by lock_
};

enum class stats_part : std::uint8_t { all, totals, averages };

/// A row a database. Counts are averages a second; times (transaction, query) averages of one,
/// except the wait, which is microseconds waited a second, as in PgBouncer.
[[nodiscard]] std::vector<row> stats_rows(
    const stats_by_database& now_counters, const stats_span& span, stats_part part
);
/// SHOW TOTALS: names and values over all databases.
[[nodiscard]] std::vector<row> total_rows(
    const stats_by_database& now_counters, const stats_span& span
);

}  // namespace weir::daemon::console

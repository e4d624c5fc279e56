// The bodies of /stats.json, /cache/stats and /slow. Valid JSON for any bytes in names and texts.
// Runs on the HTTP thread; pure.
#pragma once

#include "daemon/insight/gauges.hpp"
#include "daemon/insight/metrics.hpp"
#include "daemon/insight/slow_statement.hpp"

#include <string>
#include <vector>

namespace weir::daemon::insight {

/// Totals and state: clients, pools, databases with p50/p95/p99, cache, process. Durations in ms.
std::string stats_json(const metrics_input& input);

/// Cache totals and a row a rule with its hit ratio.
std::string cache_stats_json(const cache_gauges& cache);

/// A row a host: upstream, state, failures, since_s (seconds ago), next_try_s (from now),
/// last_error.
std::string breakers_json(const breaker_gauges& breakers);

/// The last slow statements, newest first, as the slow log's own objects, and the log's counts.
std::string slow_json(const std::vector<slow_statement>& statements, const slow_log_counts& counts);

}  // namespace weir::daemon::insight

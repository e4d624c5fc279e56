// The bodies of /stats.json, /cache/stats and /slow. Valid JSON for any bytes in names and texts.
// Runs on the HTTP thread; pure.
#pragma once

#include "daemon/insight/advice_row.hpp"
#include "daemon/insight/gauges.hpp"
#include "daemon/insight/metrics.hpp"
#include "daemon/insight/n_plus_one.hpp"
#include "daemon/insight/slow_statement.hpp"
#include "daemon/insight/statement_statistics.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace weir::daemon::insight {

/// What is known of single statements, which no metric tells.
struct statement_figures {
    statement_report statements;
    std::vector<n_plus_one_pattern> n_plus_one;
    std::vector<advice_row> advice;
};

/// Totals and state: clients, pools, databases with p50/p95/p99, statements, cache, process.
/// Durations in ms.
std::string stats_json(const metrics_input& input, const statement_figures& figures);

/// What /cache/stats tells beyond what metrics count, as SHOW CACHE, TABLES and REASONS print it.
struct cache_details {
    struct rule {
        std::string name;
        std::uint64_t entries = 0;
        std::uint64_t bytes = 0;
        std::uint64_t hits = 0;
        std::uint64_t misses = 0;
        std::uint64_t bypasses = 0;
        std::uint64_t stores = 0;
        std::uint64_t invalidations = 0;
        double avg_hit_us = 0;
        double avg_miss_us = 0;
        double saved_ms = 0;
    };
    struct table {
        std::string database;
        std::string name;
        std::uint64_t version = 0;
        std::uint64_t pending = 0;
        std::uint64_t dependants = 0;
        std::uint64_t invalidations = 0;
        std::string last_cause;  ///< empty = none yet
    };
    struct reason {
        std::string name;
        std::uint64_t count = 0;
        std::string last_query;  ///< normalised
    };
    std::vector<rule> rules;  ///< those in force
    std::vector<table> tables;
    std::vector<reason> reasons;
};

/// Cache totals, a row a rule in force, a row a table and a row a reason.
std::string cache_stats_json(const cache_gauges& cache, const cache_details& details);

/// A row a host: upstream, state, failures, since_s (seconds ago), next_try_s (from now),
/// last_error.
std::string breakers_json(const breaker_gauges& breakers);

/// The last slow statements, newest first, as the slow log's own objects, and the log's counts.
std::string slow_json(const std::vector<slow_statement>& statements, const slow_log_counts& counts);

}  // namespace weir::daemon::insight

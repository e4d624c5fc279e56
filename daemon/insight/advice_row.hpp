// One piece of advice, of whatever kind, as SHOW ADVICE, /advice and the dashboard show it; and the
// kinds that follow from what was counted: clients in the way of transaction mode, N+1, reads that
// memory could answer. Plain data and pure functions.
#pragma once

#include "daemon/insight/advice.hpp"
#include "daemon/insight/json_writer.hpp"
#include "daemon/insight/n_plus_one.hpp"
#include "daemon/insight/statement_statistics.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace weir::daemon::insight {

/// Texts that are empty mean nothing to say.
struct advice_row {
    std::string database;
    std::string user;
    std::string application;
    std::string kind;     ///< a word from a closed list
    std::string verdict;  ///< pins, breaks, fails, slow, cacheable, missing, unused, duplicate
    std::uint64_t count = 0;
    std::string query;   ///< an example, without literals
    std::string advice;  ///< what it costs and what to do
    std::string apply;   ///< SQL or configuration that does it
    std::string undo;    ///< SQL that takes it back
    std::string gain;    ///< what it is expected to bring
};

/// The rows of pool.advise, and one for what had no room.
[[nodiscard]] std::vector<advice_row> pooling_rows(const advice_book& all);
[[nodiscard]] std::vector<advice_row> n_plus_one_rows(
    const std::vector<n_plus_one_pattern>& patterns
);

/// When a read is worth a rule.
struct caching_limits {
    std::uint64_t calls = 100;
    std::chrono::nanoseconds server_time = std::chrono::milliseconds{500};  ///< of all calls
    double hit_ratio = 0.5;  ///< that its repetitions promise, if nothing is written
};
/// Reads that no rule admits, that are repeated with equal values, and that cost time: with a rule
/// for cache.rules. Those that save most first.
[[nodiscard]] std::vector<advice_row> caching_rows(
    const statement_report& report, const caching_limits& limits = {}
);

/// An array of objects.
void write_advice(json_writer& json, const std::vector<advice_row>& rows);
/// The body of /advice.
[[nodiscard]] std::string advice_json(const std::vector<advice_row>& rows);

}  // namespace weir::daemon::insight

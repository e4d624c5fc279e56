// What /stats.json tells of statements: the figures of those that took the most time, and the N+1
// patterns. Valid JSON for any bytes in texts. Pure.
#pragma once

#include "daemon/insight/json_writer.hpp"
#include "daemon/insight/n_plus_one.hpp"
#include "daemon/insight/statement_statistics.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace weir::daemon::insight {

/// Rows of /stats.json; SHOW QUERIES has all.
inline constexpr std::size_t statements_in_json = 100;

/// A fingerprint as it is printed everywhere: 16 hex digits.
[[nodiscard]] std::string fingerprint_text(std::uint64_t fingerprint);

/// Whether memory answers the statement, or why not: "hit" and "miss" by what is more, a reason's
/// word, or "" for what no cache is asked for.
[[nodiscard]] std::string_view cache_verdict(const statement_totals& row);

/// An object: tracked, limit, evicted, rows.
void write_statements(json_writer& json, const statement_report& report);
/// An array of objects.
void write_n_plus_one(json_writer& json, const std::vector<n_plus_one_pattern>& patterns);

}  // namespace weir::daemon::insight

#include "daemon/insight/statement_json.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace weir::daemon::insight {
namespace {

void write_row(json_writer& json, const statement_totals& row) {
    json.begin_object();
    json.key("database").text(row.database);
    json.key("user").text(row.user);
    json.key("fingerprint").text(fingerprint_text(row.fingerprint));
    json.key("query").text(row.query);
    json.key("kind").text(to_string(row.kind));
    json.key("calls").number(row.calls);
    json.key("errors").number(row.errors);
    json.key("rows").number(row.rows);
    json.key("bytes").number(row.bytes);
    json.key("total_ms").milliseconds(row.total);
    json.key("mean_ms").milliseconds(row.mean());
    json.key("p50_ms").milliseconds(row.latency.quantile(0.50));
    json.key("p95_ms").milliseconds(row.latency.quantile(0.95));
    json.key("p99_ms").milliseconds(row.latency.quantile(0.99));
    json.key("max_ms").milliseconds(row.latency.longest);
    json.key("wait_ms").milliseconds(row.wait);
    json.key("server_ms").milliseconds(row.server);
    json.key("transfer_ms").milliseconds(row.transfer);
    json.key("cache_ms").milliseconds(row.cache);
    json.key("occupied_ms").milliseconds(row.occupied);
    json.key("hits").number(row.hits);
    json.key("misses").number(row.misses);
    json.key("bypasses").number(row.bypasses);
    json.key("cache").text(cache_verdict(row));
    json.key("saved_ms").milliseconds(row.saved);
    json.key("n_plus_one").number(row.n_plus_one);
    json.key("repeated").number(row.repeated);
    json.end_object();
}

}  // namespace

std::string fingerprint_text(std::uint64_t fingerprint) {
    return fmt::format("{:016x}", fingerprint);
}

std::string_view cache_verdict(const statement_totals& row) {
    if (row.hits > row.misses) return "hit";
    if (row.hits + row.misses > 0) return "miss";
    return row.reason ? querycache::to_string(*row.reason) : std::string_view{};
}

void write_statements(json_writer& json, const statement_report& report) {
    json.begin_object();
    json.key("tracked").number(report.rows.size());
    json.key("limit").number(report.limit);
    json.key("evicted").number(report.evicted);
    json.key("rows").begin_array();
    const std::size_t shown = std::min(report.rows.size(), statements_in_json);
    for (std::size_t i = 0; i < shown; ++i)
        write_row(json, report.rows[i]);
    json.end_array().end_object();
}

void write_n_plus_one(json_writer& json, const std::vector<n_plus_one_pattern>& patterns) {
    json.begin_array();
    for (const auto& pattern : patterns) {
        json.begin_object();
        json.key("database").text(pattern.database);
        json.key("user").text(pattern.user);
        json.key("application").text(pattern.application);
        json.key("fingerprint").text(fingerprint_text(pattern.fingerprint));
        json.key("query").text(pattern.query);
        json.key("parent").text(pattern.parent);
        json.key("count").number(pattern.runs);
        json.key("repeats").number(pattern.repeats);
        json.key("last_seen").text(rfc3339(pattern.last_seen));
        json.end_object();
    }
    json.end_array();
}

}  // namespace weir::daemon::insight

#include "daemon/insight/advice_row.hpp"

#include "daemon/insight/statement_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace weir::daemon::insight {
namespace {

constexpr std::string_view dropped_words =
    "Statements of more applications than there are rows for. The rows above go with a restart; "
    "set "
    "pool.advise for fewer databases or users.";

// Names go into a YAML flow list in double quotes.
std::string quoted(std::string_view name) {
    std::string out = "\"";
    for (const char c : name) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out += '"';
}

std::string_view without_semicolon(std::string_view text) {
    const auto last = text.find_last_not_of("; ");
    return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

double seconds(std::chrono::nanoseconds time) {
    return std::chrono::duration<double>(time).count();
}

struct caching_gain {
    double hit_ratio = 0;
    std::chrono::nanoseconds saved{0};
};

// As if each set of values had been fetched once.
caching_gain gain_of(const statement_totals& row) {
    const auto calls = static_cast<double>(row.calls);
    const double variants = std::min(row.variants(), calls);
    const double ratio = 1.0 - variants / calls;
    const auto server = static_cast<double>((row.server + row.transfer).count());
    return {ratio, std::chrono::nanoseconds{static_cast<std::int64_t>(server * ratio)}};
}

advice_row caching_row(const statement_totals& row, const caching_gain& gain) {
    advice_row out;
    out.database = row.database;
    out.user = row.user;
    out.kind = "cacheable";
    out.verdict = "cacheable";
    out.count = row.calls;
    out.query = row.query;
    out.advice = fmt::format(
        "No rule admits this read, which is asked again and again with equal values. Say EXPLAIN "
        "CACHE "
        "with it for what a rule would make of it, then add the rule to cache.rules and reload. "
        "Writes "
        "through pgweir drop what they change; the ttl bounds what other writers change."
    );
    out.apply = fmt::format(
        "- {{name: advised_{0}, databases: [{1}], fingerprint: [\"{0}\"], ttl: 60s}}",
        fingerprint_text(row.fingerprint),
        quoted(row.database)
    );
    out.undo = "remove the rule and reload";
    out.gain = fmt::format(
        "up to {:.0f} % of {} calls, {:.1f} s of the server's time so far",
        100 * gain.hit_ratio,
        row.calls,
        seconds(gain.saved)
    );
    return out;
}

}  // namespace

std::vector<advice_row> pooling_rows(const advice_book& all) {
    std::vector<advice_row> rows;
    for (const auto& [where, entry] : all.rows()) {
        const auto& [database, user, application, kind] = where;
        advice_row& row = rows.emplace_back();
        row.database = database;
        row.user = user;
        row.application = application;
        row.kind = to_string(kind);
        row.verdict = verdict_of(kind);
        row.count = entry.count;
        row.query = entry.last_query;
        row.advice = advice_of(kind);
    }
    if (all.dropped() > 0) {
        advice_row& row = rows.emplace_back();
        row.kind = "dropped";
        row.count = all.dropped();
        row.advice = dropped_words;
    }
    return rows;
}

std::vector<advice_row> n_plus_one_rows(const std::vector<n_plus_one_pattern>& patterns) {
    std::vector<advice_row> rows;
    for (const auto& pattern : patterns) {
        const auto parent = without_semicolon(pattern.parent);
        advice_row& row = rows.emplace_back();
        row.database = pattern.database;
        row.user = pattern.user;
        row.application = pattern.application;
        row.kind = "n_plus_one";
        row.verdict = "slow";
        row.count = pattern.runs;
        row.query = pattern.query;
        row.advice = parent.empty()
                         ? "The same read again and again with other values, by one client."
                         : "The same read again and again with other values, behind: " +
                               std::string{parent} + ".";
        row.advice +=
            " Fetch all of it at once: join it to that statement, ask for = ANY($1) with an "
            "array, or let the ORM load the relation eagerly.";
    }
    return rows;
}

std::vector<advice_row> caching_rows(const statement_report& report, const caching_limits& limits) {
    std::vector<std::pair<caching_gain, const statement_totals*>> worthy;
    for (const auto& row : report.rows) {
        const bool is_outside = row.reason == querycache::bypass_reason::no_rule;
        if (!is_outside || row.kind != query_kind::read || row.calls < limits.calls) continue;
        const auto gain = gain_of(row);
        if (gain.hit_ratio < limits.hit_ratio || gain.saved < limits.server_time) continue;
        worthy.emplace_back(gain, &row);
    }
    std::stable_sort(worthy.begin(), worthy.end(), [](const auto& a, const auto& b) {
        return a.first.saved > b.first.saved;
    });
    std::vector<advice_row> rows;
    for (const auto& [gain, row] : worthy)
        rows.push_back(caching_row(*row, gain));
    return rows;
}

void write_advice(json_writer& json, const std::vector<advice_row>& rows) {
    json.begin_array();
    for (const auto& row : rows) {
        json.begin_object();
        json.key("database").text(row.database);
        json.key("user").text(row.user);
        json.key("application").text(row.application);
        json.key("kind").text(row.kind);
        json.key("verdict").text(row.verdict);
        json.key("count").number(row.count);
        json.key("what").text(row.query);
        json.key("why").text(row.advice);
        json.key("apply").text(row.apply);
        json.key("undo").text(row.undo);
        json.key("gain").text(row.gain);
        json.end_object();
    }
    json.end_array();
}

std::string advice_json(const std::vector<advice_row>& rows) {
    json_writer json;
    json.begin_object().key("advice");
    write_advice(json, rows);
    return json.end_object().take();
}

}  // namespace weir::daemon::insight

#include "daemon/console/show_queries.hpp"

#include "daemon/insight/json_writer.hpp"
#include "daemon/insight/query_text.hpp"
#include "daemon/insight/statement_json.hpp"

#include <fmt/format.h>

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <tuple>

namespace weir::daemon::console {

namespace {

value milliseconds(std::chrono::nanoseconds time) {
    return fmt::format("{:.3f}", std::chrono::duration<double, std::milli>(time).count());
}

value text_or_null(std::string_view words) {
    return words.empty() ? value{} : text(words);
}

using statement_name = std::tuple<std::string_view, std::string_view, std::uint64_t>;

}  // namespace

std::vector<row> query_rows(const insight::statement_report& report) {
    std::vector<row> rows;
    rows.reserve(report.rows.size());
    for (const auto& one : report.rows) {
        rows.push_back(
            {text(one.database),
             text(one.user),
             insight::fingerprint_text(one.fingerprint),
             text(one.query),
             text(to_string(one.kind)),
             number(one.calls),
             number(one.errors),
             number(one.rows),
             number(one.bytes),
             milliseconds(one.total),
             milliseconds(one.mean()),
             milliseconds(one.latency.quantile(0.50)),
             milliseconds(one.latency.quantile(0.95)),
             milliseconds(one.latency.quantile(0.99)),
             milliseconds(one.latency.longest),
             milliseconds(one.wait),
             milliseconds(one.server),
             milliseconds(one.transfer),
             milliseconds(one.cache),
             milliseconds(one.occupied),
             number(one.hits),
             number(one.misses),
             number(one.bypasses),
             text_or_null(insight::cache_verdict(one)),
             milliseconds(one.saved),
             number(one.n_plus_one),
             number(one.repeated)}
        );
    }
    return rows;
}

std::vector<row> slow_rows(
    const std::vector<insight::slow_statement>& slow, const insight::statement_report& report
) {
    std::map<statement_name, const insight::statement_totals*> known;
    for (const auto& one : report.rows)
        known.emplace(statement_name{one.database, one.user, one.fingerprint}, &one);
    std::vector<row> rows;
    rows.reserve(slow.size());
    for (const auto& one : slow) {
        row shown{
            text(insight::rfc3339(one.at)),
            text(one.database),
            text(one.user),
            text(one.application),
            text(one.client),
            text(one.request_id),
            text_or_null(one.trace_id),
            insight::fingerprint_text(one.fingerprint),
            insight::printable_text(one.query, insight::slow_text_limit),
            milliseconds(one.total),
            milliseconds(one.wait),
            milliseconds(one.server),
            number(one.rows),
            number(one.bytes),
            text(one.cache),
            text_or_null(one.rule),
            text_or_null(one.sqlstate)};
        const auto all = known.find({one.database, one.user, one.fingerprint});
        const bool is_known = all != known.end();
        shown.push_back(is_known ? number(all->second->calls) : value{});
        shown.push_back(is_known ? milliseconds(all->second->latency.quantile(0.95)) : value{});
        shown.push_back(is_known ? milliseconds(all->second->latency.longest) : value{});
        rows.push_back(std::move(shown));
    }
    return rows;
}

}  // namespace weir::daemon::console

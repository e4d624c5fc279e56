#include "daemon/config/warm_queries.hpp"

#include "daemon/blocked_signals.hpp"
#include "querycache/key.hpp"
#include "querycache/reasons.hpp"
#include "querycache/rules.hpp"
#include "querycache/sql/parser_pool.hpp"
#include "querycache/sql/statement.hpp"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace weir::daemon::config {
namespace {

namespace sql = querycache::sql;
using statement_ptr = std::shared_ptr<const sql::statement>;

/// The parser needs a large stack, and the same few threads all the time: so one for the process,
/// once a configuration has warm queries.
sql::parser_pool& parsers() {
    const blocked_signals inherited;  // signals are the main thread's
    static sql::parser_pool made{1};
    return made;
}

statement_ptr parse(const std::string& text) {
    // Shared: the parser's thread may still be inside set_value() when this one has the answer.
    const auto facts = std::make_shared<std::promise<statement_ptr>>();
    auto answer = facts->get_future();
    parsers().submit(text, [facts](statement_ptr found) { facts->set_value(std::move(found)); });
    return answer.get();
}

bool has(sql::reason_set reasons, sql::text_reason reason) {
    return (reasons & sql::reason_bit(reason)) != 0;
}

/// What is wrong with the text by itself, and what to do; empty: nothing.
std::string problem_of(const std::string& text, const sql::statement& facts) {
    using enum sql::text_reason;
    if (querycache::bare_text(text).empty()) return "is empty; write a query, or take it out";
    if (has(facts.reasons, parse_error)) return "is not valid SQL; correct it";
    if (has(facts.reasons, too_complex)) return "is too long or too deeply nested; take it out";
    if (facts.statements != 1) {
        return fmt::format("holds {} statements; give each an item of its own", facts.statements);
    }
    if (facts.kind != sql::statement_class::read) {
        return fmt::format("is no query but a {}; take it out", to_string(facts.kind));
    }
    if (facts.reasons == 0) return {};
    unsigned bit = 0;
    while ((facts.reasons >> bit & 1U) == 0)
        ++bit;
    return fmt::format(
        "is never cached: {}; take it out, or write it so that it can be kept",
        to_string(querycache::from_text(static_cast<sql::text_reason>(bit)))
    );
}

/// Why no statement of these facts can be the rule's; empty: one may be. A listed name with another
/// schema than the query's may yet be the same table.
std::string not_admitted(const cache_rule& rule, const sql::statement& facts) {
    if (!rule.tables.empty()) {
        if (facts.reads.empty()) return "reads no table, and the rule lists some; take it out";
        for (const auto& read : facts.reads) {
            const bool is_listed = std::ranges::any_of(rule.tables, [&](const std::string& table) {
                const auto listed = querycache::parse_relation_name(table);
                const bool is_elsewhere =
                    !listed.schema.empty() && !read.schema.empty() && listed.schema != read.schema;
                return listed.name == read.name && !is_elsewhere;
            });
            if (!is_listed) {
                return fmt::format(
                    "reads {}{}{}, which the rule's tables do not list; add it there",
                    read.schema,
                    read.schema.empty() ? "" : ".",
                    read.name
                );
            }
        }
    }
    const auto hex = fmt::format("{:016x}", facts.fingerprint);
    if (!rule.fingerprint.empty() && std::ranges::count(rule.fingerprint, hex) == 0) {
        return fmt::format(
            "has the fingerprint {}, which the rule does not list; add it there", hex
        );
    }
    if (!rule.pattern.empty()) {
        re2::RE2::Options options;
        options.set_case_sensitive(false);
        options.set_dot_nl(true);
        options.set_log_errors(false);
        const re2::RE2 pattern(rule.pattern, options);
        if (pattern.ok() && !re2::RE2::PartialMatch(facts.normalised, pattern)) {
            return fmt::format(
                "does not match the rule's pattern as \"{}\"; change one of them", facts.normalised
            );
        }
    }
    return {};
}

}  // namespace

void check_warm_queries(const config& built, const document& from, report& to) {
    const auto found = from.instances.find("cache.rules");
    if (found == from.instances.end()) return;
    auto rule = built.cache.rules.begin();
    for (const instance& each : found->second) {
        const std::string section = fmt::format("cache.rules[{}]", each.name);
        if (!from.sections.contains(section)) continue;
        const cache_rule& one = *rule++;
        const std::string key = section + ".warm";
        const given_value* const given = from.find(key);
        if (given == nullptr) continue;
        for (std::size_t i = 0; i < one.warm.size(); ++i) {
            const auto facts = parse(one.warm[i]);
            std::string problem = problem_of(one.warm[i], *facts);
            if (problem.empty()) problem = not_admitted(one, *facts);
            if (problem.empty()) continue;
            to.error(
                i < given->items_at.size() ? given->items_at[i] : given->at,
                fmt::format("{}: query {} {}", key, i + 1, problem)
            );
        }
    }
}

}  // namespace weir::daemon::config

#include "daemon/console/show_cache.hpp"

#include "daemon/config/nearest.hpp"
#include "daemon/invalidation.hpp"
#include "protocol/sqlstate.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

namespace weir::daemon::console {

namespace {

namespace sqlstate = protocol::sqlstate;
namespace sql = querycache::sql;

value decimal(double v) {
    std::array<char, 64> shown{};
    const auto written =
        std::to_chars(shown.data(), shown.data() + shown.size(), v, std::chars_format::fixed, 3);
    return std::string{shown.data(), written.ptr};
}

/// The one database that the configuration names, "*" aside; empty when there is none or several.
std::string only_database(const config::config& configuration) {
    std::string only;
    for (const auto& [name, database] : configuration.databases) {
        if (name == "*") continue;
        if (!only.empty()) return {};
        only = name;
    }
    return only;
}

std::string hexadecimal(std::uint64_t v) {
    char shown[17];
    std::snprintf(shown, sizeof shown, "%016llx", static_cast<unsigned long long>(v));
    return shown;
}

client_error unknown_database(const std::string& name, const config::config& configuration) {
    std::vector<std::string_view> known;
    for (const auto& [one, entry] : configuration.databases)
        known.push_back(one);
    std::string hint = "SHOW DATABASES lists them.";
    if (const auto near = config::nearest(name, known); !near.empty()) {
        hint.insert(0, did_you_mean(near));
    }
    return make_error(
        sqlstate::invalid_catalog_name,
        "database \"" + name + "\" is not configured",
        std::move(hint)
    );
}

invalidation_target target_of(const command& what) {
    // Only tables have names as SQL folds them.
    switch (what.entry->id) {
        case command_id::invalidate_table:
            return {invalidation_kind::table, what.arguments[0].folded};
        case command_id::invalidate_rule:
            return {invalidation_kind::rule, what.arguments[0].text};
        case command_id::invalidate_event:
            return {invalidation_kind::event, what.arguments[0].text};
        case command_id::invalidate_database:
            return {invalidation_kind::database, what.arguments[0].text};
        default:
            return {};
    }
}

std::vector<std::string> words_of(sql::reason_set reasons) {
    std::vector<std::string> found;
    for (auto i = 0U; i <= static_cast<unsigned>(sql::text_reason::clock_word); ++i) {
        const auto reason = static_cast<sql::text_reason>(i);
        if ((reasons & sql::reason_bit(reason)) != 0) {
            found.emplace_back(to_string(querycache::from_text(reason)));
        }
    }
    return found;
}

std::string join(const std::vector<std::string>& parts) {
    std::string all;
    for (const auto& one : parts)
        all += (all.empty() ? "" : ", ") + one;
    return all;
}

std::vector<std::string> names_of(const std::vector<sql::relation_name>& relations) {
    std::vector<std::string> names;
    for (const auto& one : relations)
        names.push_back(one.schema.empty() ? one.name : one.schema + "." + one.name);
    return names;
}

row item(std::string_view name, std::string shown) {
    return {text(name), std::move(shown)};
}

}  // namespace

std::vector<row> cache_rows(
    const std::vector<querycache::cache_row>& rules, querycache::time_point now
) {
    std::vector<row> rows;
    for (const auto& one : rules) {
        rows.push_back({
            text(one.rule),
            number(one.entries),
            number(one.bytes),
            number(one.totals.hits),
            number(one.totals.misses),
            number(one.totals.bypasses),
            number(one.totals.stores),
            number(one.totals.invalidations),
            decimal(one.hit_ratio()),
            decimal(one.avg_hit_us()),
            decimal(one.avg_miss_us()),
            decimal(one.saved_ms()),
            number(one.suspended_for(now).count()),
        });
    }
    return rows;
}

std::vector<row> cache_table_rows(const std::vector<querycache::table_row>& tables) {
    std::vector<row> rows;
    for (const auto& one : tables) {
        rows.push_back({
            text(one.database),
            text(one.table),
            number(one.version),
            number(one.pending),
            number(one.dependants),
            number(one.invalidations),
            one.last_cause.empty() ? value{} : text(one.last_cause),
        });
    }
    return rows;
}

std::vector<row> cache_reason_rows(const std::vector<querycache::reason_row>& reasons) {
    std::vector<row> rows;
    for (const auto& one : reasons) {
        rows.push_back({
            text(to_string(one.reason)),
            number(one.count),
            one.last_query.empty() ? value{} : text(one.last_query),
        });
    }
    return rows;
}

std::vector<notice> cache_problem_notices(const std::vector<std::string>& problems) {
    std::vector<notice> notices;
    for (const auto& one : problems)
        notices.push_back({"WARNING", one, "", ""});
    return notices;
}

result warm_answer(const std::string& rule, const warm_report& report) {
    if (!report.problem.empty()) {
        return result::of_error(make_error(
            report.is_unknown ? sqlstate::undefined_object
                              : sqlstate::object_not_in_prerequisite_state,
            report.problem,
            report.hint
        ));
    }
    result r;
    if (report.kept == 0 && !report.complaints.empty()) {
        const auto& first = report.complaints.front();
        const auto others = report.complaints.size() - 1;
        return result::of_error(make_error(
            sqlstate::object_not_in_prerequisite_state,
            first.text,
            first.hint,
            others == 0 ? std::string{}
                        : std::to_string(others) + " more of the rule's queries went no better."
        ));
    }
    r.tag = "WARM " + std::to_string(report.asked);
    for (const auto& one : report.complaints)
        r.notices.push_back({"WARNING", one.text, "", one.hint});
    if (report.asked == 0) {
        r.notices.push_back(
            {"NOTICE",
             "nobody is known who asks the warm queries of rule \"" + rule + "\"",
             "No client has asked one yet.",
             "Name databases in the rule, with a user in the database or in the rule whose "
             "password "
             "the configuration has; or let a client ask first."}
        );
    }
    return r;
}

result invalidate(
    querycache::cache& cache, const command& what, const config::config& configuration
) {
    const auto target = target_of(what);
    auto done = daemon::invalidate(cache, target, configuration);
    if (!done.problem.empty()) {
        const bool is_database = target.kind == invalidation_kind::database;
        return result::of_error(make_error(
            is_database ? sqlstate::invalid_catalog_name : sqlstate::undefined_object,
            std::move(done.problem),
            std::move(done.hint)
        ));
    }
    result r;
    r.tag = "INVALIDATE " + std::to_string(done.entries);
    for (const auto& table : done.unknown_tables) {
        // Not an error: a script must not fail because the catalog is not loaded yet.
        r.notices.push_back(
            {"WARNING",
             "no database known to the cache has a table \"" + table + "\"",
             "No entry can depend on it.",
             "Tables are named t or schema.t, in lower case unless quoted; SHOW CACHE TABLES lists "
             "them."}
        );
    }
    if (done.is_unused) {
        r.notices.push_back(
            {"NOTICE",
             "nothing of database \"" + target.name + "\" has been cached since the start",
             "",
             ""}
        );
    }
    return r;
}

std::variant<explain_request, client_error> parse_explain(
    const command& what, const config::config& configuration, const std::string& asking_user
) {
    constexpr std::string_view form = "The form is: EXPLAIN CACHE [DATABASE name] [USER name] sql.";
    explain_request request;
    const auto& words = what.arguments;
    std::size_t at = 0;
    for (; at + 1 < words.size(); at += 2) {
        if (words[at].is("database")) {
            request.database = words[at + 1].text;
        } else if (words[at].is("user")) {
            request.user = words[at + 1].text;
        } else {
            break;
        }
    }
    if (at >= words.size()) {
        return make_error(
            sqlstate::syntax_error, "EXPLAIN CACHE needs a statement", std::string{form}
        );
    }
    request.sql = what.rest;
    if (at > 0) {
        request.sql.erase(0, words[at - 1].end - what.rest_begin);
        request.sql.erase(0, request.sql.find_first_not_of(white_space));
    }

    if (request.database.empty()) {
        request.database = only_database(configuration);
        if (request.database.empty()) {
            return make_error(
                sqlstate::syntax_error,
                "EXPLAIN CACHE needs a database, since the configuration does not name exactly one",
                std::string{form}
            );
        }
    }
    const auto* const entry = configuration.find_database(request.database);
    if (entry == nullptr) return unknown_database(request.database, configuration);
    if (request.user.empty()) request.user = asking_user;
    return request;
}

std::vector<row> explanation_rows(
    const explain_request& request,
    const querycache::explanation& explained,
    sql::reason_set call_reasons,
    std::chrono::milliseconds ttl_hint
) {
    std::vector<row> rows;
    auto reasons = explained.reasons;
    for (auto& one : words_of(call_reasons)) {
        if (std::find(reasons.begin(), reasons.end(), one) == reasons.end()) {
            reasons.push_back(std::move(one));
        }
    }
    rows.push_back(item("verdict", reasons.empty() ? "cached" : "not cached"));
    for (const auto& one : reasons)
        rows.push_back(item("reason", one));
    rows.push_back(item("class", explained.statement_class));
    rows.push_back(item("tables read", join(explained.tables_read)));
    auto written = join(explained.tables_written);
    if (explained.writes_everything) written += written.empty() ? "(all)" : ", (all)";
    rows.push_back(item("tables written", std::move(written)));
    rows.push_back(item("rule", explained.rule));
    if (ttl_hint.count() >= 0) {
        rows.push_back(item("ttl hint", std::to_string(ttl_hint.count()) + "ms"));
    }
    for (const auto& one : explained.key_parts)
        rows.push_back(item("key", one));
    rows.push_back(item("database", request.database));
    rows.push_back(item("user", request.user));
    rows.push_back(item("normalised", explained.normalised));
    rows.push_back(item("fingerprint", hexadecimal(explained.fingerprint)));
    return rows;
}

std::vector<row> explanation_rows(
    const explain_request& request, const sql::statement& facts, sql::reason_set call_reasons
) {
    std::vector<row> rows;
    rows.push_back(item("verdict", "not cached"));
    rows.push_back(item(
        "reason",
        "the cache does not know the database: no rule names it, no client has logged in to it "
        "yet, or its catalog could not be read (a warning tells)"
    ));
    for (const auto& one : words_of(facts.reasons | call_reasons))
        rows.push_back(item("reason", one));
    rows.push_back(item("class", std::string{to_string(facts.kind)}));
    rows.push_back(item("tables read", join(names_of(facts.reads))));
    rows.push_back(
        item("tables written", facts.writes_unknown ? "(all)" : join(names_of(facts.writes)))
    );
    rows.push_back(item("database", request.database));
    rows.push_back(item("user", request.user));
    rows.push_back(item("normalised", facts.normalised));
    rows.push_back(item("fingerprint", hexadecimal(facts.fingerprint)));
    return rows;
}

}  // namespace weir::daemon::console

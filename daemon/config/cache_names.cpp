#include "daemon/config/cache_names.hpp"

#include "daemon/config/nearest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon::config {
namespace {

/// As of a rule's tables and functions: `t` or `s.t`. That it exists nobody can tell before a
/// catalog is loaded.
bool is_table_name(std::string_view name) {
    const auto dot = name.find('.');
    return !name.empty() && dot != 0 && name.back() != '.' &&
           (dot == std::string_view::npos || name.find('.', dot + 1) == std::string_view::npos);
}

/// The file's element `index` of the list `key`, and how to name it in a message.
struct list_item {
    place at;
    std::string shown;
};
list_item item_of(
    const given_value& given, const std::vector<std::string>& items, std::size_t index
) {
    return {
        index < given.items_at.size() ? given.items_at[index] : given.at,
        given.is_reference ? "the value" : fmt::format("\"{}\"", items[index])};
}

void check_tables(
    const std::string& key, const std::vector<std::string>& tables, const document& from, report& to
) {
    const given_value* const given = from.find(key);
    if (given == nullptr) return;
    for (std::size_t i = 0; i < tables.size(); ++i) {
        if (is_table_name(tables[i])) continue;
        const auto item = item_of(*given, tables, i);
        to.error(
            item.at, fmt::format("{}: not a name: {}; write name or schema.name", key, item.shown)
        );
    }
}

void check_event_rules(
    const std::string& key,
    const cache_event& event,
    const config& built,
    const document& from,
    report& to
) {
    const given_value* const given = from.find(key);
    if (given == nullptr) return;
    std::vector<std::string_view> known;
    for (const cache_rule& rule : built.cache.rules)
        known.emplace_back(rule.name);
    for (std::size_t i = 0; i < event.rules.size(); ++i) {
        if (std::ranges::count(known, std::string_view(event.rules[i])) > 0) continue;
        const auto item = item_of(*given, event.rules, i);
        const std::string_view meant = nearest(event.rules[i], known);
        to.error(
            item.at,
            fmt::format(
                "{}: {} is no rule of cache.rules{}",
                key,
                item.shown,
                meant.empty() ? "; add the rule, or take the name out of the event"
                              : fmt::format("; did you mean \"{}\"?", meant)
            )
        );
    }
}

}  // namespace

void check_events(const config& built, const document& from, report& to) {
    const auto found = from.instances.find("cache.events");
    if (found == from.instances.end()) return;
    for (const instance& each : found->second) {
        const std::string key = "cache.events." + key_step(each.name);
        const auto event = built.cache.events.find(each.name);
        if (event == built.cache.events.end()) continue;
        const bool is_told =
            from.attempted.contains(key + ".tables") || from.attempted.contains(key + ".rules");
        const bool is_wrong = is_told && from.find(key + ".tables") == nullptr &&
                              from.find(key + ".rules") == nullptr;
        if (event->second.tables.empty() && event->second.rules.empty() && !is_wrong) {
            to.error(
                each.at, fmt::format("{}: does nothing; give at least one of tables, rules", key)
            );
        }
        check_tables(key + ".tables", event->second.tables, from, to);
        check_event_rules(key + ".rules", event->second, built, from, to);
    }
}

void check_functions(const config& built, const document& from, report& to) {
    const auto found = from.instances.find("cache.functions");
    if (found == from.instances.end()) return;
    for (const instance& each : found->second) {
        const std::string key = "cache.functions." + key_step(each.name);
        const auto function = built.cache.functions.find(each.name);
        if (function == built.cache.functions.end()) continue;
        if (!is_table_name(each.name)) {
            to.error(each.at, fmt::format("{}: not a name: write name or schema.name", key));
        }
        if (!from.attempted.contains(key + ".writes")) {
            to.error(
                each.at,
                fmt::format(
                    "{}: says nothing; give writes, [] for a function that writes none", key
                )
            );
        }
        check_tables(key + ".writes", function->second.writes, from, to);
    }
}

}  // namespace weir::daemon::config

#include "daemon/invalidation.hpp"

#include "daemon/config/nearest.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace weir::daemon {

namespace {

invalidation_outcome refused(
    std::string problem,
    const std::string& name,
    const std::vector<std::string_view>& known,
    std::string hint
) {
    if (const auto near = config::nearest(name, known); !near.empty()) {
        hint.insert(0, fmt::format("Did you mean {}? ", near));
    }
    invalidation_outcome out;
    out.problem = std::move(problem);
    out.hint = std::move(hint);
    return out;
}

invalidation_outcome of_table(querycache::cache& cache, const std::string& table) {
    invalidation_outcome out;
    if (!cache.knows_table(table)) out.unknown_tables.push_back(table);
    out.entries = cache.invalidate_table(table);
    return out;
}

invalidation_outcome of_rule(querycache::cache& cache, const std::string& rule) {
    if (cache.knows_rule(rule)) return {cache.invalidate_rule(rule)};
    const auto rules = cache.rules();
    std::vector<std::string_view> known;
    for (const auto& one : rules->rules())
        known.push_back(one.source.name);
    return refused("no cache rule \"" + rule + "\"", rule, known, "SHOW CACHE lists the rules.");
}

invalidation_outcome of_event(
    querycache::cache& cache, const std::string& event, const config::config& configuration
) {
    const auto& events = configuration.cache.events;
    if (const auto found = events.find(event); found != events.end()) {
        invalidation_outcome out;
        out.entries = invalidate_event(cache, found->second, nullptr, out.unknown_tables);
        return out;
    }
    constexpr std::size_t enough = 20;
    std::vector<std::string_view> known;
    for (const auto& [name, one] : events)
        known.push_back(name);
    std::string hint = "The configuration has none: cache.events.";
    if (!known.empty()) {
        const std::vector<std::string_view> first(
            known.begin(),
            known.begin() + static_cast<std::ptrdiff_t>(std::min(known.size(), enough))
        );
        hint = fmt::format(
            "The events of cache.events are: {}{}.",
            fmt::join(first, ", "),
            known.size() > enough ? ", ..." : ""
        );
    }
    return refused("no event \"" + event + "\"", event, known, std::move(hint));
}

invalidation_outcome of_database(
    querycache::cache& cache, const std::string& name, const config::config& configuration
) {
    const auto* const entry = configuration.find_database(name);
    if (entry == nullptr) {
        std::vector<std::string_view> known;
        for (const auto& [one, options] : configuration.databases)
            known.push_back(one);
        return refused(
            "database \"" + name + "\" is not configured", name, known, "SHOW DATABASES lists them."
        );
    }
    // Two clusters may have databases of one name: dropping too much does no harm.
    const auto server_name = entry->server_dbname(name);
    invalidation_outcome out;
    out.is_unused = true;
    for (auto* const one : cache.databases()) {
        if (one->name() != server_name) continue;
        out.is_unused = false;
        out.entries += cache.invalidate_database(*one);
    }
    return out;
}

}  // namespace

std::size_t invalidate_event(
    querycache::cache& cache,
    const config::cache_event& event,
    querycache::database_state* only,
    std::vector<std::string>& unknown_tables
) {
    std::size_t entries = 0;
    for (const auto& table : event.tables) {
        if (!cache.knows_table(table, only)) unknown_tables.push_back(table);
        entries += cache.invalidate_table(table, only, querycache::bump_cause::event);
    }
    for (const auto& rule : event.rules)
        entries += cache.invalidate_rule(rule);
    return entries;
}

invalidation_outcome invalidate(
    querycache::cache& cache, const invalidation_target& target, const config::config& configuration
) {
    switch (target.kind) {
        case invalidation_kind::table:
            return of_table(cache, target.name);
        case invalidation_kind::rule:
            return of_rule(cache, target.name);
        case invalidation_kind::event:
            return of_event(cache, target.name, configuration);
        case invalidation_kind::database:
            return of_database(cache, target.name, configuration);
        case invalidation_kind::all:
            break;
    }
    return {cache.invalidate_all()};
}

}  // namespace weir::daemon

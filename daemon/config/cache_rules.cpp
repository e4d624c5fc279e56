#include "daemon/config/cache_rules.hpp"

#include <algorithm>
#include <utility>
#include <variant>
#include <vector>

namespace weir::daemon {

std::shared_ptr<const querycache::rule_set> make_rules(
    const config::config& configuration,
    const querycache::rule_set* before,
    std::vector<querycache::rule_error>& errors
) {
    std::vector<querycache::rule> rules;
    for (const auto& from : configuration.cache.rules) {
        querycache::rule to;
        to.name = from.name;
        to.databases = from.databases;
        to.users = from.users;
        to.applications = from.applications;
        to.tables = from.tables;
        to.pattern = from.pattern;
        to.fingerprint = from.fingerprint;
        to.ttl = from.ttl;
        to.max_result = from.max_result_bytes;
        to.share = from.share == config::rule_share::database ? querycache::sharing::database
                                                              : querycache::sharing::user;
        to.stale_while_revalidate = from.stale_while_revalidate;
        to.stale_if_error = from.stale_if_error;
        to.in_transaction = from.in_transaction == config::rule_in_transaction::until_write;
        to.settings = from.settings;
        to.functions = from.functions;
        to.cache_empty = from.cache_empty;
        to.warm = from.warm;
        rules.push_back(std::move(to));
    }
    std::vector<querycache::function_effect> effects;
    for (const auto& [name, function] : configuration.cache.functions)
        effects.push_back({name, function.writes});
    auto compiled = querycache::rule_set::compile(std::move(rules), std::move(effects), before);
    if (auto* const found = std::get_if<1>(&compiled)) {
        errors = std::move(*found);
        return querycache::rule_set::none();
    }
    return std::get<0>(std::move(compiled));
}

querycache::cache_limits make_cache_limits(
    const config::config& configuration, std::size_t threads
) {
    querycache::cache_limits limits;
    limits.memory = configuration.cache.memory_bytes;
    limits.max_result = configuration.cache.max_result_bytes;
    for (const auto& rule : configuration.cache.rules)
        limits.max_result = std::max(limits.max_result, rule.max_result_bytes);
    limits.mode = configuration.cache.consistency == config::cache_consistency::linearizable
                      ? querycache::consistency::linearizable
                      : querycache::consistency::after_commit;
    limits.threads = threads;
    limits.verify = configuration.cache.verify;
    limits.lock_probe = configuration.cache.lock_probe;
    return limits;
}

}  // namespace weir::daemon

#include "daemon/http/readiness.hpp"

#include <map>

namespace weir::daemon::http {

namespace {

using errors_by_addresses = std::map<std::string, std::string>;

errors_by_addresses find_unreachable(const readiness_facts& facts) {
    errors_by_addresses found;
    for (const auto& pool : facts.pools) {
        if (pool.is_unreachable && !pool.is_paused) found.emplace(pool.addresses, pool.error);
    }
    return found;
}

std::string error_of(const pool_condition& pool, const errors_by_addresses& unreachable) {
    if (!pool.error.empty() || pool.has_server) return pool.error;
    const auto found = unreachable.find(pool.addresses);
    return found == unreachable.end() ? std::string{} : found->second;
}

}  // namespace

readiness judge_readiness(const readiness_facts& facts) {
    readiness found;
    if (facts.is_draining) found.reasons.push_back("pgweir is draining");
    if (facts.clients >= facts.max_clients) {
        found.reasons.push_back(
            "listen.max_clients is reached: " + std::to_string(facts.max_clients)
        );
    }
    const auto unreachable = find_unreachable(facts);
    std::vector<std::string> troubles;
    for (std::size_t i = 0; i < facts.pools.size(); ++i) {
        const auto& pool = facts.pools[i];
        if (pool.is_paused) {
            troubles.push_back("pool " + pool.name + " is paused");
        } else if (const auto error = error_of(pool, unreachable); !error.empty()) {
            troubles.push_back("pool " + pool.name + " has no server: " + error);
            // Wrong credentials stay wrong, and each attempt is a line in PostgreSQL's log.
            if (pool.is_unreachable || pool.error.empty()) found.worth_a_try.push_back(i);
        }
    }
    const bool serves_nobody = !troubles.empty() && troubles.size() == facts.pools.size();
    auto& where = serves_nobody ? found.reasons : found.degraded;
    where.insert(where.end(), troubles.begin(), troubles.end());
    return found;
}

}  // namespace weir::daemon::http

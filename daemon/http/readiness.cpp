#include "daemon/http/readiness.hpp"

namespace weir::daemon::http {

readiness judge_readiness(const readiness_facts& facts) {
    readiness found;
    if (facts.is_draining) found.reasons.push_back("pgweir is draining");
    if (facts.clients >= facts.max_clients) {
        found.reasons.push_back(
            "listen.max_clients is reached: " + std::to_string(facts.max_clients)
        );
    }
    std::vector<std::string> troubles;
    for (const auto& pool : facts.pools) {
        if (pool.is_paused) {
            troubles.push_back("pool " + pool.name + " is paused");
        } else if (!pool.error.empty()) {
            troubles.push_back("pool " + pool.name + " has no server: " + pool.error);
        }
    }
    const bool serves_nobody = !troubles.empty() && troubles.size() == facts.pools.size();
    auto& where = serves_nobody ? found.reasons : found.degraded;
    where.insert(where.end(), troubles.begin(), troubles.end());
    return found;
}

}  // namespace weir::daemon::http

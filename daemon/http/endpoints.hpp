// The paths of interface.md §6 as a route table. Knows which path answers what and in which form;
// where the numbers come from is the caller's. Handlers run on the HTTP thread, so the sources must
// be thread-safe.
#pragma once

#include "daemon/http/server.hpp"

#include <functional>
#include <string>
#include <vector>

namespace weir::daemon::http {

/// Why no client could be served now; empty = ready. Each reason is one sentence for a person.
using readiness = std::vector<std::string>;

/// All must be set.
struct endpoint_sources {
    std::function<std::string()> metrics;  ///< Prometheus text
    std::function<readiness()> ready;
    std::function<std::string()> stats;        ///< JSON
    std::function<std::string()> cache_stats;  ///< JSON
    std::function<std::string()> slow;         ///< JSON
    std::string version;
};

/// /metrics /health /ready /stats.json /cache/stats /slow and the page at /. What the contract
/// names and this version does not have (/circuit-breakers, POST /invalidate, POST /reload) answers
/// 501 with what to use instead.
route_table make_routes(endpoint_sources sources);

}  // namespace weir::daemon::http

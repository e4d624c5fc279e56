// The paths of interface.md §6 as a route table. Knows which path answers what and in which form;
// where the numbers come from is the caller's. Handlers run on the HTTP thread, so the sources must
// be thread-safe.
#pragma once

#include "daemon/http/access.hpp"
#include "daemon/http/readiness.hpp"
#include "daemon/http/server.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace weir::daemon::http {

enum class reload_end : std::uint8_t {
    applied,
    refused,     ///< the file has errors, everything runs as before
    unfinished,  ///< it took too long to wait for
};
struct reload_outcome {
    reload_end end = reload_end::applied;
    std::string problems = {};  ///< one a line
};

/// What POST /invalidate asks for; the fields' own words.
enum class invalidation_scope : std::uint8_t { table, rule, event, database, all };
struct invalidation_request {
    invalidation_scope scope = invalidation_scope::all;
    std::string name = {};  ///< of all: empty
};

struct invalidation {
    std::size_t entries = 0;   ///< that went
    std::string problem = {};  ///< the name leads nowhere and nothing was done; empty = done
    std::string hint = {};     ///< what to do about it
    std::vector<std::string> unknown_tables = {};  ///< done, but no database has them
};

/// All must be set.
struct endpoint_sources {
    std::function<std::string()> metrics;  ///< Prometheus text
    std::function<readiness()> ready;
    std::function<std::string()> stats;        ///< JSON
    std::function<std::string()> cache_stats;  ///< JSON
    std::function<std::string()> slow;         ///< JSON
    std::function<std::string()> breakers;     ///< JSON
    std::function<std::string()> advice;       ///< JSON
    std::function<std::string()> events;       ///< JSON
    std::function<std::string()> compression;  ///< JSON
    access_tokens tokens;
    std::function<reload_outcome()> reload;
    std::function<invalidation(const invalidation_request&)> invalidate;
};

/// /metrics /health /ready /stats.json /cache/stats /slow /circuit-breakers /advice /events
/// /compression/stats and the page at /, which all but /health and /ready ask for the token to look
/// when there is one; and with the token to change POST /invalidate and POST /reload.
route_table make_routes(endpoint_sources sources);

}  // namespace weir::daemon::http

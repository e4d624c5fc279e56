// Whether a client could be served now, from what the pools have found out by themselves: nothing
// is asked of PostgreSQL here, so a daemon that no client has used yet knows of no trouble. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace weir::daemon::http {

/// What one pool knows of itself.
struct pool_condition {
    std::string name;  ///< DATABASE/USER
    bool is_paused = false;
    std::string error;  ///< of its last attempt to connect, while it has no server; else empty
    bool has_server = false;
    /// With `error`: PostgreSQL could not be reached at all.
    bool is_unreachable = false;
    std::string addresses;  ///< where it leads
};

struct readiness_facts {
    bool is_draining = false;
    int clients = 0;
    int max_clients = 0;
    std::vector<pool_condition> pools;
};

/// Each line is one sentence for a person.
struct readiness {
    std::vector<std::string> reasons;   ///< why no client could be served; empty = ready
    std::vector<std::string> degraded;  ///< pools in trouble beside others that are not
    /// Of the facts' pools, by index: those whose trouble another attempt to connect may end.
    std::vector<std::size_t> worth_a_try;
};

/// A pool in trouble is its own clients' trouble: taking the whole instance out of a balancer for
/// it would hurt the others. Only when all pools there are have trouble is nobody served. A pool
/// that has no server and has not tried lately shares the trouble of one that could not reach
/// PostgreSQL at the same addresses.
[[nodiscard]] readiness judge_readiness(const readiness_facts& facts);

}  // namespace weir::daemon::http

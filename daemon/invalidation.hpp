// What is dropped from the cache by name: by INVALIDATE at the console, by POST /invalidate, and by
// the named events of the configuration. Knows no form of question or answer. Not for an event
// loop, since it walks over entries. Thread-safe.
#pragma once

#include "daemon/config/config.hpp"
#include "querycache/cache.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace weir::daemon {

enum class invalidation_kind : std::uint8_t { table, rule, event, database, all };

struct invalidation_target {
    invalidation_kind kind = invalidation_kind::all;
    std::string name = {};  ///< a table as `t` or `s.t`; of all: empty
};

struct invalidation_outcome {
    std::size_t entries = 0;  ///< that went, out-of-date ones not counted
    /// Why nothing was done: the configuration does not have the name. Empty: it was done.
    std::string problem = {};
    std::string hint = {};  ///< sentences; what to do about the problem
    /// Tables that no catalog known to the cache has: no entry can depend on them.
    std::vector<std::string> unknown_tables = {};
    bool is_unused = false;  ///< of a database: nothing of it was cached since the start
};

/// In force when it returns.
[[nodiscard]] invalidation_outcome invalidate(
    querycache::cache& cache, const invalidation_target& target, const config::config& configuration
);

/// What the event says, its tables in `only`, or in every database when that is null. Returns the
/// entries that went, and appends tables that nobody knows. In force when it returns.
std::size_t invalidate_event(
    querycache::cache& cache,
    const config::cache_event& event,
    querycache::database_state* only,
    std::vector<std::string>& unknown_tables
);

}  // namespace weir::daemon

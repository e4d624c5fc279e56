// What is true now, as plain data that the daemon fills when the HTTP thread asks: the state of
// clients, pools, pins and the cache. Not here: what was counted (counters.hpp). Any thread; values
// only.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace weir::daemon::insight {

/// Clients by what they do; each client is in exactly one.
struct client_gauges {
    std::uint64_t login = 0;    ///< connected, not logged in yet
    std::uint64_t idle = 0;     ///< logged in, holds no server, asks for nothing
    std::uint64_t active = 0;   ///< linked to a server
    std::uint64_t waiting = 0;  ///< in a pool's queue
    std::uint64_t console = 0;  ///< of the admin console
};

/// Server connections by PgBouncer's words (SHOW POOLS); each is in exactly one.
struct server_gauges {
    std::uint64_t login = 0;
    std::uint64_t idle = 0;
    std::uint64_t active = 0;
    std::uint64_t used = 0;    ///< idle for longer than check_after_idle
    std::uint64_t tested = 0;  ///< running a reset or a check

    [[nodiscard]] std::uint64_t total() const { return login + idle + active + used + tested; }
};

/// One pool (database and user) over all threads.
struct pool_gauges {
    std::string database;
    std::string user;
    server_gauges servers;
    std::uint64_t size = 0;                 ///< configured
    std::uint64_t overflow = 0;             ///< open connections beyond size
    std::uint64_t overflow_limit = 0;       ///< configured: how many that may be
    std::uint64_t waiting = 0;              ///< clients in the queue
    std::chrono::microseconds max_wait{0};  ///< of the oldest waiter
    std::uint64_t prepared_statements = 0;  ///< named, on all servers of the pool
};

struct pin_gauge {
    std::string reason;  ///< from a closed list
    std::uint64_t clients = 0;
};

/// A count that the cache keeps under a name from a closed list, or a rule's name.
struct named_count {
    std::string name;
    std::uint64_t count = 0;
};

/// Lookups by rule; what no rule admits is not a lookup and counts only as a bypass reason.
struct cache_rule_counts {
    std::string rule;
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t bypasses = 0;
    std::uint64_t warmed = 0;  ///< fetched by the daemon itself; not among the misses
};

/// The cache, counted since start except entries and bytes. All zero when there are no rules.
struct cache_gauges {
    std::vector<cache_rule_counts> rules;
    std::vector<named_count> bypasses;       ///< by reason
    std::vector<named_count> evictions;      ///< by reason
    std::vector<named_count> invalidations;  ///< by cause
    std::uint64_t entries = 0;
    std::uint64_t bytes = 0;
    std::uint64_t capacity_bytes = 0;  ///< the configured limit
    std::uint64_t stores = 0;
    std::vector<named_count> shadows;  ///< hits that were run as well, by what came out
    std::vector<named_count> probes;  ///< transactions whose locks were asked for, by what came out
    std::vector<named_count> flights;  ///< misses by whether they led or waited
    std::uint64_t stale_served = 0;
    std::chrono::nanoseconds saved{0};  ///< server time that hits did not need
};

/// The circuit breaker of one host of PostgreSQL.
struct breaker_gauge {
    std::string upstream;  ///< HOST:PORT
    std::string state;     ///< closed, half_open or open
    std::uint64_t failures = 0;
    std::chrono::milliseconds since{0};                 ///< ago: when the state began
    std::optional<std::chrono::milliseconds> next_try;  ///< from now, of an open one
    std::string last_error;
};

struct breaker_gauges {
    std::vector<breaker_gauge> hosts;
    std::uint64_t transitions = 0;
};

/// The HTTP listener: counted since start except `open`.
struct http_gauges {
    std::uint64_t accepted = 0;  ///< connections, the refused ones among them
    std::uint64_t refused = 0;
    std::uint64_t evicted = 0;
    std::uint64_t requests = 0;
    std::uint64_t open = 0;
};

struct gauge_snapshot {
    bool is_ready = false;          ///< what /ready says
    std::uint64_t max_clients = 0;  ///< configured
    client_gauges clients;
    std::vector<pool_gauges> pools;
    std::vector<pin_gauge> pins;
    cache_gauges cache;
    breaker_gauges breakers;
    http_gauges http;
};

/// Supplied by the daemon, called on the HTTP thread for each scrape: must be thread-safe, must not
/// wait for an event loop for longer than a scrape may take.
using gauge_source = std::function<gauge_snapshot()>;

}  // namespace weir::daemon::insight

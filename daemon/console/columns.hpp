// The columns of what the console shows: PgBouncer's in PgBouncer's order, then our own. Known
// before a command runs, since Describe asks for them. Static storage; any thread.
#pragma once

#include "daemon/console/result.hpp"

#include <span>

namespace weir::daemon::console::columns {

using list = std::span<const column>;

extern const list pools;
extern const list clients;
extern const list servers;
extern const list sockets;
extern const list databases;
extern const list users;
extern const list lists;
extern const list stats;
extern const list stats_totals;
extern const list stats_averages;
extern const list totals;
extern const list state;
extern const list config;
extern const list dns_hosts;
extern const list dns_zones;
extern const list peers;
extern const list peer_pools;
extern const list version;
extern const list memory;
extern const list help;
extern const list breakers;
extern const list pins;
extern const list advice;
extern const list queries;
extern const list slow;
extern const list cache;
extern const list cache_tables;
extern const list cache_reasons;
extern const list explanation;

}  // namespace weir::daemon::console::columns

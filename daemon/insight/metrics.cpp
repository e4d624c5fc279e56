#include "daemon/insight/metrics.hpp"

#include "daemon/insight/metric_families.hpp"

namespace weir::daemon::insight {
namespace {

double seconds(std::chrono::nanoseconds duration) {
    return std::chrono::duration<double>(duration).count();
}

void add_clients(metric_families& out, const metrics_input& input) {
    const auto& clients = input.gauges.clients;
    out.gauge("pgweir_clients", "Client connections by state.");
    out.add({{"state", "login"}}, clients.login);
    out.add({{"state", "idle"}}, clients.idle);
    out.add({{"state", "active"}}, clients.active);
    out.add({{"state", "waiting"}}, clients.waiting);
    out.add({{"state", "console"}}, clients.console);
    out.gauge("pgweir_max_clients", "Configured limit of client connections.");
    out.add({}, input.gauges.max_clients);

    const auto& counted = input.counters.workers;
    out.counter("pgweir_client_connections_total", "Client connections accepted.");
    out.add({}, counted.clients_connected);
    out.counter("pgweir_client_disconnections_total", "Client connections that ended.");
    out.add({}, counted.clients_disconnected);
    out.counter("pgweir_client_logins_total", "Client logins by how they ended.");
    for (std::size_t i = 0; i < login_result_count; ++i) {
        out.add({{"result", to_string(static_cast<login_result>(i))}}, counted.logins[i]);
    }
    out.gauge(
        "pgweir_pinned_clients", "Clients that hold a server outside a transaction, by reason."
    );
    for (const auto& pin : input.gauges.pins)
        out.add({{"reason", pin.reason}}, pin.clients);
}

void add_servers(metric_families& out, const metrics_input& input) {
    out.gauge("pgweir_server_connections", "Server connections by pool and state.");
    for (const auto& pool : input.gauges.pools) {
        const auto add = [&](std::string_view state, std::uint64_t count) {
            out.add({{"database", pool.database}, {"user", pool.user}, {"state", state}}, count);
        };
        add("login", pool.servers.login);
        add("idle", pool.servers.idle);
        add("active", pool.servers.active);
        add("used", pool.servers.used);
        add("tested", pool.servers.tested);
    }
    const auto& counted = input.counters.workers;
    out.histogram(
        "pgweir_server_connect_seconds", "Time to open a server connection and log in to it."
    );
    out.add({}, counted.server_connect_seconds);
    out.counter("pgweir_server_connect_failures_total", "Server connections that failed, by why.");
    for (std::size_t i = 0; i < connect_failure_count; ++i) {
        out.add(
            {{"reason", to_string(static_cast<connect_failure>(i))}}, counted.connect_failures[i]
        );
    }
    out.counter("pgweir_server_disconnections_total", "Server connections that ended.");
    out.add({}, counted.servers_disconnected);
}

void add_pools(metric_families& out, const metrics_input& input) {
    const auto each_pool = [&](auto value) {
        for (const auto& pool : input.gauges.pools) {
            out.add({{"database", pool.database}, {"user", pool.user}}, value(pool));
        }
    };
    out.gauge("pgweir_pool_size", "Configured size of the pool, without overflow.");
    each_pool([](const pool_gauges& pool) { return pool.size; });
    out.gauge("pgweir_pool_overflow_connections", "Open server connections beyond the size.");
    each_pool([](const pool_gauges& pool) { return pool.overflow; });
    out.gauge("pgweir_pool_overflow_limit", "Configured: how many connections beyond the size.");
    each_pool([](const pool_gauges& pool) { return pool.overflow_limit; });
    out.gauge("pgweir_pool_waiting_clients", "Clients in the pool's queue.");
    each_pool([](const pool_gauges& pool) { return pool.waiting; });
    out.gauge("pgweir_pool_max_wait_seconds", "How long the oldest client has been waiting.");
    each_pool([](const pool_gauges& pool) { return seconds(pool.max_wait); });
    out.gauge("pgweir_prepared_statements", "Named statements on the pool's servers.");
    each_pool([](const pool_gauges& pool) { return pool.prepared_statements; });
}

void add_traffic(metric_families& out, const metrics_input& input) {
    pool_totals all;
    for (const auto& pool : input.counters.pools)
        all += pool;
    out.counter("pgweir_transactions_total", "Transactions, queries outside one among them.");
    out.add({}, all.transactions);
    out.counter("pgweir_bytes_total", "Bytes of the protocol, by direction.");
    out.add({{"direction", "from_client"}}, all.bytes_from_client);
    out.add({{"direction", "to_client"}}, all.bytes_to_client);
    out.add({{"direction", "from_server"}}, all.bytes_from_server);
    out.add({{"direction", "to_server"}}, all.bytes_to_server);
    out.counter(
        "pgweir_pool_labels_folded_total",
        "Logins counted under (other): there are more pools than labels."
    );
    out.add({}, input.counters.folded_logins);
}

void add_breakers(metric_families& out, const breaker_gauges& breakers) {
    out.gauge(
        "pgweir_breaker_state",
        "Circuit breaker of a host of PostgreSQL: 0 closed, 1 half-open, 2 open."
    );
    for (const auto& host : breakers.hosts) {
        const std::uint64_t state = host.state == "open" ? 2 : host.state == "half_open" ? 1 : 0;
        out.add({{"upstream", host.upstream}}, state);
    }
    out.counter("pgweir_breaker_transitions_total", "Changes of a circuit breaker's state.");
    out.add({}, breakers.transitions);
}

void add_waits(metric_families& out, const std::vector<pool_totals>& databases) {
    out.histogram("pgweir_pool_wait_seconds", "Time in a pool's queue, of clients that waited.");
    for (const auto& database : databases)
        out.add({{"database", database.database}}, database.wait_seconds);
    out.counter("pgweir_pool_wait_timeouts_total", "Clients that waited in vain.");
    for (const auto& database : databases)
        out.add({{"database", database.database}}, database.wait_timeouts);
}

void add_queries(metric_families& out, const std::vector<pool_totals>& databases) {
    out.counter("pgweir_queries_total", "Queries by database and kind.");
    for (const auto& database : databases) {
        for (std::size_t i = 0; i < query_kind_count; ++i) {
            const auto kind = to_string(static_cast<query_kind>(i));
            out.add({{"database", database.database}, {"kind", kind}}, database.queries[i]);
        }
    }
    out.histogram(
        "pgweir_query_seconds", "Time of a query from its first byte to the reply's last one."
    );
    for (const auto& database : databases) {
        for (std::size_t i = 0; i < answer_source_count; ++i) {
            const auto source = static_cast<answer_source>(i);
            const auto& seconds_of = database.query_seconds[i];
            // 26 lines each: databases that nothing is cached of do without.
            if (source == answer_source::cache && seconds_of.count() == 0) continue;
            out.add({{"database", database.database}, {"source", to_string(source)}}, seconds_of);
        }
    }
    out.counter("pgweir_slow_queries_total", "Queries over the slow log's threshold.");
    for (const auto& database : databases)
        out.add({{"database", database.database}}, database.slow_queries);
    out.counter("pgweir_n_plus_one_total", "Runs of one query over and over by one client.");
    for (const auto& database : databases)
        out.add({{"database", database.database}}, database.n_plus_one);
}

void add_errors(metric_families& out, const metrics_input& input) {
    out.counter("pgweir_errors_total", "Errors sent to clients, by SQLSTATE class and maker.");
    for (std::size_t origin = 0; origin < error_origin_count; ++origin) {
        for (std::size_t i = 0; i < sqlstate_classes::count; ++i) {
            const auto count = input.counters.workers.errors[origin][i];
            if (count == 0) continue;
            out.add(
                {{"sqlstate_class", sqlstate_classes::name(i)},
                 {"origin", to_string(static_cast<error_origin>(origin))}},
                count
            );
        }
    }
}

void add_cache(metric_families& out, const cache_gauges& cache) {
    const auto add_named = [&](std::string_view label, const std::vector<named_count>& counts) {
        for (const auto& each : counts)
            out.add({{label, each.name}}, each.count);
    };
    out.counter("pgweir_cache_requests_total", "Queries that a cache rule admitted, by result.");
    for (const auto& rule : cache.rules) {
        out.add({{"rule", rule.rule}, {"result", "hit"}}, rule.hits);
        out.add({{"rule", rule.rule}, {"result", "miss"}}, rule.misses);
        out.add({{"rule", rule.rule}, {"result", "bypass"}}, rule.bypasses);
    }
    out.counter("pgweir_cache_warmed_total", "Replies that pgweir itself has fetched and kept.");
    for (const auto& rule : cache.rules)
        out.add({{"rule", rule.rule}}, rule.warmed);
    out.counter("pgweir_cache_bypass_total", "Queries that were not cached, by reason.");
    add_named("reason", cache.bypasses);
    out.counter("pgweir_cache_evictions_total", "Entries removed, by reason.");
    add_named("reason", cache.evictions);
    out.counter("pgweir_cache_invalidations_total", "Table versions bumped, by cause.");
    add_named("cause", cache.invalidations);
    out.gauge("pgweir_cache_entries", "Entries in the cache.");
    out.add({}, cache.entries);
    out.gauge("pgweir_cache_bytes", "Bytes that the entries are charged with.");
    out.add({}, cache.bytes);
    out.gauge("pgweir_cache_limit_bytes", "Bytes that the cache may use.");
    out.add({}, cache.capacity_bytes);
    out.counter("pgweir_cache_stores_total", "Replies that were stored.");
    out.add({}, cache.stores);
    out.counter(
        "pgweir_cache_flights_total", "Misses that went to a server or waited for one that did."
    );
    add_named("result", cache.flights);
    out.counter(
        "pgweir_cache_lock_probes_total",
        "Transactions of unknown effect whose locks were asked for, by what came out."
    );
    add_named("result", cache.probes);
    out.counter("pgweir_cache_shadow_total", "Hits that were run as well, by what came out.");
    add_named("result", cache.shadows);
    out.counter("pgweir_cache_stale_served_total", "Answers from entries past their time.");
    out.add({}, cache.stale_served);
    out.counter("pgweir_cache_saved_seconds_total", "Server time that hits did not need.");
    out.add({}, seconds(cache.saved));
}

void add_http(metric_families& out, const http_gauges& http) {
    out.counter("pgweir_http_connections_total", "HTTP connections by what became of them.");
    out.add({{"result", "served"}}, http.accepted - http.refused);
    out.add({{"result", "refused"}}, http.refused);
    out.counter(
        "pgweir_http_evictions_total", "Idle HTTP connections that were closed to make room."
    );
    out.add({}, http.evicted);
    out.counter("pgweir_http_requests_total", "HTTP requests, this one among them.");
    out.add({}, http.requests);
    out.gauge("pgweir_http_connections_open", "HTTP connections, this one among them.");
    out.add({}, http.open);
}

void add_daemon(metric_families& out, const metrics_input& input) {
    out.gauge("pgweir_ready", "1 while a client could be served, as /ready tells it, else 0.");
    out.add({}, input.gauges.is_ready ? 1.0 : 0.0);
    out.counter("pgweir_config_reloads_total", "Reloads of the configuration, by result.");
    out.add({{"result", "applied"}}, input.counters.reloads_applied);
    out.add({{"result", "failed"}}, input.counters.reloads_failed);
    out.histogram("pgweir_event_loop_lag_seconds", "How late the event loops' heartbeat ran.");
    out.add({}, input.counters.workers.loop_lag);
    out.counter("pgweir_slow_log_lines_total", "Slow-log lines, by what became of them.");
    out.add({{"result", "written"}}, input.slow_log.written);
    out.add({{"result", "dropped"}}, input.slow_log.dropped);
    out.add({{"result", "failed"}}, input.slow_log.failed);
    out.counter("pgweir_log_lines_lost_total", "Log lines that could not be written.");
    out.add({}, input.log_lines_lost);
    out.gauge("pgweir_build_info", "Always 1; the labels tell the build.");
    out.add({{"version", input.version}, {"commit", input.commit}}, 1.0);
}

// The names that every Prometheus client library uses, without our prefix: dashboards know them.
void add_process(metric_families& out, const process_facts& process) {
    out.counter("process_cpu_seconds_total", "User and system CPU time, in seconds.");
    out.add({}, process.cpu_seconds);
    out.gauge("process_resident_memory_bytes", "Resident memory, in bytes.");
    out.add({}, process.resident_bytes);
    out.gauge("process_virtual_memory_bytes", "Virtual memory, in bytes.");
    out.add({}, process.virtual_bytes);
    out.gauge("process_start_time_seconds", "Start of the process since the epoch, in seconds.");
    out.add({}, process.start_time_seconds);
    out.gauge("process_open_fds", "Open file descriptors.");
    out.add({}, process.open_fds);
    out.gauge("process_max_fds", "Limit of open file descriptors.");
    out.add({}, process.max_fds);
    out.gauge("process_threads", "Threads of the process.");
    out.add({}, process.threads);
}

}  // namespace

std::string metrics_text(const metrics_input& input) {
    metric_families out;
    add_clients(out, input);
    add_servers(out, input);
    add_pools(out, input);
    add_traffic(out, input);
    const auto databases = input.counters.databases();
    add_waits(out, databases);
    add_queries(out, databases);
    add_errors(out, input);
    add_breakers(out, input.gauges.breakers);
    add_cache(out, input.gauges.cache);
    add_http(out, input.gauges.http);
    add_daemon(out, input);
    add_process(out, input.process);
    return out.text();
}

}  // namespace weir::daemon::insight

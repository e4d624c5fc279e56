#include "daemon/insight/stats_json.hpp"

#include "daemon/insight/json_writer.hpp"
#include "daemon/insight/statement_json.hpp"

namespace weir::daemon::insight {
namespace {

double ratio(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

void write_quantiles(json_writer& json, const histogram_totals& totals) {
    json.begin_object();
    json.key("count").number(totals.count());
    json.key("total_ms").milliseconds(totals.sum);
    json.key("p50_ms").milliseconds(totals.quantile(0.50));
    json.key("p95_ms").milliseconds(totals.quantile(0.95));
    json.key("p99_ms").milliseconds(totals.quantile(0.99));
    // Those that hold anything, so that a reader can tell the quantiles of a time between two
    // looks: [inclusive upper bound, count], null is no bound; a bucket begins at half of its own.
    json.key("buckets").begin_array();
    for (std::size_t i = 0; i < duration_buckets::count; ++i) {
        if (totals.buckets[i] == 0) continue;
        json.begin_array();
        if (i < duration_buckets::bounded) {
            json.milliseconds(duration_buckets::upper_bound(i));
        } else {
            json.raw("null");
        }
        json.number(totals.buckets[i]).end_array();
    }
    json.end_array();
    json.end_object();
}

void write_clients(json_writer& json, const metrics_input& input) {
    const auto& now = input.gauges.clients;
    json.key("clients").begin_object();
    json.key("login").number(now.login);
    json.key("idle").number(now.idle);
    json.key("active").number(now.active);
    json.key("waiting").number(now.waiting);
    json.key("console").number(now.console);
    json.key("connected_total").number(input.counters.workers.clients_connected);
    json.key("pinned").begin_object();
    for (const auto& pin : input.gauges.pins)
        json.key(pin.reason).number(pin.clients);
    json.end_object().end_object();
}

void write_pools(json_writer& json, const std::vector<pool_gauges>& pools) {
    json.key("pools").begin_array();
    for (const auto& pool : pools) {
        json.begin_object();
        json.key("database").text(pool.database);
        json.key("user").text(pool.user);
        json.key("size").number(pool.size);
        json.key("overflow").number(pool.overflow);
        json.key("waiting").number(pool.waiting);
        json.key("max_wait_ms").milliseconds(pool.max_wait);
        json.key("servers").begin_object();
        json.key("login").number(pool.servers.login);
        json.key("idle").number(pool.servers.idle);
        json.key("active").number(pool.servers.active);
        json.key("used").number(pool.servers.used);
        json.key("tested").number(pool.servers.tested);
        json.end_object();
        json.key("prepared_statements").number(pool.prepared_statements);
        json.end_object();
    }
    json.end_array();
}

void write_databases(json_writer& json, const counter_totals& counters) {
    json.key("databases").begin_array();
    for (const auto& database : counters.databases()) {
        json.begin_object();
        json.key("database").text(database.database);
        json.key("transactions").number(database.transactions);
        json.key("queries").begin_object();
        for (std::size_t i = 0; i < query_kind_count; ++i) {
            json.key(to_string(static_cast<query_kind>(i))).number(database.queries[i]);
        }
        json.end_object();
        for (std::size_t i = 0; i < answer_source_count; ++i) {
            json.key(to_string(static_cast<answer_source>(i)));
            write_quantiles(json, database.query_seconds[i]);
        }
        json.key("wait");
        write_quantiles(json, database.wait_seconds);
        json.key("wait_timeouts").number(database.wait_timeouts);
        json.key("bytes_from_client").number(database.bytes_from_client);
        json.key("bytes_to_client").number(database.bytes_to_client);
        json.key("bytes_from_server").number(database.bytes_from_server);
        json.key("bytes_to_server").number(database.bytes_to_server);
        json.key("slow_queries").number(database.slow_queries);
        json.key("n_plus_one").number(database.n_plus_one);
        json.end_object();
    }
    json.end_array();
}

void write_or_null(json_writer& json, std::string_view text) {
    if (text.empty()) {
        json.raw("null");
    } else {
        json.text(text);
    }
}

void write_named(json_writer& json, std::string_view key, const std::vector<named_count>& counts) {
    json.key(key).begin_object();
    for (const auto& each : counts)
        json.key(each.name).number(each.count);
    json.end_object();
}

/// Without an end, for more of it to follow.
void begin_cache(json_writer& json, const cache_gauges& cache) {
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    for (const auto& rule : cache.rules) {
        hits += rule.hits;
        misses += rule.misses;
    }
    json.begin_object();
    json.key("entries").number(cache.entries);
    json.key("bytes").number(cache.bytes);
    json.key("limit_bytes").number(cache.capacity_bytes);
    json.key("hits").number(hits);
    json.key("misses").number(misses);
    json.key("hit_ratio").decimal(ratio(hits, hits + misses), 4);
    json.key("stores").number(cache.stores);
    json.key("stale_served").number(cache.stale_served);
    json.key("saved_ms").milliseconds(cache.saved);
    write_named(json, "bypasses", cache.bypasses);
    write_named(json, "evictions", cache.evictions);
    write_named(json, "invalidations", cache.invalidations);
}

void write_cache(json_writer& json, const cache_gauges& cache) {
    begin_cache(json, cache);
    json.key("rules").begin_array();
    for (const auto& rule : cache.rules) {
        json.begin_object();
        json.key("rule").text(rule.rule);
        json.key("hits").number(rule.hits);
        json.key("misses").number(rule.misses);
        json.key("bypasses").number(rule.bypasses);
        json.key("hit_ratio").decimal(ratio(rule.hits, rule.hits + rule.misses), 4);
        json.end_object();
    }
    json.end_array().end_object();
}

void write_process(json_writer& json, const process_facts& process) {
    json.key("process").begin_object();
    json.key("cpu_seconds").decimal(process.cpu_seconds, 2);
    json.key("start_time_seconds").decimal(process.start_time_seconds, 2);
    json.key("resident_bytes").number(process.resident_bytes);
    json.key("open_fds").number(process.open_fds);
    json.key("max_fds").number(process.max_fds);
    json.key("threads").number(process.threads);
    json.end_object();
}

}  // namespace

std::string stats_json(const metrics_input& input, const statement_figures& figures) {
    json_writer json;
    json.begin_object();
    json.key("version").text(input.version);
    json.key("commit").text(input.commit);
    write_clients(json, input);
    write_pools(json, input.gauges.pools);
    write_databases(json, input.counters);
    json.key("statements");
    write_statements(json, figures.statements);
    json.key("n_plus_one");
    write_n_plus_one(json, figures.n_plus_one);
    json.key("advice");
    write_advice(json, figures.advice);
    json.key("server_connects");
    write_quantiles(json, input.counters.workers.server_connect_seconds);
    json.key("cache");
    write_cache(json, input.gauges.cache);
    json.key("event_loop_lag");
    write_quantiles(json, input.counters.workers.loop_lag);
    write_process(json, input.process);
    json.end_object();
    return json.take();
}

std::string cache_stats_json(const cache_gauges& cache, const cache_details& details) {
    json_writer json;
    begin_cache(json, cache);
    json.key("rules").begin_array();
    for (const auto& rule : details.rules) {
        json.begin_object();
        json.key("rule").text(rule.name);
        json.key("entries").number(rule.entries);
        json.key("bytes").number(rule.bytes);
        json.key("hits").number(rule.hits);
        json.key("misses").number(rule.misses);
        json.key("bypasses").number(rule.bypasses);
        json.key("stores").number(rule.stores);
        json.key("invalidations").number(rule.invalidations);
        json.key("hit_ratio").decimal(ratio(rule.hits, rule.hits + rule.misses), 4);
        json.key("avg_hit_us").decimal(rule.avg_hit_us, 3);
        json.key("avg_miss_us").decimal(rule.avg_miss_us, 3);
        json.key("saved_ms").decimal(rule.saved_ms, 3);
        json.end_object();
    }
    json.end_array().key("tables").begin_array();
    for (const auto& table : details.tables) {
        json.begin_object();
        json.key("database").text(table.database);
        json.key("table").text(table.name);
        json.key("version").number(table.version);
        json.key("pending").number(table.pending);
        json.key("dependants").number(table.dependants);
        json.key("invalidations").number(table.invalidations);
        write_or_null(json.key("last_cause"), table.last_cause);
        json.end_object();
    }
    json.end_array().key("reasons").begin_array();
    for (const auto& reason : details.reasons) {
        json.begin_object();
        json.key("reason").text(reason.name);
        json.key("count").number(reason.count);
        write_or_null(json.key("last_query"), reason.last_query);
        json.end_object();
    }
    json.end_array().end_object();
    return json.take();
}

std::string breakers_json(const breaker_gauges& breakers) {
    json_writer json;
    const auto seconds = [&json](const std::optional<std::chrono::milliseconds>& time) {
        if (time) {
            json.decimal(std::chrono::duration<double>(*time).count(), 3);
        } else {
            json.raw("null");
        }
    };
    json.begin_object().key("breakers").begin_array();
    for (const auto& host : breakers.hosts) {
        json.begin_object();
        json.key("upstream").text(host.upstream);
        json.key("state").text(host.state);
        json.key("failures").number(host.failures);
        json.key("since_s");
        seconds(host.since);
        json.key("next_try_s");
        seconds(host.next_try);
        write_or_null(json.key("last_error"), host.last_error);
        json.end_object();
    }
    json.end_array().key("transitions").number(breakers.transitions).end_object();
    return json.take();
}

std::string slow_json(
    const std::vector<slow_statement>& statements, const slow_log_counts& counts
) {
    json_writer json;
    json.begin_object();
    json.key("written").number(counts.written);
    json.key("dropped").number(counts.dropped);
    json.key("failed").number(counts.failed);
    json.key("statements").begin_array();
    for (const auto& statement : statements)
        json.raw(slow_log_line(statement));
    json.end_array().end_object();
    return json.take();
}

}  // namespace weir::daemon::insight

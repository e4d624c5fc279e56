// What the daemon tells of itself over HTTP: why it is not ready, and what is true now.

#include "daemon/console/show_advice.hpp"
#include "daemon/daemon.hpp"
#include "daemon/insight/advice_row.hpp"
#include "daemon/insight/log.hpp"
#include "daemon/loop_gauges.hpp"
#include "daemon/version.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace weir::daemon {

using std::chrono::steady_clock;

namespace {

// A loop answers within microseconds; one that does not is too busy to be asked.
constexpr std::chrono::milliseconds scrape_patience{200};

http::pool_condition condition_of(const pool::pool& one, const pool::pool_figures& figures) {
    const bool has_server = figures.active + figures.idle > 0;
    const bool has_trouble = !has_server && (figures.failed_lately || figures.unreachable);
    return {
        one.database() + "/" + one.user(),
        figures.paused,
        has_trouble ? one.last_error() : std::string{},
        has_server,
        has_trouble && figures.unreachable,
        pool::to_string(one.target()->addresses)};
}

/// What /ready judges, but for the pools.
http::readiness_facts facts_without_pools(
    bool is_draining, int clients, const config::config& configuration
) {
    return {is_draining, clients, configuration.listen.max_clients, {}};
}

}  // namespace

http::readiness running_daemon::readiness() const {
    auto facts = facts_without_pools(draining_, client_count_.load(), *configuration());
    const auto now = steady_clock::now();
    const auto pools = pools_->all();
    for (const auto& one : pools)
        facts.pools.push_back(condition_of(*one, one->figures(now)));
    auto found = http::judge_readiness(facts);
    for (const std::size_t i : found.worth_a_try)
        pools[i]->try_again();
    return found;
}

insight::breaker_gauges running_daemon::breaker_gauges() const {
    using std::chrono::duration_cast;
    using std::chrono::milliseconds;
    insight::breaker_gauges gauges;
    const auto now = steady_clock::now();
    for (auto& host : pools_->hosts().figures()) {
        insight::breaker_gauge gauge;
        gauge.upstream = std::move(host.upstream);
        gauge.state = pool::to_string(host.state);
        gauge.failures = host.failures;
        gauge.since = std::max(duration_cast<milliseconds>(now - host.since), milliseconds{0});
        if (host.next_try) {
            gauge.next_try =
                std::max(duration_cast<milliseconds>(*host.next_try - now), milliseconds{0});
        }
        gauge.last_error = std::move(host.last_error);
        gauges.hosts.push_back(std::move(gauge));
    }
    gauges.transitions = pools_->hosts().transitions();
    return gauges;
}

insight::gauge_snapshot running_daemon::gauges() const {
    insight::gauge_snapshot snapshot;
    snapshot.breakers = breaker_gauges();
    auto loops = count_everywhere(worker_list_, scrape_patience);
    snapshot.clients = loops.clients;
    snapshot.pins = std::move(loops.pins);
    const auto now = steady_clock::now();
    auto facts = facts_without_pools(draining_, client_count_.load(), *configuration());
    for (const auto& one : pools_->all()) {
        const auto figures = one->figures(now);
        facts.pools.push_back(condition_of(*one, figures));
        const auto options = one->options();
        insight::pool_gauges gauge;
        gauge.database = one->database();
        gauge.user = one->user();
        gauge.servers.login = figures.login;
        gauge.servers.idle = figures.idle;
        gauge.servers.active = figures.active + figures.being_canceled;
        gauge.servers.tested = figures.tested;
        gauge.size = static_cast<std::uint64_t>(options.size);
        gauge.overflow = figures.open > gauge.size ? figures.open - gauge.size : 0;
        gauge.overflow_limit = static_cast<std::uint64_t>(options.overflow);
        gauge.waiting = figures.waiting;
        gauge.max_wait = figures.max_wait;
        if (const auto found = loops.prepared_statements.find({gauge.database, gauge.user});
            found != loops.prepared_statements.end()) {
            gauge.prepared_statements = found->second;
        }
        snapshot.pools.push_back(std::move(gauge));
    }
    // Looking on changes nothing: only who asks /ready has pools try again.
    snapshot.is_ready = http::judge_readiness(facts).reasons.empty();
    snapshot.max_clients = static_cast<std::uint64_t>(facts.max_clients);
    if (http_) {
        const auto counts = http_->counts();
        snapshot.http = {
            counts.accepted, counts.refused, counts.evicted, counts.requests, counts.open};
    }
    for (const auto& row : cache_.rule_counts()) {
        snapshot.cache.rules.push_back(
            {row.rule, row.totals.hits, row.totals.misses, row.totals.bypasses, row.totals.warmed}
        );
        snapshot.cache.stores += row.totals.stores;
        snapshot.cache.saved += std::chrono::nanoseconds{row.totals.saved_ns};
    }
    for (const auto& row : cache_.show_reasons()) {
        snapshot.cache.bypasses.push_back(
            {std::string{querycache::to_string(row.reason)}, row.count}
        );
    }
    const auto totals = cache_.totals();
    snapshot.cache.entries = totals.entries;
    snapshot.cache.bytes = totals.bytes;
    snapshot.cache.capacity_bytes = totals.capacity;
    snapshot.cache.stale_served = cache_.stale_served();
    for (std::size_t i = 0; i < querycache::shadow_results; ++i) {
        const auto result = static_cast<querycache::shadow_result>(i);
        snapshot.cache.shadows.push_back({std::string{to_string(result)}, cache_.shadows(result)});
    }
    for (std::size_t i = 0; i < querycache::probe_results; ++i) {
        const auto result = static_cast<querycache::probe_result>(i);
        snapshot.cache.probes.push_back({std::string{to_string(result)}, cache_.probes(result)});
    }
    snapshot.cache.flights = {
        {"led", cache_.flights().led()}, {"waited", cache_.flights().waited()}};
    snapshot.cache.evictions = {
        {"space", totals.evictions_space},
        {"expired", totals.evictions_expired},
        {"outdated", totals.evictions_outdated},
        {"admin", totals.evictions_admin}};
    for (const auto& row : cache_.bump_counts())
        snapshot.cache.invalidations.push_back({querycache::to_string(row.cause), row.count});
    return snapshot;
}

insight::cache_details running_daemon::cache_details() const {
    insight::cache_details details;
    for (const auto& row : cache_.show_cache()) {
        const auto& totals = row.totals;
        details.rules.push_back(
            {row.rule,
             static_cast<std::uint64_t>(std::max<std::int64_t>(row.entries, 0)),
             static_cast<std::uint64_t>(std::max<std::int64_t>(row.bytes, 0)),
             totals.hits,
             totals.misses,
             totals.bypasses,
             totals.stores,
             totals.invalidations,
             row.avg_hit_us(),
             row.avg_miss_us(),
             row.saved_ms()}
        );
    }
    for (auto& row : cache_.show_tables()) {
        details.tables.push_back(
            {std::move(row.database),
             std::move(row.table),
             row.version,
             row.pending,
             row.dependants,
             row.invalidations,
             std::move(row.last_cause)}
        );
    }
    for (auto& row : cache_.show_reasons()) {
        details.reasons.push_back(
            {std::string{querycache::to_string(row.reason)}, row.count, std::move(row.last_query)}
        );
    }
    return details;
}

std::vector<insight::advice_row> running_daemon::advice() const {
    auto all = insight::n_plus_one_rows(repeats_.found().patterns());
    const auto append = [&all](std::vector<insight::advice_row> more) {
        std::move(more.begin(), more.end(), std::back_inserter(all));
    };
    append(advisor_->advice());
    append(insight::caching_rows(statistics_.report()));
    append(insight::pooling_rows(console::advice_everywhere(worker_list_)));
    return all;
}

insight::metrics_input running_daemon::metrics_input() const {
    insight::metrics_input input;
    input.counters = counters_.totals();
    input.gauges = gauges();
    input.process = insight::read_process_facts();
    input.slow_log = slow_.counts();
    input.log_lines_lost = log_lines_lost();
    input.version = version;
    input.commit = commit;
    return input;
}

}  // namespace weir::daemon

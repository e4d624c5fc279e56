// What being observed costs: on an event loop a counter's and a histogram's update, on the HTTP
// thread the whole text of /metrics for a thousand pools, each in a database of its own (the most
// lines that so many can make) or a hundred to a database. `lines` is the size of that text.
#include "daemon/insight/metrics.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>

namespace insight = weir::daemon::insight;

namespace {

using namespace std::chrono_literals;

constexpr std::size_t pools = 1000;

/// A registry that two event loops have counted into, for `pools` pools.
struct busy_registry {
    explicit busy_registry(std::size_t databases) {
        for (int i = 0; i < 2; ++i)
            count(registry.add_worker(), databases);
        for (std::size_t i = 0; i < pools; ++i) {
            auto& gauge = gauges.pools.emplace_back();
            gauge.database = database(i % databases);
            gauge.user = user(i / databases);
            gauge.servers.active = i % 7;
            gauge.size = 20;
            gauge.max_wait = std::chrono::milliseconds{i};
            gauge.prepared_statements = i;
        }
    }

    static std::string database(std::size_t i) { return "tenant_" + std::to_string(i); }
    static std::string user(std::size_t i) { return "application_" + std::to_string(i); }

    static void count(insight::worker_counters& worker, std::size_t databases) {
        for (std::size_t i = 0; i < pools; ++i) {
            auto& pool = worker.pool(database(i % databases), user(i / databases));
            for (int n = 0; n < 50; ++n) {
                const auto duration = std::chrono::microseconds{std::int64_t{7} << n % 20};
                const auto source =
                    n % 2 == 0 ? insight::answer_source::server : insight::answer_source::cache;
                pool.query_finished(insight::query_kind::read, source, duration);
                pool.client_waited(duration);
            }
        }
    }

    insight::counter_registry registry;
    insight::gauge_snapshot gauges;
};

void scrape(benchmark::State& state) {
    const busy_registry busy{static_cast<std::size_t>(state.range(0))};
    insight::metrics_input input;
    input.gauges = busy.gauges;
    std::string text;
    for (auto _ : state) {
        input.counters = busy.registry.totals();
        text = insight::metrics_text(input);
        benchmark::DoNotOptimize(text);
    }
    state.counters["lines"] = static_cast<double>(std::count(text.begin(), text.end(), '\n'));
    state.counters["bytes"] = static_cast<double>(text.size());
}
BENCHMARK(scrape)->Arg(pools)->Arg(10)->Unit(benchmark::kMillisecond);

void count_one(benchmark::State& state) {
    insight::tally counter;
    for (auto _ : state) {
        counter.add();
        benchmark::ClobberMemory();
    }
    benchmark::DoNotOptimize(counter.read());
}
BENCHMARK(count_one);

// Durations over all buckets, so that no branch is guessed.
void observe_one(benchmark::State& state) {
    insight::duration_histogram histogram;
    std::uint64_t random = 1;
    for (auto _ : state) {
        random = random * 6364136223846793005U + 1442695040888963407U;
        histogram.observe(std::chrono::nanoseconds{std::int64_t{1} << (random >> 59U)});
        benchmark::ClobberMemory();
    }
    benchmark::DoNotOptimize(histogram.read());
}
BENCHMARK(observe_one);

}  // namespace

BENCHMARK_MAIN();

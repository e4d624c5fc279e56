// What the statistics of statements cost: one finished query, the watch for N+1, a report, and the
// memory of ten thousand statements.
#include "daemon/insight/observer.hpp"
#include "daemon/insight/statement_statistics.hpp"

#include <benchmark/benchmark.h>

#include <malloc.h>

#include <cstdint>
#include <string>
#include <vector>

namespace weir::daemon::insight {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t odd = 0x9E3779B97F4A7C15U;

// One event loop with as many statements as it may keep.
struct loop {
    explicit loop(std::uint64_t statements) : count(statements) {
        for (std::uint64_t i = 1; i <= count; ++i)
            book.make(pool, i * odd, query_kind::read, text);
    }
    query_event event(std::uint64_t i) const {
        query_event made;
        made.kind = query_kind::read;
        made.fingerprint = (i % count + 1) * odd;
        made.total = std::chrono::nanoseconds{100'000 + static_cast<std::int64_t>(i % 1000) * 977};
        made.server = made.total - 3us;
        made.transfer = 5us;
        made.rows = 1;
        made.bytes = 120;
        made.reason = querycache::bypass_reason::no_rule;
        return made;
    }

    const std::uint64_t count;
    const std::string text =
        "select o.id, o.created_at, c.name from orders o join customers c on c.id = o.customer_id "
        "where o.status = $1 and o.created_at > $2 order by o.created_at desc limit $3";
    counter_registry registry;
    worker_counters& worker = registry.add_worker();
    pool_counters& pool = worker.pool("shop", "app");
    slow_log slow{{"/dev/null", 1.0}};
    statement_book book{statements_limit};
    shared_repeats repeats;
    observer told{worker, slow, book, repeats};
    static constexpr std::size_t statements_limit = 10'000;
};

void finished_query(benchmark::State& state) {
    loop one{static_cast<std::uint64_t>(state.range(0))};
    std::uint64_t i = 0;
    for (auto _ : state) {
        one.told.query_finished(one.pool, one.event(i++ * 7919), [] { return slow_query_texts{}; });
    }
}
BENCHMARK(finished_query)->Arg(10)->Arg(1000)->Arg(10'000);

void row_update(benchmark::State& state) {
    loop one{static_cast<std::uint64_t>(state.range(0))};
    std::uint64_t i = 0;
    for (auto _ : state) {
        const auto event = one.event(i++ * 7919);
        one.book.find(one.pool.id(), event.fingerprint)->add(event);
    }
}
BENCHMARK(row_update)->Arg(10)->Arg(1000)->Arg(10'000);

void watched_query(benchmark::State& state) {
    loop one{1000};
    one.told.watch_repeats({10, 1s});
    std::uint64_t i = 0;
    for (auto _ : state) {
        auto event = one.event(i);
        event.call = {i % 500, event.fingerprint, i + 1, 0, std::chrono::steady_clock::now()};
        one.told.query_finished(one.pool, event, [] { return slow_query_texts{}; });
        ++i;
    }
}
BENCHMARK(watched_query);

void new_statement(benchmark::State& state) {
    loop one{10'000};
    std::uint64_t i = 20'000;
    for (auto _ : state) {
        auto event = one.event(0);
        event.fingerprint = ++i * odd;
        one.told.query_finished(one.pool, event, [&] {
            slow_query_texts texts;
            texts.query = one.text;
            return texts;
        });
    }
}
BENCHMARK(new_statement);

void report(benchmark::State& state) {
    statement_statistics statistics{10'000};
    loop one{1};
    std::size_t before = ::mallinfo2().uordblks;
    for (int thread = 0; thread < 2; ++thread) {
        statement_book& book = statistics.add_worker();
        for (std::uint64_t i = 1; i <= 10'000; ++i)
            book.make(one.pool, i * odd, query_kind::read, one.text).add(one.event(i));
    }
    state.counters["MiB"] = static_cast<double>(::mallinfo2().uordblks - before) / 1024 / 1024;
    for (auto _ : state)
        benchmark::DoNotOptimize(statistics.report());
}
BENCHMARK(report)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace weir::daemon::insight

BENCHMARK_MAIN();

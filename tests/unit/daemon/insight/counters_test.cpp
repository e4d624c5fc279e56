#include "daemon/insight/counters.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

namespace weir::daemon::insight {
namespace {

using namespace std::chrono_literals;

TEST(CounterRegistry, AddsUpThreadsWhileTheyCount) {
    constexpr int threads = 4;
    constexpr std::uint64_t rounds = 20'000;
    counter_registry registry;
    std::vector<worker_counters*> workers;
    for (int i = 0; i < threads; ++i)
        workers.push_back(&registry.add_worker());
    std::atomic<int> running{threads};
    std::vector<std::thread> loops;
    for (auto* worker : workers) {
        loops.emplace_back([worker, &running] {
            auto& pool = worker->pool("shop", "ann");
            for (std::uint64_t i = 0; i < rounds; ++i) {
                worker->client_connected();
                pool.query_finished(query_kind::read, answer_source::server, 1ms);
                pool.bytes_from_client(10);
            }
            worker->pool("shop", "bob").transaction_finished(2ms);
            running.fetch_sub(1);
        });
    }
    std::uint64_t seen = 0;
    while (running.load() > 0) {
        const auto now = registry.totals().workers.clients_connected;
        EXPECT_GE(now, seen);
        seen = now;
    }
    for (auto& loop : loops)
        loop.join();

    const auto totals = registry.totals();
    EXPECT_EQ(totals.workers.clients_connected, threads * rounds);
    ASSERT_EQ(totals.pools.size(), 2U);
    EXPECT_EQ(totals.pools[0].user, "ann");
    EXPECT_EQ(totals.pools[0].query_count(), threads * rounds);
    EXPECT_EQ(totals.pools[0].bytes_from_client, threads * rounds * 10);
    EXPECT_EQ(totals.pools[0].query_seconds[0].sum, threads * rounds * 1ms);
    EXPECT_EQ(totals.pools[1].user, "bob");
    EXPECT_EQ(totals.pools[1].transactions, 4U);
    EXPECT_EQ(totals.pools[1].transaction_time, 8ms);
}

TEST(CounterRegistry, GivesOneAddressForOnePool) {
    counter_registry registry;
    auto& worker = registry.add_worker();
    auto* first = &worker.pool("shop", "ann");
    for (int i = 0; i < 100; ++i)
        worker.pool("db" + std::to_string(i), "ann");
    EXPECT_EQ(&worker.pool("shop", "ann"), first);
    EXPECT_NE(&registry.add_worker().pool("shop", "ann"), first);
}

TEST(CounterRegistry, FoldsPoolsBeyondTheLimit) {
    counter_registry registry{2};
    auto& worker = registry.add_worker();
    worker.pool("a", "u").slow_query();
    worker.pool("b", "u").slow_query();
    worker.pool("c", "u").slow_query();
    worker.pool("d", "u").slow_query();
    EXPECT_EQ(&worker.pool("a", "u"), &worker.pool("a", "u"));
    const auto totals = registry.totals();
    ASSERT_EQ(totals.pools.size(), 3U);
    EXPECT_EQ(totals.pools[0].database, counter_registry::folded);
    EXPECT_EQ(totals.pools[0].slow_queries, 2U);
    EXPECT_EQ(totals.folded_logins, 2U);
}

TEST(CounterRegistry, KeepsFoldingOnEveryThreadAlike) {
    counter_registry registry{1};
    auto& one = registry.add_worker();
    auto& two = registry.add_worker();
    one.pool("a", "u");
    EXPECT_EQ(two.pool("b", "u").database(), counter_registry::folded);
    EXPECT_EQ(two.pool("a", "u").database(), "a");
}

TEST(CounterRegistry, ForgetsADatabaseOnEveryThreadAndMakesRoom) {
    counter_registry registry{3};
    auto& one = registry.add_worker();
    auto& two = registry.add_worker();
    one.pool("gone", "ann").slow_query();
    two.pool("gone", "ann").slow_query();
    one.pool("gone", "bob").slow_query();
    auto* const kept = &one.pool("shop", "ann");
    registry.forget("gone");
    registry.forget("never seen");
    ASSERT_EQ(registry.totals().pools.size(), 1U);
    EXPECT_EQ(&one.pool("shop", "ann"), kept);
    two.pool("new", "ann").slow_query();
    one.pool("gone", "ann").slow_query();
    kept->slow_query();
    const auto totals = registry.totals();
    ASSERT_EQ(totals.pools.size(), 3U);
    for (const auto& pool : totals.pools)
        EXPECT_EQ(pool.slow_queries, 1U) << pool.database;
    EXPECT_EQ(totals.folded_logins, 0U);
}

TEST(CounterRegistry, NeverForgetsWhatItHasFolded) {
    counter_registry registry{0};
    auto& worker = registry.add_worker();
    auto* const folded = &worker.pool("a", "u");
    registry.forget(counter_registry::folded);
    EXPECT_EQ(&worker.pool("b", "u"), folded);
}

TEST(CounterTotals, AddsUsersOfADatabase) {
    counter_registry registry;
    auto& worker = registry.add_worker();
    worker.pool("shop", "ann").client_waited(5ms);
    worker.pool("shop", "bob").wait_timed_out(30s);
    worker.pool("site", "ann").bound();
    const auto databases = registry.totals().databases();
    ASSERT_EQ(databases.size(), 2U);
    EXPECT_EQ(databases[0].database, "shop");
    EXPECT_EQ(databases[0].user, "");
    EXPECT_EQ(databases[0].wait_seconds.count(), 2U);
    EXPECT_EQ(databases[0].wait_timeouts, 1U);
    EXPECT_EQ(databases[1].binds, 1U);
}

TEST(WorkerCounters, EveryVerbHasItsTotal) {
    counter_registry registry;
    auto& worker = registry.add_worker();
    worker.client_connected();
    worker.client_disconnected();
    worker.client_login_ended(login_result::timed_out);
    worker.server_connected(3ms);
    worker.server_disconnected();
    worker.server_connect_failed(connect_failure::refused);
    worker.error_sent("53300", error_origin::pgweir);
    worker.loop_lagged(1ms);
    registry.config_reloaded(true);
    registry.config_reloaded(false);
    auto& pool = worker.pool("d", "u");
    pool.bytes_to_client(1);
    pool.bytes_from_server(2);
    pool.bytes_to_server(3);
    pool.server_assigned();
    pool.client_parsed();
    pool.server_parsed();
    pool.client_logged_in();

    const auto totals = registry.totals();
    const auto& counted = totals.workers;
    EXPECT_EQ(counted.clients_connected, 1U);
    EXPECT_EQ(counted.clients_disconnected, 1U);
    EXPECT_EQ(counted.logins[static_cast<std::size_t>(login_result::timed_out)], 1U);
    EXPECT_EQ(counted.server_connect_seconds.sum, 3ms);
    EXPECT_EQ(counted.servers_disconnected, 1U);
    EXPECT_EQ(counted.connect_failures[static_cast<std::size_t>(connect_failure::refused)], 1U);
    EXPECT_EQ(counted.errors[1][sqlstate_classes::index_of("53")], 1U);
    EXPECT_EQ(counted.errors[0][sqlstate_classes::index_of("53")], 0U);
    EXPECT_EQ(counted.loop_lag.count(), 1U);
    EXPECT_EQ(totals.reloads_applied, 1U);
    EXPECT_EQ(totals.reloads_failed, 1U);
    const auto& sums = totals.pools.at(0);
    EXPECT_EQ(sums.bytes_to_client, 1U);
    EXPECT_EQ(sums.bytes_from_server, 2U);
    EXPECT_EQ(sums.bytes_to_server, 3U);
    EXPECT_EQ(sums.server_assignments, 1U);
    EXPECT_EQ(sums.client_parses, 1U);
    EXPECT_EQ(sums.server_parses, 1U);
    EXPECT_EQ(sums.logins, 1U);
}

TEST(SqlstateClasses, KnowsPostgresAndFoldsTheRest) {
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < sqlstate_classes::count; ++i) {
        const auto name = sqlstate_classes::name(i);
        EXPECT_TRUE(names.insert(name).second) << name;
        EXPECT_EQ(sqlstate_classes::index_of(name == "other" ? "Q!xyz" : name), i);
    }
    EXPECT_EQ(sqlstate_classes::name(sqlstate_classes::index_of("42P01")), "42");
    EXPECT_EQ(sqlstate_classes::name(sqlstate_classes::index_of("")), "other");
    EXPECT_EQ(sqlstate_classes::name(sqlstate_classes::index_of("4")), "other");
}

TEST(Labels, AreDistinct) {
    std::set<std::string_view> results;
    for (std::size_t i = 0; i < login_result_count; ++i) {
        EXPECT_TRUE(results.insert(to_string(static_cast<login_result>(i))).second) << i;
    }
    std::set<std::string_view> reasons;
    for (std::size_t i = 0; i < connect_failure_count; ++i) {
        EXPECT_TRUE(reasons.insert(to_string(static_cast<connect_failure>(i))).second) << i;
    }
    std::set<std::string_view> kinds;
    for (std::size_t i = 0; i < query_kind_count; ++i) {
        EXPECT_TRUE(kinds.insert(to_string(static_cast<query_kind>(i))).second) << i;
    }
}

}  // namespace
}  // namespace weir::daemon::insight

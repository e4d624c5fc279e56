#include "daemon/insight/observer.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::insight {
namespace {

using namespace std::chrono_literals;

class observer_events : public testing::Test {
protected:
    counter_registry registry_;
    worker_counters& worker_ = registry_.add_worker();
    pool_counters& pool_ = worker_.pool("shop", "ann");
    slow_log slow_{{500ms, "/dev/null", 1.0}};
    observer observer_{worker_, slow_};

    query_event event(std::chrono::nanoseconds total, cache_outcome cache = cache_outcome::none) {
        query_event made;
        made.kind = query_kind::read;
        made.total = total;
        made.cache = cache;
        return made;
    }
    bool flushed() { return slow_.flush(std::chrono::steady_clock::now() + 20s); }
};

TEST_F(observer_events, CountsFastQueriesWithoutAskingForTexts) {
    bool asked = false;
    observer_.query_finished(pool_, event(499ms), [&] {
        asked = true;
        return slow_query_texts{};
    });
    EXPECT_FALSE(asked);
    const auto totals = registry_.totals().pools.at(0);
    EXPECT_EQ(totals.query_count(), 1U);
    EXPECT_EQ(totals.slow_queries, 0U);
}

TEST_F(observer_events, CountsHitsApart) {
    const auto nothing = [] { return slow_query_texts{}; };
    observer_.query_finished(pool_, event(5us, cache_outcome::hit), nothing);
    observer_.query_finished(pool_, event(5ms, cache_outcome::miss), nothing);
    observer_.query_finished(pool_, event(5ms, cache_outcome::bypass), nothing);
    const auto totals = registry_.totals().pools.at(0);
    EXPECT_EQ(totals.query_seconds[static_cast<std::size_t>(answer_source::cache)].count(), 1U);
    EXPECT_EQ(totals.query_seconds[static_cast<std::size_t>(answer_source::server)].count(), 2U);
}

TEST_F(observer_events, HandsSlowQueriesOverWhole) {
    ASSERT_EQ(slow_.start(), std::nullopt);
    auto slow = event(700ms, cache_outcome::miss);
    slow.wait = 100ms;
    slow.server = 590ms;
    slow.rows = 4;
    slow.bytes = 512;
    observer_.query_finished(pool_, slow, [] {
        slow_query_texts texts;
        texts.query = "SELECT $1";
        texts.application = "web";
        texts.client = "10.0.0.1:9";
        texts.rule = "r";
        texts.fingerprint = 77;
        return texts;
    });
    ASSERT_TRUE(flushed());
    EXPECT_EQ(registry_.totals().pools.at(0).slow_queries, 1U);
    const auto last = slow_.last();
    ASSERT_EQ(last.size(), 1U);
    EXPECT_EQ(last[0].database, "shop");
    EXPECT_EQ(last[0].user, "ann");
    EXPECT_EQ(last[0].query, "SELECT $1");
    EXPECT_EQ(last[0].application, "web");
    EXPECT_EQ(last[0].wait, 100ms);
    EXPECT_EQ(last[0].server, 590ms);
    EXPECT_EQ(last[0].rows, 4U);
    EXPECT_EQ(last[0].bytes, 512U);
    EXPECT_EQ(last[0].cache, "miss");
    EXPECT_EQ(last[0].fingerprint, 77U);
}

TEST_F(observer_events, CountsUnsampledSlowQueries) {
    slow_.configure({500ms, "/dev/null", 0.0});
    bool asked = false;
    observer_.query_finished(pool_, event(1s), [&] {
        asked = true;
        return slow_query_texts{};
    });
    EXPECT_FALSE(asked);
    EXPECT_EQ(registry_.totals().pools.at(0).slow_queries, 1U);
}

TEST_F(observer_events, CopiesNoMoreOfAHugeStatementThanIsShown) {
    ASSERT_EQ(slow_.start(), std::nullopt);
    const std::string huge(10'000'000, 'x');
    observer_.query_finished(pool_, event(1s), [&] {
        slow_query_texts texts;
        texts.query = huge;
        return texts;
    });
    ASSERT_TRUE(flushed());
    EXPECT_LE(slow_.last().at(0).query.size(), slow_text_limit + 1);
}

TEST_F(observer_events, NamesGivenByTheCallerWinOverFoldedOnes) {
    ASSERT_EQ(slow_.start(), std::nullopt);
    observer_.query_finished(pool_, event(1s), [] {
        slow_query_texts texts;
        texts.database = "real";
        return texts;
    });
    ASSERT_TRUE(flushed());
    EXPECT_EQ(slow_.last().at(0).database, "real");
    EXPECT_EQ(slow_.last().at(0).user, "ann");
}

}  // namespace
}  // namespace weir::daemon::insight

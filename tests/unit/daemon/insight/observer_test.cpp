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
    observer_events() { pool_.set_slow_threshold(500ms); }

    slow_log slow_{{"/dev/null", 1.0}};
    statement_book statements_{0};
    shared_repeats repeats_;
    observer observer_{worker_, slow_, statements_, repeats_};

    query_event event(std::chrono::nanoseconds total, cache_outcome cache = cache_outcome::none) {
        query_event made;
        made.kind = query_kind::read;
        made.total = total;
        made.cache = cache;
        return made;
    }
    std::vector<statement_totals> rows() const {
        std::vector<statement_totals> all;
        statements_.read(all);
        return all;
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
    slow_.configure({"/dev/null", 0.0});
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

TEST_F(observer_events, CallsNoStatementSlowWithoutAThreshold) {
    pool_.set_slow_threshold(std::chrono::nanoseconds::max());
    observer_.query_finished(pool_, event(100h), [] { return slow_query_texts{}; });
    EXPECT_EQ(registry_.totals().pools.at(0).slow_queries, 0U);
    pool_.set_slow_threshold(0ns);
    observer_.query_finished(pool_, event(0ns), [] { return slow_query_texts{}; });
    EXPECT_EQ(registry_.totals().pools.at(0).slow_queries, 1U);
}

TEST_F(observer_events, AsksForTheTextOfANewStatementOnce) {
    statements_.set_limit(10);
    int asked = 0;
    auto one = event(1ms);
    one.fingerprint = 7;
    for (int i = 0; i < 3; ++i) {
        observer_.query_finished(pool_, one, [&] {
            ++asked;
            slow_query_texts texts;
            texts.query = "SELECT $1";
            return texts;
        });
    }
    EXPECT_EQ(asked, 1);
    const auto found = rows();
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].query, "SELECT $1");
    EXPECT_EQ(found[0].calls, 3U);
    observer_.server_held(pool_, 7, 5ms);
    observer_.server_held(pool_, 8, 5ms);  // not known: nobody's
    EXPECT_EQ(rows()[0].occupied, 5ms);
}

class repeated_queries : public observer_events {
protected:
    repeated_queries() {
        statements_.set_limit(10);
        observer_.watch_repeats({3, 1s});
        repeats_.configure({3, 1s});
    }
    void call(std::uint64_t fingerprint, std::uint64_t parameters, bool is_of_request = false) {
        auto one = event(1ms);
        one.fingerprint = fingerprint;
        one.call = {42, fingerprint, parameters, previous_, now_ += 1ms};
        one.is_of_request = is_of_request;
        observer_.query_finished(pool_, one, [&] {
            slow_query_texts texts;
            texts.query = fingerprint == 1 ? "SELECT orders" : "SELECT lines";
            texts.application = "web";
            return texts;
        });
        previous_ = fingerprint;
    }

    std::uint64_t previous_ = 0;
    std::chrono::steady_clock::time_point now_{};
};

TEST_F(repeated_queries, AreNamedWithTheStatementBeforeThem) {
    ASSERT_EQ(slow_.start(), std::nullopt);
    call(1, 1);
    for (std::uint64_t i = 1; i <= 5; ++i)
        call(2, i);
    const auto found = repeats_.found().patterns();
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].fingerprint, 2U);
    EXPECT_EQ(found[0].query, "SELECT lines");
    EXPECT_EQ(found[0].parent, "SELECT orders");
    EXPECT_EQ(found[0].application, "web");
    EXPECT_EQ(found[0].runs, 1U);
    EXPECT_EQ(registry_.totals().pools.at(0).n_plus_one, 1U);
    for (const auto& row : rows()) {
        EXPECT_EQ(row.n_plus_one, row.fingerprint == 2 ? 1U : 0U);
        EXPECT_EQ(row.repeated, row.fingerprint == 2 ? 5U : 0U);
    }
    ASSERT_TRUE(flushed());
    EXPECT_EQ(slow_.counts().written, 1U);
    EXPECT_TRUE(slow_.last().empty()) << "it is no slow statement";
}

TEST_F(repeated_queries, AreLoggedOnceAndCountedEachTime) {
    ASSERT_EQ(slow_.start(), std::nullopt);
    for (int run = 0; run < 3; ++run) {
        now_ += 1h;
        for (std::uint64_t i = 1; i <= 3; ++i)
            call(2, i);
    }
    EXPECT_EQ(registry_.totals().pools.at(0).n_plus_one, 3U);
    EXPECT_EQ(repeats_.found().patterns().at(0).runs, 3U);
    ASSERT_TRUE(flushed());
    EXPECT_EQ(slow_.counts().written, 1U);
}

TEST_F(repeated_queries, OfARequestMayComeOverSeveralLoops) {
    statement_book others{10};
    observer other{registry_.add_worker(), slow_, others, repeats_};
    other.watch_repeats({3, 1s});
    call(2, 1, true);
    call(2, 2, true);
    auto last = event(1ms);
    last.fingerprint = 2;
    last.call = {42, 2, 3, 0, now_ += 1ms};
    last.is_of_request = true;
    other.query_finished(pool_, last, [] { return slow_query_texts{}; });
    EXPECT_EQ(repeats_.found().patterns().size(), 1U);
}

}  // namespace
}  // namespace weir::daemon::insight

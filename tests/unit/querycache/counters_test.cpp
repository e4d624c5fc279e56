#include "querycache/counters.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace weir::querycache {
namespace {

using namespace std::chrono_literals;

TEST(RuleCounters, AddUpOverThreads) {
    rule_counters counters("r");
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 1000; ++i) {
                counters.count_hit(2us);
                counters.count_miss();
            }
        });
    }
    for (auto& t : threads)
        t.join();
    EXPECT_EQ(counters.totals().hits, 4000U);
    EXPECT_EQ(counters.totals().misses, 4000U);
    EXPECT_EQ(counters.totals().saved_ns, 8000000U);
}

TEST(ReasonCounters, ShowTheMostFrequentFirstWithTheNewestText) {
    reason_counters reasons;
    reasons.count(bypass_reason::row_security, "select 1", time_point(1s));
    reasons.count(bypass_reason::no_rule, "select 2", time_point(2s));
    reasons.count(bypass_reason::no_rule, "", time_point(4s));
    std::thread([&] { reasons.count(bypass_reason::no_rule, "select 3", time_point(3s)); }).join();
    const auto rows = reasons.rows();
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0].reason, bypass_reason::no_rule);
    EXPECT_EQ(rows[0].count, 3U);
    EXPECT_EQ(rows[0].last_query, "select 3");
    EXPECT_EQ(rows[1].last_query, "select 1");
}

TEST(ReasonCounters, KeepOnlyTheBeginningOfALongText) {
    reason_counters reasons;
    reasons.count(bypass_reason::too_big, std::string(1 << 20, 'x'), time_point(1s));
    EXPECT_LE(reasons.rows()[0].last_query.size(), 512U);
}

TEST(BypassReason, EveryOneHasAWordOfItsOwn) {
    std::vector<std::string_view> words;
    for (std::size_t i = 0; i < bypass_reasons; ++i) {
        const auto word = to_string(static_cast<bypass_reason>(i));
        EXPECT_NE(word, "unknown");
        EXPECT_EQ(std::count(words.begin(), words.end(), word), 0) << word;
        words.push_back(word);
    }
}

}  // namespace
}  // namespace weir::querycache

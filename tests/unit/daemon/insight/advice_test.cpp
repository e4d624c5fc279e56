#include "daemon/insight/advice.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::daemon::insight {
namespace {

TEST(AdviceKind, HasItsWords) {
    for (std::size_t i = 0; i < advice_kind_count; ++i) {
        const auto kind = static_cast<advice_kind>(i);
        EXPECT_FALSE(to_string(kind).empty()) << i;
        const auto verdict = verdict_of(kind);
        EXPECT_TRUE(verdict == "pins" || verdict == "breaks") << i;
        EXPECT_GT(advice_of(kind).size(), 60U) << i;
    }
    EXPECT_EQ(to_string(advice_kind::listen), "listen");
    EXPECT_EQ(to_string(advice_kind::unknown), "unknown");
    EXPECT_EQ(verdict_of(advice_kind::unknown), "breaks");
}

TEST(AdviceBook, CountsByWhoAndKind) {
    advice_book book;
    const auto both = static_cast<advice_set>(
        advice_bit(advice_kind::listen) | advice_bit(advice_kind::temporary_table)
    );
    book.note("shop", "ann", "web", advice_bit(advice_kind::listen), "listen a");
    book.note("shop", "ann", "web", both, "listen b; create temp table t (a int)");
    book.note("shop", "ann", "job", advice_bit(advice_kind::listen), "listen c");
    ASSERT_EQ(book.rows().size(), 3U);
    const auto& row = book.rows().at({"shop", "ann", "web", advice_kind::listen});
    EXPECT_EQ(row.count, 2U);
    EXPECT_EQ(row.last_query, "listen b; create temp table t (a int)");
    EXPECT_EQ(book.dropped(), 0U);
}

TEST(AdviceBook, IsBounded) {
    advice_book book;
    const auto kind = advice_bit(advice_kind::listen);
    for (std::size_t i = 0; i < advice_book::max_rows + 5; ++i)
        book.note("shop", "ann", "app" + std::to_string(i), kind, "listen a");
    EXPECT_EQ(book.rows().size(), advice_book::max_rows);
    EXPECT_EQ(book.dropped(), 5U);
    book.note("shop", "ann", "app0", kind, std::string(10'000, 'x'));
    const auto& row = book.rows().at({"shop", "ann", "app0", advice_kind::listen});
    EXPECT_EQ(row.count, 2U);
    EXPECT_LT(row.last_query.size(), 600U);
}

TEST(AdviceBook, AddsUpOverLoops) {
    advice_book one;
    advice_book other;
    const auto kind = advice_bit(advice_kind::listen);
    one.note("shop", "ann", "web", kind, "listen a");
    other.note("shop", "ann", "web", kind, "listen b");
    other.note("shop", "bob", "", kind, "listen c");
    one.add(other);
    ASSERT_EQ(one.rows().size(), 2U);
    EXPECT_EQ(one.rows().at({"shop", "ann", "web", advice_kind::listen}).count, 2U);

    advice_book full;
    for (std::size_t i = 0; i < advice_book::max_rows; ++i)
        full.note("shop", "ann", "app" + std::to_string(i), kind, "listen a");
    full.add(one);
    EXPECT_EQ(full.rows().size(), advice_book::max_rows);
    EXPECT_EQ(full.dropped(), 3U);
}

}  // namespace
}  // namespace weir::daemon::insight

#include "daemon/console/show_advice.hpp"

#include "daemon/console/columns.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::daemon::console {
namespace {

using insight::advice_bit;
using insight::advice_kind;

TEST(ShowAdvice, HasARowAKindOfEachApplication) {
    insight::advice_book book;
    book.note("shop", "ann", "web", advice_bit(advice_kind::listen), "listen c");
    const auto rows = advice_rows(insight::pooling_rows(book));
    ASSERT_EQ(rows.size(), 1U);
    ASSERT_EQ(rows[0].size(), columns::advice.size());
    EXPECT_EQ(rows[0][0], "shop");
    EXPECT_EQ(rows[0][1], "ann");
    EXPECT_EQ(rows[0][2], "web");
    EXPECT_EQ(rows[0][3], "listen");
    EXPECT_EQ(rows[0][4], "pins");
    EXPECT_EQ(rows[0][5], "1");
    EXPECT_EQ(rows[0][6], "listen c");
    EXPECT_NE(rows[0][7]->find("pool.mode session"), std::string::npos);
}

TEST(ShowAdvice, TellsWhatHadNoRoom) {
    insight::advice_book book;
    EXPECT_TRUE(advice_rows(insight::pooling_rows(book)).empty());
    for (std::size_t i = 0; i <= insight::advice_book::max_rows; ++i)
        book.note("shop", "ann", std::to_string(i), advice_bit(advice_kind::listen), "listen c");
    const auto rows = advice_rows(insight::pooling_rows(book));
    ASSERT_EQ(rows.size(), insight::advice_book::max_rows + 1);
    ASSERT_EQ(rows.back().size(), columns::advice.size());
    EXPECT_EQ(rows.back()[3], "dropped");
    EXPECT_EQ(rows.back()[5], "1");
}

TEST(ShowAdvice, HasAValueForEachColumnOfAllKinds) {
    insight::advice_row full;
    full.kind = "cacheable";
    full.gain = "much";
    const auto rows = advice_rows({full});
    ASSERT_EQ(rows.at(0).size(), columns::advice.size());
    EXPECT_EQ(rows[0].back(), "much");
    EXPECT_EQ(rows[0].front(), std::nullopt);
}

}  // namespace
}  // namespace weir::daemon::console

#include "protocol/ascii.hpp"

#include <gtest/gtest.h>

namespace weir::protocol {
namespace {

TEST(AsciiLower, FoldsLettersAndLeavesAllElse) {
    EXPECT_EQ(ascii_lower("AZaz@[`{09_\xC3\x84"), "azaz@[`{09_\xC3\x84");
    EXPECT_EQ(ascii_lower(""), "");
    EXPECT_EQ(ascii_lower('Q'), 'q');
}

TEST(SameLetters, LooksPastTheCaseOnly) {
    EXPECT_TRUE(same_letters("DateStyle", "datestyle"));
    EXPECT_TRUE(same_letters("", ""));
    EXPECT_FALSE(same_letters("datestyle", "datestyles"));
    EXPECT_FALSE(same_letters("\xC3\x84", "\xC3\xA4"));
    EXPECT_FALSE(same_letters("@", "`"));
}

}  // namespace
}  // namespace weir::protocol

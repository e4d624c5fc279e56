#include "daemon/config/nearest.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::daemon::config {
namespace {

TEST(EditDistance, CountsInsertDeleteReplaceAndSwap) {
    EXPECT_EQ(edit_distance("size", "size"), 0U);
    EXPECT_EQ(edit_distance("sise", "size"), 1U);
    EXPECT_EQ(edit_distance("siz", "size"), 1U);
    EXPECT_EQ(edit_distance("sizes", "size"), 1U);
    EXPECT_EQ(edit_distance("szie", "size"), 1U);
    EXPECT_EQ(edit_distance("", "size"), 4U);
    EXPECT_EQ(edit_distance("size", ""), 4U);
    EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

TEST(EditDistance, TakesCaseAndDashesAsEqual) {
    EXPECT_EQ(edit_distance("Wait-Timeout", "wait_timeout"), 0U);
}

TEST(EditDistance, IsBoundedForLongWords) {
    EXPECT_EQ(edit_distance(std::string(100'000, 'a'), std::string(100'000, 'b')), 64U);
}

TEST(Nearest, FindsTheOneThatIsNearEnough) {
    const std::vector<std::string_view> known = {"mode", "size", "overflow", "overflow_idle", "on"};
    EXPECT_EQ(nearest("overfow", known), "overflow");
    EXPECT_EQ(nearest("overflow-idel", known), "overflow_idle");
    EXPECT_EQ(nearest("mod", known), "mode");
    EXPECT_EQ(nearest("banana", known), "");
    EXPECT_EQ(nearest("off", known), "");
    EXPECT_EQ(nearest("x", {}), "");
}

}  // namespace
}  // namespace weir::daemon::config

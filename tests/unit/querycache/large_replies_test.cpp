#include "querycache/large_replies.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace weir::querycache {
namespace {

using namespace std::chrono_literals;

TEST(LargeReplies, AreRememberedForSomeSeconds) {
    const auto memo = std::make_unique<large_replies>();
    const time_point now{100s};
    EXPECT_FALSE(memo->holds({1, 2}, now));
    EXPECT_FALSE(memo->holds({0, 0}, now)) << "an empty place is nobody's";
    memo->note({1, 2}, now);
    EXPECT_TRUE(memo->holds({1, 2}, now));
    EXPECT_TRUE(memo->holds({1, 2}, now + large_replies::remembered - 1ns));
    EXPECT_FALSE(memo->holds({1, 2}, now + large_replies::remembered));
    EXPECT_FALSE(memo->holds({3, 2}, now)) << "the same place, another key";
}

TEST(LargeReplies, TheLaterPushesOutTheEarlier) {
    const auto memo = std::make_unique<large_replies>();
    const time_point now{100s};
    memo->note({1, 2}, now);
    memo->note({3, 2}, now);
    EXPECT_FALSE(memo->holds({1, 2}, now));
    EXPECT_TRUE(memo->holds({3, 2}, now));
}

TEST(LargeReplies, AreForgottenWhenTheLimitsChange) {
    const auto memo = std::make_unique<large_replies>();
    const time_point now{100s};
    memo->note({1, 2}, now);
    memo->clear();
    EXPECT_FALSE(memo->holds({1, 2}, now));
}

}  // namespace
}  // namespace weir::querycache

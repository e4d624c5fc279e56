#include "daemon/user_places.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <utility>

namespace weir::daemon {
namespace {

TEST(UserPlaces, AreTakenUpToTheLimitOfAUser) {
    user_places places;
    const auto one = places.take("ann", 2);
    auto other = places.take("ann", 2);
    EXPECT_TRUE(one);
    EXPECT_TRUE(other);
    EXPECT_FALSE(places.take("ann", 2));
    EXPECT_TRUE(places.take("bob", 2));
    other.reset();
    EXPECT_TRUE(places.take("ann", 2));
    EXPECT_EQ(places.taken("ann"), 1);
    EXPECT_EQ(places.taken("bob"), 0);
}

TEST(UserPlaces, AreCountedWithoutALimit) {
    user_places places;
    const auto one = places.take("ann", 0);
    EXPECT_EQ(places.taken("ann"), 1);
    EXPECT_FALSE(places.take("ann", 1));
}

TEST(UserPlaces, MoveWithTheirHolder) {
    user_places places;
    auto one = places.take("ann", 0);
    auto other = places.take("bob", 0);
    other = std::exchange(one, {});
    EXPECT_FALSE(one);
    EXPECT_EQ(places.taken("ann"), 1);
    EXPECT_EQ(places.taken("bob"), 0);
    one.reset();
    other.reset();
    other.reset();
    EXPECT_EQ(places.taken("ann"), 0);
}

TEST(UserPlaces, MayBeHeldLongerThanTheCounts) {
    std::optional<user_places> places{std::in_place};
    auto one = places->take("ann", 0);
    places.reset();
    one.reset();
    EXPECT_FALSE(one);
}

}  // namespace
}  // namespace weir::daemon

#include "daemon/session/flight_wait.hpp"

#include <gtest/gtest.h>

namespace weir::daemon {
namespace {

using querycache::flights;
using querycache::landing;

class flight_waits : public testing::Test {
protected:
    static constexpr querycache::hash128 key{1, 2};

    bool ask() {
        ticket = one.next_ticket();
        return one.take(all.lead_or_wait(key, [](landing) {}), key);
    }

    flights all;
    flight_wait one;
    std::uint64_t ticket = 0;
};

TEST_F(flight_waits, WhoLeadsDoesNotWait) {
    EXPECT_FALSE(ask());
    EXPECT_TRUE(all.is_flying(key));
    {
        const auto lead = one.hand_on();
        one.land(landing::go_alone);
        EXPECT_TRUE(all.is_flying(key)) << "somebody else has it";
    }
    EXPECT_FALSE(all.is_flying(key));
}

TEST_F(flight_waits, OnlyTheLandingThatIsAwaitedCounts) {
    auto lead = all.lead_or_wait(key, [](landing) {});
    EXPECT_TRUE(ask());
    EXPECT_FALSE(one.on_landing(ticket - 1, landing::look_again));
    EXPECT_TRUE(one.is_waiting());
    EXPECT_TRUE(one.on_landing(ticket, landing::look_again));
    EXPECT_FALSE(one.is_waiting());
    EXPECT_FALSE(one.on_landing(ticket, landing::look_again));
    EXPECT_FALSE(one.goes_alone());
}

TEST_F(flight_waits, WaitingHasAnEnd) {
    const auto lead = all.lead_or_wait(key, [](landing) {});
    for (unsigned i = 1; i <= flight_wait::most_waits; ++i) {
        EXPECT_TRUE(ask());
        EXPECT_TRUE(one.on_landing(ticket, landing::look_again));
        EXPECT_EQ(one.goes_alone(), i == flight_wait::most_waits);
    }
    EXPECT_TRUE(ask());
    EXPECT_TRUE(one.on_landing(ticket, landing::go_alone));
    EXPECT_TRUE(one.goes_alone());
    EXPECT_FALSE(one.goes_alone()) << "once";
}

TEST_F(flight_waits, ItIsGivenUpForGoingAlone) {
    const auto lead = all.lead_or_wait(key, [](landing) {});
    EXPECT_TRUE(ask());
    EXPECT_EQ(one.awaited(), key);
    one.give_up();
    EXPECT_FALSE(one.is_waiting());
    EXPECT_FALSE(one.on_landing(ticket, landing::look_again));
    EXPECT_TRUE(one.goes_alone());
    EXPECT_FALSE(one.goes_alone()) << "once";
    one.give_up();
    EXPECT_FALSE(one.goes_alone()) << "nobody waited";
}

TEST_F(flight_waits, AHitAndACancelEndIt) {
    const auto lead = all.lead_or_wait(key, [](landing) {});
    EXPECT_FALSE(one.cancel());
    EXPECT_TRUE(ask());
    EXPECT_TRUE(one.cancel());
    EXPECT_FALSE(one.is_waiting());
    EXPECT_FALSE(one.on_landing(ticket, landing::go_alone));
    EXPECT_TRUE(ask());
    EXPECT_TRUE(one.on_landing(ticket, landing::go_alone));
    one.forget();
    EXPECT_FALSE(one.goes_alone());
}

}  // namespace
}  // namespace weir::daemon

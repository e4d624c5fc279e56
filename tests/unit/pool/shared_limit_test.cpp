#include "pool/shared_limit.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

namespace weir::pool {
namespace {

using namespace std::chrono_literals;
using time_point = shared_limit::time_point;

struct member final : limit_member {
    std::optional<time_point> idle_longest() const override {
        ++looked_at;
        return idle_since;
    }
    void give_up_idle() override { ++evicted; }
    void on_place_free() override { ++called; }

    std::optional<time_point> idle_since;
    mutable int looked_at = 0;
    int evicted = 0;
    int called = 0;
};

struct limit_of_two : testing::Test {
    limit_of_two() {
        for (const auto& one : {a, b, c})
            limit.join(one);
    }

    const time_point start = time_point{} + 1h;
    shared_limit limit{"databases.shop.max_connections", 2};
    std::shared_ptr<member> a = std::make_shared<member>();
    std::shared_ptr<member> b = std::make_shared<member>();
    std::shared_ptr<member> c = std::make_shared<member>();
};

TEST_F(limit_of_two, GivesSoManyPlacesToAllTogether) {
    EXPECT_TRUE(limit.take(*a, start));
    EXPECT_TRUE(limit.take(*b, start));
    EXPECT_FALSE(limit.take(*a, start));
    EXPECT_FALSE(limit.take(*c, start));
    EXPECT_EQ(limit.used(), 2U);
    limit.give_back();
    EXPECT_TRUE(limit.take(*c, start));
}

TEST_F(limit_of_two, AFreePlaceIsTheOldestWaiters) {
    ASSERT_TRUE(limit.take(*a, start) && limit.take(*a, start));
    limit.want(*c, start + 2s);
    limit.want(*b, start + 1s);
    limit.give_back();
    limit.wake();
    EXPECT_EQ(b->called, 1);
    EXPECT_EQ(c->called, 0);
    EXPECT_FALSE(limit.take(*a, start + 3s)) << "who came last was served first";
    EXPECT_FALSE(limit.take(*c, start + 2s));
    EXPECT_TRUE(limit.take(*b, start + 1s));
    limit.no_longer_wants(*b);
    limit.wake();
    EXPECT_EQ(c->called, 0) << "there is no place";
    limit.give_back();
    limit.wake();
    EXPECT_EQ(c->called, 1);
}

TEST_F(limit_of_two, WithPlacesForAllNobodyIsRefused) {
    limit.want(*b, start);
    EXPECT_TRUE(limit.take(*a, start + 1s)) << "two places, one older wish";
    EXPECT_FALSE(limit.take(*a, start + 1s));
    EXPECT_TRUE(limit.take(*b, start));
}

TEST_F(limit_of_two, NobodysSakeComesLast) {
    limit.want(*b, start);
    ASSERT_TRUE(limit.take(*a, start));
    EXPECT_FALSE(limit.take(*a, time_point::max())) << "min_idle before a client that waits";
}

TEST_F(limit_of_two, ARenewedWishReplacesTheOldOne) {
    ASSERT_TRUE(limit.take(*a, start) && limit.take(*a, start));
    limit.want(*b, start);
    limit.want(*c, start + 1s);
    limit.want(*b, start + 2s);
    limit.give_back();
    limit.wake();
    EXPECT_EQ(c->called, 1);
    EXPECT_EQ(b->called, 0);
}

TEST_F(limit_of_two, TheLeastRecentlyUsedIdleServerGivesUpItsPlace) {
    ASSERT_TRUE(limit.take(*a, start) && limit.take(*b, start));
    limit.free_a_place(*c, start);
    EXPECT_EQ(a->evicted + b->evicted, 0) << "nobody has an idle one";
    a->idle_since = start + 2s;
    b->idle_since = start + 1s;
    c->idle_since = start;
    limit.free_a_place(*c, start + 3s);
    EXPECT_EQ(a->evicted, 0);
    EXPECT_EQ(b->evicted, 1);
    EXPECT_EQ(c->evicted, 0);
}

TEST_F(limit_of_two, OneIdleServerAtATimeGivesUpItsPlace) {
    ASSERT_TRUE(limit.take(*a, start) && limit.take(*b, start));
    a->idle_since = start - 1s;
    limit.free_a_place(*c, start);
    limit.free_a_place(*c, start + 1ms);
    EXPECT_EQ(a->evicted, 1) << "each look closed another server";
    limit.free_a_place(*c, start + 60ms);
    EXPECT_EQ(a->evicted, 2) << "it had been lent in that moment";
    limit.give_back();
    limit.free_a_place(*c, start + 61ms);
    EXPECT_EQ(a->evicted, 2) << "there is a place";
}

TEST_F(limit_of_two, AsksAllMembersOnceInAWhileAlsoWhenNobodyHasAnIdleServer) {
    ASSERT_TRUE(limit.take(*a, start) && limit.take(*b, start));
    for (auto at = start; at < start + 500ms; at += 1ms)
        limit.free_a_place(*c, at);
    EXPECT_EQ(a->looked_at, 10);
    EXPECT_EQ(b->looked_at, 10);
}

TEST_F(limit_of_two, AServerThatIsIdleForAMomentIsNotClosedJustAfterAnother) {
    ASSERT_TRUE(limit.take(*a, start) && limit.take(*b, start));
    limit.want(*c, start - 1s);
    ASSERT_TRUE(limit.must_give_up(*a, time_point::max(), start));
    b->idle_since = start;
    limit.free_a_place(*c, start + 1ms);
    limit.free_a_place(*c, start + 99ms);
    EXPECT_EQ(b->evicted, 0);
    b->idle_since = start - 1s;
    limit.free_a_place(*c, start + 150ms);
    EXPECT_EQ(b->evicted, 1);
    b->idle_since = start + 199ms;
    limit.free_a_place(*c, start + 200ms);
    EXPECT_EQ(b->evicted, 1) << "the last one counts, too";
    limit.free_a_place(*c, start + 250ms);
    EXPECT_EQ(b->evicted, 2);
}

TEST_F(limit_of_two, AServerThatNobodyHasUsedForLongGoesAtOnce) {
    ASSERT_TRUE(limit.take(*a, start) && limit.take(*b, start));
    limit.want(*c, start - 1s);
    ASSERT_TRUE(limit.must_give_up(*a, time_point::max(), start));
    b->idle_since = start - 1s;
    limit.free_a_place(*c, start + 1ms);
    EXPECT_EQ(b->evicted, 1);
}

TEST_F(limit_of_two, IsOwedToWhomHasWaitedLongerForMoreThanAMoment) {
    EXPECT_FALSE(limit.must_give_up(*a, time_point::max(), start));
    limit.want(*b, start);
    EXPECT_FALSE(limit.must_give_up(*a, start - 1s, start + 1s)) << "its own waits longer";
    EXPECT_FALSE(limit.must_give_up(*a, start + 1ms, start + 10ms)) << "for a moment's difference";
    EXPECT_FALSE(limit.must_give_up(*b, time_point::max(), start + 1s)) << "to oneself";
    EXPECT_TRUE(limit.must_give_up(*a, start + 1ms, start + 100ms));
    EXPECT_TRUE(limit.must_give_up(*a, time_point::max(), start + 200ms)) << "nobody of its own";
    limit.no_longer_wants(*b);
    EXPECT_FALSE(limit.must_give_up(*a, time_point::max(), start + 1s));
}

TEST_F(limit_of_two, WhoHasNobodyWaitingGivesUpAPlaceAtOnceButNotTwo) {
    limit.want(*b, start);
    EXPECT_TRUE(limit.must_give_up(*a, time_point::max(), start + 1ms));
    EXPECT_FALSE(limit.must_give_up(*a, time_point::max(), start + 1ms)) << "for the same client";
    EXPECT_FALSE(limit.must_give_up(*a, time_point::max(), start + 100ms));
    EXPECT_TRUE(limit.must_give_up(*a, time_point::max(), start + 101ms));
}

// Two pools that are never without clients: each frees a server every millisecond, and the other's
// oldest has always waited for longer than patience.
TEST_F(limit_of_two, TwoBusyPoolsDoNotSendTheirPlacesToAndFro) {
    int moves = 0;
    auto a_waits = start;
    auto b_waits = start + 1ms;
    auto longest = 0ms;
    for (auto now = start + 1s; now < start + 7s; now += 1ms) {
        limit.want(*a, a_waits);
        limit.want(*b, b_waits);
        if (limit.must_give_up(*a, a_waits, now)) {
            ++moves;
            longest = std::max(longest, duration_cast<std::chrono::milliseconds>(now - b_waits));
            b_waits = now - 150ms;
        } else if (limit.must_give_up(*b, b_waits, now)) {
            ++moves;
            longest = std::max(longest, duration_cast<std::chrono::milliseconds>(now - a_waits));
            a_waits = now - 150ms;
        }
    }
    EXPECT_LE(moves, 60);
    EXPECT_GE(moves, 59) << "who waits longest is served as soon as a place may move";
    EXPECT_LE(longest, 1200ms) << "and nobody starves";
}

TEST_F(limit_of_two, ForgetsWhoLeaves) {
    ASSERT_TRUE(limit.take(*a, start) && limit.take(*a, start));
    limit.want(*b, start);
    limit.leave(*b);
    limit.give_back();
    limit.wake();
    EXPECT_EQ(b->called, 0);
    EXPECT_TRUE(limit.take(*a, start + 1s));
}

TEST_F(limit_of_two, OutlivesAMemberThatDied) {
    ASSERT_TRUE(limit.take(*a, start) && limit.take(*a, start));
    limit.want(*b, start);
    b.reset();
    limit.give_back();
    limit.wake();
    limit.free_a_place(*c, start);
}

TEST_F(limit_of_two, ServersThatAreThereCountEvenAboveIt) {
    limit.take_over(3);
    EXPECT_EQ(limit.used(), 3U);
    EXPECT_FALSE(limit.take(*a, start));
    limit.give_back();
    EXPECT_FALSE(limit.take(*a, start));
    limit.set_most(4);
    EXPECT_TRUE(limit.take(*a, start));
}

}  // namespace
}  // namespace weir::pool

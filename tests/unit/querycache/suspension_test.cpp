#include "querycache/suspension.hpp"

#include <gtest/gtest.h>

namespace weir::querycache {
namespace {

using namespace std::chrono_literals;
using counts = suspension::counts;

/// A rule whose counts grow by the same every second, and the review after it.
struct reviewed {
    suspension state;
    counts sofar;
    time_point now{1000s};

    void go(counts a_second, int seconds) {
        for (int i = 0; i < seconds; ++i) {
            now += 1s;
            sofar.stores += a_second.stores;
            sofar.hits += a_second.hits;
            sofar.invalidations += a_second.invalidations;
            state.review(sofar, now);
        }
    }
    /// Seconds until it is on, no more than `most`.
    int until_on(counts a_second, int most = 100) {
        int seconds = 0;
        for (; seconds < most && !state.is_on(now); ++seconds)
            go(a_second, 1);
        return seconds;
    }
    /// How long it is on from now.
    duration lasts() const { return state.until() - now; }
};

constexpr counts in_vain{.stores = 20, .hits = 1, .invalidations = 20};

TEST(Suspension, IsOffAtFirst) {
    const suspension s;
    EXPECT_FALSE(s.is_on(time_point{}));
    EXPECT_FALSE(s.is_on(time_point{1000s}));
}

TEST(Suspension, EndsStoringThatIsInvalidatedBeforeItIsHit) {
    reviewed r;
    EXPECT_EQ(r.until_on(in_vain), 5) << "one second begins the window, four are 80 stores";
    EXPECT_EQ(r.lasts(), 10s);
    EXPECT_TRUE(r.state.is_on(r.now + 9999ms));
    EXPECT_FALSE(r.state.is_on(r.now + 10s));
}

TEST(Suspension, LeavesAWarmingCacheAlone) {
    reviewed r;
    EXPECT_EQ(r.until_on({.stores = 1000, .hits = 0, .invalidations = 0}), 100);
}

TEST(Suspension, LeavesARuleAloneThatIsHitOftenEnough) {
    reviewed r;
    EXPECT_EQ(r.until_on({.stores = 20, .hits = 5, .invalidations = 20}), 100);
}

TEST(Suspension, LeavesARuleAloneThatStoresSeldom) {
    reviewed r;
    EXPECT_EQ(r.until_on({.stores = 2, .hits = 0, .invalidations = 2}), 100) << "60 in a window";
}

TEST(Suspension, DoublesUpToFiveMinutes) {
    reviewed r;
    std::vector<duration> lasted;
    for (int i = 0; i < 7; ++i) {
        ASSERT_LT(r.until_on(in_vain), 10);
        lasted.push_back(r.lasts());
        r.now = r.state.until();
    }
    EXPECT_EQ(lasted, (std::vector<duration>{10s, 20s, 40s, 80s, 160s, 300s, 300s}));
}

TEST(Suspension, BeginsSmallAgainAfterAGoodWindow) {
    reviewed r;
    r.until_on(in_vain);
    r.now = r.state.until();
    r.until_on(in_vain);
    EXPECT_EQ(r.lasts(), 20s);
    r.now = r.state.until();
    r.go({.stores = 20, .hits = 100, .invalidations = 1}, 35);
    r.go({}, 30);
    r.until_on(in_vain);
    EXPECT_EQ(r.lasts(), 10s);
}

TEST(Suspension, IsNotJudgedByWhatHappensMeanwhile) {
    reviewed r;
    r.until_on(in_vain);
    const auto until = r.state.until();
    r.go(in_vain, 9);  // captures that were under way, say
    EXPECT_EQ(r.state.until(), until);
    r.go({}, 100);
    EXPECT_EQ(r.state.until(), until);
}

}  // namespace
}  // namespace weir::querycache

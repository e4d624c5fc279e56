#include "pool/breaker.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::pool {
namespace {

using namespace std::chrono_literals;

struct breaker_of_three : testing::Test {
    breaker_options options{3, 10s, 15s};
    breaker it;
    breaker::time_point now = breaker::time_point{} + 1h;

    /// An attempt that takes `takes` and fails.
    void fail(std::chrono::milliseconds takes = 0ms, double chance = 0.5) {
        const auto began = now;
        it.on_attempt(began);
        now += takes;
        it.on_failure(began, now, options, chance);
    }
    void open() {
        for (int i = 0; i < 3; ++i) {
            fail();
            now += 1s;
        }
        ASSERT_EQ(it.state(), breaker_state::open);
    }
    std::chrono::milliseconds pause() const {
        return std::chrono::duration_cast<std::chrono::milliseconds>(it.next_try() - it.since());
    }
};

TEST_F(breaker_of_three, LetsThroughBelowTheLimit) {
    EXPECT_EQ(it.state(), breaker_state::closed);
    fail();
    now += 1s;
    fail();
    EXPECT_EQ(it.failures(), 2U);
    EXPECT_EQ(it.state(), breaker_state::closed);
    EXPECT_TRUE(it.may_try(now));
}

TEST_F(breaker_of_three, OpensWithTheLastFailureWithinTheWindow) {
    fail();
    now += 5s;
    fail();
    now += 5s;
    EXPECT_EQ(it.state(), breaker_state::closed);
    fail();
    EXPECT_EQ(it.state(), breaker_state::open);
    EXPECT_EQ(it.failures(), 3U);
    EXPECT_EQ(it.since(), now);
    EXPECT_FALSE(it.may_try(now));
    EXPECT_EQ(it.next_try(), now + 1s);
    EXPECT_FALSE(it.may_try(now + 1s - 1ms));
    EXPECT_TRUE(it.may_try(now + 1s));
}

TEST_F(breaker_of_three, ForgetsWhatIsOlderThanTheWindow) {
    for (int i = 0; i < 9; ++i) {
        fail();
        now += 6s;
        EXPECT_EQ(it.state(), breaker_state::closed);
    }
    EXPECT_LE(it.failures(), 2U);
}

TEST_F(breaker_of_three, CountsASilentHostWhoseTimeoutIsLongerThanTheWindow) {
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(it.state(), breaker_state::closed);
        fail(15s);
        now += 2s;
    }
    EXPECT_EQ(it.state(), breaker_state::open);
}

TEST_F(breaker_of_three, CountsLoginsThatRanTogetherAsOneFailure) {
    const auto began = now;
    now += 10ms;
    for (int i = 0; i < 8; ++i) {
        it.on_failure(began, now, options, 0.5);
        now += 1ms;
    }
    EXPECT_EQ(it.failures(), 1U) << "a restart that met eight logins would open it";
}

TEST_F(breaker_of_three, ASuccessClearsTheCount) {
    fail();
    now += 1s;
    fail();
    it.on_success(now);
    EXPECT_EQ(it.failures(), 0U);
    now += 1s;
    fail();
    now += 1s;
    fail();
    EXPECT_EQ(it.state(), breaker_state::closed);
}

TEST_F(breaker_of_three, ASuccessThatWasNoneIsTakenBack) {
    // A proxy that lets every login in and kills the session.
    for (int i = 0; i < 3; ++i) {
        const auto began = now;
        it.on_attempt(began);
        it.on_success(now);
        it.take_success_back();
        it.on_failure(began, now, options, 0.5);
        now += 1s;
    }
    EXPECT_EQ(it.state(), breaker_state::open);
}

TEST_F(breaker_of_three, AfterThePauseOneProbeDecides) {
    open();
    now = it.next_try();
    it.on_attempt(now);
    EXPECT_EQ(it.state(), breaker_state::half_open);
    EXPECT_EQ(it.since(), now);
    EXPECT_FALSE(it.may_try(now + 1h)) << "a second beside the probe";
    now += 1s;
    it.on_success(now);
    EXPECT_EQ(it.state(), breaker_state::closed);
    EXPECT_EQ(it.failures(), 0U);
    EXPECT_TRUE(it.may_try(now));
}

TEST_F(breaker_of_three, ThePauseIsAQuarterOfTheTimeAwayUpToTheOption) {
    open();
    EXPECT_EQ(pause(), 1s);
    const auto since = it.since();
    for (const auto& [away, expected] :
         {std::pair{1s, 1'000ms},
          {4s, 1'000ms},
          {10s, 2'500ms},
          {60s, 15'000ms},
          {3600s, 15'000ms}}) {
        now = since + away;
        fail();
        EXPECT_EQ(it.state(), breaker_state::open);
        EXPECT_EQ(pause(), expected) << away.count();
    }
    EXPECT_EQ(it.failures(), 8U);
    now = it.next_try();
    it.on_attempt(now);
    it.on_success(now);
    open();
    EXPECT_EQ(pause(), 1s) << "the pause of another outage";
}

TEST_F(breaker_of_three, AnOptionThatIsShorterThanTheFirstPauseHolds) {
    options.open = 300ms;
    open();
    EXPECT_EQ(pause(), 300ms);
    now = it.next_try();
    fail();
    EXPECT_EQ(pause(), 300ms);
}

// PostgreSQL restarts, clients come all the time, and each login that may begin does.
TEST_F(breaker_of_three, ARestartOfSomeSecondsCostsAboutASecondMore) {
    for (const auto away : {3s, 5s, 8s}) {
        it = {};
        const auto back = now + away;
        while (!it.may_try(now) || now < back) {
            if (it.may_try(now)) fail();
            now += 100ms;
        }
        EXPECT_LE(now - back, 2s) << away.count();
    }
}

TEST_F(breaker_of_three, ChanceSpreadsThePauseByATenth) {
    for (const auto& [chance, expected] : {std::pair{0.0, 900ms}, {1.0, 1'100ms}}) {
        it = {};
        for (int i = 0; i < 3; ++i)
            fail(0ms, chance);
        EXPECT_EQ(pause(), expected);
    }
}

TEST_F(breaker_of_three, AProbeThatTellsNothingMakesRoomForAnother) {
    open();
    now = it.next_try();
    it.on_attempt(now);
    it.on_probe_given_up(now);
    EXPECT_EQ(it.state(), breaker_state::open);
    EXPECT_TRUE(it.may_try(now));
    it.on_attempt(now);
    it.on_success(now);
    it.on_probe_given_up(now);
    EXPECT_EQ(it.state(), breaker_state::closed);
}

TEST_F(breaker_of_three, WhatBeganBeforeItOpenedCountsOnlyWhenItIsGood) {
    const auto early = now;
    open();
    const auto next = it.next_try();
    it.on_failure(early, now, options, 0.5);
    EXPECT_EQ(it.next_try(), next) << "late news of the same outage";
    now = next;
    it.on_attempt(now);
    it.on_failure(early, now, options, 0.5);
    EXPECT_EQ(it.state(), breaker_state::half_open) << "it is not the probe that failed";
    it.on_success(now);
    EXPECT_EQ(it.state(), breaker_state::closed);
}

TEST_F(breaker_of_three, SomebodyWhoKnowsBetterEndsThePause) {
    it.try_soon(now);
    EXPECT_EQ(it.state(), breaker_state::closed);
    open();
    it.try_soon(now);
    EXPECT_EQ(it.state(), breaker_state::open);
    EXPECT_TRUE(it.may_try(now));
}

TEST(BreakerState, HasTheWordsOfShowBreakers) {
    EXPECT_EQ(std::string{to_string(breaker_state::closed)}, "closed");
    EXPECT_EQ(std::string{to_string(breaker_state::open)}, "open");
    EXPECT_EQ(std::string{to_string(breaker_state::half_open)}, "half_open");
}

}  // namespace
}  // namespace weir::pool

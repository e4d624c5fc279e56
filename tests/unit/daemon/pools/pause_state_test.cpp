#include "daemon/pause_state.hpp"

#include <gtest/gtest.h>

namespace weir::daemon {
namespace {

TEST(PauseState, OfAllHoldsForEveryName) {
    pause_state state;
    EXPECT_FALSE(state.is_paused("shop"));
    state.set_all(true);
    EXPECT_TRUE(state.all());
    EXPECT_TRUE(state.is_paused("shop"));
    state.set_all(false);
    EXPECT_FALSE(state.is_paused("shop"));
}

TEST(PauseState, OfOneIsItsOwn) {
    pause_state state;
    state.set("shop", true);
    EXPECT_TRUE(state.is_paused("shop"));
    EXPECT_FALSE(state.is_paused("site"));
    EXPECT_FALSE(state.all());
    state.set("shop", false);
    EXPECT_FALSE(state.is_paused("shop"));
}

TEST(PauseState, OneMayBeTakenOutOfThePauseOfAll) {
    pause_state state;
    state.set_all(true);
    state.set("shop", false);
    EXPECT_FALSE(state.is_paused("shop"));
    EXPECT_TRUE(state.is_paused("site"));
    state.set("shop", true);
    EXPECT_TRUE(state.is_paused("shop"));
}

TEST(PauseState, ResumeOfAllEndsThatOfOneToo) {
    pause_state state;
    state.set("shop", true);
    state.set_all(false);
    EXPECT_FALSE(state.is_paused("shop"));
    EXPECT_TRUE(state.others().empty());
}

}  // namespace
}  // namespace weir::daemon

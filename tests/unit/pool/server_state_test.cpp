#include "pool/server_state.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <utility>

namespace weir::pool {
namespace {

using s = server_state;
using e = server_event;

/// The whole table, written down a second time: everything that is not here must be refused.
const std::map<std::pair<s, e>, s> allowed{
    {{s::login, e::logged_in}, s::idle},
    {{s::login, e::retired}, s::closing},
    {{s::login, e::failed}, s::closing},
    {{s::tested, e::check_passed}, s::idle},
    {{s::tested, e::retired}, s::closing},
    {{s::tested, e::failed}, s::closing},
    {{s::idle, e::linked}, s::active},
    {{s::idle, e::check_due}, s::tested},
    {{s::idle, e::retired}, s::closing},
    {{s::idle, e::failed}, s::closing},
    {{s::active, e::released}, s::idle},
    {{s::active, e::released_dirty}, s::tested},
    {{s::active, e::parked}, s::being_canceled},
    {{s::active, e::failed}, s::closing},
    {{s::being_canceled, e::released}, s::idle},
    {{s::being_canceled, e::released_dirty}, s::tested},
    {{s::being_canceled, e::retired}, s::closing},
    {{s::being_canceled, e::failed}, s::closing},
};

TEST(ServerState, MovesByTheTableAndNotOtherwise) {
    for (std::size_t from = 0; from < server_state_count; ++from) {
        for (std::size_t event = 0; event < server_event_count; ++event) {
            const auto state = static_cast<s>(from);
            const auto what = static_cast<e>(event);
            const auto found = allowed.find({state, what});
            const auto to = transition(state, what);
            if (found == allowed.end()) {
                EXPECT_FALSE(to) << to_string(state) << " " << to_string(what);
            } else {
                EXPECT_EQ(to, found->second) << to_string(state) << " " << to_string(what);
            }
        }
    }
}

TEST(ServerState, DirtyServerIsNotReturnedToIdleUntested) {
    auto state = s::active;
    state = *transition(state, e::released_dirty);
    EXPECT_EQ(state, s::tested);
    EXPECT_FALSE(transition(state, e::linked));
    EXPECT_FALSE(transition(state, e::released));
    EXPECT_EQ(transition(state, e::check_passed), s::idle);
}

TEST(ServerState, NothingLeavesClosing) {
    for (std::size_t event = 0; event < server_event_count; ++event) {
        EXPECT_FALSE(transition(s::closing, static_cast<e>(event)));
    }
}

TEST(ServerState, HasPgBouncersWords) {
    EXPECT_STREQ(to_string(s::login), "login");
    EXPECT_STREQ(to_string(s::tested), "tested");
    EXPECT_STREQ(to_string(s::idle), "idle");
    EXPECT_STREQ(to_string(s::active), "active");
    EXPECT_STREQ(to_string(s::being_canceled), "being_canceled");
    EXPECT_STREQ(to_string(s::closing), "closing");
    std::set<std::string> words;
    for (std::size_t event = 0; event < server_event_count; ++event) {
        words.insert(to_string(static_cast<e>(event)));
    }
    EXPECT_EQ(words.size(), server_event_count);
    EXPECT_FALSE(words.contains(""));
}

TEST(StateCounts, FollowAServerThroughItsLife) {
    state_counts counts;
    s server{};
    counts.enter(server);
    EXPECT_EQ(server, s::login);
    EXPECT_EQ(counts.in(s::login), 1U);
    for (const auto event :
         {e::logged_in, e::linked, e::parked, e::released_dirty, e::check_passed, e::retired}) {
        ASSERT_TRUE(counts.move(server, event)) << to_string(event);
        EXPECT_EQ(counts.in(server), 1U);
        EXPECT_EQ(counts.open(), 1U);
    }
    EXPECT_EQ(server, s::closing);
    counts.leave(server);
    EXPECT_EQ(counts.open(), 0U);
}

TEST(StateCounts, StayAsTheyAreWhenAMoveIsRefused) {
    state_counts counts;
    s server{};
    counts.enter(server);
    EXPECT_FALSE(counts.move(server, e::released));
    EXPECT_EQ(server, s::login);
    EXPECT_EQ(counts.in(s::login), 1U);
    EXPECT_EQ(counts.in(s::idle), 0U);
}

}  // namespace
}  // namespace weir::pool

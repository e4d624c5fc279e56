#include "pool/reusable.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace weir::pool {
namespace {

constexpr server_facts clean{
    .transaction_status = 'I', .everything_sent = true, .everything_delivered = true};

template<typename Change>
server_facts with(Change change) {
    auto facts = clean;
    change(facts);
    return facts;
}

TEST(Reusable, ReturnsACleanServerToIdle) {
    const auto decision = reusable(clean);
    EXPECT_EQ(decision.action, release_action::idle);
    EXPECT_STREQ(decision.reason, "");
}

// What it has to wipe off comes first: the reset query waits for that answer as well.
TEST(Reusable, IsCheckedBehindAQuestionOfTheDaemon) {
    const auto asked = with([](server_facts& f) { f.owes_us = true; });
    EXPECT_EQ(reusable(asked).action, release_action::check_first);
    auto dirty = asked;
    dirty.left = left_behind::unknown;
    EXPECT_EQ(reusable(dirty).action, release_action::reset_first);
    auto owing = asked;
    owing.replies_owed = 1;
    EXPECT_EQ(reusable(owing).action, release_action::close);
}

TEST(Reusable, ClosesWhenNothingIsKnown) {
    EXPECT_EQ(reusable({}).action, release_action::close);
}

TEST(Reusable, ClosesForEachDoubtWithAReasonOfItsOwn) {
    const server_facts doubts[] = {
        with([](server_facts& f) { f.transaction_status = 'T'; }),
        with([](server_facts& f) { f.transaction_status = 'E'; }),
        with([](server_facts& f) { f.transaction_status = 0; }),
        with([](server_facts& f) { f.replies_owed = 1; }),
        with([](server_facts& f) { f.everything_sent = false; }),
        with([](server_facts& f) { f.everything_delivered = false; }),
        with([](server_facts& f) { f.copy_open = true; }),
        with([](server_facts& f) { f.protocol_error = true; }),
        with([](server_facts& f) { f.retire = true; }),
    };
    std::set<std::string> reasons;
    for (const auto& facts : doubts) {
        const auto decision = reusable(facts);
        EXPECT_EQ(decision.action, release_action::close) << decision.reason;
        EXPECT_TRUE(reasons.insert(decision.reason).second) << decision.reason;
        // Nothing else that is true of the server softens it.
        auto worse = facts;
        worse.cancels_in_flight = 1;
        worse.left = left_behind::listen;
        worse.always_reset = true;
        EXPECT_EQ(reusable(worse).action, release_action::close) << decision.reason;
    }
    EXPECT_FALSE(reasons.contains(""));
}

TEST(Reusable, ResetsWhenTheSessionLeftSomething) {
    const left_behind all[] = {
        left_behind::listen,
        left_behind::temporary_table,
        left_behind::advisory_lock,
        left_behind::hold_cursor,
        left_behind::sql_prepare,
        left_behind::settings_uncertain,
        left_behind::sequence_value,
        left_behind::unknown,
    };
    std::set<std::string> reasons;
    for (const auto left : all) {
        const auto decision = reusable(with([left](server_facts& f) { f.left = left; }));
        EXPECT_EQ(decision.action, release_action::reset_first);
        EXPECT_TRUE(reasons.insert(decision.reason).second) << decision.reason;
    }
    EXPECT_FALSE(reasons.contains(""));
}

TEST(Reusable, ResetsAtTheEndOfASession) {
    EXPECT_EQ(
        reusable(with([](server_facts& f) { f.always_reset = true; })).action,
        release_action::reset_first
    );
}

TEST(Reusable, ParksForACancelInFlightBeforeAnythingElseIsRun) {
    const auto decision = reusable(with([](server_facts& f) {
        f.cancels_in_flight = 1;
        f.left = left_behind::listen;
    }));
    EXPECT_EQ(decision.action, release_action::park);
    EXPECT_STREQ(decision.reason, "cancel request in flight");
}

TEST(LeftBehind, IsASet) {
    auto set = left_behind::nothing;
    set |= left_behind::listen;
    set |= left_behind::hold_cursor;
    EXPECT_EQ(set & left_behind::listen, left_behind::listen);
    EXPECT_EQ(set & left_behind::sql_prepare, left_behind::nothing);
    EXPECT_EQ(without(set, left_behind::listen), left_behind::hold_cursor);
    EXPECT_STREQ(to_string(set), "listen");
    EXPECT_STREQ(to_string(left_behind::nothing), "");
}

}  // namespace
}  // namespace weir::pool

#include "daemon/session/time_limits.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace weir::daemon {
namespace {

using namespace std::chrono_literals;
using activity = time_limits::activity;
using verdict = time_limits::verdict;
using time_point = time_limits::time_point;

constexpr auto tick = 100ms;

// A client that is looked at every 100 ms and does what a test says.
class looked_at {
public:
    explicit looked_at(const pool::client_times& limits) : limits_{limits} {}

    void does(activity doing, std::uint64_t progress = 0) {
        seen_.doing = doing;
        seen_.progress = progress;
    }
    void begins_transaction() {
        seen_.in_transaction = true;
        seen_.transaction = now_;
    }
    void ends_transaction() { seen_.in_transaction = false; }
    void reload(const pool::client_times& limits) { limits_.set(limits); }
    verdict look() {
        now_ += tick;
        return limits_.look(now_, seen_);
    }
    /// The first verdict that is more than nothing, if there is one within `time`.
    verdict within(std::chrono::milliseconds time) {
        for (auto left = time; left.count() > 0; left -= tick) {
            const auto found = look();
            if (found != verdict::nothing) return found;
        }
        return verdict::nothing;
    }
    /// How long it took to that verdict, in whole looks.
    std::chrono::milliseconds time_to(verdict wanted) {
        const auto from = now_;
        for (int looks = 0; looks < 10'000; ++looks) {
            const auto found = look();
            if (found == wanted) break;
            EXPECT_EQ(found, verdict::nothing);
        }
        return std::chrono::duration_cast<std::chrono::milliseconds>(now_ - from);
    }

private:
    time_limits limits_;
    time_limits::sight seen_;
    time_point now_ = time_point{} + 1h;
};

pool::client_times only_query(std::chrono::milliseconds time) {
    pool::client_times all;
    all.query = time;
    return all;
}
pool::client_times only_transaction(std::chrono::milliseconds time) {
    pool::client_times all;
    all.transaction = time;
    return all;
}
pool::client_times only_idle_in_transaction(std::chrono::milliseconds time) {
    pool::client_times all;
    all.idle_in_transaction = time;
    return all;
}
pool::client_times only_idle(std::chrono::milliseconds time) {
    pool::client_times all;
    all.idle = time;
    return all;
}

constexpr activity every_activity[] = {
    activity::unlimited, activity::idle, activity::idle_in_transaction, activity::running};

TEST(TimeLimits, AreAllOffAtZero) {
    for (const auto doing : every_activity) {
        looked_at client{{}};
        client.begins_transaction();
        client.does(doing);
        EXPECT_EQ(client.within(1h), verdict::nothing);
    }
}

struct one_limit {
    pool::client_times limits;
    activity doing;
    verdict wanted;
};

std::vector<one_limit> every_limit(std::chrono::milliseconds time) {
    return {
        {only_query(time), activity::running, verdict::cancel_statement},
        {only_idle_in_transaction(time),
         activity::idle_in_transaction,
         verdict::end_idle_in_transaction},
        {only_idle(time), activity::idle, verdict::end_idle},
    };
}

TEST(TimeLimits, BreakNeverEarlyAndAtMostALookLate) {
    for (const auto time : {1ms, 100ms, 150ms, 1'000ms, 1'050ms, 60'000ms}) {
        for (const auto& each : every_limit(time)) {
            looked_at client{each.limits};
            client.does(each.doing, 7);
            const auto taken = client.time_to(each.wanted);
            EXPECT_GE(taken - tick, time - tick) << time.count();
            EXPECT_LE(taken - tick, time + tick) << time.count();
        }
    }
}

// Each limit is about one activity: one that is set for it alone must not touch the others.
TEST(TimeLimits, AreEachAboutOneActivity) {
    for (const auto& each : every_limit(1s)) {
        for (const auto doing : every_activity) {
            looked_at client{each.limits};
            client.does(doing);
            EXPECT_EQ(client.within(1min), doing == each.doing ? each.wanted : verdict::nothing);
        }
    }
}

TEST(TimeLimits, BeginAnewWithProgress) {
    for (const auto& each : every_limit(1s)) {
        looked_at client{each.limits};
        for (std::uint64_t progress = 0; progress < 100; ++progress) {
            client.does(each.doing, progress);
            EXPECT_EQ(client.within(900ms), verdict::nothing);
        }
        EXPECT_EQ(client.within(200ms), each.wanted);
    }
}

TEST(TimeLimits, BeginAnewWhenSomethingElseWasDoneMeanwhile) {
    for (const auto& each : every_limit(1s)) {
        for (const auto other : every_activity) {
            if (other == each.doing) continue;
            looked_at client{each.limits};
            client.does(each.doing);
            EXPECT_EQ(client.within(900ms), verdict::nothing);
            client.does(other);
            EXPECT_EQ(client.look(), verdict::nothing);
            client.does(each.doing);
            EXPECT_EQ(client.within(1s), verdict::nothing);
            EXPECT_EQ(client.look(), each.wanted);
        }
    }
}

// What happens between two looks is not seen, but for its progress.
TEST(TimeLimits, SeeAStatementThatTookTheOthersPlaceBetweenTwoLooks) {
    looked_at client{only_query(1s)};
    client.does(activity::running, 1);
    EXPECT_EQ(client.within(1s), verdict::nothing);
    client.does(activity::running, 2);
    EXPECT_EQ(client.within(1s), verdict::nothing);
    EXPECT_EQ(client.look(), verdict::cancel_statement);
}

TEST(TimeLimits, TheQueueDoesNotCount) {
    looked_at client{only_query(1s)};
    client.does(activity::unlimited);
    EXPECT_EQ(client.within(1min), verdict::nothing);
    client.does(activity::running);
    EXPECT_EQ(client.within(1s), verdict::nothing);
    EXPECT_EQ(client.look(), verdict::cancel_statement);
}

TEST(TimeLimits, AStatementIsCancelledOnceAndThenEnded) {
    looked_at client{only_query(1s)};
    client.does(activity::running, 1);
    EXPECT_EQ(client.time_to(verdict::cancel_statement), 1s + tick);
    EXPECT_EQ(client.time_to(verdict::end_statement), time_limits::cancel_patience);
}

TEST(TimeLimits, AStatementThatTheCancelHasEndedIsForgotten) {
    looked_at client{only_query(1s)};
    client.does(activity::running, 1);
    EXPECT_EQ(client.within(2s), verdict::cancel_statement);
    client.does(activity::running, 2);  // the next one of a pipeline
    EXPECT_EQ(client.time_to(verdict::cancel_statement), 1s + tick);
    client.does(activity::idle, 3);
    EXPECT_EQ(client.within(1min), verdict::nothing);
    client.does(activity::running, 3);
    EXPECT_EQ(client.time_to(verdict::cancel_statement), 1s + tick);
}

TEST(TimeLimits, AStatementThatWasCancelledStaysSoOverAReload) {
    looked_at client{only_query(1s)};
    client.does(activity::running, 1);
    EXPECT_EQ(client.within(2s), verdict::cancel_statement);
    client.reload({});
    EXPECT_EQ(client.time_to(verdict::end_statement), time_limits::cancel_patience);
}

TEST(TimeLimits, ATransactionCountsWhateverIsDoneInIt) {
    for (const auto doing : every_activity) {
        looked_at client{only_transaction(1s)};
        client.begins_transaction();
        std::uint64_t progress = 0;
        for (int looks = 0; looks < 10; ++looks) {
            client.does(doing, ++progress);
            EXPECT_EQ(client.look(), verdict::nothing);
        }
        client.does(doing, ++progress);
        EXPECT_EQ(client.look(), verdict::end_transaction);
    }
}

TEST(TimeLimits, TheNextTransactionHasItsOwnTime) {
    looked_at client{only_transaction(1s)};
    for (int turn = 0; turn < 20; ++turn) {
        client.begins_transaction();  // also straight behind the one before, between two looks
        client.does(activity::running, static_cast<std::uint64_t>(turn));
        EXPECT_EQ(client.within(1s), verdict::nothing);
    }
    EXPECT_EQ(client.look(), verdict::end_transaction);
}

TEST(TimeLimits, NoTransactionNoLimitOfIt) {
    looked_at client{only_transaction(1s)};
    client.begins_transaction();
    EXPECT_EQ(client.within(900ms), verdict::nothing);
    client.ends_transaction();
    client.does(activity::idle);
    EXPECT_EQ(client.within(1h), verdict::nothing);
    client.begins_transaction();
    EXPECT_EQ(client.within(1s), verdict::nothing);
    EXPECT_EQ(client.look(), verdict::end_transaction);
}

TEST(TimeLimits, WhatEndsTheSessionComesBeforeTheCancel) {
    pool::client_times limits;
    limits.query = 1s;
    limits.transaction = 1s;
    looked_at client{limits};
    client.begins_transaction();
    client.does(activity::running);
    EXPECT_EQ(client.within(1min), verdict::end_transaction);
}

TEST(TimeLimits, AllTogetherEachInItsTime) {
    looked_at client{{1s, 10s, 2s, 3s}};
    client.begins_transaction();
    client.does(activity::running, 1);
    EXPECT_EQ(client.time_to(verdict::cancel_statement), 1s + tick);
    client.does(activity::idle_in_transaction, 2);
    EXPECT_EQ(client.time_to(verdict::end_idle_in_transaction), 2s + tick);
    client.does(activity::idle_in_transaction, 3);
    EXPECT_EQ(client.within(2s), verdict::nothing);
    client.does(activity::unlimited, 3);
    EXPECT_EQ(client.time_to(verdict::end_transaction), 10s - (1s + 2s + 2s) - tick);
    client.ends_transaction();
    client.does(activity::idle, 4);
    EXPECT_EQ(client.time_to(verdict::end_idle), 3s + tick);
}

TEST(TimeLimits, AReloadMeasuresWhatRunsAlready) {
    looked_at client{{}};
    client.does(activity::idle);
    EXPECT_EQ(client.within(1min), verdict::nothing);
    client.reload(only_idle(30s));
    EXPECT_EQ(client.look(), verdict::end_idle);
    client.reload({});
    EXPECT_EQ(client.within(1min), verdict::nothing);
}

TEST(TimeLimits, ALoopThatWasHeldUpMakesNothingBreakEarly) {
    time_limits limits{only_idle(1s)};
    time_limits::sight seen;
    seen.doing = activity::idle;
    const auto begin = time_point{} + 1h;
    EXPECT_EQ(limits.look(begin, seen), verdict::nothing);
    seen.progress = 1;
    EXPECT_EQ(limits.look(begin + 30s, seen), verdict::nothing);
    EXPECT_EQ(limits.look(begin + 30s + 999ms, seen), verdict::nothing);
    EXPECT_EQ(limits.look(begin + 31s, seen), verdict::end_idle);
}

}  // namespace
}  // namespace weir::daemon

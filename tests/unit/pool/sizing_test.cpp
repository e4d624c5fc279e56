#include "pool/sizing.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace weir::pool {
namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

constexpr idle_limits usual{.overflow_idle = 5s, .idle_timeout = 10min, .lifetime = 1h};

TEST(ConnectionsToOpen, OpensOneAWaiter) {
    EXPECT_EQ(connections_to_open({.size = 5, .overflow = 10, .waiting = 3}), 3U);
}

TEST(ConnectionsToOpen, CountsThoseThatConnectAlready) {
    const pool_numbers numbers{.size = 5, .overflow = 10, .open = 2, .connecting = 2, .waiting = 3};
    EXPECT_EQ(connections_to_open(numbers), 1U);
}

TEST(ConnectionsToOpen, LeavesWaitersToIdleServers) {
    EXPECT_EQ(connections_to_open({.size = 5, .open = 2, .idle = 2, .waiting = 2}), 0U);
}

TEST(ConnectionsToOpen, StopsAtSizeAndOverflow) {
    EXPECT_EQ(connections_to_open({.size = 2, .overflow = 1, .open = 2, .waiting = 9}), 1U);
    EXPECT_EQ(connections_to_open({.size = 2, .overflow = 1, .open = 3, .waiting = 9}), 0U);
    EXPECT_EQ(connections_to_open({.size = 2, .overflow = 1, .open = 7, .waiting = 9}), 0U);
}

TEST(ConnectionsToOpen, ConnectsOnlyAFewAtATime) {
    EXPECT_EQ(connections_to_open({.size = 50, .waiting = 40}), max_parallel_connects);
    EXPECT_EQ(
        connections_to_open({.size = 50, .open = 3, .connecting = 3, .waiting = 40}),
        max_parallel_connects - 3
    );
    EXPECT_EQ(connections_to_open({.size = 50, .open = 9, .connecting = 9, .waiting = 40}), 0U);
    EXPECT_EQ(connections_to_open({.size = 50, .waiting = 40}, 7), 7U);
}

TEST(ConnectionsToOpen, FillsMinIdleWithinSizeOnly) {
    EXPECT_EQ(connections_to_open({.size = 5, .overflow = 10, .min_idle = 2}), 2U);
    EXPECT_EQ(connections_to_open({.size = 5, .overflow = 10, .min_idle = 2, .open = 4}), 1U);
    EXPECT_EQ(connections_to_open({.size = 5, .overflow = 10, .min_idle = 2, .open = 5}), 0U);
    EXPECT_EQ(
        connections_to_open({.size = 5, .overflow = 10, .min_idle = 2, .open = 2, .idle = 2}), 0U
    );
}

TEST(ConnectionsToOpen, ServesWaitersBeforeMinIdle) {
    // One idle goes to the waiter, so one more has to stand ready.
    EXPECT_EQ(
        connections_to_open({.size = 5, .min_idle = 1, .open = 1, .idle = 1, .waiting = 1}), 1U
    );
    EXPECT_EQ(connections_to_open({.size = 3, .min_idle = 3, .waiting = 2}), 3U);
}

TEST(ConnectionsToOpen, SurvivesConfiguredNumbersThatDoNotAddUp) {
    EXPECT_EQ(
        connections_to_open({.size = 4'000'000'000U, .overflow = 1'000'000'000U, .waiting = 1}), 1U
    );
}

TEST(ConnectionsToOpen, KeepsItsBoundsForAllSmallNumbers) {
    for (unsigned code = 0; code < 4U * 3 * 3 * 7 * 4 * 4 * 6; ++code) {
        unsigned rest = code;
        const auto digit = [&rest](unsigned base) {
            const unsigned value = rest % base;
            rest /= base;
            return value;
        };
        pool_numbers n;
        n.size = digit(4);
        n.overflow = digit(3);
        n.min_idle = digit(3);
        n.open = digit(7);
        n.connecting = digit(4);
        n.idle = digit(4);
        n.waiting = digit(6);
        if (n.connecting + n.idle > n.open) continue;
        const unsigned opened = connections_to_open(n, 3);
        if (opened == 0) {
            // Nothing opened although somebody lacks a server: only because a bound stands against
            // it.
            const bool lacks = n.waiting > n.connecting + n.idle;
            EXPECT_TRUE(!lacks || n.open >= n.size + n.overflow || n.connecting >= 3) << code;
            continue;
        }
        EXPECT_LE(n.open + opened, n.size + n.overflow) << code;
        EXPECT_LE(n.connecting + opened, 3U) << code;
        EXPECT_LE(n.connecting + n.idle + opened, n.waiting + n.min_idle) << code;
    }
}

TEST(ShouldClose, KeepsAFreshServer) {
    EXPECT_EQ(
        should_close({.size = 5, .open = 5, .idle = 5}, usual, {.idle_for = 1s, .age = 1min}, 1h),
        close_reason::keep
    );
}

TEST(ShouldClose, ClosesOverflowAfterItsOwnTime) {
    const pool_numbers above{.size = 5, .overflow = 2, .open = 6, .idle = 6};
    EXPECT_EQ(should_close(above, usual, {.idle_for = 4'999ms}, 1h), close_reason::keep);
    EXPECT_EQ(should_close(above, usual, {.idle_for = 5s}, 1h), close_reason::overflow_idle);
    const pool_numbers at_size{.size = 5, .overflow = 2, .open = 5, .idle = 5};
    EXPECT_EQ(should_close(at_size, usual, {.idle_for = 5s}, 1h), close_reason::keep);
}

TEST(ShouldClose, ClosesOverflowAtOnceWhenItsTimeIsZero) {
    const idle_limits limits{};
    EXPECT_EQ(
        should_close({.size = 1, .open = 2, .idle = 1}, limits, {}, 0ms),
        close_reason::overflow_idle
    );
}

TEST(ShouldClose, KeepsOverflowWhileClientsWait) {
    EXPECT_EQ(
        should_close({.size = 5, .open = 6, .idle = 1, .waiting = 1}, usual, {.idle_for = 1h}, 1h),
        close_reason::keep
    );
}

TEST(ShouldClose, ClosesLongIdleServersDownToMinIdle) {
    const idle_server idle{.idle_for = 10min, .age = 20min};
    EXPECT_EQ(
        should_close({.size = 5, .min_idle = 1, .open = 2, .idle = 2}, usual, idle, 1h),
        close_reason::idle_timeout
    );
    EXPECT_EQ(
        should_close({.size = 5, .min_idle = 1, .open = 1, .idle = 1}, usual, idle, 1h),
        close_reason::keep
    );
}

TEST(ShouldClose, TakesZeroAsNeverForIdleTimeoutAndLifetime) {
    const idle_limits limits{.overflow_idle = 5s};
    EXPECT_EQ(
        should_close({.size = 5, .open = 1, .idle = 1}, limits, {.idle_for = 99h, .age = 99h}, 99h),
        close_reason::keep
    );
}

TEST(ShouldClose, SpacesClosesForAge) {
    const pool_numbers numbers{.size = 6, .open = 6, .idle = 6};
    const idle_server old{.idle_for = 1s, .age = 1h};
    EXPECT_EQ(should_close(numbers, usual, old, 9min), close_reason::keep);
    EXPECT_EQ(should_close(numbers, usual, old, 10min), close_reason::lifetime);
    EXPECT_EQ(
        should_close(numbers, usual, {.idle_for = 1s, .age = 59min}, 10min), close_reason::keep
    );
    EXPECT_EQ(should_close({.size = 0, .open = 0}, usual, old, 1h), close_reason::lifetime);
}

TEST(ShouldClose, ClosesRetiredServersEvenWhenClientsWait) {
    EXPECT_EQ(
        should_close({.size = 5, .open = 1, .idle = 1, .waiting = 3}, usual, {.retire = true}, 0ms),
        close_reason::retired
    );
}

TEST(ShouldClose, HasAWordForEachReason) {
    EXPECT_STREQ(to_string(close_reason::keep), "keep");
    EXPECT_STREQ(to_string(close_reason::retired), "retired");
    EXPECT_STREQ(to_string(close_reason::lifetime), "lifetime");
    EXPECT_STREQ(to_string(close_reason::overflow_idle), "overflow_idle");
    EXPECT_STREQ(to_string(close_reason::idle_timeout), "idle_timeout");
}

}  // namespace
}  // namespace weir::pool

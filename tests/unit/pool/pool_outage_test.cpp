// What a pool does when PostgreSQL is not there or refuses its logins: whom it tells, and when it
// tries again.
#include "pool/errc.hpp"
#include "pool/pool.hpp"
#include "tests/unit/pool/played_postgres.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace weir::pool {
namespace {

using namespace std::chrono_literals;

pool_options numbers(int size, int min_idle = 0) {
    pool_options options;
    options.size = size;
    options.overflow = 0;
    options.min_idle = min_idle;
    options.connect_timeout = 0s;  // it counts by the real clock, which does not jump
    return options;
}

struct pool_outage : testing::Test {
    /// The pool's next login is refused.
    static void refuse(pool_world& world, std::string_view sqlstate = "3D000") {
        const auto backend = world.next_connection();
        backend.send(played_error(sqlstate, "no"));
        world.turn();
    }
    /// So often that the pauses have become as long as they will.
    static void refuse_often(pool_world& world, std::string_view sqlstate) {
        for (int i = 0; i < 12; ++i) {
            world.pass(61s);
            refuse(world, sqlstate);
        }
        // The pool has noted by the real clock when they failed.
        world.now = std::chrono::steady_clock::now();
    }
};

// --- no attempt for nobody's sake ---

TEST_F(pool_outage, NobodyConnectsAgainBeforeAClientComes) {
    pool_world world{numbers(1)};
    const auto& client = world.ask();
    refuse(world);
    EXPECT_TRUE(client.failure);
    for (int i = 0; i < 20; ++i) {
        world.pass(1min);
        EXPECT_FALSE(world.is_connecting()) << "no client waits";
    }
    const auto& next = world.ask(1);
    const auto backend = world.let_in();
    EXPECT_NE(next.server, nullptr);
}

TEST_F(pool_outage, AClientThatLeftTheQueueIsNoReasonToConnect) {
    pool_world world{numbers(1)};
    for (int i = 0; i < 6; ++i) {
        world.now += 10s;
        world.ask();
        refuse(world);
    }
    world.now = std::chrono::steady_clock::now();
    auto& client = world.ask();
    ASSERT_TRUE(world.servers->cancel_wait(client.ticket)) << "the pause does not hold";
    world.pass(1min);
    EXPECT_FALSE(world.is_connecting());
}

TEST_F(pool_outage, ForMinIdleItIsTriedEverMoreSeldomWhenLoginsAreRefused) {
    for (const auto* sqlstate : {"28P01", "3D000", "53300"}) {
        pool_world world{numbers(1, 1)};
        world.ask();
        refuse(world, sqlstate);
        refuse_often(world, sqlstate);
        world.pass(50s);
        EXPECT_FALSE(world.is_connecting()) << sqlstate;
        world.pass(11s);
        EXPECT_TRUE(world.is_connecting()) << sqlstate << ": not even once a minute";
    }
}

TEST_F(pool_outage, ForMinIdleARestartOfPostgresIsSeenSoon) {
    pool_world world{numbers(1, 1)};
    world.ask();
    refuse(world, "57P03");
    refuse_often(world, "57P03");
    world.pass(3s);
    EXPECT_TRUE(world.is_connecting());
}

TEST_F(pool_outage, AClientDoesNotWaitAsLongAsMinIdleDoes) {
    pool_world world{numbers(1, 1)};
    world.ask();
    refuse(world);
    refuse_often(world, "3D000");
    const auto& client = world.ask();
    EXPECT_FALSE(world.is_connecting()) << "the pause does not hold for clients";
    world.pass(3s);
    refuse(world);
    EXPECT_TRUE(client.failure);
}

TEST_F(pool_outage, OneAttemptFindsOutForAllWhoWait) {
    pool_world world{numbers(4)};
    world.ask();
    refuse(world);
    world.now += 10s;
    auto& one = world.ask();
    auto& two = world.ask(1);
    auto& three = world.ask();
    const auto first = world.next_connection();
    EXPECT_FALSE(world.is_connecting()) << "several at once knock at a closed door";
    first.send(played_login());
    world.turn();
    world.pass(0s);
    const auto second = world.let_in();
    const auto third = world.let_in();
    for (const auto* client : {&one, &two, &three})
        EXPECT_NE(client->server, nullptr);
}

TEST_F(pool_outage, AChangedPlaceIsTriedAtOnce) {
    played_postgres other;
    pool_world world{numbers(1, 1)};
    world.ask();
    refuse(world);
    refuse_often(world, "28P01");
    auto target = std::make_shared<connect_target>(*world.servers->target());
    target->addresses = {other.address()};
    world.servers->reconfigure(numbers(1, 1), target);
    world.pass(0s);
    EXPECT_TRUE(other.accept());
}

// --- what is told ---

TEST_F(pool_outage, PostgresIsFullUnderItsOwnSqlstate) {
    pool_world world{numbers(1)};
    const auto& client = world.ask();
    refuse(world, "53300");
    ASSERT_TRUE(client.failure);
    EXPECT_STREQ(client.failure->sqlstate, "53300");
    EXPECT_EQ(client.failure->server_sqlstate, "53300");
    EXPECT_EQ(client.failure->cause, errc::server_error);
}

TEST_F(pool_outage, CountsAttemptsAndTheClientsThatWereRefused) {
    pool_world world{numbers(1)};
    world.ask();
    world.ask(1);
    refuse(world);
    EXPECT_EQ(world.last_outage.failures, 1U);
    EXPECT_EQ(world.last_outage.refused, 2U);
    world.now += 10s;
    world.ask();
    refuse(world);
    EXPECT_EQ(world.last_outage.failures, 2U);
    EXPECT_EQ(world.last_outage.refused, 3U);
    world.now += 10s;
    world.ask();
    const auto backend = world.let_in();
    EXPECT_EQ(world.last_outage.failures, 2U);
    EXPECT_EQ(world.last_outage.refused, 3U);
}

TEST_F(pool_outage, NobodyListensIsACauseOfItsOwn) {
    played_postgres nobody;
    pool_world world{numbers(1), {nobody.dead_address()}};
    const auto& client = world.ask();
    ASSERT_TRUE(client.failure);
    EXPECT_EQ(world.last_cause, errc::connection_refused);
}

TEST_F(pool_outage, AnOldFailureSaysNothingAboutNow) {
    pool_world world{numbers(1)};
    world.ask();
    EXPECT_FALSE(world.figures().failed_lately);
    refuse(world);
    world.now = std::chrono::steady_clock::now();
    EXPECT_TRUE(world.figures().failed_lately);
    EXPECT_FALSE(world.figures().unreachable) << "another user may be let in";
    world.pass(10s);
    EXPECT_FALSE(world.figures().failed_lately);
    EXPECT_FALSE(world.servers->last_error().empty()) << "SHOW POOLS still tells it";
}

TEST_F(pool_outage, ThatNobodyCouldReachPostgresIsTrueUntilSomebodyCan) {
    auto options = numbers(1);
    options.lifetime = options.idle_timeout = 0s;
    pool_world world{options};
    world.ask();
    refuse(world, "57P03");
    world.pass(1h);
    EXPECT_FALSE(world.figures().failed_lately);
    EXPECT_TRUE(world.figures().unreachable);
    EXPECT_FALSE(world.is_connecting()) << "nobody has asked";

    world.servers->try_again();
    world.pass(0ms);
    refuse(world, "57P03");
    EXPECT_TRUE(world.figures().unreachable);
    world.pass(1h);
    EXPECT_FALSE(world.is_connecting()) << "asked once, tried once";

    world.servers->try_again();
    world.pass(1h);
    const auto backend = world.let_in();
    EXPECT_FALSE(world.figures().unreachable);
    EXPECT_EQ(world.figures().idle, 1U);
    world.servers->try_again();
    world.pass(0ms);
    EXPECT_FALSE(world.is_connecting()) << "it serves";
}

TEST_F(pool_outage, WhatWasLearnedOfAnotherPlaceIsForgotten) {
    pool_world world{numbers(1)};
    world.ask();
    refuse(world, "57P03");
    EXPECT_TRUE(world.figures().unreachable);
    world.ask();
    world.pass(2s);
    const auto backend = world.next_connection();
    played_postgres other;
    auto target = std::make_shared<connect_target>(*world.servers->target());
    target->addresses = {other.address()};
    world.servers->reconfigure(numbers(1), target);
    EXPECT_FALSE(world.figures().unreachable);
    backend.send(played_error("57P03", "no"));  // of the old place
    world.turn();
    EXPECT_FALSE(world.figures().unreachable);
    EXPECT_EQ(world.figures().waiting, 1U) << "refused for what the old place said";
    EXPECT_TRUE(other.accept());
}

TEST_F(pool_outage, ARefusedLoginIsRememberedUntilOneIsAccepted) {
    pool_world world{numbers(1)};
    const auto fail = [&](std::string_view sqlstate) {
        world.now += 10s;
        world.ask();
        refuse(world, sqlstate);
        return world.servers->is_refused();
    };
    EXPECT_FALSE(world.servers->is_refused());
    EXPECT_FALSE(fail("53300"));
    EXPECT_FALSE(fail("57P03"));
    EXPECT_TRUE(fail("28000"));
    EXPECT_TRUE(fail("57P03")) << "a shutdown lets nobody in";
    EXPECT_TRUE(fail("53300"));
    world.now += 10s;
    world.ask();
    const auto backend = world.let_in();
    EXPECT_FALSE(world.servers->is_refused());
}

TEST_F(pool_outage, ARefusedLoginSaysNothingOfAnotherPlace) {
    pool_world world{numbers(1)};
    world.ask();
    refuse(world, "28P01");
    EXPECT_TRUE(world.servers->is_refused());
    auto target = std::make_shared<connect_target>(*world.servers->target());
    target->secret = "another";
    world.servers->reconfigure(numbers(1), target);
    EXPECT_FALSE(world.servers->is_refused());
}

TEST_F(pool_outage, WhoAsksOftenDoesNotShortenThePause) {
    pool_world world{numbers(1)};
    world.ask();
    refuse(world, "57P03");
    for (int i = 0; i < 8; ++i) {
        world.servers->try_again();
        world.pass(1min);
        refuse(world, "57P03");
    }
    world.now = std::chrono::steady_clock::now();
    world.servers->try_again();
    world.pass(0ms);
    EXPECT_FALSE(world.is_connecting());
    world.pass(2s);
    EXPECT_TRUE(world.is_connecting());
}

// --- paused ---

TEST_F(pool_outage, AWaitThatEndsInAPauseSaysSo) {
    auto options = numbers(1);
    options.wait_timeout = 2s;
    pool_world world{options};
    world.servers->pause();
    world.turn();
    auto& client = world.ask();
    EXPECT_TRUE(world.servers->place_of(client.ticket, world.now)->is_paused);
    world.pass(2s);
    ASSERT_TRUE(client.failure);
    EXPECT_STREQ(client.failure->sqlstate, "57P03");
    EXPECT_EQ(client.failure->cause, errc::pool_paused);
    EXPECT_NE(client.failure->message.find("paused"), std::string::npos);
    EXPECT_NE(client.failure->hint.find("RESUME"), std::string::npos) << client.failure->hint;
    world.servers->resume();
    world.turn();
    auto& next = world.ask();
    EXPECT_FALSE(world.servers->place_of(next.ticket, world.now)->is_paused);
}

}  // namespace
}  // namespace weir::pool

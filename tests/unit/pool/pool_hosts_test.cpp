// What a pool makes of its hosts: breaker, bounded logins, roles; and of limits that it shares.
#include "pool/errc.hpp"
#include "pool/pool.hpp"
#include "tests/unit/pool/played_postgres.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace weir::pool {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

pool_options numbers(int size) {
    pool_options options;
    options.size = size;
    options.overflow = 0;
    return options;
}

std::string played_status(std::string_view name, std::string_view value) {
    return played('S', std::string{name} + '\0' + std::string{value} + '\0');
}
std::string played_login_of(std::string_view in_hot_standby) {
    return played('R', "\0\0\0\0"s) + played_status("in_hot_standby", in_hot_standby) +
           played_status("default_transaction_read_only", "off") +
           played('K', "\0\0\0\7\0\0\0\11"s) + played_ready();
}
/// The world's pool asks for such servers from now on.
void want(pool_world& world, session_attrs attrs) {
    auto target = std::make_shared<connect_target>(*world.servers->target());
    target->attrs = attrs;
    world.servers->reconfigure(world.servers->options(), target);
    world.turn();
}

// --- breaker ---

TEST(PoolHosts, WithTheBreakerOpenNobodyWaitsAndNobodyConnects) {
    auto options = numbers(2);
    options.breaker = {1, 10s, 15s};
    played_postgres nobody;
    pool_world world{options, {nobody.dead_address()}};
    const auto& first = world.ask();
    ASSERT_TRUE(first.failure);
    EXPECT_STREQ(first.failure->sqlstate, "08006");
    EXPECT_EQ(world.failed_connects, 1);
    const auto& second = world.ask(1);
    ASSERT_TRUE(second.failure);
    EXPECT_STREQ(second.failure->sqlstate, "57P03");
    EXPECT_EQ(second.failure->cause, errc::breaker_open);
    EXPECT_NE(second.failure->message.find("next try in"), std::string::npos);
    EXPECT_EQ(world.failed_connects, 1) << "it was tried";
    world.now += 20s;
    world.ask();
    EXPECT_EQ(world.failed_connects, 2) << "it is never tried again";
}

TEST(PoolHosts, ClientsThatWaitWhenAnotherPoolOpensTheBreakerAreTold) {
    auto options = numbers(4);
    options.breaker = {1, 10s, 15s};
    pool_world world{options};
    const auto other = world.another(options);
    std::vector<played_backend> logins;  // as many as the host takes at a time
    for (unsigned i = 0; i < host_directory::logins_per_loop; ++i) {
        world.ask();
        logins.push_back(world.next_connection());
    }
    const auto& client = world.ask(*other);
    EXPECT_FALSE(world.is_connecting());
    EXPECT_FALSE(client.failure);
    logins.clear();
    world.turn();
    world.now = std::chrono::steady_clock::now();
    world.pass(0ms);
    ASSERT_TRUE(client.failure);
    EXPECT_EQ(client.failure->cause, errc::breaker_open);
}

TEST(PoolHosts, WithTheBreakerOpenAClientStillGetsAServerThatIsThere) {
    auto options = numbers(2);
    options.breaker = {1, 10s, 15s};
    pool_world world{options};
    auto& holder = world.ask();
    const auto backend = world.let_in();
    auto& waits = world.ask();
    { const auto killed = world.next_connection(); }
    world.turn();
    world.pass(0ms);
    EXPECT_FALSE(waits.failure) << waits.failure->message;
    world.give_back(holder);
    EXPECT_NE(waits.server, nullptr);
}

TEST(PoolHosts, AHostThatKillsWhomItLetInIsLeftAlone) {
    auto options = numbers(1);
    options.min_idle = 1;
    options.breaker = {2, 10s, 15s};
    pool_world world{options};
    auto& client = world.ask();
    {
        const auto first = world.let_in();
        ASSERT_NE(client.server, nullptr);
        world.give_back(client, {release_action::close, "for the test"});
    }
    for (int i = 0; i < 2; ++i) {
        world.pass(3s);
        auto killed = world.let_in();
        killed.die();
        world.turn();
        EXPECT_FALSE(world.is_connecting()) << "without a pause";
    }
    world.now = std::chrono::steady_clock::now();
    world.pass(500ms);
    EXPECT_FALSE(world.is_connecting()) << "its breaker is open";
}

// --- logins under way ---

TEST(PoolHosts, LogsInSeveralAtATimeButNoMoreThanTheHostsBound) {
    pool_world world{numbers(9)};
    std::vector<pool_client*> clients;
    for (int i = 0; i < 7; ++i)
        clients.push_back(&world.ask());
    std::vector<played_backend> backends;
    const auto accept_all = [&] {
        world.turn();
        while (auto one = world.postgres.accept())
            backends.push_back(std::move(*one));
        return backends.size();
    };
    EXPECT_EQ(accept_all(), host_directory::logins_per_loop);
    backends[0].send(played_login());
    EXPECT_EQ(accept_all(), 5U) << "the place is not used at once";
    for (std::size_t i = 1; i < 5; ++i)
        backends[i].send(played_login());
    EXPECT_EQ(accept_all(), 7U);
    for (std::size_t i = 5; i < 7; ++i)
        backends[i].send(played_login());
    world.turn();
    for (const auto* client : clients)
        EXPECT_NE(client->server, nullptr);
}

TEST(PoolHosts, PoolsTakeTurnsAtTheHostsBound) {
    pool_world world{numbers(9)};
    const auto other = world.another(numbers(9));
    for (int i = 0; i < 6; ++i)
        world.begin_to_ask();
    auto& late = world.ask(*other);
    std::vector<played_backend> backends;
    for (int i = 0; i < 6; ++i) {
        auto one = world.postgres.accept();
        if (!one) break;
        backends.push_back(std::move(*one));
    }
    ASSERT_EQ(backends.size(), host_directory::logins_per_loop);
    for (auto& one : backends)
        one.send(played_login());
    world.turn();
    while (auto one = world.postgres.accept()) {
        one->send(played_login());
        backends.push_back(std::move(*one));
        world.turn();
    }
    EXPECT_NE(late.server, nullptr) << "the other pool has all the places";
}

// --- addresses ---

TEST(PoolHosts, WhatAHostSaidWhenItWasGivenUpIsNotReadAsTheNextOnesWords) {
    played_postgres slow;
    played_postgres alive;
    pool_world world{numbers(1), {slow.address(), alive.address()}};
    auto& client = world.ask();
    const auto late = slow.accept();
    ASSERT_TRUE(late);
    // The first read ends with the notice, so that the next one finds more at once: its end stands
    // in the loop's queue when the time is up.
    constexpr std::size_t first_read = 8192;
    late->send(played('N', std::string(first_read - 5, '\0')) + played_login());
    bool is_given_up = false;
    std::function<void(int)> look = [&](int times) {
        for (auto* server : std::vector{world.servers->servers_on(world.loops[0])}) {
            if (!server->has_input() || !server->input().empty()) continue;
            is_given_up = true;
            server->check_deadline(std::chrono::steady_clock::now() + 16s);
        }
        if (!is_given_up && times > 0) world.loops[0].post([&look, times] { look(times - 1); });
    };
    world.loops[0].post([&look] { look(20); });
    world.turn();
    const auto backend = alive.accept();
    ASSERT_TRUE(is_given_up) << "not the path that this test is about";
    EXPECT_EQ(client.server, nullptr) << "logged in by what another host has said";
    ASSERT_TRUE(backend);
    backend->send(played_login());
    world.turn();
    ASSERT_NE(client.server, nullptr);
    EXPECT_EQ(client.server->session().address, alive.address());
}

// --- roles ---

TEST(PoolHosts, AServerOfTheWrongRoleIsLeftForTheNext) {
    played_postgres second;
    pool_world world{numbers(1)};
    auto target = std::make_shared<connect_target>(*world.servers->target());
    target->addresses.push_back(second.address());
    target->attrs = session_attrs::primary;
    world.servers->reconfigure(numbers(1), target);
    auto& client = world.ask();
    auto standby = world.next_connection();
    standby.send(played_login_of("on"));
    world.turn();
    EXPECT_EQ(standby.take(), "X\0\0\0\4"s) << "no good end";
    const auto primary = second.accept();
    ASSERT_TRUE(primary);
    primary->send(played_login_of("off"));
    world.turn();
    ASSERT_NE(client.server, nullptr);
    EXPECT_EQ(client.server->session().address, second.address());
    EXPECT_EQ(world.failed_connects, 0);
}

TEST(PoolHosts, NoServerOfTheRoleIsAnErrorOfItsOwn) {
    pool_world world{numbers(1)};
    want(world, session_attrs::standby);
    const auto& client = world.ask();
    const auto backend = world.next_connection();
    backend.send(played_login_of("off"));
    world.turn();
    ASSERT_TRUE(client.failure);
    EXPECT_EQ(client.failure->cause, errc::wrong_role);
    EXPECT_STREQ(client.failure->sqlstate, "08006");
    EXPECT_EQ(world.hosts.figures().front().failures, 0U) << "the host is well";
}

TEST(PoolHosts, AnOldServerIsAskedForItsRole) {
    for (const bool answers_off : {true, false}) {
        pool_world world{numbers(1)};
        want(world, session_attrs::read_write);
        auto& client = world.ask();
        auto old = world.next_connection();
        old.send(played_login());  // before version 14: it reports neither
        world.turn();
        EXPECT_EQ(old.take(), played('Q', "SHOW transaction_read_only\0"s));
        EXPECT_EQ(client.server, nullptr);
        const auto row = answers_off ? "\0\1\0\0\0\3off"s : "\0\1\0\0\0\2on"s;
        for (const char byte :
             played('T', "\0\0"s) + played('D', row) + played_complete("SHOW") + played_ready()) {
            world.say(old, {&byte, 1});
        }
        EXPECT_EQ(client.server != nullptr, answers_off);
        EXPECT_EQ(client.failure.has_value(), !answers_off);
    }
}

TEST(PoolHosts, AnIdleServerWhoseRoleHasChangedIsRetired) {
    pool_world world{numbers(1)};
    want(world, session_attrs::standby);
    auto& client = world.ask();
    const auto backend = world.next_connection();
    backend.send(played_login_of("on"));
    world.turn();
    ASSERT_NE(client.server, nullptr);
    world.give_back(client);
    EXPECT_EQ(world.figures().idle, 1U);
    backend.send(played_status("in_hot_standby", "off"));
    world.turn();
    EXPECT_EQ(world.figures().idle, 0U);
    ASSERT_EQ(world.closed.size(), 1U);
    EXPECT_EQ(world.closed.front(), "PostgreSQL has changed its role");
}

TEST(PoolHosts, WhoTakesAnyRoleKeepsItsServersThroughAPromotion) {
    pool_world world{numbers(1)};
    auto& client = world.ask();
    const auto backend = world.next_connection();
    backend.send(played_login_of("on"));
    world.turn();
    world.give_back(client);
    backend.send(played_status("in_hot_standby", "off"));
    world.turn();
    EXPECT_EQ(world.figures().idle, 1U);
}

// --- limits that pools share ---

struct shared : testing::Test {
    shared() : world{numbers(5)}, other{world.another(numbers(5))} {
        for (const auto& one : {world.servers, other})
            one->share({limit});
    }
    shared_limit_ptr limit = std::make_shared<shared_limit>("databases.shop.max_connections", 1);
    pool_world world;
    std::shared_ptr<pool> other;
};

TEST_F(shared, AnIdleServerOfOneIsClosedForAClientOfTheOther) {
    auto& ann = world.ask();
    const auto first = world.let_in();
    world.give_back(ann);
    auto& zoe = world.ask(*other);
    ASSERT_EQ(world.closed.size(), 1U);
    EXPECT_EQ(world.closed.front(), "shared_limit");
    const auto second = world.let_in();
    EXPECT_NE(zoe.server, nullptr);
    EXPECT_EQ(limit->used(), 1U);
}

TEST_F(shared, AServerInUseIsWaitedFor) {
    auto& ann = world.ask();
    const auto first = world.let_in();
    auto& zoe = world.ask(*other, 1);
    EXPECT_FALSE(world.is_connecting());
    EXPECT_EQ(zoe.server, nullptr);
    world.give_back(ann);
    const auto second = world.let_in();
    EXPECT_NE(zoe.server, nullptr);
    EXPECT_EQ(limit->used(), 1U);
}

TEST_F(shared, TheOldestWaiterIsServedAlsoWhenItStandsInTheOtherPool) {
    auto& ann = world.ask();
    const auto first = world.let_in();
    world.now += 1s;
    auto& zoe = world.ask(*other);
    world.now += 1s;
    auto& bob = world.ask();
    world.give_back(ann);
    EXPECT_EQ(bob.server, nullptr) << "the pool that has the server keeps it for ever";
    const auto second = world.let_in();
    ASSERT_NE(zoe.server, nullptr);
    EXPECT_EQ(bob.server, nullptr);
    world.now += shared_limit::patience;
    world.give_back(zoe);
    const auto third = world.let_in();
    EXPECT_NE(bob.server, nullptr);
}

TEST_F(shared, AMomentsDifferenceDoesNotSendTheServerToAndFro) {
    auto& ann = world.ask();
    const auto first = world.let_in();
    auto& zoe = world.ask(*other);
    world.now += 1ms;
    auto& bob = world.ask();
    world.give_back(ann);
    EXPECT_NE(bob.server, nullptr);
    EXPECT_EQ(zoe.server, nullptr);
    EXPECT_TRUE(world.closed.empty());
}

TEST_F(shared, APlaceThatHasJustMovedStaysForAWhileButNotForEver) {
    auto& ann = world.ask();
    const auto first = world.let_in();
    world.now += 1s;
    auto& zoe = world.ask(*other);
    world.now += 1s;
    auto& bob = world.ask();
    world.give_back(ann);
    const auto second = world.let_in();
    world.give_back(zoe);
    EXPECT_FALSE(world.is_connecting()) << "to and fro, a login each";
    EXPECT_EQ(world.closed.size(), 1U);
    auto& zoes_next = world.ask(*other);
    EXPECT_NE(zoes_next.server, nullptr) << "the place is the other pool's for this while";
    world.give_back(zoes_next);
    world.pass(shared_limit::patience);
    const auto third = world.let_in();
    EXPECT_NE(bob.server, nullptr);
}

TEST_F(shared, ALowerLimitClosesIdleServersThatAreTooMany) {
    limit->set_most(3);
    auto& ann = world.ask();
    const auto first = world.let_in();
    auto& bob = world.ask();
    const auto second = world.let_in();
    auto& zoe = world.ask(*other);
    const auto third = world.let_in();
    world.give_back(ann);
    world.give_back(bob);
    ASSERT_EQ(world.figures().idle, 2U);
    limit->set_most(2);
    world.pass(100ms);
    EXPECT_EQ(limit->used(), 2U) << "kept until idle_timeout";
    EXPECT_EQ(world.figures().idle, 1U) << "no more than need be";
    EXPECT_EQ(world.closed, std::vector<std::string>{"shared_limit"});
    EXPECT_NE(zoe.server, nullptr);
}

TEST_F(shared, WhoHasLeftTheQueueHoldsUpNobody) {
    auto& ann = world.ask();
    const auto first = world.let_in();
    auto& zoe = world.ask(*other);
    ASSERT_TRUE(other->cancel_wait(zoe.ticket));
    world.pass(100ms);
    world.give_back(ann);
    EXPECT_TRUE(world.closed.empty());
    auto& bob = world.ask();
    EXPECT_NE(bob.server, nullptr);
}

TEST_F(shared, AWaitInVainNamesTheLimit) {
    auto options = numbers(5);
    options.wait_timeout = 2s;
    other->reconfigure(options, other->target());
    auto& ann = world.ask();
    const auto first = world.let_in();
    auto& zoe = world.ask(*other);
    world.pass(2s);
    ASSERT_TRUE(zoe.failure);
    EXPECT_STREQ(zoe.failure->sqlstate, "53300");
    EXPECT_NE(zoe.failure->detail.find("databases.shop.max_connections"), std::string::npos)
        << zoe.failure->detail;
    EXPECT_NE(ann.server, nullptr);
}

TEST_F(shared, AFailedLoginGivesItsPlaceBack) {
    world.ask();
    { const auto killed = world.next_connection(); }
    world.turn();
    EXPECT_EQ(limit->used(), 0U);
    world.now += 10s;
    auto& zoe = world.ask(*other);
    const auto backend = world.let_in();
    EXPECT_NE(zoe.server, nullptr);
}

TEST_F(shared, WhatIsSharedFromNowOnCountsWhatIsThere) {
    for (const auto& one : {world.servers, other})
        one->share({});
    EXPECT_EQ(limit->used(), 0U);
    auto& ann = world.ask();
    const auto first = world.let_in();
    auto& zoe = world.ask(*other);
    const auto second = world.let_in();
    for (const auto& one : {world.servers, other})
        one->share({limit});
    EXPECT_EQ(limit->used(), 2U);
    world.give_back(ann);
    world.give_back(zoe);
    EXPECT_EQ(limit->used(), 1U) << "what is above the limit stays open";
}

}  // namespace
}  // namespace weir::pool

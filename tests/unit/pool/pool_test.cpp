#include "pool/pool.hpp"

#include "tests/unit/pool/played_postgres.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::pool {
namespace {

using namespace std::chrono_literals;

constexpr release_decision dirty{release_action::reset_first, "temporary table"};

pool_options numbers(int size, int overflow = 0) {
    pool_options options;
    options.size = size;
    options.overflow = overflow;
    return options;
}

// The query that was sent, without its frame.
std::string asked(played_backend& backend) {
    const auto bytes = backend.take();
    return bytes.size() > 5 && bytes[0] == 'Q' ? bytes.substr(5, bytes.size() - 6) : bytes;
}

// --- the reset query ---

// A server that one client has left dirty while another waits for it, at the reset query.
struct reset : testing::Test {
    reset() : world{numbers(1)}, first{world.ask()}, backend{world.let_in()}, next{world.ask()} {
        world.give_back(first, dirty);
        EXPECT_EQ(asked(backend), "DISCARD ALL");
        EXPECT_EQ(next.server, nullptr) << "given on before it was clean";
    }
    void expect_closed() {
        EXPECT_EQ(next.server, nullptr) << "a dirty server was given on";
        EXPECT_EQ(world.closed.size(), 1U);
        // The waiter gets another.
        const auto fresh = world.let_in();
        EXPECT_NE(next.server, nullptr);
        EXPECT_FALSE(next.failure);
    }

    pool_world world;
    pool_client& first;
    played_backend backend;
    pool_client& next;
};

TEST_F(reset, ThatPassedGivesTheServerOn) {
    world.say(backend, played_complete("DISCARD ALL"));
    EXPECT_EQ(next.server, nullptr) << "before ReadyForQuery";
    world.say(backend, played_ready());
    ASSERT_NE(next.server, nullptr);
    EXPECT_TRUE(world.closed.empty());
}

TEST_F(reset, BehindWhichANoticeIsHeardGivesTheServerOn) {
    const auto notice = played('N', std::string("SNOTICE\0\0", 9));
    world.say(backend, played_complete("DISCARD ALL") + played_ready() + notice.substr(0, 7));
    EXPECT_EQ(next.server, nullptr) << "with half a message";
    world.say(backend, notice.substr(7));
    ASSERT_NE(next.server, nullptr);
    EXPECT_EQ(next.heard, "");
    EXPECT_TRUE(world.closed.empty());
}

TEST_F(reset, ThatIsAnsweredTwiceClosesTheServer) {
    const auto answer = played_complete("DISCARD ALL") + played_ready();
    world.say(backend, answer + answer);
    expect_closed();
}

TEST_F(reset, ThatIsAnsweredByReadyForQueryAloneClosesTheServer) {
    world.say(backend, played_ready());
    expect_closed();
}

TEST_F(reset, ThatFailedClosesTheServer) {
    world.say(backend, played_error("42501", "no") + played_ready());
    expect_closed();
}

TEST_F(reset, ThatFailedInOneReadAndBecameReadyInTheNextClosesTheServer) {
    world.say(backend, played_error("42501", "no"));
    EXPECT_EQ(next.server, nullptr);
    world.say(backend, played_ready());
    expect_closed();
}

TEST_F(reset, WhoseRepliesComeByteByByteIsJudgedLikeAnother) {
    for (const char byte : played_error("42501", "no") + played_ready()) {
        world.say(backend, {&byte, 1});
    }
    expect_closed();
}

TEST_F(reset, ThatLeavesATransactionOpenClosesTheServer) {
    world.say(backend, played_complete("BEGIN"));
    world.say(backend, played_ready('T'));
    expect_closed();
}

TEST_F(reset, ThatIsNotAnsweredInTimeClosesTheServer) {
    world.pass(16s);
    expect_closed();
}

TEST_F(reset, DuringWhichTheServerDiesGivesTheWaiterAnother) {
    backend.die();
    world.turn();
    expect_closed();
}

// --- who waits beside an idle server ---

TEST(Pool, ServesAWaiterFromTheServerBesideOneThatFailedItsCheck) {
    auto options = numbers(2);
    options.check_after_idle = 0s;  // both are checked before they are lent again
    pool_world world{options};
    auto& one = world.ask();
    auto first = world.let_in();
    auto& two = world.ask();
    auto second = world.let_in();
    world.give_back(one);
    world.give_back(two);
    ASSERT_EQ(world.figures().idle, 2U);

    auto& client = world.ask();
    EXPECT_EQ(client.server, nullptr);
    EXPECT_EQ(asked(second), "") << "the check is not an empty query";
    second.die();
    world.turn();
    ASSERT_EQ(world.figures().waiting, 1U);
    EXPECT_FALSE(world.is_connecting()) << "an idle server is there for the waiter";
    EXPECT_EQ(world.figures().tested, 1U) << "nobody looks after the waiter";
    world.say(first, played('I', "") + played_ready());
    EXPECT_NE(client.server, nullptr);
    EXPECT_EQ(world.figures().waiting, 0U);
}

TEST(Pool, ServesAWaiterThatCameInAShortPauseWithTheServerThatIsIdle) {
    for (const unsigned loop : {0U, 1U}) {
        pool_world world{numbers(1)};
        auto& one = world.ask(0);
        const auto backend = world.let_in();
        world.give_back(one);
        world.servers->pause();
        auto& client = world.begin_to_ask(loop);
        EXPECT_EQ(client.server, nullptr) << "lent although the pool is paused";
        world.servers->resume();  // before any loop has come to close what is idle
        world.turn();
        world.pass(0ms);
        ASSERT_NE(client.server, nullptr) << "nobody looks after the waiter";
        EXPECT_EQ(&client.server->loop(), &world.loops[loop]);
        EXPECT_TRUE(world.closed.empty());
    }
}

TEST(Pool, ServesAWaiterThatCameDuringAPauseWithANewServer) {
    pool_world world{numbers(1)};
    auto& one = world.ask();
    const auto backend = world.let_in();
    world.give_back(one);
    world.servers->pause();
    world.turn();
    auto& client = world.ask();
    EXPECT_EQ(client.server, nullptr) << "lent although the pool is paused";
    world.pass(0ms);
    EXPECT_FALSE(world.is_connecting());
    world.servers->resume();
    world.pass(0ms);
    const auto fresh = world.let_in();
    EXPECT_NE(client.server, nullptr);
}

TEST(Pool, OpensAServerAfterAPauseThatClosedThoseItHad) {
    pool_world world{numbers(1)};
    auto& one = world.ask();
    const auto backend = world.let_in();
    world.servers->pause();
    auto& client = world.ask();
    world.give_back(one);
    EXPECT_TRUE(backend.is_left() || world.closed.size() == 1) << "a paused pool keeps its server";
    EXPECT_FALSE(world.is_connecting());
    world.servers->resume();
    world.pass(0ms);
    const auto fresh = world.let_in();
    EXPECT_NE(client.server, nullptr);
}

// --- deadlines ---

TEST(Pool, CountsTheWaitFromWhenTheClientBeganToWait) {
    auto options = numbers(1);
    options.wait_timeout = 2s;
    pool_world world{options};
    auto& holder = world.ask();
    const auto backend = world.let_in();
    ASSERT_NE(holder.server, nullptr);
    world.pass(1h);  // how long anything was quiet before does not count
    auto& client = world.ask();
    world.pass(1'999ms);
    EXPECT_FALSE(client.failure);
    auto& later = world.ask(1);
    world.pass(1ms);
    ASSERT_TRUE(client.failure);
    EXPECT_STREQ(client.failure->sqlstate, "53300");
    EXPECT_NE(client.failure->message.find("2000 ms"), std::string::npos)
        << client.failure->message;
    EXPECT_FALSE(later.failure);
    world.pass(1'999ms);
    ASSERT_TRUE(later.failure);
    EXPECT_NE(later.failure->detail.find("1 clients were ahead"), std::string::npos)
        << later.failure->detail;
    EXPECT_EQ(world.timed_out, 2);
}

TEST(Pool, LetsAClientWaitForEverWhenThereIsNoLimit) {
    auto options = numbers(1);
    options.wait_timeout = 0s;
    options.lifetime = 0s;
    pool_world world{options};
    auto& holder = world.ask();
    const auto backend = world.let_in();
    auto& client = world.ask();
    world.pass(24h);
    EXPECT_FALSE(client.failure);
    world.give_back(holder);
    EXPECT_NE(client.server, nullptr);
}

// --- logins that fail ---

TEST(Pool, LetsClientsWaitOnWhenOneLoginIsRefusedAndAServerIsAtWork) {
    pool_world world{numbers(2)};
    auto& holder = world.ask();
    const auto backend = world.let_in();
    auto& client = world.ask();
    {
        const auto refused = world.next_connection();
        refused.send(played_error("53300", "too many connections for role"));
        world.turn();
    }
    EXPECT_EQ(world.failed_connects, 1);
    EXPECT_FALSE(client.failure) << client.failure->message;
    world.give_back(holder);
    EXPECT_NE(client.server, nullptr);
}

TEST(Pool, LetsClientsWaitOnWhenOneLoginIsRefusedAndAnotherIsUnderWay) {
    pool_world world{numbers(2)};
    auto& one = world.ask();
    auto& two = world.ask(1);
    const auto refused = world.next_connection();
    const auto other = world.next_connection();
    refused.send(played_error("53300", "too many connections for role"));
    world.turn();
    EXPECT_EQ(world.failed_connects, 1);
    EXPECT_FALSE(one.failure);
    EXPECT_FALSE(two.failure);
    other.send(played_login());
    world.turn();
    ASSERT_TRUE((one.server != nullptr) != (two.server != nullptr));
    auto& served = one.server ? one : two;
    auto& waits = one.server ? two : one;
    world.give_back(served);
    EXPECT_NE(waits.server, nullptr);
}

TEST(Pool, LetsClientsWaitOnWhenOneLoginIsRefusedAndAServerIsAtItsReset) {
    pool_world world{numbers(2)};
    auto& holder = world.ask();
    const auto backend = world.let_in();
    auto& client = world.ask();
    const auto refused = world.next_connection();
    world.give_back(holder, dirty);
    refused.send(played_error("53300", "too many connections for role"));
    world.turn();
    EXPECT_FALSE(client.failure);
    backend.send(played_complete("DISCARD ALL") + played_ready());
    world.turn();
    EXPECT_NE(client.server, nullptr);
}

TEST(Pool, TellsAllWaitersWhenTheOnlyLoginIsRefused) {
    pool_world world{numbers(1)};
    auto& one = world.ask();
    auto& two = world.ask(1);
    const auto refused = world.next_connection();
    refused.send(played_error("28P01", "password authentication failed"));
    world.turn();
    for (const auto* client : {&one, &two}) {
        ASSERT_TRUE(client->failure);
        EXPECT_STREQ(client->failure->sqlstate, "28P01");
        EXPECT_EQ(client->failure->detail, "password authentication failed");
    }
}

TEST(Pool, TellsAllWaitersWhenTheLastOfSeveralLoginsIsRefused) {
    pool_world world{numbers(2)};
    auto& one = world.ask();
    auto& two = world.ask(1);
    const auto first = world.next_connection();
    const auto second = world.next_connection();
    for (const auto* backend : {&first, &second}) {
        EXPECT_FALSE(one.failure);
        EXPECT_FALSE(two.failure);
        backend->send(played_error("28P01", "password authentication failed"));
        world.turn();
    }
    EXPECT_TRUE(one.failure);
    EXPECT_TRUE(two.failure);
}

// --- several addresses ---

TEST(Pool, TriesTheNextAddressWhenNobodyListensAtTheFirst) {
    played_postgres alive;
    pool_world world{numbers(1), {alive.dead_address(), alive.address()}};
    auto& client = world.ask();
    const auto backend = alive.accept();
    ASSERT_TRUE(backend);
    backend->send(played_login());
    world.turn();
    EXPECT_NE(client.server, nullptr);
    EXPECT_EQ(world.failed_connects, 0);
}

TEST(Pool, TriesTheNextAddressWhenTheFirstIsSilentForTheConnectTimeout) {
    played_postgres silent;
    played_postgres alive;
    pool_world world{numbers(1), {silent.address(), alive.address()}};
    auto& client = world.ask();
    const auto nothing = silent.accept();
    ASSERT_TRUE(nothing);
    world.pass(14s);
    EXPECT_FALSE(alive.accept()) << "given up before connect_timeout";
    world.pass(2s);
    const auto backend = alive.accept();
    ASSERT_TRUE(backend);
    EXPECT_FALSE(client.failure);
    backend->send(played_login());
    world.turn();
    EXPECT_NE(client.server, nullptr);
}

TEST(Pool, TriesTheNextAddressWhenTheFirstRefusesTheLogin) {
    played_postgres full;
    played_postgres alive;
    pool_world world{numbers(1), {full.address(), alive.address()}};
    auto& client = world.ask();
    const auto refused = full.accept();
    ASSERT_TRUE(refused);
    // After a beginning that was taken, and with more behind it: nothing of it may reach the
    // second.
    refused->send(played_login().substr(0, 9));
    world.turn();
    refused->send(played_error("53300", "sorry, too many clients already") + played_ready('E'));
    world.turn();
    const auto backend = alive.accept();
    ASSERT_TRUE(backend);
    backend->send(played_login());
    world.turn();
    EXPECT_NE(client.server, nullptr);
    EXPECT_FALSE(client.failure);
}

TEST(Pool, SaysWhyTheLastAddressFailedWhenAllDo) {
    played_postgres nobody;
    pool_world world{numbers(1), {nobody.dead_address(), nobody.dead_address()}};
    const auto& client = world.ask();
    ASSERT_TRUE(client.failure);
    EXPECT_STREQ(client.failure->sqlstate, "08006");
    EXPECT_EQ(world.failed_connects, 1);
}

// --- servers on their way from one client to the next ---

TEST(Pool, MovesAServerToTheLoopOfItsNextClient) {
    pool_world world{numbers(1)};
    auto& one = world.ask(0);
    const auto backend = world.let_in();
    auto& two = world.ask(1);
    world.give_back(one);
    ASSERT_NE(two.server, nullptr);
    EXPECT_EQ(&two.server->loop(), &world.loops[1]);
    world.say(backend, played_ready());
    EXPECT_EQ(two.heard, played_ready());
}

TEST(Pool, ChecksAServerBeforeItMovesWithWordsThatNobodyHasHeard) {
    pool_world world{numbers(1)};
    auto& one = world.ask(0);
    auto backend = world.let_in();
    auto& two = world.ask(1);
    backend.send(played('N', std::string("SNOTICE\0\0", 9)));
    one.server->unlink();
    world.servers->release(
        std::exchange(one.server, nullptr), {release_action::idle, ""}, world.now
    );
    world.turn();
    EXPECT_EQ(two.server, nullptr) << "with another client's words";
    EXPECT_EQ(asked(backend), "");
    world.say(backend, played('I', "") + played_ready());
    ASSERT_NE(two.server, nullptr);
    EXPECT_EQ(two.heard, "");
    EXPECT_EQ(&two.server->loop(), &world.loops[1]);
}

TEST(Pool, DoesNotLendAServerThatGoesOnBehindItsLogin) {
    pool_world world{numbers(1)};
    auto& one = world.ask();
    auto backend = world.next_connection();
    backend.send(played_login() + played_ready());
    world.turn();
    EXPECT_EQ(one.server, nullptr);
    EXPECT_EQ(world.closed.size(), 1U);
    world.pass(1s);
    const auto fresh = world.let_in();
    EXPECT_NE(one.server, nullptr);
}

TEST(Pool, ServesAClientWhoseServerDiedWhileItMovedToHisLoop) {
    pool_world world{numbers(1)};
    auto& one = world.ask(0);
    auto backend = world.let_in();
    auto& two = world.ask(1);
    one.server->unlink();
    world.servers->release(
        std::exchange(one.server, nullptr), {release_action::idle, ""}, world.now
    );
    EXPECT_EQ(two.server, nullptr) << "it is on its way";
    backend.die();
    world.turn();
    // It was given while the kernel had nothing to say of it yet, or it was not.
    EXPECT_TRUE(two.lost || two.put_back == 1);
    EXPECT_EQ(world.figures().active, 0U) << "the dead server is still counted";
    auto& again = two.lost ? world.ask(1) : two;
    const auto fresh = world.let_in();
    EXPECT_NE(again.server, nullptr);
}

TEST(Pool, KeepsAServerThatIsKnownToBeDeadFromItsClients) {
    pool_world world{numbers(1)};
    auto& one = world.ask();
    auto backend = world.let_in();
    auto& two = world.ask();
    backend.die();
    // The loop looks at its sockets first, so that the release comes between the finding of the end
    // and the telling of it.
    world.loops[0].post([&] {
        if (one.lost) return;
        one.server->unlink();
        world.servers->release(
            std::exchange(one.server, nullptr), {release_action::idle, ""}, world.now
        );
    });
    world.turn();
    EXPECT_EQ(two.put_back, 1) << "not the path that this test is about";
    EXPECT_EQ(two.server, nullptr);
    EXPECT_EQ(world.figures().active, 0U);
    const auto fresh = world.let_in();
    EXPECT_NE(two.server, nullptr);
}

// A server dies between the decision to lend it and the moment its client hears of that.
TEST(Pool, PutsAClientWhoseServerDiedOnItsWayBackInFrontOfTheOthers) {
    auto options = numbers(1);
    options.wait_timeout = 10s;
    pool_world world{options};
    auto& one = world.ask();
    auto backend = world.let_in();
    auto& two = world.ask();
    auto& three = world.ask();
    world.now += 4s;
    one.server->unlink();
    const server_ptr given = one.server;
    world.servers->release(
        std::exchange(one.server, nullptr), {release_action::idle, ""}, world.now
    );
    given->close("for the test");
    world.turn();
    EXPECT_EQ(two.put_back, 1);
    EXPECT_EQ(two.server, nullptr);
    EXPECT_EQ(world.figures().waiting, 2U);
    EXPECT_EQ(world.figures().max_wait, 4s) << "the wait began anew";
    EXPECT_EQ(world.servers->place_of(two.ticket, world.now)->waited, 4s);

    const auto fresh = world.let_in();
    EXPECT_NE(two.server, nullptr) << "the others were served before it";
    EXPECT_EQ(three.server, nullptr);
    world.give_back(two);
    EXPECT_NE(three.server, nullptr);
}

TEST(Pool, TellsAClientWhoseServerDiedOnItsWayThatThePoolHasGone) {
    pool_world world{numbers(1)};
    auto& one = world.ask();
    auto backend = world.let_in();
    auto& two = world.ask();
    one.server->unlink();
    const server_ptr given = one.server;
    world.servers->release(
        std::exchange(one.server, nullptr), {release_action::idle, ""}, world.now
    );
    given->close("for the test");
    lease_error gone;
    gone.message = "gone";
    world.servers->shut_down(gone);
    world.turn();
    ASSERT_TRUE(two.failure);
    EXPECT_EQ(two.failure->message, "gone");
    EXPECT_EQ(two.put_back, 0);
}

// --- age ---

TEST(Pool, ReplacesAServerThatIsTooOldAlsoWhileClientsWait) {
    auto options = numbers(1);
    options.lifetime = 60s;
    pool_world world{options};
    auto& one = world.ask();
    const auto backend = world.let_in();
    auto& two = world.ask();
    world.now += 59s;
    world.give_back(one);
    ASSERT_NE(two.server, nullptr) << "not old enough";
    auto& three = world.ask();
    world.now += 2s;
    world.give_back(two);
    EXPECT_EQ(three.server, nullptr);
    ASSERT_EQ(world.closed.size(), 1U);
    EXPECT_EQ(world.closed.front(), "lifetime");
    const auto fresh = world.let_in();
    EXPECT_NE(three.server, nullptr);
}

TEST(Pool, KeepsOldServersWhileNewOnesAreRefused) {
    auto options = numbers(2);
    options.lifetime = 60s;
    pool_world world{options};
    auto& one = world.ask();
    const auto backend = world.let_in();
    auto& two = world.ask();
    auto& three = world.ask();
    {
        const auto refused = world.next_connection();
        refused.send(played_error("53300", "no"));
        world.turn();
    }
    EXPECT_FALSE(two.failure);
    world.now += 61s;
    world.give_back(one);
    EXPECT_NE(two.server, nullptr) << "the last server was given up";
    EXPECT_EQ(three.server, nullptr);
}

TEST(Pool, DoesNotReplaceServersThatWereOpenedTogetherAllAtOnce) {
    auto options = numbers(2);
    options.lifetime = 60s;
    pool_world world{options};
    auto& one = world.ask();
    const auto first = world.let_in();
    auto& two = world.ask();
    const auto second = world.let_in();
    auto& three = world.ask();
    auto& four = world.ask();
    world.now += 61s;
    world.give_back(one);
    world.give_back(two);
    EXPECT_EQ(world.closed.size(), 1U);
    EXPECT_NE(three.server, nullptr) << "the second may be lent until its turn comes";
    const auto fresh = world.let_in();
    EXPECT_NE(four.server, nullptr);
    world.now += 31s;  // a half of the lifetime for each of the two
    world.give_back(three);
    EXPECT_EQ(world.closed.size(), 2U);
}

TEST(Pool, ForgetsAnIdleServerThatDied) {
    pool_world world{numbers(2)};
    auto& one = world.ask();
    auto backend = world.let_in();
    world.give_back(one);
    backend.die();
    world.turn();
    EXPECT_EQ(world.figures().open, 0U);
    for (const unsigned loop : {0U, 1U}) {
        const auto& client = world.ask(loop);
        EXPECT_EQ(client.server, nullptr) << "a server that is dead was lent";
        const auto fresh = world.let_in();
        EXPECT_NE(client.server, nullptr);
    }
}

}  // namespace
}  // namespace weir::pool

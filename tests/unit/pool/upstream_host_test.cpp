// A host as all pools see it, and a pool's way through its hosts.
#include "pool/upstream_host.hpp"

#include "pool/connect_plan.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weir::pool {
namespace {

using namespace std::chrono_literals;
using answer = upstream_host::answer;

struct hosts : testing::Test {
    hosts() {
        directory.set_most_logins(2);
        directory.set_listener([this](breaker_state before, const host_figures& seen) {
            told.push_back(seen.upstream + " " + to_string(before) + " " + to_string(seen.state));
        });
    }
    upstream_host_ptr host(const std::string& name) { return directory.find_or_make({name, 5432}); }
    /// Time goes by; what was noted by the real clock lies before it.
    void pass(std::chrono::milliseconds time) { now += time; }
    login_permit begin(upstream_host& at) {
        auto asked = at.apply(now, false);
        EXPECT_EQ(asked.said, answer::granted);
        return std::move(asked.permit);
    }
    void fail(upstream_host& at, login_fault whose = login_fault::of_host) {
        begin(at).failed(whose, "no route to host", options);
    }
    /// As many failures as open its breaker, the last one now.
    void open(upstream_host& at) {
        for (int i = 0; i < 3; ++i) {
            if (i > 0) pass(2s);
            fail(at);
        }
        now = std::chrono::steady_clock::now();
    }
    upstream_hosts list(
        std::vector<std::string> names,
        session_attrs attrs = session_attrs::any,
        host_order order = host_order::listed
    ) {
        std::vector<upstream_host_ptr> all;
        for (const auto& name : names)
            all.push_back(host(name));
        upstream_hosts made;
        made.lead_to(std::move(all), attrs, order);
        return made;
    }
    /// Where a new connection goes first, and succeeds.
    std::string first_of(upstream_hosts& of, session_role role = {}) {
        auto begun = of.begin(now);
        if (!begun.plan) return begun.busy ? "busy" : "none";
        begun.plan->permit().succeeded(role);
        return begun.plan->host()->address().host;
    }

    breaker_options options{3, 10s, 15s};
    std::vector<std::string> told;
    host_directory directory;
    upstream_host::time_point now = std::chrono::steady_clock::now();
};

TEST_F(hosts, AreTheSameForAllWhoNameTheSameAddress) {
    EXPECT_EQ(host("db1"), host("db1"));
    EXPECT_NE(host("db1"), host("db2"));
    EXPECT_NE(host("db1"), directory.find_or_make({"db1", 5433}));
    const auto held = host("db2");
    directory.drop_unused();
    ASSERT_EQ(directory.figures().size(), 1U);
    const auto figures = directory.figures().front();
    EXPECT_EQ(figures.upstream, "db2:5432");
    EXPECT_GE(figures.since, now) << "closed since it is known";
}

TEST_F(hosts, BoundTheLoginsUnderWay) {
    const auto at = host("db1");
    auto one = begin(*at);
    auto two = begin(*at);
    EXPECT_EQ(at->apply(now, false).said, answer::full);
    EXPECT_EQ(at->figures().logins, 2U);
    two.succeeded({});
    EXPECT_EQ(at->apply(now, false).said, answer::granted) << "and dropped again";
    EXPECT_EQ(at->figures().logins, 1U);
}

struct waiter final : place_waiter {
    void on_place_free() override { ++called; }
    int called = 0;
};

TEST_F(hosts, CallTheLongestWaitingWhenAPlaceIsFree) {
    const auto at = host("db1");
    auto one = begin(*at);
    auto two = begin(*at);
    const auto first = std::make_shared<waiter>();
    const auto second = std::make_shared<waiter>();
    {
        const auto gone = std::make_shared<waiter>();
        at->await_place(gone);
    }
    at->await_place(first);
    at->await_place(second);
    one.succeeded({});
    EXPECT_EQ(first->called, 1);
    EXPECT_EQ(second->called, 0);
    at->wake_next();  // the first wanted it no more
    EXPECT_EQ(second->called, 1);
    at->wake_next();
    EXPECT_EQ(first->called, 1);
}

TEST_F(hosts, ArePausedAfterAFailureLongerEachTimeAndTriedByOneAtATime) {
    const auto at = host("db1");
    fail(*at);
    EXPECT_EQ(at->apply(now, false).said, answer::pausing);
    pass(200ms);
    auto only = begin(*at);
    EXPECT_EQ(at->apply(now, false).said, answer::tested);
    only.succeeded({});
    auto one = begin(*at);
    auto two = begin(*at);
}

TEST_F(hosts, OpenTheirBreakerAndTellOfItOnce) {
    const auto at = host("db1");
    open(*at);
    EXPECT_EQ(told, (std::vector<std::string>{"db1:5432 closed open"}));
    EXPECT_TRUE(at->is_open(now));
    EXPECT_EQ(at->apply(now, false).said, answer::open);
    const auto figures = at->figures();
    EXPECT_EQ(figures.failures, 3U);
    EXPECT_EQ(figures.last_error, "no route to host");
    ASSERT_TRUE(figures.next_try);
    pass(3s);
    auto probe = begin(*at);
    EXPECT_EQ(at->apply(now, false).said, answer::tested);
    EXPECT_TRUE(at->is_open(now)) << "the probe has not come back";
    probe.succeeded({});
    EXPECT_EQ(told.size(), 3U);
    EXPECT_EQ(told.back(), "db1:5432 half_open closed");
    EXPECT_EQ(directory.transitions(), 3U);
    EXPECT_TRUE(at->figures().last_error.empty());
}

TEST_F(hosts, AProbeThatIsDroppedMakesRoomForAnother) {
    const auto at = host("db1");
    open(*at);
    pass(3s);
    { const auto probe = begin(*at); }
    EXPECT_EQ(at->figures().logins, 0U);
    const auto probe = begin(*at);
}

TEST_F(hosts, AreNotBlamedForAPasswordOrALimit) {
    const auto at = host("db1");
    for (int i = 0; i < 9; ++i)
        fail(*at, login_fault::of_login);
    EXPECT_EQ(at->figures().failures, 0U);
    EXPECT_EQ(at->apply(now, false).said, answer::granted);
}

TEST_F(hosts, ThatStartUpArePausedButStayClosed) {
    const auto at = host("db1");
    for (int i = 0; i < 9; ++i) {
        fail(*at, login_fault::of_moment);
        now = std::chrono::steady_clock::now();
        EXPECT_EQ(at->apply(now, false).said, answer::pausing);
        pass(2s);
    }
    EXPECT_EQ(at->figures().state, breaker_state::closed);
}

TEST_F(hosts, ThatKillWhomTheyLetInAreOpenedToo) {
    const auto at = host("db1");
    for (int i = 0; i < 3; ++i) {
        begin(*at).succeeded({});
        now = std::chrono::steady_clock::now();
        at->died_unused(now, "the server closed the connection", options);
        EXPECT_EQ(at->apply(now, false).said, i < 2 ? answer::pausing : answer::open);
        if (i < 2) pass(2s);
    }
    EXPECT_TRUE(at->is_open(now));
}

TEST_F(hosts, AnOldSessionThatDiesUnusedSaysNothing) {
    const auto at = host("db1");
    at->died_unused(now - 1h, "the server closed the connection", options);
    EXPECT_EQ(at->figures().failures, 0U);
}

// --- the way through them ---

TEST_F(hosts, AreTriedInTheOrderOfTheList) {
    auto way = list({"db1", "db2"});
    EXPECT_EQ(first_of(way), "db1");
    EXPECT_EQ(first_of(way), "db1");
}

TEST_F(hosts, ADeadOneGoesBehindTheOthersForAWhile) {
    auto way = list({"db1", "db2"});
    auto begun = way.begin(now);
    ASSERT_TRUE(begun.plan);
    begun.plan->permit().failed(login_fault::of_host, "dead", options);
    ASSERT_TRUE(begun.plan->next(now)) << "the connection itself goes on";
    EXPECT_EQ(begun.plan->host()->address().host, "db2");
    begun.plan->permit().succeeded({});
    pass(5s);
    EXPECT_EQ(first_of(way), "db2") << "each connect would stall at the dead one";
    pass(11s);
    EXPECT_EQ(first_of(way), "db1") << "it is never tried again";
    EXPECT_EQ(first_of(way), "db1");
}

TEST_F(hosts, ADeadOneIsTriedWhenTheOthersAreDeadToo) {
    auto way = list({"db1", "db2"});
    auto begun = way.begin(now);
    begun.plan->permit().failed(login_fault::of_host, "dead", options);
    ASSERT_TRUE(begun.plan->next(now));
    begun.plan->permit().failed(login_fault::of_host, "dead", options);
    EXPECT_FALSE(begun.plan->next(now));
    EXPECT_EQ(first_of(way), "none") << "both pause";
    pass(1s);
    EXPECT_EQ(first_of(way), "db1");
}

TEST_F(hosts, TakeTurnsWhenTheyShould) {
    auto way = list({"a", "b", "c"}, session_attrs::any, host_order::round_robin);
    std::string order;
    for (int i = 0; i < 6; ++i)
        order += first_of(way);
    EXPECT_EQ(order, "abcabc");
}

TEST_F(hosts, AreChosenByChanceWhenTheyShould) {
    auto way = list({"a", "b"}, session_attrs::any, host_order::random);
    int a = 0;
    for (int i = 0; i < 400; ++i)
        a += first_of(way) == "a" ? 1 : 0;
    EXPECT_GT(a, 100);
    EXPECT_LT(a, 300);
}

TEST_F(hosts, AFullOneOfAListIsWaitedForAndOneOfSeveralEqualsIsNot) {
    auto one = begin(*host("a"));
    auto two = begin(*host("a"));
    auto way = list({"a", "b"});
    const auto waits = way.begin(now);
    EXPECT_FALSE(waits.plan);
    EXPECT_EQ(waits.busy, host("a"));
    auto turns = list({"a", "b"}, session_attrs::any, host_order::round_robin);
    EXPECT_EQ(first_of(turns), "b");
}

TEST_F(hosts, OfTheWrongRoleGoBehindTheOthers) {
    auto way = list({"db1", "db2"}, session_attrs::primary);
    auto begun = way.begin(now);
    const auto on_standby = role_of("on", "off");
    EXPECT_EQ(begun.plan->judge(on_standby), fitness::unfit);
    begun.plan->permit().succeeded(on_standby);
    ASSERT_TRUE(begun.plan->next(now));
    begun.plan->permit().succeeded(role_of("off", "off"));
    EXPECT_EQ(first_of(way, role_of("off", "off")), "db2");
    auto any = list({"db1", "db2"});
    EXPECT_EQ(first_of(any), "db1") << "whoever takes any is not concerned";
}

TEST_F(hosts, PreferStandbyTakesAPrimaryInItsSecondRound) {
    auto way = list({"db1", "db2"}, session_attrs::prefer_standby);
    auto begun = way.begin(now);
    const auto on_primary = role_of("off", "off");
    ASSERT_TRUE(begun.plan);
    EXPECT_FALSE(begun.plan->would_take_any(now)) << "db2 may be a standby";
    EXPECT_EQ(begun.plan->judge(on_primary), fitness::unfit);
    begun.plan->permit().succeeded(on_primary);
    ASSERT_TRUE(begun.plan->next(now));
    EXPECT_TRUE(begun.plan->would_take_any(now)) << "nobody else is left to ask";
    begun.plan->permit().failed(login_fault::of_host, "dead", options);
    ASSERT_TRUE(begun.plan->next(now));
    EXPECT_EQ(begun.plan->host()->address().host, "db1");
    EXPECT_EQ(begun.plan->judge(on_primary), fitness::fits);
    begun.plan->permit().succeeded(on_primary);
    EXPECT_FALSE(begun.plan->next(now)) << "the dead one is pausing";
}

TEST_F(hosts, AllOpenIsToldWithTheLastErrorAndTheNextTry) {
    auto way = list({"db1", "db2"});
    for (const auto* name : {"db1", "db2"}) {
        EXPECT_FALSE(way.why_open(now));
        open(*host(name));
    }
    const auto why = way.why_open(now);
    ASSERT_TRUE(why);
    EXPECT_STREQ(why->sqlstate, "57P03");
    EXPECT_NE(why->message.find("db1:5432, db2:5432"), std::string::npos) << why->message;
    // A pause of a second, spread by a tenth and told in whole seconds.
    EXPECT_TRUE(
        why->message.find("next try in 1 s") != std::string::npos ||
        why->message.find("next try in 2 s") != std::string::npos
    ) << why->message;
    EXPECT_NE(why->detail.find("no route to host"), std::string::npos) << why->detail;
    way.try_soon();
    now = std::chrono::steady_clock::now();
    EXPECT_FALSE(way.why_open(now));
}

}  // namespace
}  // namespace weir::pool

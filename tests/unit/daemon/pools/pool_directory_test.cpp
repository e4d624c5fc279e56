#include "daemon/pool_directory.hpp"

#include "tests/unit/pool/played_postgres.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace weir::daemon {
namespace {

using namespace std::chrono_literals;
using time_point = pool_directory::time_point;

/// A directory before a played PostgreSQL, on one loop that is run by hand.
struct directory : testing::Test, private pool::pool_events {
    directory() {
        config::database_options entry;
        entry.upstream.hosts = {{postgres.address().host, "", postgres.address().port}};
        configuration.databases["shop"] = entry;
        configuration.databases["*"] = entry;
        pools.set_loops({&loop});
    }
    ~directory() override {
        for (const auto& one : pools.all())
            one->shut_down({});
        pools.close_servers(loop);
        turn();
    }

    void turn() {
        loop.context().restart();
        while (loop.context().poll() > 0)
            loop.context().restart();
    }
    pool_directory::pool_ptr make(const std::string& database, const std::string& user = "ann") {
        return pools.find_or_make(
            configuration, *configuration.find_database(database), database, user
        );
    }
    /// A client of the pool that waits for a server.
    boost::intrusive_ptr<pool::pool_client> ask(pool_directory::pool_ptr where) {
        boost::intrusive_ptr<pool::pool_client> client{new pool::pool_client};
        where->acquire(loop, client, std::chrono::steady_clock::now(), client->ticket);
        turn();
        return client;
    }
    pool::played_backend answer(std::string_view bytes) {
        turn();
        auto backend = postgres.accept();
        if (!backend) throw std::runtime_error("the pool has not connected");
        backend->send(bytes);
        turn();
        return std::move(*backend);
    }
    void drop_unused(time_point now) {
        pools.drop_unused(configuration, now, [this](const std::string& database) {
            forgotten.push_back(database);
        });
    }

    pool::played_postgres postgres;
    pool::event_loop loop{0};
    config::config configuration;
    pool_directory pools{*this};
    std::vector<std::string> forgotten;

private:
    void
    server_connected(const pool::pool&, unsigned, std::chrono::nanoseconds, const pool::outage&)
        override {}
    void
    server_connect_failed(const pool::pool&, unsigned, const pool::lease_error&, const pool::outage&)
        override {}
    void connect_query_failed(const pool::pool&, unsigned, std::string_view) override {}
    void server_closed(const pool::pool&, unsigned, std::string_view) override {}
    void wait_timed_out(const pool::pool&, unsigned, std::chrono::nanoseconds) override {}
    void run_blocking(pool::event_loop&, std::function<void()>, std::function<void()>) override {}
};

// --- PAUSE ---

TEST_F(directory, PauseOfAllHoldsForAPoolThatIsMadeLater) {
    EXPECT_TRUE(pools.pause("").empty());
    const auto client = ask(make("shop"));
    EXPECT_FALSE(postgres.accept()) << "a server was opened in the pause";
    pools.resume("");
    turn();
    const auto backend = answer(pool::played_login());
    EXPECT_NE(client->server, nullptr);
    client->server.reset();
}

TEST_F(directory, PauseOfADatabaseHoldsForItsLaterPoolsAndForNoOthers) {
    const auto now = std::chrono::steady_clock::now();
    const auto before = make("shop", "ann");
    EXPECT_EQ(pools.pause("shop"), std::vector{before});
    EXPECT_TRUE(before->figures(now).paused);
    EXPECT_TRUE(make("shop", "bob")->figures(now).paused);
    EXPECT_FALSE(make("site")->figures(now).paused);
    pools.resume("");
    EXPECT_FALSE(before->figures(now).paused);
    EXPECT_FALSE(make("shop", "bob")->figures(now).paused);
    EXPECT_FALSE(make("shop", "carl")->figures(now).paused);
}

// --- pools that nobody uses ---

TEST_F(directory, DropsAPoolOfTheStarThatNeverHadAServerWhenItsClientsAreGone) {
    auto client = ask(make("no_such_database"));
    const auto start = std::chrono::steady_clock::now();
    drop_unused(start);
    EXPECT_EQ(pools.all().size(), 1U) << "a login is under way";
    { const auto refused = answer(pool::played_error("3D000", "no")); }
    ASSERT_TRUE(client->failure);
    turn();
    drop_unused(start);
    EXPECT_EQ(pools.all().size(), 1U) << "the back-off is forgotten at once";
    drop_unused(start + 10s);
    EXPECT_TRUE(pools.all().empty());
    EXPECT_EQ(forgotten, std::vector<std::string>{"no_such_database"});
}

TEST_F(directory, DropsAPoolOfTheStarThatTriesInVainForMinIdle) {
    configuration.databases["*"].pool.min_idle = 1;
    configuration.databases["*"].pool.connect_timeout = 0s;  // counts by the real clock
    auto client = ask(make("no_such_database"));
    while (auto backend = postgres.accept()) {
        backend->send(pool::played_error("3D000", "no"));
        turn();
    }
    ASSERT_TRUE(client->failure);
    client.reset();
    turn();
    const auto start = std::chrono::steady_clock::now();
    auto now = start;
    for (; now < start + 60s && !pools.all().empty(); now += 1s) {
        pools.tick(loop, now);
        turn();
        while (auto backend = postgres.accept()) {
            backend->send(pool::played_error("3D000", "no"));
            turn();
        }
        drop_unused(now);
    }
    EXPECT_TRUE(pools.all().empty());
    EXPECT_LE(now, start + 40s);
}

TEST_F(directory, KeepsAPoolWhoseClientIsThere) {
    const auto held = make("no_such_database");
    drop_unused(std::chrono::steady_clock::now() + 24h);
    EXPECT_EQ(pools.all().size(), 1U);
}

TEST_F(directory, DropsAPoolOfAConfiguredDatabaseAfterAnHourButNotItsCounters) {
    const auto start = std::chrono::steady_clock::now();
    {
        const auto client = ask(make("shop"));
        const auto backend = answer(pool::played_login());
        client->server->close("the test is over with it");
        client->server.reset();
        turn();
    }
    drop_unused(start);
    drop_unused(start + 59min);
    EXPECT_EQ(pools.all().size(), 1U);
    drop_unused(start + 60min);
    EXPECT_TRUE(pools.all().empty()) << "with auth.type trust they grow by user name";
    EXPECT_TRUE(forgotten.empty()) << "its totals are lost";
}

TEST_F(directory, KeepsAPoolThatHasAServerAlsoWithoutClients) {
    const auto start = std::chrono::steady_clock::now();
    auto client = ask(make("shop"));
    const auto backend = answer(pool::played_login());
    client->server->unlink();
    pools.all().front()->release(
        std::exchange(client->server, nullptr), {pool::release_action::idle, ""}, start
    );
    turn();
    drop_unused(start);
    drop_unused(start + 24h);
    EXPECT_EQ(pools.all().size(), 1U);
}

TEST_F(directory, DropsAPoolThatSomebodyLooksAt) {
    make("no_such_database");
    const auto looked_at = pools.all();  // as a scrape does, every second
    drop_unused(std::chrono::steady_clock::now());
    EXPECT_TRUE(pools.all().empty());
}

TEST_F(directory, KeepsAPoolOfTheStarThatCouldNotReachPostgresSoThatReadyRemembersIt) {
    const auto client = ask(make("site"));
    const auto start = std::chrono::steady_clock::now();
    { const auto refused = answer(pool::played_error("57P03", "starting up")); }
    ASSERT_TRUE(client->failure);
    for (auto now = start; now < start + 50min; now += 1min)
        drop_unused(now);
    ASSERT_EQ(pools.all().size(), 1U);
    EXPECT_TRUE(pools.all().front()->figures(start + 50min).unreachable);
    drop_unused(start + 61min);
    EXPECT_TRUE(pools.all().empty());
}

TEST_F(directory, DropsAPoolOfTheStarThatWasUsedAfterAnHourWithoutUse) {
    const auto start = std::chrono::steady_clock::now();
    {
        const auto client = ask(make("site"));
        const auto backend = answer(pool::played_login());
        ASSERT_NE(client->server, nullptr);
        drop_unused(start);
        client->server->close("the test is over with it");
        client->server.reset();
        turn();
    }
    drop_unused(start + 1min);
    drop_unused(start + 60min);
    EXPECT_EQ(pools.all().size(), 1U);
    {
        const auto held = make("site");  // a client comes by
        drop_unused(start + 61min);
    }
    drop_unused(start + 62min);
    drop_unused(start + 121min);
    EXPECT_EQ(pools.all().size(), 1U) << "the hour counts from the last use";
    drop_unused(start + 122min);
    EXPECT_TRUE(pools.all().empty());
}

TEST_F(directory, ForgetsTheLimitOfANameOfTheStarWithItsPools) {
    configuration.databases["*"].max_connections = 3;
    configuration.databases["shop"].max_connections = 3;
    const auto start = std::chrono::steady_clock::now();
    const auto held = make("shop");
    for (int i = 0; i < 5; ++i)
        make("site" + std::to_string(i));
    EXPECT_EQ(pools.limits(), 6U);
    drop_unused(start);
    EXPECT_EQ(pools.all().size(), 1U);
    EXPECT_EQ(pools.limits(), 1U) << "any name that a client asks for leaves one";
}

TEST_F(directory, ForgetsADatabaseOnlyWithItsLastPool) {
    const auto start = std::chrono::steady_clock::now();
    make("site", "ann");
    auto held = make("site", "bob");
    drop_unused(start);
    EXPECT_EQ(pools.all().size(), 1U);
    EXPECT_TRUE(forgotten.empty()) << "somebody may hold counters of it";
    held.reset();
    drop_unused(start);
    EXPECT_EQ(forgotten, std::vector<std::string>{"site"});
}

TEST_F(directory, DoesNotForgetADatabaseWhosePoolIsLeaving) {
    configuration.databases.erase("*");
    configuration.databases["site"] = configuration.databases["shop"];
    const auto held = make("site", "ann");
    auto next = configuration;
    next.databases.erase("site");
    EXPECT_TRUE(pools.reconfigure(next));
    configuration = next;
    configuration.databases["*"] = configuration.databases["shop"];
    make("site", "ann");
    drop_unused(std::chrono::steady_clock::now());
    EXPECT_TRUE(pools.all().empty());
    EXPECT_TRUE(forgotten.empty()) << "a client of the pool that leaves may hold counters of it";
}

TEST_F(directory, ServersLogInWithWhatTheLastLoginHasShown) {
    const auto come = [&](const std::string& shown) {
        return pools.find_or_make(
            configuration, *configuration.find_database("shop"), "shop", "ann", {shown, {}}
        );
    };
    const auto pool = come("old");
    const auto target = pool->target();
    ASSERT_TRUE(target->learnt);
    EXPECT_EQ(target->secret, "");
    EXPECT_EQ(target->learnt->get().password, "old");
    come("new");
    EXPECT_EQ(target->learnt->get().password, "new");
    come("");
    EXPECT_EQ(target->learnt->get().password, "new") << "who came in another way shows nothing";
    pools.reconfigure(configuration);
    EXPECT_EQ(pool->target(), target) << "a reload without a change makes servers retire";
}

TEST_F(directory, WhatAClientHasShownIsNoPasswordOfTheForcedUser) {
    configuration.databases["shop"].user = "forced";
    const auto pool = pools.find_or_make(
        configuration, *configuration.find_database("shop"), "shop", "ann", {"of ann", {}}
    );
    EXPECT_FALSE(pool->target()->learnt);
    configuration.databases["shop"].user = "";
    pools.reconfigure(configuration);
    ASSERT_TRUE(pool->target()->learnt);
    EXPECT_EQ(pool->target()->learnt->get().password, "of ann");
    configuration.auth.users["ann"] = {config::secret_kind::plain, "of the file"};
    pools.reconfigure(configuration);
    EXPECT_EQ(pool->target()->secret, "of the file");
    EXPECT_FALSE(pool->target()->learnt);
}

}  // namespace
}  // namespace weir::daemon

#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <future>
#include <string>
#include <vector>

namespace weir::test {
namespace {

class prepared : public testing::Test {
protected:
    void SetUp() override { refill_shop(); }
};

TEST_F(prepared, SameNameMeansEachClientsOwnStatement) {
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 1, overflow: 0"}));
    pq_connection one(daemon.dsn("shop"));
    pq_connection two(daemon.dsn("shop"));
    ASSERT_TRUE(one.prepare("s", "SELECT 'one', $1::text").ok());
    ASSERT_TRUE(two.prepare("s", "SELECT 2 * $1::integer").ok());
    for (int turn = 0; turn < 3; ++turn) {
        EXPECT_EQ(one.execute_prepared("s", {"x"}).value(0, 0), "one");
        EXPECT_EQ(two.execute_prepared("s", {"21"}).value(0, 0), "42");
    }
    one.must("DEALLOCATE s");
    EXPECT_EQ(one.execute_prepared("s", {"x"}).sqlstate(), "26000");
    EXPECT_EQ(two.execute_prepared("s", {"4"}).value(0, 0), "8");
}

TEST_F(prepared, UnnamedStatementOfAnotherClientIsNotMet) {
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 1, overflow: 0"}));
    auto owner = raw_client::logged_in(daemon.port(), "postgres", "shop");
    auto stranger = raw_client::logged_in(daemon.port(), "postgres", "shop");
    owner.ask(frontend::parse("", "SELECT 'secret'", {}) + frontend::sync());
    auto const replies =
        stranger.ask(frontend::bind("", "", {}) + frontend::execute("") + frontend::sync());
    EXPECT_EQ(first(replies, 'E').field('C'), "26000");
    EXPECT_FALSE(has(replies, 'D'));
    auto const own =
        owner.ask(frontend::bind("", "", {}) + frontend::execute("") + frontend::sync());
    EXPECT_TRUE(has(own, 'D')) << "its own statement is made again";
}

// A full server, a Parse that failed in a pipeline and one that comes while the server skips to the
// next Sync: a Close that cannot be sent must not be tried for ever.
TEST_F(prepared, FullServerIsNoEndlessLoop) {
    using namespace frontend;
    daemon_process const daemon(
        configuration({.pool = "mode: transaction, size: 1, overflow: 0, max_prepared: 2"})
    );
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    auto const named = [](std::string const& name) { return parse(name, "SELECT '" + name + "'"); };
    client.ask(named("s0") + sync());
    client.ask(named("s1") + sync());
    client.send(parse("x", "selec") + sync() + named("b0") + named("b1") + sync());
    EXPECT_EQ(types(client.read_until('Z')), "EZ");
    EXPECT_EQ(types(client.read_until('Z')), "11Z");
    client.send(parse("", "selec") + flush());
    EXPECT_EQ(client.read()->type, 'E');
    EXPECT_EQ(types(client.ask(named("new") + sync())), "Z");
    EXPECT_EQ(types(client.ask(named("new") + bind("", "new") + execute("") + sync())), "12DCZ");
}

// Each error that is made here belongs to its own request.
TEST_F(prepared, ErrorsThatAreMadeHereAreNotSwappedOrLost) {
    using namespace frontend;
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 1, overflow: 0"}));
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    auto const a = parse("a", "SELECT 1");
    auto const b = parse("b", "SELECT 2");
    client.ask(a + b + sync());
    auto const two = client.ask(a + b + sync());
    ASSERT_EQ(types(two), "EZ");
    EXPECT_NE(first(two, 'E').field('M').find("\"a\""), std::string::npos)
        << first(two, 'E').field('M');
    for (int turn = 0; turn < 20; ++turn) {
        client.send(a + b + flush());
        client.send(b + sync() + parse("b", "selec") + bind("", "a") + sync());
        ASSERT_EQ(types(client.read_until('Z')), "EZ") << turn;
        ASSERT_EQ(types(client.read_until('Z')), "EZ") << turn;
    }
}

TEST_F(prepared, EffectsOfAFailedPipelineDoNotHideLaterOnes) {
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 1, overflow: 0"}));
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    auto other = raw_client::logged_in(daemon.port(), "postgres", "shop");
    auto const run = [](std::string const& sql) {
        return frontend::parse("", sql, {}) + frontend::bind("", "", {}) + frontend::execute("");
    };
    client.ask(
        run("BEGIN") + run("SET ROLE nobody_has_this_name") + run("COMMIT") + frontend::sync()
    );
    client.ask(frontend::query("ROLLBACK"));
    client.ask(frontend::query("SET work_mem = '3MB'"));
    EXPECT_NE(
        first(other.ask(frontend::query("SHOW work_mem")), 'D').body.find("4MB"), std::string::npos
    );
    EXPECT_NE(
        first(client.ask(frontend::query("SHOW work_mem")), 'D').body.find("3MB"), std::string::npos
    );
}

// The first reply comes when the others are on their way: it must not wipe what they leave behind.
TEST_F(prepared, WhatIsSentBehindDiscardAllPinsTheClient) {
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 1, overflow: 0"}));
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    auto const pins = [&] { return pq_connection(daemon.dsn("pgweir")).must("SHOW PINS").rows(); };
    for (std::string const all : {"DISCARD ALL", "DEALLOCATE ALL"}) {
        client.send(frontend::query(all) + frontend::query("PREPARE p AS SELECT 1"));
        client.read_until('Z', 2);
        EXPECT_EQ(pins(), 1) << all;
        client.ask(frontend::query(all));
        EXPECT_EQ(pins(), 0) << all;
    }
    client.send(frontend::query("UNLISTEN *") + frontend::query("LISTEN heard"));
    client.read_until('Z', 2);
    EXPECT_EQ(pins(), 1);
}

TEST_F(prepared, ServerForgetsTheLeastUsedAndTheClientDoesNotNotice) {
    daemon_process const daemon(
        configuration({.pool = "mode: transaction, size: 1, overflow: 0, max_prepared: 3"})
    );
    pq_connection client(daemon.dsn("shop"));
    for (int n = 0; n < 10; ++n) {
        ASSERT_TRUE(
            client.prepare("s" + std::to_string(n), "SELECT $1::integer + " + std::to_string(n))
                .ok()
        );
    }
    for (int turn = 0; turn < 2; ++turn) {
        for (int n = 0; n < 10; ++n) {
            auto const result = client.execute_prepared("s" + std::to_string(n), {"100"});
            ASSERT_TRUE(result.ok()) << result.message();
            EXPECT_EQ(result.value(0, 0), std::to_string(100 + n));
        }
    }
    EXPECT_LE(std::stoi(client.scalar("SELECT count(*) FROM server_statements()")), 4);
}

TEST_F(prepared, SameTextOfManyClientsIsOneStatementOfTheServer) {
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 1, overflow: 0"}));
    std::vector<std::unique_ptr<pq_connection>> clients;
    for (int n = 0; n < 10; ++n) {
        clients.push_back(std::make_unique<pq_connection>(daemon.dsn("shop")));
        ASSERT_TRUE(
            clients.back()
                ->prepare("name" + std::to_string(n), "SELECT value FROM items WHERE id = $1")
                .ok()
        );
        EXPECT_EQ(
            clients.back()->execute_prepared("name" + std::to_string(n), {"1"}).value(0, 0), "0"
        );
    }
    EXPECT_EQ(clients[0]->scalar("SELECT count(*) FROM server_statements()"), "1");
}

TEST_F(prepared, ErrorsComeInTheStreamAndTheSessionLivesOn) {
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 1, overflow: 0"}));
    pq_connection client(daemon.dsn("shop"));
    ASSERT_TRUE(client.prepare("s", "SELECT 1").ok());
    EXPECT_EQ(client.prepare("s", "SELECT 2").sqlstate(), "42P05");
    EXPECT_EQ(client.execute_prepared("never").sqlstate(), "26000");
    EXPECT_EQ(client.prepare("bad", "SELECT * FROM nowhere").sqlstate(), "42P01");
    EXPECT_EQ(client.execute_prepared("s").value(0, 0), "1");
}

TEST_F(prepared, ManyClientsOverFewServersGetTheirOwnAnswers) {
    daemon_process const daemon(configuration(
        {.pool = "mode: transaction, size: 2, overflow: 0, max_prepared: 4", .threads = "2"}
    ));
    std::vector<std::future<int>> clients;
    for (int n = 0; n < 8; ++n) {
        clients.push_back(std::async(std::launch::async, [&daemon, n] {
            pq_connection client(daemon.dsn("shop"));
            int wrong = 0;
            for (int statement = 0; statement < 6; ++statement) {
                auto const text =
                    "SELECT $1::integer * 1000 + " + std::to_string(n * 10 + statement);
                wrong += client.prepare("s" + std::to_string(statement), text).ok() ? 0 : 1;
            }
            for (int turn = 0; turn < 100; ++turn) {
                int const statement = turn * 7 % 6;
                auto const result = client.execute_prepared(
                    "s" + std::to_string(statement), {std::to_string(turn)}
                );
                wrong += result.ok() && result.value(0, 0) ==
                                            std::to_string(turn * 1000 + n * 10 + statement)
                             ? 0
                             : 1;
            }
            return wrong;
        }));
    }
    for (auto& client : clients) {
        EXPECT_EQ(client.get(), 0);
    }
}

TEST_F(prepared, StatementSurvivesTheLossOfItsServer) {
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 1, overflow: 0"}));
    pq_connection client(daemon.dsn("shop"));
    ASSERT_TRUE(client.prepare("s", "SELECT pg_backend_pid() + 0 * $1::integer").ok());
    auto const pid = client.execute_prepared("s", {"1"}).value(0, 0);
    shared_postgres().execute("SELECT pg_terminate_backend(" + pid + ")");
    wait_until(
        [&] {
            return shared_postgres().scalar(
                       "SELECT count(*) FROM pg_stat_activity WHERE pid = " + pid
                   ) == "0";
        },
        "the server to die"
    );
    wait_until(
        [&] { return client.execute_prepared("s", {"2"}).ok(); }, "the statement on another server"
    );
}

}  // namespace
}  // namespace weir::test

#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <future>
#include <set>
#include <string>
#include <vector>

namespace weir::test {
namespace {

using namespace std::chrono_literals;

class pooling : public testing::Test {
protected:
    void SetUp() override { refill_shop(); }
};

std::string backend_pid(pq_connection& client) {
    return client.scalar("SELECT pg_backend_pid()");
}

// How many of these backends are alive.
int alive(std::set<std::string> const& pids) {
    std::string list = "0";
    for (auto const& pid : pids) {
        list += "," + pid;
    }
    return std::stoi(shared_postgres().scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE pid IN (" + list + ")"
    ));
}

TEST_F(pooling, ManyClientsShareFewServers) {
    daemon_process const daemon(
        configuration({.pool = "mode: transaction, size: 2, overflow: 0", .threads = "4"})
    );
    std::vector<std::future<std::set<std::string>>> clients;
    for (int n = 0; n < 20; ++n) {
        clients.push_back(std::async(std::launch::async, [&daemon] {
            pq_connection client(daemon.dsn("shop"));
            std::set<std::string> pids;
            for (int turn = 0; turn < 40; ++turn) {
                pids.insert(backend_pid(client));
            }
            return pids;
        }));
    }
    std::set<std::string> all;
    for (auto& client : clients) {
        all.merge(client.get());
    }
    EXPECT_LE(all.size(), 2U);
    EXPECT_GE(all.size(), 1U);
}

TEST_F(pooling, OneServerServesClientsOfAllThreads) {
    daemon_process const daemon(
        configuration({.pool = "mode: transaction, size: 1, overflow: 0", .threads = "4"})
    );
    std::vector<std::unique_ptr<pq_connection>> clients;
    std::set<std::string> pids;
    for (int n = 0; n < 8; ++n) {
        clients.push_back(std::make_unique<pq_connection>(daemon.dsn("shop")));
        pids.insert(backend_pid(*clients.back()));
    }
    for (auto& client : clients) {
        pids.insert(backend_pid(*client));
    }
    EXPECT_EQ(pids.size(), 1U);
}

TEST_F(pooling, WaitersGetTheServerInTheOrderTheyCame) {
    daemon_process const daemon(
        configuration({.pool = "mode: transaction, size: 1, overflow: 0", .threads = "4"})
    );
    auto holder = raw_client::logged_in(daemon.port(), "postgres", "shop");
    holder.ask(frontend::query("BEGIN"));
    std::vector<raw_client> waiters;
    for (int n = 0; n < 6; ++n) {
        waiters.push_back(raw_client::logged_in(daemon.port(), "postgres", "shop"));
        waiters.back().send(frontend::query("INSERT INTO log (text) VALUES ('x') RETURNING id"));
        wait_until(
            [&] { return waiting_clients(daemon) == n + 1; }, "the client to stand in the queue"
        );
    }
    holder.ask(frontend::query("COMMIT"));
    for (std::size_t n = 0; n < waiters.size(); ++n) {
        auto const replies = waiters[n].read_until('Z');
        EXPECT_EQ(first(replies, 'D').columns()[0], std::to_string(n + 1));
    }
}

TEST_F(pooling, WaitingTooLongIsAnErrorWithTheRemedy) {
    daemon_process const daemon(
        configuration({.pool = "mode: transaction, size: 1, overflow: 0, wait_timeout: 300ms"})
    );
    auto holder = raw_client::logged_in(daemon.port(), "postgres", "shop");
    holder.ask(frontend::query("BEGIN"));
    raw_client waiter(daemon.port());
    waiter.start({{"user", "postgres"}, {"database", "shop"}});
    waiter.send(frontend::query("SELECT 1"));
    auto const error = waiter.read();
    ASSERT_TRUE(error);
    ASSERT_EQ(error->type, 'E');
    EXPECT_EQ(error->field('C'), "53300");
    EXPECT_NE(error->field('M').find("shop"), std::string::npos) << error->field('M');
    EXPECT_FALSE(error->field('H').empty() && error->field('D').empty());
    EXPECT_GE(daemon.metric("pgweir_pool_wait_timeouts_total"), 1);

    holder.ask(frontend::query("COMMIT"));
    pq_connection other(daemon.dsn("shop"));
    EXPECT_EQ(other.scalar("SELECT 2"), "2");
}

// Not from the client's login, its last query or anything else that is long ago.
TEST_F(pooling, WaitCountsFromWhenTheClientBeganToWait) {
    daemon_process const daemon(
        configuration({.pool = "mode: transaction, size: 1, overflow: 0, wait_timeout: 500ms"})
    );
    auto idle = raw_client::logged_in(daemon.port(), "postgres", "shop");
    idle.ask(frontend::query("SELECT 1"));
    auto holder = raw_client::logged_in(daemon.port(), "postgres", "shop");
    holder.ask(frontend::query("BEGIN; SELECT pg_sleep(0.8)"));
    auto const begin = std::chrono::steady_clock::now();
    idle.send(frontend::query("SELECT 2"));
    auto const error = idle.read();
    auto const waited = std::chrono::steady_clock::now() - begin;
    ASSERT_TRUE(error);
    ASSERT_EQ(error->type, 'E');
    EXPECT_EQ(error->field('C'), "53300");
    EXPECT_GE(waited, 500ms);
    EXPECT_LT(waited, 10s);
    idle.read_until('Z');
    // And again: the session lives on, and its next wait is another one.
    holder.ask(frontend::query("SELECT pg_sleep(0.6)"));
    auto const again = std::chrono::steady_clock::now();
    idle.send(frontend::query("SELECT 3"));
    EXPECT_EQ(first(idle.read_until('Z'), 'E').field('C'), "53300");
    EXPECT_GE(std::chrono::steady_clock::now() - again, 500ms);
    holder.ask(frontend::query("COMMIT"));
    EXPECT_EQ(types(idle.ask(frontend::query("SELECT 4"))), "TDCZ");
}

TEST_F(pooling, OverflowOpensMoreUnderLoadAndClosesThemAgain) {
    daemon_process const daemon(configuration(
        {.pool = "mode: transaction, size: 1, overflow: 2, overflow_idle: 300ms, wait_timeout: 10s"}
    ));
    std::vector<std::unique_ptr<pq_connection>> clients;
    std::set<std::string> pids;
    for (int n = 0; n < 3; ++n) {
        clients.push_back(std::make_unique<pq_connection>(daemon.dsn("shop")));
        clients.back()->must("BEGIN");
        pids.insert(backend_pid(*clients.back()));
    }
    EXPECT_EQ(pids.size(), 3U);
    auto fourth = raw_client::logged_in(daemon.port(), "postgres", "shop");
    fourth.send(frontend::query("SELECT 1"));
    wait_until([&] { return waiting_clients(daemon) == 1; }, "the fourth client to wait");
    for (auto& client : clients) {
        client->must("COMMIT");
    }
    fourth.read_until('Z');
    wait_until([&] { return alive(pids) == 1; }, "the overflow to close");
    EXPECT_EQ(clients[0]->scalar("SELECT 'served'"), "served");
}

TEST_F(pooling, ClientThatLeavesATransactionLeavesNothingBehind) {
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 1, overflow: 0"}));
    {
        auto leaver = raw_client::logged_in(daemon.port(), "postgres", "shop");
        leaver.ask(frontend::query(
            "BEGIN; INSERT INTO log (text) VALUES ('left behind'); SET LOCAL work_mem = '3MB'"
        ));
    }
    pq_connection next(daemon.dsn("shop"));
    EXPECT_EQ(next.scalar("SELECT count(*) FROM log"), "0");
    EXPECT_NE(next.scalar("SHOW work_mem"), "3MB");
}

TEST_F(pooling, ClientThatLeavesInTheMiddleOfAReplyLeavesNothingBehind) {
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 1, overflow: 0"}));
    for (int n = 0; n < 5; ++n) {
        auto leaver = raw_client::logged_in(daemon.port(), "postgres", "shop");
        leaver.send(frontend::query("SELECT repeat('x', 100000) FROM generate_series(1, 300)"));
        ASSERT_EQ(leaver.read()->type, 'T');
    }
    pq_connection next(daemon.dsn("shop"));
    EXPECT_EQ(next.scalar("SELECT 'clean'"), "clean");
}

TEST_F(pooling, SessionModeGivesAServerForTheWholeSessionAndCleansIt) {
    daemon_process const daemon(
        configuration({.pool = "mode: session, size: 1, overflow: 0, wait_timeout: 10s"})
    );
    std::string pid;
    {
        pq_connection one(daemon.dsn("shop"));
        pid = backend_pid(one);
        one.must(
            "SET work_mem = '3MB'; CREATE TEMPORARY TABLE mine (n integer); PREPARE p AS SELECT 1"
        );
        EXPECT_EQ(backend_pid(one), pid);
    }
    pq_connection two(daemon.dsn("shop"));
    EXPECT_NE(two.scalar("SHOW work_mem"), "3MB");
    EXPECT_EQ(two.execute("SELECT * FROM mine").sqlstate(), "42P01");
    EXPECT_EQ(two.execute("EXECUTE p").sqlstate(), "26000");
}

TEST_F(pooling, TransactionModeDoesNotLeakSettings) {
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 1, overflow: 0"}));
    pq_connection one(daemon.dsn("shop"));
    pq_connection two(daemon.dsn("shop"));
    one.must("SET statement_timeout = '41s'");
    EXPECT_EQ(two.scalar("SHOW statement_timeout"), "0");
    EXPECT_EQ(one.scalar("SHOW statement_timeout"), "41s");
}

TEST_F(pooling, TooManyClientsAreToldTheLimit) {
    daemon_process const daemon(configuration({.listen = ", max_clients: 3"}));
    std::vector<raw_client> clients;
    for (int n = 0; n < 3; ++n) {
        clients.push_back(raw_client::logged_in(daemon.port(), "postgres", "shop"));
    }
    raw_client surplus(daemon.port());
    auto const replies = surplus.start({{"user", "postgres"}, {"database", "shop"}});
    ASSERT_TRUE(has(replies, 'E'));
    EXPECT_EQ(first(replies, 'E').field('C'), "53300");
    EXPECT_NE(first(replies, 'E').field('M').find("max_clients"), std::string::npos);
    // libpq asks for encryption first, and takes no error before it has an answer.
    auto const prefers = pq_connection::attempt(daemon.dsn("shop") + " sslmode=prefer");
    EXPECT_NE(prefers.message().find("max_clients"), std::string::npos) << prefers.message();

    clients.pop_back();
    wait_until(
        [&] { return pq_connection::attempt(daemon.dsn("shop")).ok(); },
        "the place of a client that left"
    );
}

TEST_F(pooling, AdministratorsGetInWhenTheLimitOfClientsIsReached) {
    daemon_process const daemon(configuration({.listen = ", max_clients: 1"}));
    auto const holder = raw_client::logged_in(daemon.port(), "postgres", "shop");
    EXPECT_FALSE(pq_connection::attempt(daemon.dsn("shop")).ok());
    EXPECT_EQ(shown_by_console(daemon, "SHOW CLIENTS", "database", "shop", "user"), "postgres");
    pq_connection admin(daemon.dsn("pgbouncer"));
    EXPECT_TRUE(admin.execute("SHOW POOLS").ok());
    EXPECT_FALSE(pq_connection::attempt(daemon.dsn("pgweir", "stranger")).ok());
}

TEST_F(pooling, TooManyClientsOfAUserAreToldItsLimit) {
    auto const with_limit = [](std::string const& limit) {
        return configuration(
            {.threads = "2",
             .rest = "users: {report: {max_connections: " + limit + "}, postgres: {}}\n"}
        );
    };
    shared_postgres().execute("DROP ROLE IF EXISTS report; CREATE ROLE report LOGIN");
    daemon_process daemon(with_limit("2"));
    auto const login = [&](std::string const& user) {
        raw_client client(daemon.port());
        auto const replies = client.start({{"user", user}, {"database", "shop"}});
        return std::make_pair(std::move(client), replies);
    };
    auto first_one = login("report");
    auto second = login("report");
    ASSERT_TRUE(has(second.second, 'Z'));
    auto const refused = login("report").second;
    ASSERT_TRUE(has(refused, 'E'));
    auto const& error = first(refused, 'E');
    EXPECT_EQ(error.field('C'), "53300");
    EXPECT_EQ(error.field('S'), "FATAL");
    EXPECT_EQ(error.field('M'), "too many clients: users.report.max_connections is 2");
    EXPECT_FALSE(error.field('H').empty());
    EXPECT_FALSE(has(refused, 'Z'));
    EXPECT_TRUE(has(login("postgres").second, 'Z')) << "the limit is of one user";

    // More at once after a reload; those that were refused have taken no place.
    daemon.rewrite(with_limit("3"));
    daemon.reload();
    auto third = login("report");
    EXPECT_TRUE(has(third.second, 'Z'));
    EXPECT_TRUE(has(login("report").second, 'E'));

    // Fewer after another: nobody is thrown out, and nobody comes in.
    daemon.rewrite(with_limit("1"));
    daemon.reload();
    EXPECT_EQ(types(first_one.first.ask(frontend::query("SELECT 1"))), "TDCZ");
    EXPECT_TRUE(has(login("report").second, 'E'));
    for (auto* one : {&first_one, &second, &third}) {
        one->first.send(frontend::terminate());
        (void)one->first.read_to_end();
    }
    wait_until([&] { return has(login("report").second, 'Z'); }, "the places of those who left");
}

TEST_F(pooling, UnixSocketServes) {
    daemon_process const daemon(configuration({.listen = ", unix_socket_dir: \"{dir}\""}));
    pq_connection client(
        "host=" + daemon.dir().string() + " port=" + std::to_string(daemon.port()) +
        " dbname=shop user=postgres"
    );
    EXPECT_EQ(client.scalar("SELECT 1"), "1");
}

TEST_F(pooling, ServerIsRetiredAfterItsLifetime) {
    daemon_process const daemon(
        configuration({.pool = "mode: transaction, size: 1, overflow: 0, lifetime: 500ms"})
    );
    pq_connection client(daemon.dsn("shop"));
    auto const old = backend_pid(client);
    wait_until([&] { return backend_pid(client) != old; }, "a younger server");
}

TEST_F(pooling, IdleServerThatDiedIsNotGivenToAClient) {
    daemon_process const daemon(
        configuration({.pool = "mode: transaction, size: 1, overflow: 0, check_after_idle: 0"})
    );
    pq_connection client(daemon.dsn("shop"));
    auto const pid = backend_pid(client);
    shared_postgres().execute("SELECT pg_terminate_backend(" + pid + ")");
    wait_until([&] { return alive({pid}) == 0; }, "the server to die");
    EXPECT_NE(backend_pid(client), pid);
}

// PostgreSQL must never have more of our backends than the pool may have, also while those of
// clients that left in the middle of a query are still at work.
TEST_F(pooling, AbandonedServerKeepsItsPlaceUntilPostgresHasEndedIt) {
    daemon_process const daemon(
        configuration({.pool = "mode: transaction, size: 1, overflow: 0", .threads = "2"})
    );
    for (int turn = 0; turn < 20; ++turn) {
        {
            auto leaves = raw_client::logged_in(daemon.port(), "postgres", "shop");
            leaves.send(frontend::query("SELECT pg_sleep(60)"));
            wait_until(
                [&] {
                    return shared_postgres().scalar(
                               "SELECT count(*) FROM pg_stat_activity "
                               "WHERE query = 'SELECT pg_sleep(60)'"
                           ) == "1";
                },
                "the query to run"
            );
        }
        pq_connection next(daemon.dsn("shop"));
        ASSERT_EQ(
            next.scalar("SELECT count(*) FROM pg_stat_activity WHERE datname = 'shop' AND "
                        "pid <> pg_backend_pid() AND backend_type = 'client backend'"),
            "0"
        ) << "turn "
          << turn;
    }
}

TEST_F(pooling, MinIdleServersStandReady) {
    daemon_process const daemon(
        configuration({.pool = "mode: transaction, size: 4, overflow: 0, min_idle: 3"})
    );
    pq_connection client(daemon.dsn("shop"));
    EXPECT_EQ(client.scalar("SELECT 1"), "1");
    auto const idle = [&] {
        return std::stoi(shown_by_console(daemon, "SHOW POOLS", "database", "shop", "sv_idle"));
    };
    wait_until([&] { return idle() >= 3; }, "three idle servers");
}

TEST_F(pooling, OtherDatabaseNamesGoToTheStar) {
    daemon_process const daemon(
        configuration({.rest = "  \"*\": {upstream: \"host=127.0.0.1 port={pg}\"}\n"})
    );
    pq_connection client(daemon.dsn("postgres"));
    EXPECT_EQ(client.scalar("SELECT current_database()"), "postgres");
}

TEST_F(pooling, PgbenchRunsWithoutErrorAndTheBalancesAgree) {
    static bool const made = [] {
        shared_postgres().execute("CREATE DATABASE bank");
        auto const done = run_to_end(
            {.command =
                 {postgres_program("pgbench"),
                  "-i",
                  "-q",
                  "-h",
                  "127.0.0.1",
                  "-p",
                  std::to_string(shared_postgres().port()),
                  "-U",
                  "postgres",
                  "bank"}}
        );
        return done.status == 0;
    }();
    ASSERT_TRUE(made);
    daemon_process const daemon(configuration(
        {.pool = "mode: transaction, size: 4, overflow: 2",
         .rest = "  bank: {upstream: \"host=127.0.0.1 port={pg} dbname=bank\"}\n"}
    ));
    for (std::string const mode : {"simple", "extended", "prepared"}) {
        for (std::string const script : {"tpcb-like", "select-only"}) {
            auto const done = run_to_end(
                {.command =
                     {postgres_program("pgbench"),
                      "-n",
                      "-M",
                      mode,
                      "-b",
                      script,
                      "-c",
                      "16",
                      "-j",
                      "16",
                      "-t",
                      "50",
                      "-h",
                      "127.0.0.1",
                      "-p",
                      std::to_string(daemon.port()),
                      "-U",
                      "postgres",
                      "bank"}},
                2min
            );
            EXPECT_EQ(done.status, 0) << mode << " " << script << "\n" << done.output;
            EXPECT_NE(
                done.output.find("number of transactions actually processed: 800/800"),
                std::string::npos
            ) << done.output;
        }
    }
    auto const sum = [](std::string const& column, std::string const& table) {
        return shared_postgres().scalar("SELECT sum(" + column + ") FROM " + table, "bank");
    };
    auto const accounts = sum("abalance", "pgbench_accounts");
    EXPECT_EQ(accounts, sum("bbalance", "pgbench_branches"));
    EXPECT_EQ(accounts, sum("tbalance", "pgbench_tellers"));
    EXPECT_EQ(accounts, sum("delta", "pgbench_history"));
}

}  // namespace
}  // namespace weir::test

#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace weir::test {
namespace {

using names = std::vector<std::string>;

class console : public testing::Test {
protected:
    void SetUp() override { refill_shop(); }
};

// The first columns of an answer; monitoring reads them by PgBouncer's names and order.
void expect_columns(pq_connection& admin, std::string const& command, names const& wanted) {
    auto const result = admin.must(command);
    auto got = column_names(result);
    got.resize(std::min(got.size(), wanted.size()));
    EXPECT_EQ(got, wanted) << command;
}

TEST_F(console, ShowsWhatPgBouncerShows) {
    daemon_process const daemon(configuration());
    pq_connection client(daemon.dsn("shop"));
    client.must("SELECT 1");
    for (std::string const name : {"pgweir", "pgbouncer"}) {
        pq_connection admin(daemon.dsn(name));
        expect_columns(
            admin,
            "SHOW POOLS",
            {"database",
             "user",
             "cl_active",
             "cl_waiting",
             "cl_active_cancel_req",
             "cl_waiting_cancel_req",
             "sv_active",
             "sv_active_cancel",
             "sv_being_canceled",
             "sv_idle",
             "sv_used",
             "sv_tested",
             "sv_login",
             "maxwait",
             "maxwait_us",
             "pool_mode"}
        );
        expect_columns(
            admin,
            "SHOW CLIENTS",
            {"type",
             "user",
             "database",
             "replication",
             "state",
             "addr",
             "port",
             "local_addr",
             "local_port",
             "connect_time",
             "request_time",
             "wait",
             "wait_us",
             "close_needed",
             "ptr",
             "link",
             "remote_pid",
             "tls",
             "application_name"}
        );
        expect_columns(
            admin,
            "SHOW SERVERS",
            {"type",
             "user",
             "database",
             "replication",
             "state",
             "addr",
             "port",
             "local_addr",
             "local_port",
             "connect_time",
             "request_time",
             "wait",
             "wait_us",
             "close_needed",
             "ptr",
             "link",
             "remote_pid",
             "tls",
             "application_name"}
        );
        expect_columns(
            admin,
            "SHOW STATS",
            {"database",
             "total_server_assignment_count",
             "total_xact_count",
             "total_query_count",
             "total_received",
             "total_sent",
             "total_xact_time",
             "total_query_time",
             "total_wait_time"}
        );
        expect_columns(admin, "SHOW CONFIG", {"key", "value", "default", "changeable"});
    }
}

TEST_F(console, ShowVersionNamesTheProgram) {
    daemon_process const daemon(configuration());
    pq_connection admin(daemon.dsn("pgweir"));
    EXPECT_NE(admin.scalar("SHOW VERSION").find("pgweir"), std::string::npos);
    EXPECT_NE(admin.scalar("show version;").find("pgweir"), std::string::npos);
}

TEST_F(console, PsqlWorks) {
    daemon_process const daemon(configuration());
    auto const done = run_to_end(
        {.command =
             {"psql", "-X", "-d", daemon.dsn("pgweir"), "-c", "SHOW POOLS", "-c", "SHOW CONFIG"}}
    );
    EXPECT_EQ(done.status, 0) << done.output;
    EXPECT_NE(done.output.find("shop"), std::string::npos) << done.output;
}

TEST_F(console, PoolsClientsAndServersTellTheTruth) {
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 2, overflow: 0"}));
    pq_connection client(daemon.dsn("shop") + " application_name=reports");
    client.must("BEGIN");
    auto const pid = client.scalar("SELECT pg_backend_pid()");
    EXPECT_EQ(shown_by_console(daemon, "SHOW POOLS", "database", "shop", "cl_active"), "1");
    EXPECT_EQ(shown_by_console(daemon, "SHOW POOLS", "database", "shop", "sv_active"), "1");
    EXPECT_EQ(
        shown_by_console(daemon, "SHOW POOLS", "database", "shop", "pool_mode"), "transaction"
    );
    EXPECT_EQ(
        shown_by_console(daemon, "SHOW CLIENTS", "application_name", "reports", "database"), "shop"
    );
    EXPECT_EQ(shown_by_console(daemon, "SHOW SERVERS", "remote_pid", pid, "state"), "active");
    client.must("COMMIT");
    EXPECT_EQ(shown_by_console(daemon, "SHOW POOLS", "database", "shop", "sv_active"), "0");
    EXPECT_EQ(shown_by_console(daemon, "SHOW SERVERS", "remote_pid", pid, "state"), "idle");
}

TEST_F(console, ServersThatReconnectRetiresNeedToBeClosed) {
    daemon_process const daemon(configuration());
    pq_connection client(daemon.dsn("shop"));
    client.must("BEGIN");
    auto const pid = client.scalar("SELECT pg_backend_pid()");
    auto const close_needed = [&] {
        return shown_by_console(daemon, "SHOW SERVERS", "remote_pid", pid, "close_needed");
    };
    EXPECT_EQ(close_needed(), "0");
    pq_connection(daemon.dsn("pgweir")).must("RECONNECT");
    EXPECT_EQ(close_needed(), "1");
}

TEST_F(console, PauseHoldsQueriesAndResumeLetsThemGo) {
    daemon_process const daemon(configuration());
    pq_connection admin(daemon.dsn("pgweir"));
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    client.ask(frontend::query("SELECT 1"));
    admin.must("PAUSE");
    client.send(frontend::query("SELECT 'after the pause'"));
    wait_until([&] { return waiting_clients(daemon) == 1; }, "the query to be held");
    EXPECT_EQ(
        shared_postgres().scalar("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%after "
                                 "the pause''' AND pid <> pg_backend_pid()"),
        "0"
    );
    admin.must("RESUME");
    EXPECT_EQ(first(client.read_until('Z'), 'D').columns()[0], "after the pause");
}

TEST_F(console, PauseWaitsForTransactionsToEnd) {
    daemon_process const daemon(configuration());
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    client.ask(frontend::query("BEGIN"));
    auto admin = raw_client::logged_in(daemon.port(), "postgres", "pgweir");
    admin.send(frontend::query("PAUSE shop"));
    client.ask(frontend::query("COMMIT"));
    EXPECT_EQ(types(admin.read_until('Z')), "CZ");
    EXPECT_EQ(types(admin.ask(frontend::query("RESUME shop"))), "CZ");
}

TEST_F(console, ReloadReadsTheFileAgain) {
    daemon_process daemon(configuration({.pool = "mode: transaction, size: 2, overflow: 0"}));
    pq_connection admin(daemon.dsn("pgweir"));
    daemon.rewrite(configuration({.pool = "mode: transaction, size: 7, overflow: 0"}));
    admin.must("RELOAD");
    wait_until(
        [&] { return shown_by_console(daemon, "SHOW CONFIG", "key", "pool.size", "value") == "7"; },
        "the new size in SHOW CONFIG"
    );
}

TEST_F(console, SecretsAreNotShown) {
    daemon_process const daemon(
        configuration({.database = ", user: postgres, password: \"hush-hush\""})
    );
    pq_connection admin(daemon.dsn("pgweir"));
    auto const rows = admin.must("SHOW CONFIG");
    for (int row = 0; row < rows.rows(); ++row) {
        for (int column = 0; column < rows.columns(); ++column) {
            EXPECT_EQ(rows.value(row, column).find("hush-hush"), std::string::npos)
                << rows.value(row, 0);
        }
    }
}

TEST_F(console, WhatItDoesNotKnowIsAnError) {
    daemon_process const daemon(configuration());
    pq_connection admin(daemon.dsn("pgweir"));
    for (std::string const command :
         {"SHOW NOTHING", "FETCH ALL FROM x", "PAUSE no_such_database", "DROP TABLE x", "SHOW"}) {
        auto const result = admin.execute(command);
        EXPECT_FALSE(result.ok()) << command;
        EXPECT_FALSE(result.message().empty());
    }
    EXPECT_TRUE(admin.execute("SHOW VERSION").ok());
}

TEST_F(console, StrangersAreNotLetIn) {
    shared_postgres().execute(
        "DO $$ BEGIN CREATE ROLE stranger LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    );
    daemon_process const daemon(configuration());
    auto const stranger = pq_connection::attempt(daemon.dsn("pgweir", "stranger"));
    EXPECT_FALSE(stranger.ok());
    EXPECT_TRUE(pq_connection::attempt(daemon.dsn("shop", "stranger")).ok());
}

TEST_F(console, StatsCountTransactions) {
    daemon_process const daemon(configuration());
    pq_connection client(daemon.dsn("shop"));
    for (int n = 0; n < 10; ++n) {
        client.must("SELECT 1");
    }
    client.must("BEGIN");
    client.must("SELECT 1");
    client.must("COMMIT");
    EXPECT_EQ(
        shown_by_console(daemon, "SHOW STATS", "database", "shop", "total_query_count"), "13"
    );
    EXPECT_EQ(shown_by_console(daemon, "SHOW STATS", "database", "shop", "total_xact_count"), "11");
}

}  // namespace
}  // namespace weir::test

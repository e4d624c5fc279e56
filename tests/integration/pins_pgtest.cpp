// What keeps a client on its server in transaction mode, and when that ends.
#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace weir::test {
namespace {

class pins : public testing::Test {
protected:
    void SetUp() override { prepare_shop(); }
};

struct pin_case {
    std::vector<std::string> queries;
    std::string pinned_by;  // by what after the last one; empty = not at all
};

TEST_F(pins, EndWithTheirReason) {
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 2, overflow: 0"}));
    pq_connection console(daemon.dsn("pgweir"));
    std::vector<pin_case> const cases = {
        {{"LISTEN x"}, "listen"},
        {{"LISTEN x", "UNLISTEN x"}, ""},
        {{"LISTEN x", "LISTEN y", "UNLISTEN x"}, "listen"},
        {{"LISTEN x; UNLISTEN x"}, ""},
        {{"BEGIN", "LISTEN x", "ROLLBACK"}, ""},
        {{"BEGIN; LISTEN x; COMMIT"}, "listen"},
        {{"PREPARE z AS SELECT 1"}, "sql_prepare"},
        {{"PREPARE z AS SELECT 1", "DEALLOCATE z"}, ""},
        {{"PREPARE z AS SELECT 1; DEALLOCATE PREPARE z"}, ""},
        {{"BEGIN; PREPARE z AS SELECT 1; ROLLBACK"}, "sql_prepare"},
        {{"PREPARE z AS SELECT no_such_column"}, ""},
        {{"DECLARE c CURSOR WITH HOLD FOR SELECT 1"}, "hold_cursor"},
        {{"DECLARE c CURSOR WITH HOLD FOR SELECT 1", "CLOSE c"}, ""},
        {{"DECLARE c CURSOR WITH HOLD FOR SELECT 1", "CLOSE ALL"}, ""},
        {{"CREATE TEMP TABLE pinned (n int)"}, "temporary_table"},
        {{"CREATE TEMP TABLE pinned (n int)", "DISCARD TEMP"}, ""},
        {{"BEGIN", "CREATE TEMP TABLE pinned (n int) ON COMMIT DROP", "COMMIT"}, ""},
        {{"BEGIN", "CREATE TEMP TABLE pinned (n int)", "SELECT 1/0", "ROLLBACK"}, ""},
        {{"SELECT pg_advisory_lock(1)"}, "advisory_lock"},
        {{"SELECT pg_advisory_lock(1), 1/(SELECT 0)"}, "advisory_lock"},
        {{"BEGIN", "SELECT pg_advisory_lock(1)", "ROLLBACK"}, "advisory_lock"},
        {{"SELECT pg_advisory_lock(1)", "SELECT pg_advisory_unlock_all()"}, ""},
        {{"SET work_mem = '3MB'; SET lock_timeout = '4s'"}, ""},
        {{"BEGIN; SELECT set_config('a.b', 'c', true); COMMIT"}, ""},
        {{"SELECT set_config('a.b', 'c', false)"}, ""},
        {{"BEGIN", "SELECT set_config('a.b', 'c' || 'd', false)", "COMMIT"}, "settings_uncertain"},
        {{"BEGIN", "SELECT set_config('a.b', 'c' || 'd', false)", "ROLLBACK"}, ""},
        {{"SELECT set_config('a.b', 'c' || 'd', false)", "DISCARD ALL"}, ""},
        {{"BEGIN", "SAVEPOINT s", "SET work_mem = '3MB'", "ROLLBACK TO s", "COMMIT"}, ""},
    };
    for (auto const& one : cases) {
        std::string told;
        pq_connection client(daemon.dsn("shop"));
        for (auto const& query : one.queries) {
            told += query + "; ";
            (void)client.execute(query);
        }
        auto const rows = console.must("SHOW PINS");
        ASSERT_EQ(rows.rows(), one.pinned_by.empty() ? 0 : 1) << told;
        if (rows.rows() == 0) {
            continue;
        }
        EXPECT_EQ(
            shown_by_console(daemon, "SHOW PINS", "database", "shop", "reason"), one.pinned_by
        ) << told;
        client.must("DISCARD ALL");
        EXPECT_EQ(console.must("SHOW PINS").rows(), 0) << told;
    }
}

// What the text of a statement does not tell: it is looked after when the client has its answer.
TEST_F(pins, BeginAndEndWithWhatCodeLeavesBehind) {
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 2, overflow: 0"}));
    shared_postgres().execute(
        "CREATE OR REPLACE FUNCTION leaves(what text) RETURNS void LANGUAGE plpgsql AS "
        "'BEGIN EXECUTE what; END'",
        "shop"
    );
    std::vector<pin_case> const cases = {
        {{"SELECT leaves('CREATE TEMP TABLE kept (n int)')"}, "temporary_table"},
        {{"SELECT leaves('CREATE TEMP TABLE kept (n int)')", "DROP TABLE kept"}, ""},
        {{"SELECT leaves('LISTEN kept')"}, "listen"},
        {{"SELECT leaves('LISTEN kept')", "UNLISTEN *"}, ""},
        {{"SELECT leaves('PREPARE kept AS SELECT 1')"}, "sql_prepare"},
        {{"SELECT leaves('DECLARE kept CURSOR WITH HOLD FOR SELECT 1')"}, "hold_cursor"},
        {{"SELECT leaves('SELECT pg_advisory_lock(1)')"}, "advisory_lock"},
        {{"SELECT leaves('SELECT pg_advisory_lock(1)')", "SELECT pg_advisory_unlock(1)"}, ""},
        {{"SELECT leaves('SELECT pg_advisory_lock(1)')",
          "SELECT leaves('SELECT pg_advisory_unlock(1)')"},
         ""},
        {{"SELECT leaves('LISTEN kept')", "UNLISTEN kept"}, ""},
        {{"PREPARE p1 AS SELECT 1; SELECT pg_advisory_lock(1)",
          "SELECT leaves('PREPARE p2 AS SELECT 1')",
          "SELECT pg_advisory_unlock(1)",
          "DEALLOCATE p1"},
         "sql_prepare"},
        {{"BEGIN", "SELECT leaves('CREATE TEMP TABLE kept (n int)')", "ROLLBACK"}, ""},
        {{"SELECT leaves('SET work_mem = ''3MB''')"}, ""},
        {{"DO $$ BEGIN CREATE TEMP TABLE kept (n int); END $$"}, "temporary_table"},
        {{"DO $$ BEGIN NULL; END $$"}, ""},
        {{"CREATE TEMP TABLE kept (n int)", "DROP TABLE kept"}, ""},
        {{"SELECT pg_advisory_lock(1), pg_advisory_lock(2)", "SELECT pg_advisory_unlock(1)"},
         "advisory_lock"},
    };
    for (auto const& one : cases) {
        std::string told;
        pq_connection client(daemon.dsn("shop"));
        for (auto const& query : one.queries) {
            told += query + "; ";
            (void)client.execute(query);
        }
        auto const is_as_expected = [&] {
            auto const shown = pq_connection(daemon.dsn("pgweir")).must("SHOW PINS");
            if (shown.rows() == 0) {
                return one.pinned_by.empty();
            }
            int column = 0;
            while (shown.column_name(column) != "reason") {
                ++column;
            }
            return shown.value(0, column) == one.pinned_by;
        };
        EXPECT_NO_THROW(wait_until(is_as_expected, told + one.pinned_by)) << told;
        client.must("DISCARD ALL");
        EXPECT_EQ(pq_connection(daemon.dsn("pgweir")).must("SHOW PINS").rows(), 0) << told;
    }
}

TEST_F(pins, SettingsThatCodeHasMadeGoWithTheClient) {
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 2, overflow: 0"}));
    pq_connection client(daemon.dsn("shop"));
    pq_connection other(daemon.dsn("shop"));
    client.must("DO $$ BEGIN SET work_mem = '3MB'; END $$");
    // In whatever order the two meet the two servers.
    for (int i = 0; i < 4; ++i) {
        client.must("BEGIN");
        EXPECT_EQ(other.scalar("SHOW work_mem"), "4MB");
        EXPECT_EQ(client.scalar("SHOW work_mem"), "3MB");
        client.must("COMMIT");
    }
}

// The look is under way when the client goes; its server is kept all the same.
TEST_F(pins, ALookDoesNotCostAServerWhoseClientGoes) {
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 1, overflow: 0"}));
    auto const process = pq_connection(daemon.dsn("shop")).scalar("SELECT pg_backend_pid()");
    for (int i = 0; i < 20; ++i) {
        auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
        client.send(frontend::query("DO $$ BEGIN NULL; END $$"));
        client.read_until('Z');
    }
    EXPECT_EQ(pq_connection(daemon.dsn("shop")).scalar("SELECT pg_backend_pid()"), process);
}

TEST_F(pins, NewDefaultsOfARoleAreThereForTheNextSession) {
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 2, overflow: 0"}));
    pq_connection(daemon.dsn("shop")).must("ALTER ROLE postgres SET my.greeting = 'new'");
    EXPECT_EQ(pq_connection(daemon.dsn("shop")).scalar("SHOW my.greeting"), "new");
    pq_connection(daemon.dsn("shop")).must("ALTER ROLE postgres RESET my.greeting");
    EXPECT_EQ(pq_connection(daemon.dsn("shop")).execute("SHOW my.greeting").sqlstate(), "42704");
}

TEST_F(pins, DoNotBeginWithALocalSettingThatIsPipelined) {
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 1, overflow: 0"}));
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    client.send(
        frontend::query("BEGIN") + frontend::query("SELECT set_config('a.b', 'c', true)") +
        frontend::query("COMMIT")
    );
    client.read_until('Z', 3);
    EXPECT_EQ(pq_connection(daemon.dsn("pgweir")).must("SHOW PINS").rows(), 0);
    EXPECT_EQ(pq_connection(daemon.dsn("shop")).scalar("SELECT 1"), "1");
}

TEST_F(pins, KeepTheLockOfAnExecuteThatFails) {
    daemon_process const daemon(configuration());
    pq_connection client(daemon.dsn("shop"));
    ASSERT_TRUE(client.prepare("locks", "SELECT pg_advisory_lock(1), 1/(SELECT 0)").ok());
    EXPECT_EQ(client.execute_prepared("locks", {}).sqlstate(), "22012");
    EXPECT_EQ(shown_by_console(daemon, "SHOW PINS", "database", "shop", "reason"), "advisory_lock");
}

TEST_F(pins, KeepWhatATransactionSetsBeyondTheBound) {
    daemon_process const daemon(configuration());
    pq_connection client(daemon.dsn("shop"));
    client.must("BEGIN");
    std::string const value(600'000, 'x');
    client.must("SET a.x = '" + value + "'");
    client.must("SET a.y = '" + value + "'");
    client.must("COMMIT");
    EXPECT_EQ(
        shown_by_console(daemon, "SHOW PINS", "database", "shop", "reason"), "settings_uncertain"
    );
    EXPECT_EQ(client.scalar("SHOW a.y"), value);
    EXPECT_EQ(client.scalar("SHOW a.x"), value);
}

// JDBC sends extra_float_digits and DateStyle with every log-in.
TEST_F(pins, LoginWithValuesThatAServerHasTakenNeedsNoServer) {
    daemon_process const daemon(
        configuration({.pool = "mode: transaction, size: 1, overflow: 0, wait_timeout: 300ms"})
    );
    frontend::parameters const parameters = {
        {"user", "postgres"},
        {"database", "shop"},
        {"extra_float_digits", "3"},
        {"DateStyle", "ISO"},
    };
    raw_client holder(daemon.port());
    auto const greeting = holder.start(parameters);
    holder.ask(frontend::query("BEGIN"));
    raw_client other(daemon.port());
    auto const told = other.start(parameters);
    EXPECT_TRUE(has(told, 'Z')) << types(told);
    auto const says = [](auto const& messages, std::string_view text) {
        return std::any_of(messages.begin(), messages.end(), [&](auto const& message) {
            return message.body.find(text) != std::string::npos;
        });
    };
    EXPECT_TRUE(says(greeting, "ISO, MDY"));
    EXPECT_TRUE(says(told, "ISO, MDY"));
    holder.ask(frontend::query("COMMIT"));
    auto const shown = other.ask(frontend::query("SHOW extra_float_digits"));
    EXPECT_EQ(first(shown, 'D').columns().at(0), "3");
}

// The next client of the server must not see that its settings were brought.
TEST_F(pins, WhatIsSaidAboutOwnStatementsIsNobodys) {
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 1, overflow: 0"}));
    auto talkative = raw_client::logged_in(daemon.port(), "postgres", "shop");
    talkative.ask(frontend::query("SET client_min_messages = log"));
    talkative.ask(frontend::query("SET log_statement = 'all'"));
    auto quiet = raw_client::logged_in(daemon.port(), "postgres", "shop");
    for (int turn = 0; turn < 2; ++turn) {
        EXPECT_EQ(types(quiet.ask(frontend::query("SELECT 1"))), "TDCZ");
        auto const heard = talkative.ask(frontend::query("SELECT 2"));
        EXPECT_EQ(types(heard), "NTDCZ");
        EXPECT_NE(heard[0].field('M').find("SELECT 2"), std::string::npos) << heard[0].field('M');
    }
}

// A role loses at once what it may no more, also where servers had logged in as it before.
TEST_F(pins, AlteredAndDroppedRolesMeetNewServers) {
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 2, overflow: 0"}));
    pq_connection admin(daemon.dsn("shop"));
    admin.must("DROP ROLE IF EXISTS demoted");
    admin.must("CREATE ROLE demoted LOGIN SUPERUSER");
    auto const dsn = daemon.dsn("shop") + " user=demoted";
    {
        pq_connection client(dsn);
        client.must("SET SESSION AUTHORIZATION postgres");
    }
    admin.must("ALTER ROLE demoted NOSUPERUSER");
    {
        pq_connection client(dsn);
        EXPECT_EQ(client.execute("SET SESSION AUTHORIZATION postgres").sqlstate(), "42501");
    }
    admin.must("DROP ROLE demoted");
    auto gone = pq_connection::attempt(dsn);
    EXPECT_FALSE(gone.ok() && gone.execute("SELECT 1").ok());
}

}  // namespace
}  // namespace weir::test

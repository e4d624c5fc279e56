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

}  // namespace
}  // namespace weir::test

// SET ROLE and SET SESSION AUTHORIZATION in transaction mode: what one client has set with the
// rights of one role must not end the session of a client with another.
#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::test {
namespace {

class authority : public testing::Test {
protected:
    void SetUp() override {
        prepare_shop();
        for (std::string const create :
             {"CREATE ROLE clerk", "CREATE ROLE boss SUPERUSER", "CREATE ROLE visitor LOGIN"}) {
            shared_postgres().execute(
                "DO $$ BEGIN " + create + "; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
            );
        }
        shared_postgres().execute("GRANT boss, clerk TO visitor");
    }

    static daemon_process start(std::string const& size, std::string const& database = "") {
        return daemon_process(configuration(
            {.pool = "mode: transaction, overflow: 0, size: " + size, .database = database}
        ));
    }
};

constexpr auto slow = "SHOW log_min_duration_statement";

TEST_F(authority, OfOneClientLeavesTheOthersAlone) {
    auto const daemon = start("1");
    pq_connection one(daemon.dsn("shop"));
    pq_connection other(daemon.dsn("shop"));
    pq_connection plain(daemon.dsn("shop"));
    one.must("SET log_min_duration_statement = '5s'");
    one.must("SET ROLE clerk");
    other.must("SET ROLE clerk");
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(one.scalar(slow), "5s");
        EXPECT_EQ(other.scalar(slow), "-1");
        EXPECT_EQ(one.scalar(slow), "5s");
        EXPECT_EQ(plain.scalar(slow), "-1");
        EXPECT_EQ(plain.scalar("SELECT current_user"), "postgres");
        EXPECT_EQ(other.scalar("SELECT current_user"), "clerk");
        EXPECT_EQ(one.scalar("SELECT current_user"), "clerk");
    }
}

TEST_F(authority, LeavesWhatWasSetBeforeItToAReset) {
    auto const daemon = start("2");
    pq_connection client(daemon.dsn("shop"));
    pq_connection holder(daemon.dsn("shop"));
    pq_connection second(daemon.dsn("shop"));
    holder.must("BEGIN");
    client.must("SET log_min_duration_statement = '5s'");
    client.must("SET SESSION AUTHORIZATION clerk");
    EXPECT_EQ(client.scalar(slow), "5s");
    second.must("BEGIN");
    holder.must("COMMIT");
    EXPECT_EQ(client.scalar(slow), "5s");
    client.must("RESET ALL");
    holder.must("BEGIN");
    second.must("COMMIT");
    EXPECT_EQ(client.scalar(slow), "-1");
    EXPECT_EQ(client.scalar("SELECT session_user"), "clerk");
    client.must("RESET SESSION AUTHORIZATION");
    EXPECT_EQ(client.scalar("SELECT session_user"), "postgres");
}

// What a superuser's role has set, a plain login could neither set again nor take back.
TEST_F(authority, OfASuperuserKeepsTheServerOfAPlainLogin) {
    auto const daemon = start("2", ", user: visitor");
    pq_connection other(daemon.dsn("shop"));
    {
        pq_connection one(daemon.dsn("shop"));
        one.must("SET ROLE boss");
        one.must("SET log_min_duration_statement = '5s'");
        EXPECT_EQ(
            shown_by_console(daemon, "SHOW PINS", "database", "shop", "reason"),
            "settings_uncertain"
        );
        for (auto const* const role : {"boss", "clerk"}) {
            one.must(std::string("SET ROLE ") + role);
            EXPECT_EQ(other.scalar("SELECT current_user"), "visitor");
            EXPECT_EQ(other.scalar(slow), "-1");
            EXPECT_EQ(one.scalar(slow), "5s");
            EXPECT_EQ(one.scalar("SELECT current_user"), role);
        }
    }
    pq_connection holder(daemon.dsn("shop"));
    for (auto* const client : {&holder, &other}) {
        client->must("BEGIN");
        EXPECT_EQ(client->scalar(slow), "-1");
    }
}

}  // namespace
}  // namespace weir::test

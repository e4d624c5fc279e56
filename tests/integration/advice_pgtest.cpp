// pool.advise and SHOW ADVICE: what an application would meet in transaction mode, told while it is
// still pooled by session.
#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::test {
namespace {

class advice : public testing::Test {
protected:
    void SetUp() override { prepare_shop(); }

    static std::string shown(
        daemon_process const& daemon, std::string const& kind, std::string const& column
    ) {
        return shown_by_console(daemon, "SHOW ADVICE", "kind", kind, column);
    }
    static int rows(daemon_process const& daemon) {
        return pq_connection(daemon.dsn("pgweir")).must("SHOW ADVICE").rows();
    }
};

TEST_F(advice, TellsOfASessionWhatTransactionModeWouldMakeOfIt) {
    daemon_process const daemon(
        configuration({.pool = "mode: session, size: 2, overflow: 0, advise: true"})
    );
    pq_connection client(daemon.dsn("shop") + " application_name=web");
    client.must("SELECT 1");
    client.must("SET work_mem = '3MB'");
    client.must("BEGIN; INSERT INTO log (text) VALUES ('x'); SELECT lastval(); COMMIT");
    EXPECT_EQ(rows(daemon), 0);
    client.must("LISTEN news");
    client.must("LISTEN more");
    client.must("CREATE TEMP TABLE notes (n int)");
    client.must("SELECT pg_advisory_lock(1)");
    client.must("DECLARE c CURSOR WITH HOLD FOR SELECT 1");
    client.must("PREPARE p AS SELECT 'secret'");
    client.must("SELECT set_config('a.b', 'sec' || 'ret', false)");
    client.must("DO $$ BEGIN PERFORM 'secret'; END $$");
    client.must("SELECT lastval()");
    ASSERT_TRUE(client.prepare("mine", "SELECT 1").ok());
    client.must("EXECUTE mine");
    client.must("EXECUTE p");
    EXPECT_EQ(rows(daemon), 9);
    for (std::string const kind :
         {"listen",
          "temporary_table",
          "advisory_lock",
          "hold_cursor",
          "sql_prepare",
          "settings_uncertain",
          "sequence_value"}) {
        EXPECT_EQ(shown(daemon, kind, "verdict"), "pins") << kind;
        EXPECT_EQ(shown(daemon, kind, "count"), kind == "listen" ? "2" : "1") << kind;
        EXPECT_EQ(shown(daemon, kind, "application"), "web") << kind;
    }
    EXPECT_EQ(shown(daemon, "unknown", "verdict"), "breaks");
    EXPECT_EQ(shown(daemon, "sql_execute", "verdict"), "pins");
    EXPECT_EQ(shown(daemon, "sql_execute", "count"), "1");
    EXPECT_EQ(shown(daemon, "sql_execute", "last_query"), "execute mine");
    EXPECT_EQ(shown(daemon, "listen", "last_query"), "listen more");
    EXPECT_EQ(shown(daemon, "listen", "database"), "shop");
    EXPECT_EQ(shown(daemon, "listen", "user"), "postgres");
    EXPECT_NE(shown(daemon, "listen", "advice").find("UNLISTEN"), std::string::npos);
    for (std::string const kind : {"sql_prepare", "settings_uncertain", "unknown"}) {
        auto const query = shown(daemon, kind, "last_query");
        EXPECT_EQ(query.find("sec"), std::string::npos) << query;
    }
}

// So does it what happens there already.
TEST_F(advice, TellsOfTransactionModeWhatPins) {
    daemon_process const daemon(
        configuration({.pool = "mode: transaction, size: 2, overflow: 0, advise: true"})
    );
    pq_connection client(daemon.dsn("shop"));
    ASSERT_TRUE(client.execute_with("LISTEN news", {}).ok());
    EXPECT_EQ(shown(daemon, "listen", "verdict"), "pins");
    EXPECT_EQ(shown(daemon, "listen", "application"), "");
    EXPECT_EQ(shown_by_console(daemon, "SHOW PINS", "database", "shop", "reason"), "listen");
}

TEST_F(advice, IsGivenWhereItIsAskedForOnly) {
    std::string const without = configuration();
    daemon_process daemon(without);
    pq_connection client(daemon.dsn("shop"));
    client.must("LISTEN news");
    EXPECT_EQ(rows(daemon), 0);
    daemon.rewrite(configuration({.database = ", pool: {advise: true}"}));
    daemon.reload();
    client.must("LISTEN more");
    EXPECT_EQ(shown(daemon, "listen", "count"), "1");
    EXPECT_EQ(shown(daemon, "listen", "last_query"), "listen more");
    daemon.rewrite(without);
    daemon.reload();
    client.must("LISTEN and_more");
    EXPECT_EQ(shown(daemon, "listen", "count"), "1");
}

}  // namespace
}  // namespace weir::test

// connect_query before a real PostgreSQL: what it sets is what clients find, whoever had the server
// before them.

#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::test {
namespace {

class connect_query : public testing::Test {
protected:
    void SetUp() override { prepare_shop(); }
    static settings one_server(std::string const& query, std::string const& pool = "transaction") {
        return {
            .pool = "mode: " + pool + ", size: 1, overflow: 0",
            .database = ", connect_query: \"" + query + "\""};
    }
};

constexpr char const* sets_two = "SET timezone TO 'Asia/Tokyo'; SET search_path TO public, far";

TEST_F(connect_query, SetsWhatEveryClientFinds) {
    daemon_process const daemon(configuration(one_server(sets_two)));
    pq_connection client(daemon.dsn("shop"));
    EXPECT_EQ(client.scalar("SHOW timezone"), "Asia/Tokyo");
    EXPECT_EQ(client.scalar("SHOW search_path"), "public, far");
    EXPECT_STREQ(PQparameterStatus(client.get(), "TimeZone"), "Asia/Tokyo") << "the greeting";
}

TEST_F(connect_query, OutlivesWhatOtherClientsSet) {
    daemon_process const daemon(configuration(one_server(sets_two)));
    pq_connection next(daemon.dsn("shop"));
    auto const pid = next.scalar("SELECT pg_backend_pid()");
    for (std::string const deed :
         {"SET timezone TO 'Europe/Zurich'",
          "SET search_path TO nowhere",
          "RESET search_path",
          "RESET ALL",
          "DISCARD ALL",
          "BEGIN; RESET search_path; COMMIT",
          "CREATE TEMPORARY TABLE t ()"}) {
        {
            pq_connection other(daemon.dsn("shop"));
            other.must(deed);
        }
        EXPECT_EQ(next.scalar("SHOW timezone"), "Asia/Tokyo") << deed;
        EXPECT_EQ(next.scalar("SHOW search_path"), "public, far") << deed;
        EXPECT_EQ(next.scalar("SELECT pg_backend_pid()"), pid) << "the same server: " << deed;
    }
}

TEST_F(connect_query, IsRunAgainForEachSession) {
    daemon_process const daemon(configuration(one_server(sets_two, "session")));
    for (int i = 0; i < 2; ++i) {
        pq_connection client(daemon.dsn("shop"));
        EXPECT_EQ(client.scalar("SHOW search_path"), "public, far");
        client.must("SET search_path TO nowhere");
    }
}

TEST_F(connect_query, MayFail) {
    daemon_process const daemon(configuration(one_server("SELECT 1/0")));
    pq_connection client(daemon.dsn("shop"));
    EXPECT_EQ(client.scalar("SELECT 'served'"), "served");
    daemon.log_contains("connect_query failed: 22012: division by zero");
}

TEST_F(connect_query, LeavesNoTransactionOpen) {
    daemon_process const daemon(configuration(one_server("BEGIN")));
    auto client = pq_connection::attempt(daemon.dsn("shop"));
    auto const said = client.ok() ? client.execute("SELECT 1").message() : client.message();
    EXPECT_NE(said.find("connect_query leaves a transaction open"), std::string::npos) << said;
}

}  // namespace
}  // namespace weir::test

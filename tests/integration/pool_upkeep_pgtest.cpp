// Pools that cannot connect, that nobody uses, and that are paused.
#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace weir::test {
namespace {

using namespace std::chrono_literals;

class pool_upkeep : public testing::Test {
protected:
    void SetUp() override { prepare_shop(); }

    static std::string with(std::string const& more_databases, std::string const& pool = "") {
        return configuration(
            {.pool = "mode: transaction, size: 1, overflow: 0" + pool, .rest = more_databases}
        );
    }

    /// The error that ends the login of a client of `database`.
    static backend_message login_error(daemon_process const& daemon, std::string const& database) {
        raw_client client(daemon.port());
        return first(client.start({{"user", "postgres"}, {"database", database}}), 'E');
    }

    static int pools(daemon_process const& daemon) {
        pq_connection console(daemon.dsn("pgweir"));
        return console.must("SHOW POOLS").rows();
    }

    static std::size_t count(std::string const& text, std::string const& part) {
        std::size_t found = 0;
        for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
            ++found;
        }
        return found;
    }
};

TEST_F(pool_upkeep, AWrongNameIsOneAttemptAndLeavesNothingBehind) {
    daemon_process const daemon(with("  \"*\": {upstream: \"host=127.0.0.1 port={pg}\"}\n"));
    int const before = pools(daemon);
    auto const error = login_error(daemon, "no_such_shop");
    EXPECT_EQ(error.field('C'), "3D000");
    EXPECT_EQ(error.field('D'), "database \"no_such_shop\" does not exist");
    EXPECT_FALSE(error.field('H').empty());
    wait_until([&] { return pools(daemon) == before; }, "the pool to go", 20s);
    EXPECT_EQ(count(shared_postgres().log(), "database \"no_such_shop\" does not exist"), 1U);
    EXPECT_EQ(daemon.get("/metrics").body.find("no_such_shop"), std::string::npos);
    EXPECT_EQ(daemon.get("/ready").status, 200);
    EXPECT_EQ(daemon.metric("pgweir_server_connect_failures_total", {"reason=\"no_database\""}), 1);
}

TEST_F(pool_upkeep, PostgresThatIsFullIsNotAWrongPassword) {
    shared_postgres().execute("CREATE ROLE crowded LOGIN CONNECTION LIMIT 0");
    daemon_process const daemon(
        with("  full: {upstream: \"host=127.0.0.1 port={pg} dbname=shop\", user: crowded}\n")
    );
    auto const error = login_error(daemon, "full");
    EXPECT_EQ(error.field('C'), "53300");
    EXPECT_EQ(error.field('D'), "too many connections for role \"crowded\"");
    EXPECT_NE(error.field('H').find("max_connections"), std::string::npos) << error.field('H');
    EXPECT_EQ(daemon.metric("pgweir_server_connect_failures_total", {"reason=\"too_many\""}), 1);
}

TEST_F(pool_upkeep, FailuresToConnectAreCountedByTheirReason) {
    daemon_process const daemon(with(
        "  nowhere: {upstream: \"host=a..b dbname=shop\"}\n"
        "  nobody: {upstream: \"host=127.0.0.1 port=1 dbname=shop\"}\n"
        "  stranger: {upstream: \"host=127.0.0.1 port={pg} dbname=shop\", user: nobody_knows}\n"
    ));
    auto const failures = [&](std::string const& reason) {
        return daemon.metric("pgweir_server_connect_failures_total", {"reason=\"" + reason + "\""});
    };
    EXPECT_EQ(login_error(daemon, "nowhere").field('C'), "08006");
    EXPECT_EQ(failures("unresolved"), 1);
    EXPECT_EQ(login_error(daemon, "nobody").field('C'), "08006");
    EXPECT_EQ(failures("refused"), 1);
    auto const error = login_error(daemon, "stranger");
    EXPECT_EQ(error.field('C'), "08006");
    EXPECT_NE(error.field('H').find("not the client's"), std::string::npos) << error.field('H');
    EXPECT_EQ(failures("authentication"), 1);
}

// Drivers try again after 08006, and after class 28 they do not.
TEST_F(pool_upkeep, AUserWhomPostgresDoesNotKnowIsToldSo) {
    daemon_process const daemon(with(""));
    raw_client client(daemon.port());
    auto const error = first(client.start({{"user", "nosuchuser"}, {"database", "shop"}}), 'E');
    EXPECT_EQ(error.field('S'), "FATAL");
    EXPECT_EQ(error.field('C'), "28000");
    EXPECT_EQ(error.field('D'), "role \"nosuchuser\" does not exist");
}

TEST_F(pool_upkeep, AnUnknownStartupParameterIsNamedAsItWasWritten) {
    daemon_process const daemon(with(""));
    raw_client client(daemon.port());
    auto const error = first(
        client.start({{"user", "postgres"}, {"database", "shop"}, {"DoesNotExist", "1"}}), 'E'
    );
    EXPECT_EQ(error.field('C'), "42704");
    EXPECT_NE(
        error.field('M').find("unrecognized configuration parameter \"DoesNotExist\""),
        std::string::npos
    ) << error.field('M');
}

TEST_F(pool_upkeep, PauseHoldsBeforeTheFirstLogin) {
    for (std::string const what : {"", " shop"}) {
        daemon_process const daemon(with(""));
        pq_connection admin(daemon.dsn("pgweir"));
        admin.must("PAUSE" + what);
        EXPECT_EQ(
            shown_by_console(daemon, "SHOW STATE", "key", "paused", "value"),
            what.empty() ? "yes" : "no"
        );
        EXPECT_EQ(shown_by_console(daemon, "SHOW DATABASES", "name", "shop", "paused"), "1");
        raw_client client(daemon.port());
        client.send(frontend::startup({{"user", "postgres"}, {"database", "shop"}}));
        wait_until(
            [&] {
                return shown_by_console(daemon, "SHOW LISTS", "list", "pools", "items") == "1" &&
                       waiting_clients(daemon) == 1;
            },
            "the login to be held"
        );
        EXPECT_EQ(daemon.metric("pgweir_server_connect_seconds_count"), 0);
        admin.must("RESUME");
        EXPECT_TRUE(has(client.read_until('Z'), 'K'));
        EXPECT_EQ(shown_by_console(daemon, "SHOW STATE", "key", "paused", "value"), "no");
        EXPECT_EQ(shown_by_console(daemon, "SHOW DATABASES", "name", "shop", "paused"), "0");
    }
}

TEST_F(pool_upkeep, AWaitThatEndsInAPauseNamesThePause) {
    daemon_process const daemon(with("", ", wait_notice: 100ms, wait_timeout: 1s"));
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    pq_connection admin(daemon.dsn("pgweir"));
    admin.must("PAUSE");
    auto const told = client.ask(frontend::query("SELECT 1"));
    for (char const type : {'N', 'E'}) {
        ASSERT_TRUE(has(told, type)) << types(told);
        EXPECT_NE(first(told, type).field('M').find("paused"), std::string::npos);
        EXPECT_NE(first(told, type).field('H').find("RESUME"), std::string::npos);
    }
    EXPECT_EQ(first(told, 'E').field('C'), "57P03");
    admin.must("RESUME");
    EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ");
}

TEST_F(pool_upkeep, AClientThatGoesAwayLeavesTheQueue) {
    daemon_process const daemon(with(""));
    auto holder = raw_client::logged_in(daemon.port(), "postgres", "shop");
    holder.ask(frontend::query("BEGIN"));
    for (std::string const& farewell : {std::string{}, frontend::terminate()}) {
        {
            auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
            client.send(frontend::query("SELECT 1"));
            wait_until([&] { return waiting_clients(daemon) == 1; }, "the client to wait");
            client.send(farewell);
        }
        wait_until([&] { return waiting_clients(daemon) == 0; }, "the queue to be empty");
    }
    EXPECT_EQ(types(holder.ask(frontend::query("COMMIT"))), "CZ");
}

TEST_F(pool_upkeep, AnOutageIsNotALineAStatement) {
    postgres_server postgres;
    daemon_process const daemon(configuration(
        {.pool = "mode: transaction, size: 1, overflow: 0",
         .upstream = "host=127.0.0.1 port=" + std::to_string(postgres.port()) + " dbname=postgres"}
    ));
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    postgres.stop();
    wait_until(
        [&] {
            return shown_by_console(daemon, "SHOW POOLS", "database", "shop", "sv_idle") == "0";
        },
        "the end of the server to be noticed"
    );
    for (int i = 0; i < 4; ++i) {
        EXPECT_TRUE(has(client.ask(frontend::query("SELECT 1")), 'E'));
    }
    daemon.log_contains("(attempt 4, 4 clients refused)");
    EXPECT_EQ(count(daemon.log(), "statement refused"), 0U);
}

}  // namespace
}  // namespace weir::test

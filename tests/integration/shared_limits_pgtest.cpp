// Server connections that several pools share: databases.*.max_connections and
// users.*.max_server_connections.
#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace weir::test {
namespace {

using namespace std::chrono_literals;

class shared_limits : public testing::Test {
protected:
    void SetUp() override {
        prepare_shop();
        static bool const made = [] {
            shared_postgres().execute("CREATE ROLE anna LOGIN; CREATE ROLE zoe LOGIN");
            return true;
        }();
        (void)made;
    }
    static std::string limited(
        std::string const& database, std::string const& rest = "", std::string const& pool = ""
    ) {
        return configuration(
            {.pool = "mode: transaction, size: 5, overflow: 0" + pool,
             .database = database,
             .rest = rest}
        );
    }
    static raw_client holder(daemon_process const& daemon, std::string const& user) {
        auto client = raw_client::logged_in(daemon.port(), user, "shop");
        EXPECT_EQ(types(client.ask(frontend::query("BEGIN"))), "CZ");
        return client;
    }
    static int open_servers(daemon_process const& daemon) {
        return std::stoi(
            shown_by_console(daemon, "SHOW DATABASES", "name", "shop", "current_connections")
        );
    }
    static int waiting(daemon_process const& daemon) {
        return static_cast<int>(daemon.metric("pgweir_pool_waiting_clients"));
    }
};

TEST_F(shared_limits, ADatabasesServersAreCountedOverAllItsPools) {
    daemon_process const daemon(limited(", max_connections: 2"));
    auto first = holder(daemon, "anna");
    auto second = holder(daemon, "zoe");
    raw_client third(daemon.port());  // its pool has no server that could greet it
    third.send(frontend::startup({{"user", "postgres"}, {"database", "shop"}}));
    wait_until([&] { return waiting(daemon) == 1; }, "the third to wait");
    EXPECT_EQ(open_servers(daemon), 2);
    EXPECT_EQ(shown_by_console(daemon, "SHOW DATABASES", "name", "shop", "max_connections"), "2");
    first.ask(frontend::query("COMMIT"));
    EXPECT_TRUE(has(third.read_until('Z'), 'Z')) << "served by a place that another pool left";
    EXPECT_LE(open_servers(daemon), 2);
}

TEST_F(shared_limits, AnIdleServerOfAnotherPoolMakesRoom) {
    daemon_process const daemon(limited(", max_connections: 1"));
    for (int i = 0; i < 3; ++i) {
        for (auto const* user : {"anna", "zoe", "postgres"}) {
            pq_connection client(daemon.dsn("shop", user));
            EXPECT_EQ(client.scalar("SELECT current_user"), user);
        }
    }
    EXPECT_LE(open_servers(daemon), 1);
}

TEST_F(shared_limits, AUsersServersAreCountedOverAllDatabases) {
    daemon_process const daemon(limited(
        "",
        "  other: {upstream: \"host=127.0.0.1 port={pg} dbname=postgres\"}\n"
        "users: {anna: {max_server_connections: 1}}\n"
    ));
    auto held = holder(daemon, "anna");
    raw_client next(daemon.port());
    next.send(frontend::startup({{"user", "anna"}, {"database", "other"}}));
    wait_until([&] { return waiting(daemon) == 1; }, "anna to wait in her other database");
    pq_connection zoe(daemon.dsn("other", "zoe"));
    EXPECT_EQ(zoe.scalar("SELECT 1"), "1") << "another user is not concerned";
    EXPECT_EQ(shown_by_console(daemon, "SHOW USERS", "name", "anna", "max_user_connections"), "1");
    held.ask(frontend::query("COMMIT"));
    EXPECT_TRUE(has(next.read_until('Z'), 'Z'));
}

// PgBouncer serves the pools in the order of their names: the last ones starve (issue 131).
TEST_F(shared_limits, TheOldestWaiterOfAllPoolsIsServedFirst) {
    daemon_process const daemon(limited(", max_connections: 1"));
    auto held = holder(daemon, "anna");
    raw_client zoe(daemon.port());
    zoe.send(frontend::startup({{"user", "zoe"}, {"database", "shop"}}));
    wait_until([&] { return waiting(daemon) == 1; }, "zoe to wait");
    // Later ones of the pool that has the server, as many as would keep it busy.
    std::vector<raw_client> later;
    for (int i = 0; i < 5; ++i) {
        later.push_back(raw_client::logged_in(daemon.port(), "anna", "shop"));
        later.back().send(frontend::query("SELECT pg_sleep(0.3)"));
    }
    wait_until([&] { return waiting(daemon) == 6; }, "the others to wait");
    held.ask(frontend::query("COMMIT"));
    EXPECT_TRUE(has(zoe.read_until('Z'), 'Z'));
    EXPECT_GE(waiting(daemon), 4) << "she was served last";
    for (auto& client : later)
        EXPECT_EQ(types(client.read_until('Z')), "TDCZ");
}

TEST_F(shared_limits, AWaitInVainNamesTheLimit) {
    daemon_process const daemon(limited(", max_connections: 1", "", ", wait_timeout: 500ms"));
    auto held = holder(daemon, "anna");
    raw_client zoe(daemon.port());
    auto const error = first(zoe.start({{"user", "zoe"}, {"database", "shop"}}), 'E');
    EXPECT_EQ(error.field('C'), "53300");
    EXPECT_NE(error.field('D').find("databases.shop.max_connections"), std::string::npos)
        << error.field('D');
    EXPECT_NE(error.field('H').find("databases.shop.max_connections"), std::string::npos);
}

TEST_F(shared_limits, AReloadThatLowersItClosesWhatIsTooMuch) {
    daemon_process daemon(limited(", max_connections: 3"));
    auto one = holder(daemon, "anna");
    auto two = holder(daemon, "zoe");
    auto three = holder(daemon, "postgres");
    EXPECT_EQ(open_servers(daemon), 3);
    daemon.rewrite(limited(", max_connections: 1"));
    daemon.reload();
    for (auto* client : {&one, &two, &three})
        client->ask(frontend::query("COMMIT"));
    wait_until([&] { return open_servers(daemon) <= 1; }, "the servers above it to go");
}

}  // namespace
}  // namespace weir::test

// Server connections that several pools share: databases.*.max_connections and
// users.*.max_server_connections.
#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <string>
#include <utility>
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

TEST_F(shared_limits, AnIdleServerOfAnotherPoolGivesUpItsPlace) {
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

// Both pools always have clients that have waited for longer than a place stays where it is.
TEST_F(shared_limits, TwoBusyPoolsDoNotLogInForEachClient) {
    daemon_process const daemon(limited(", max_connections: 2"));
    auto const begin = std::chrono::steady_clock::now();
    auto const end = begin + 3s;
    std::vector<std::future<std::pair<int, std::chrono::milliseconds>>> clients;
    for (int i = 0; i < 12; ++i) {
        clients.push_back(std::async(std::launch::async, [&daemon, end, i] {
            auto client = raw_client::logged_in(daemon.port(), i % 2 == 0 ? "anna" : "zoe", "shop");
            std::pair<int, std::chrono::milliseconds> served{0, 0};
            while (std::chrono::steady_clock::now() < end) {
                auto const asked = std::chrono::steady_clock::now();
                EXPECT_EQ(types(client.ask(frontend::query("SELECT pg_sleep(0.03)"))), "TDCZ");
                auto const waited = std::chrono::steady_clock::now() - asked;
                ++served.first;
                served.second = std::max(
                    served.second, std::chrono::duration_cast<std::chrono::milliseconds>(waited)
                );
            }
            return served;
        }));
    }
    for (auto& client : clients) {
        auto const [times, longest] = client.get();
        EXPECT_GE(times, 2);
        EXPECT_LT(longest, 2s) << "one of the pools starves";
    }
    auto const lasted = std::chrono::steady_clock::now() - begin;
    auto const logins = daemon.metric("pgweir_server_connect_seconds_count");
    EXPECT_LE(logins, lasted / 100ms + 3) << "more than one place moves in a tenth of a second";
    EXPECT_GT(logins, 2) << "the test is not about what it should be";
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

TEST_F(shared_limits, AReloadThatLowersItClosesWhatIsIdleAndTooMuch) {
    daemon_process daemon(limited(", max_connections: 3"));
    for (auto const* user : {"anna", "zoe", "postgres"}) {
        auto client = holder(daemon, user);
        client.ask(frontend::query("COMMIT"));
    }
    EXPECT_EQ(open_servers(daemon), 3);
    daemon.rewrite(limited(", max_connections: 1"));
    daemon.reload();
    wait_until([&] { return open_servers(daemon) <= 1; }, "the idle servers above it to go");
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

// Clients that wait for a server: whoever goes leaves the queue at once, whoever is cancelled is
// answered at once; and how many clients a database may have.
#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <sys/socket.h>

#include <chrono>
#include <memory>
#include <string>

namespace weir::test {
namespace {

using namespace std::chrono_literals;

class queue : public testing::Test {
protected:
    void SetUp() override { prepare_shop(); }

    static raw_client login(
        daemon_process const& daemon,
        std::string const& database = "shop",
        std::string const& user = "postgres"
    ) {
        return raw_client::logged_in(daemon.port(), user, database);
    }
    static void await_waiting(daemon_process const& daemon, int count) {
        wait_until(
            [&] { return waiting_clients(daemon) == count; },
            std::to_string(count) + " clients to wait"
        );
    }
    /// A message that never fits a client's input buffer, which is 64 KiB.
    static std::string endless() {
        return frontend::query("SELECT '" + std::string(300'000, 'x') + "'");
    }
};

constexpr auto one_server = "mode: transaction, size: 1, overflow: 0";

// PgBouncer's pitfall 10: the end of a client in the queue has to be seen.
TEST_F(queue, IsLeftByWhoCloses) {
    daemon_process const daemon(configuration({.pool = one_server}));
    auto holder = login(daemon);
    holder.ask(frontend::query("BEGIN"));
    auto gone = std::make_unique<raw_client>(login(daemon));
    gone->send(frontend::query("INSERT INTO log (text) VALUES ('of a client that has gone')"));
    await_waiting(daemon, 1);
    auto next = login(daemon);
    next.send(frontend::query("SELECT 1"));
    await_waiting(daemon, 2);
    gone.reset();
    await_waiting(daemon, 1);
    holder.ask(frontend::query("COMMIT"));
    EXPECT_EQ(types(next.read_until('Z')), "TDCZ");
    EXPECT_EQ(
        shared_postgres().scalar(
            "SELECT count(*) FROM log WHERE text = 'of a client that has gone'", "shop"
        ),
        "0"
    );
}

TEST_F(queue, IsLeftByWhoClosesWithAResetOrAfterATerminate) {
    daemon_process const daemon(configuration({.pool = one_server}));
    auto holder = login(daemon);
    holder.ask(frontend::query("BEGIN"));
    for (bool const polite : {false, true}) {
        auto gone = std::make_unique<raw_client>(login(daemon));
        gone->send(frontend::query("SELECT 1") + (polite ? frontend::terminate() : ""));
        await_waiting(daemon, 1);
        linger const at_once{1, 0};
        if (!polite) {
            ::setsockopt(gone->socket(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        }
        gone.reset();
        await_waiting(daemon, 0);
    }
}

// The daemon does not read from a client whose input is full, and has to see its end all the same.
TEST_F(queue, IsLeftByWhoClosesWithMoreSentThanFits) {
    daemon_process const daemon(configuration({.pool = one_server}));
    auto holder = login(daemon);
    holder.ask(frontend::query("BEGIN"));
    auto gone = std::make_unique<raw_client>(login(daemon));
    std::string flood = frontend::query("SELECT 1");
    while (flood.size() < 200'000)
        flood += frontend::query("SELECT 2");
    gone->send_some(flood);
    await_waiting(daemon, 1);
    gone.reset();
    await_waiting(daemon, 0);
    auto longest = std::make_unique<raw_client>(login(daemon));
    longest->send_some(
        frontend::parse("", "SELECT 1") + frontend::bind("", "") + frontend::execute("") +
        frontend::sync() + endless()
    );
    await_waiting(daemon, 1);
    longest.reset();
    await_waiting(daemon, 0);
}

TEST_F(queue, GivesItsPlacesToOthers) {
    daemon_process const daemon(
        configuration({.pool = one_server, .rest = "users: {postgres: {max_connections: 2}}\n"})
    );
    auto holder = login(daemon);
    holder.ask(frontend::query("BEGIN"));
    for (int turn = 0; turn < 3; ++turn) {
        auto gone = std::make_unique<raw_client>(login(daemon));
        gone->send(frontend::query("SELECT 1"));
        await_waiting(daemon, 1);
        gone.reset();
        await_waiting(daemon, 0);
    }
}

TEST_F(queue, ACancelIsAnsweredAtOnce) {
    daemon_process const daemon(configuration({.pool = one_server}));
    auto holder = login(daemon);
    holder.ask(frontend::query("BEGIN"));
    auto waiter = login(daemon);
    for (auto const& asked :
         {frontend::query("SELECT 1"),
          frontend::parse("", "SELECT 1") + frontend::bind("", "") + frontend::execute("") +
              frontend::sync(),
          frontend::query("SELECT pg_sleep(1000)")}) {
        waiter.send(asked);
        await_waiting(daemon, 1);
        send_cancel(daemon, waiter.backend_key_data());
        auto const replies = waiter.read_until('Z');  // while the server is the holder's still
        EXPECT_EQ(types(replies), "EZ");
        EXPECT_EQ(first(replies, 'E').field('C'), "57014");
        EXPECT_EQ(waiting_clients(daemon), 0);
    }
    EXPECT_EQ(holder.ask(frontend::query("SELECT 1")).back().body, "T");
    EXPECT_EQ(types(holder.ask(frontend::query("COMMIT"))), "CZ");
    EXPECT_EQ(types(waiter.ask(frontend::query("SELECT 1"))), "TDCZ");
}

TEST_F(queue, ACancelOfWhoHasGoneHitsNobody) {
    daemon_process const daemon(configuration({.pool = one_server}));
    pq_connection locker(shared_postgres().dsn("shop"));
    locker.must("BEGIN; LOCK TABLE items");
    auto holder = login(daemon);
    holder.send(frontend::query("SELECT count(*) FROM items"));
    wait_until(
        [] {
            return shared_postgres().scalar(
                       "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
                       "query = 'SELECT count(*) FROM items'"
                   ) == "1";
        },
        "the holder's statement to run"
    );
    auto gone = std::make_unique<raw_client>(login(daemon));
    gone->send(frontend::query("SELECT 1"));
    await_waiting(daemon, 1);
    auto const key = gone->backend_key_data();
    gone.reset();
    await_waiting(daemon, 0);
    send_cancel(daemon, key);
    locker.must("COMMIT");
    EXPECT_EQ(types(holder.read_until('Z')), "TDCZ");
}

// --- clients of a database ---

std::vector<backend_message> start(raw_client& client, std::string const& database) {
    return client.start({{"user", "postgres"}, {"database", database}});
}

TEST_F(queue, ADatabaseMayHaveSoManyClients) {
    daemon_process daemon(configuration(
        {.database = ", max_client_connections: 2",
         .rest = "  other: {upstream: \"host=127.0.0.1 port={pg} dbname=shop\"}\n"}
    ));
    auto one = std::make_unique<raw_client>(login(daemon));
    auto two = login(daemon);
    raw_client three(daemon.port());
    auto const refused = start(three, "shop");
    ASSERT_TRUE(has(refused, 'E')) << types(refused);
    auto const& error = first(refused, 'E');
    EXPECT_EQ(error.field('S'), "FATAL");
    EXPECT_EQ(error.field('C'), "53300");
    EXPECT_NE(error.field('M').find("databases.shop.max_client_connections"), std::string::npos);
    EXPECT_FALSE(three.read());
    EXPECT_EQ(
        shown_by_console(daemon, "SHOW DATABASES", "name", "shop", "max_client_connections"), "2"
    );
    (void)login(daemon, "other");  // which has no limit
    one.reset();
    wait_until(
        [&] {
            raw_client again(daemon.port());
            return has(start(again, "shop"), 'Z');
        },
        "the place of the client that has gone"
    );
    EXPECT_EQ(types(two.ask(frontend::query("SELECT 1"))), "TDCZ");
    daemon.rewrite(configuration({.database = ", max_client_connections: 3"}));
    daemon.reload();
    wait_until(
        [&] {
            raw_client again(daemon.port());
            return has(start(again, "shop"), 'Z');
        },
        "the new limit"
    );
    auto const third = login(daemon);
    auto const fourth = login(daemon);
    raw_client fifth(daemon.port());
    EXPECT_EQ(first(start(fifth, "shop"), 'E').field('C'), "53300");
}

TEST_F(queue, OfTheEntryForAnyNameEachNameMay) {
    shared_postgres().execute("DROP DATABASE IF EXISTS another");
    shared_postgres().execute("CREATE DATABASE another");
    daemon_process const daemon(configuration(
        {.rest = "  \"*\": {upstream: \"host=127.0.0.1 port={pg}\", max_client_connections: 1}\n"}
    ));
    auto const one = login(daemon, "another");
    raw_client two(daemon.port());
    auto const refused = start(two, "another");
    EXPECT_NE(
        first(refused, 'E').field('M').find("databases.*.max_client_connections"), std::string::npos
    );
    auto const other = login(daemon, "postgres");
    auto const shop = login(daemon);
}

}  // namespace
}  // namespace weir::test

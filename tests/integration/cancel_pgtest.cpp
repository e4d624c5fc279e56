#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <future>
#include <string>

namespace weir::test {
namespace {

class cancel : public testing::Test {
protected:
    void SetUp() override { prepare_shop(); }
};

void wait_for_query(std::string const& text) {
    wait_until(
        [&] {
            return shared_postgres().scalar(
                       "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = "
                       "'" +
                       text + "'"
                   ) != "0";
        },
        "PostgreSQL to run " + text
    );
}

TEST_F(cancel, ReachesTheQueryThatRuns) {
    daemon_process const daemon(configuration());
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    client.send(frontend::query("SELECT pg_sleep(61)"));
    wait_for_query("SELECT pg_sleep(61)");
    send_cancel(daemon, client.backend_key_data());
    EXPECT_EQ(first(client.read_until('Z'), 'E').field('C'), "57014");
    EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ");
}

TEST_F(cancel, WithAWrongSecretDoesNothing) {
    daemon_process const daemon(configuration());
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    client.send(frontend::query("SELECT pg_sleep(1)"));
    wait_for_query("SELECT pg_sleep(1)");
    auto key = client.backend_key_data();
    key.back() = static_cast<char>(key.back() ^ 1);
    send_cancel(daemon, key);
    EXPECT_EQ(types(client.read_until('Z')), "TDCZ");
}

TEST_F(cancel, OfAnIdleClientDoesNotHitWhoHasTheServerNow) {
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 1, overflow: 0"}));
    auto idle = raw_client::logged_in(daemon.port(), "postgres", "shop");
    idle.ask(frontend::query("SELECT 1"));
    auto busy = raw_client::logged_in(daemon.port(), "postgres", "shop");
    busy.send(frontend::query("SELECT pg_sleep(1.5)"));
    wait_for_query("SELECT pg_sleep(1.5)");
    send_cancel(daemon, idle.backend_key_data());
    EXPECT_EQ(types(busy.read_until('Z')), "TDCZ");
}

TEST_F(cancel, OfAWaitingClientLetsItGoOnOrFailAndTheHolderUnharmed) {
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 1, overflow: 0"}));
    auto holder = raw_client::logged_in(daemon.port(), "postgres", "shop");
    holder.send(frontend::query("SELECT pg_sleep(1.2)"));
    wait_for_query("SELECT pg_sleep(1.2)");
    auto waiter = raw_client::logged_in(daemon.port(), "postgres", "shop");
    waiter.send(frontend::query("SELECT 1"));
    wait_until([&] { return waiting_clients(daemon) == 1; }, "the second client to wait");
    send_cancel(daemon, waiter.backend_key_data());
    EXPECT_EQ(types(holder.read_until('Z')), "TDCZ");
    auto const replies = waiter.read_until('Z');
    EXPECT_TRUE(types(replies) == "TDCZ" || first(replies, 'E').field('C') == "57014")
        << types(replies);
}

TEST_F(cancel, OfAGarbledRequestClosesTheConnection) {
    daemon_process const daemon(configuration());
    raw_client request(daemon.port());
    request.send(frontend::int32(12) + frontend::int32(80877102) + frontend::int32(1));
    EXPECT_LE(request.read_to_end().size(), 1U);
}

// Cancels that race with the end of their query must hit that query or nothing, however the server
// is handed on.
TEST_F(cancel, ThatComesLateNeverHitsTheNextClient) {
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 1, overflow: 0"}));
    auto innocent = std::async(std::launch::async, [&daemon] {
        pq_connection client(daemon.dsn("shop"));
        int failures = 0;
        for (int n = 0; n < 600; ++n) {
            failures += client.execute("SELECT " + std::to_string(n)).ok() ? 0 : 1;
        }
        return failures;
    });
    auto guilty = raw_client::logged_in(daemon.port(), "postgres", "shop");
    int cancelled = 0;
    for (int n = 0; n < 150; ++n) {
        guilty.send(frontend::query(n % 3 == 0 ? "SELECT pg_sleep(0.002)" : "SELECT 1"));
        raw_client request(daemon.port());
        request.send(frontend::cancel_request(guilty.backend_key_data()));
        auto const replies = guilty.read_until('Z');
        cancelled += has(replies, 'E') ? 1 : 0;
        EXPECT_TRUE(request.read_to_end().empty());
    }
    EXPECT_EQ(innocent.get(), 0);
    RecordProperty("cancelled", cancelled);
}

}  // namespace
}  // namespace weir::test

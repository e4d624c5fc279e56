#include "tests/integration/fixture.hpp"
#include "tests/support/traffic_gate.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace weir::test {
namespace {

using namespace std::chrono_literals;

// A PostgreSQL of its own, which the test may stop.
class outage : public testing::Test {
protected:
    static settings with_upstream(int port, std::string const& pool) {
        return {
            .pool = pool,
            .upstream = "host=127.0.0.1 port=" + std::to_string(port) + " dbname=postgres"};
    }

    static bool is_outage(std::string const& sqlstate) {
        return sqlstate == "57P01" || sqlstate == "57P02" || sqlstate == "57P03" ||
               sqlstate == "08006" || sqlstate == "08001";
    }

    postgres_server postgres_;
};

TEST_F(outage, WaitingAndRunningClientsAreToldAndNewOnesServedAgain) {
    daemon_process const daemon(
        configuration(with_upstream(postgres_.port(), "mode: transaction, size: 1, overflow: 0"))
    );
    auto running = raw_client::logged_in(daemon.port(), "postgres", "shop");
    // The server is this client's before the other one asks for it.
    running.ask(frontend::query("BEGIN"));
    running.send(frontend::query("SELECT pg_sleep(120)"));
    auto waiting = raw_client::logged_in(daemon.port(), "postgres", "shop");
    waiting.send(frontend::query("SELECT 1"));
    wait_until([&] { return waiting_clients(daemon) == 1; }, "the second client to wait");

    postgres_.crash();
    for (auto const& told : running.read_to_end(10s)) {
        EXPECT_TRUE(told.type != 'E' || is_outage(told.field('C'))) << told.field('C');
        EXPECT_NE(told.type, 'C') << "the query was passed off as done";
    }
    auto const error = waiting.read(20s);
    ASSERT_TRUE(error);
    ASSERT_EQ(error->type, 'E');
    EXPECT_TRUE(is_outage(error->field('C'))) << error->field('C') << error->field('M');
    EXPECT_FALSE(error->field('H').empty()) << "no hint";

    postgres_.start();
    wait_until(
        [&] {
            auto client = pq_connection::attempt(daemon.dsn("shop"));
            return client.ok() && client.execute("SELECT 1").ok();
        },
        "service after the restart",
        20s
    );
}

TEST_F(outage, UnreachablePostgresIsAnErrorWithItsHost) {
    daemon_process const daemon(configuration(
        with_upstream(postgres_.port(), "mode: transaction, size: 1, overflow: 0, wait_timeout: 5s")
    ));
    postgres_.stop();
    auto const begin = std::chrono::steady_clock::now();
    raw_client client(daemon.port());
    auto replies = client.start({{"user", "postgres"}, {"database", "shop"}});
    if (has(replies, 'Z')) {
        client.send(frontend::query("SELECT 1"));
        auto const reply = client.read();
        ASSERT_TRUE(reply);
        replies = {*reply};
    }
    ASSERT_TRUE(has(replies, 'E')) << types(replies);
    auto const& error = first(replies, 'E');
    EXPECT_TRUE(is_outage(error.field('C'))) << error.field('C');
    EXPECT_NE((error.field('M') + error.field('D')).find("127.0.0.1"), std::string::npos)
        << error.field('M');
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 15s);
    EXPECT_EQ(daemon.get("/ready").status, 503);
    EXPECT_EQ(daemon.get("/health").status, 200);
    postgres_.start();
    wait_until([&] { return daemon.get("/ready").status == 200; }, "readiness");
}

TEST_F(outage, IdleSessionOutlivesARestart) {
    daemon_process const daemon(
        configuration(with_upstream(postgres_.port(), "mode: transaction, size: 1, overflow: 0"))
    );
    pq_connection client(daemon.dsn("shop"));
    EXPECT_EQ(client.scalar("SELECT 1"), "1");
    postgres_.stop();
    postgres_.start();
    wait_until(
        [&] { return client.execute("SELECT 2").ok() || !client.ok(); },
        "an answer after the restart",
        20s
    );
    EXPECT_TRUE(client.ok()) << client.message();
}

TEST_F(outage, SilentServerIsGivenUpAfterConnectTimeout) {
    traffic_gate gate(postgres_.port());
    daemon_process const daemon(configuration(with_upstream(
        gate.port(),
        "mode: transaction, size: 1, overflow: 0, connect_timeout: 500ms, wait_timeout: 4s"
    )));
    {
        pq_connection warm(daemon.dsn("shop"));
        EXPECT_EQ(warm.scalar("SELECT 1"), "1");
    }
    gate.cut();
    wait_until([&] { return gate.connections() == 0; }, "the cut");
    gate.pause();
    raw_client client(daemon.port());
    auto replies = client.start({{"user", "postgres"}, {"database", "shop"}});
    if (has(replies, 'Z')) {
        client.send(frontend::query("SELECT 1"));
        auto const reply = client.read(15s);
        ASSERT_TRUE(reply);
        EXPECT_EQ(reply->type, 'E');
    } else {
        EXPECT_TRUE(has(replies, 'E'));
    }
    gate.resume();
    wait_until(
        [&] {
            auto again = pq_connection::attempt(daemon.dsn("shop"));
            return again.ok() && again.execute("SELECT 1").ok();
        },
        "service after the silence",
        25s
    );
}

TEST_F(outage, ConnectionCutInTheMiddleOfAReplyIsAnErrorForThatClientAlone) {
    traffic_gate gate(postgres_.port());
    daemon_process const daemon(
        configuration(with_upstream(gate.port(), "mode: transaction, size: 2, overflow: 0"))
    );
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    client.send(
        frontend::query("SELECT repeat('x', 100000), pg_sleep(0.01) FROM generate_series(1, 3000)")
    );
    ASSERT_EQ(client.read()->type, 'T');
    ASSERT_EQ(client.read()->type, 'D');
    gate.cut();
    auto const rest = client.read_to_end(20s);
    EXPECT_FALSE(has(rest, 'C')) << "the reply was passed off as whole";
    wait_until(
        [&] {
            auto other = pq_connection::attempt(daemon.dsn("shop"));
            return other.ok() && other.execute("SELECT 1").ok();
        },
        "service on new connections",
        20s
    );
}

}  // namespace
}  // namespace weir::test

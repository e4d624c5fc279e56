// One upstream, several hosts; and logins that one of many servers is refused.
#include "tests/integration/fixture.hpp"
#include "tests/support/traffic_gate.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace weir::test {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

class failover : public testing::Test {
protected:
    void SetUp() override { prepare_shop(); }

    // The shared PostgreSQL as the second host, behind another at `first_port`.
    static std::string behind(int first_port, std::string const& pool) {
        return configuration(
            {.pool = "mode: transaction, size: 2, overflow: 0" + pool,
             .upstream = "host=127.0.0.1,localhost port=" + std::to_string(first_port) +
                         ",{pg} dbname=shop"}
        );
    }
};

TEST_F(failover, SecondHostServesWhenNobodyListensAtTheFirst) {
    port_lock const nobody;
    daemon_process const daemon(behind(nobody.port(), ""));
    pq_connection client(daemon.dsn("shop"));
    EXPECT_EQ(client.scalar("SELECT inet_server_port()"), std::to_string(shared_postgres().port()));
    EXPECT_EQ(daemon.get("/ready").status, 200);
}

TEST_F(failover, SecondHostServesWhenTheFirstIsSilentForTheConnectTimeout) {
    traffic_gate silent(shared_postgres().port());
    silent.pause();
    auto const begin = steady_clock::now();
    daemon_process const daemon(behind(silent.port(), ", connect_timeout: 300ms"));
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ");
    EXPECT_GE(steady_clock::now() - begin, 300ms);
}

TEST_F(failover, SecondHostServesWhenTheFirstDies) {
    traffic_gate primary(shared_postgres().port());
    daemon_process const daemon(behind(primary.port(), ", connect_timeout: 2s"));
    pq_connection client(daemon.dsn("shop"));
    EXPECT_EQ(client.scalar("SELECT 'first'"), "first");
    ASSERT_GE(primary.connections(), 1);
    primary.refuse();  // a connection is accepted and closed at once
    primary.cut();
    wait_until([&] { return primary.connections() == 0; }, "the first host to be gone");
    wait_until(
        [&] {
            auto again = pq_connection::attempt(daemon.dsn("shop"));
            return again.ok() && again.execute("SELECT 'second'").ok();
        },
        "service from the second host"
    );
    EXPECT_EQ(client.scalar("SELECT 'second'"), "second") << "its session outlives the server";
    EXPECT_EQ(primary.connections(), 0);
}

// PostgreSQL lets in one server of this role; the pool would like two.
TEST_F(failover, OneRefusedLoginDoesNotFailAClientThatAnotherServerCanServe) {
    shared_postgres().execute(
        "DROP ROLE IF EXISTS limited; CREATE ROLE limited LOGIN CONNECTION LIMIT 1"
    );
    daemon_process const daemon(configuration(
        {.pool = "mode: transaction, size: 2, overflow: 0, wait_timeout: 20s",
         .database = ", user: limited"}
    ));
    auto holder = raw_client::logged_in(daemon.port(), "postgres", "shop");
    holder.ask(frontend::query("BEGIN"));
    auto waiter = raw_client::logged_in(daemon.port(), "postgres", "shop");
    waiter.send(frontend::query("SELECT 1"));
    wait_until(
        [&] { return daemon.metric("pgweir_server_connect_failures_total") >= 2; },
        "PostgreSQL to refuse the second login twice"
    );
    EXPECT_EQ(waiting_clients(daemon), 1);
    holder.ask(frontend::query("COMMIT"));
    EXPECT_EQ(types(waiter.read_until('Z')), "TDCZ");
    EXPECT_EQ(types(holder.ask(frontend::query("SELECT 2"))), "TDCZ");
}

}  // namespace
}  // namespace weir::test

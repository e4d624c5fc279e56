// The circuit breaker of a host: when it opens, what clients are told, and how it closes.
#include "tests/integration/fixture.hpp"
#include "tests/support/traffic_gate.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace weir::test {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

class breaker : public testing::Test {
protected:
    void SetUp() override { prepare_shop(); }

    // The shared PostgreSQL behind a gate that the test closes.
    static std::string behind(int port, std::string const& more = "") {
        return configuration(
            {.pool = "mode: transaction, size: 2, overflow: 0, connect_timeout: 1s, "
                     "breaker: {failures: 3, window: 60s, open: 1s}" +
                     more,
             .upstream = "host=127.0.0.1 port=" + std::to_string(port) + " dbname=shop"}
        );
    }
    static std::string name_of(traffic_gate const& gate) {
        return "127.0.0.1:" + std::to_string(gate.port());
    }
    static std::string shown(
        daemon_process const& daemon, traffic_gate const& gate, std::string const& column
    ) {
        return shown_by_console(daemon, "SHOW BREAKERS", "upstream", name_of(gate), column);
    }
    /// The error that the login of a new client ends in.
    static backend_message refusal(daemon_process const& daemon) {
        raw_client client(daemon.port());
        auto replies = client.start({{"user", "postgres"}, {"database", "shop"}});
        if (!has(replies, 'E')) replies = client.ask(frontend::query("SELECT 1"));
        return first(replies, 'E');
    }
    static bool serves(daemon_process const& daemon) {
        auto client = pq_connection::attempt(daemon.dsn("shop"));
        return client.ok() && client.execute("SELECT 1").ok();
    }
    /// Clients come until it is open.
    static void open(daemon_process const& daemon, traffic_gate const& gate) {
        wait_until(
            [&] {
                EXPECT_FALSE(serves(daemon));
                return shown(daemon, gate, "state") == "open";
            },
            "the breaker to open"
        );
    }
};

TEST_F(breaker, OpensTellsAllAtOnceAndClosesAgain) {
    traffic_gate gate(shared_postgres().port());
    daemon_process const daemon(behind(gate.port()));
    EXPECT_TRUE(serves(daemon));
    EXPECT_EQ(shown(daemon, gate, "state"), "closed");
    EXPECT_EQ(shown(daemon, gate, "failures"), "0");
    EXPECT_EQ(daemon.metric("pgweir_breaker_state", {name_of(gate)}), 0);

    gate.refuse();  // accepts and closes, as a proxy does whose PostgreSQL is gone
    gate.cut();
    wait_until([&] { return gate.connections() == 0; }, "the cut");
    open(daemon, gate);
    EXPECT_GE(std::stoi(shown(daemon, gate, "failures")), 3);
    EXPECT_FALSE(shown(daemon, gate, "last_error").empty());
    EXPECT_FALSE(shown(daemon, gate, "since").empty());
    EXPECT_EQ(daemon.metric("pgweir_breaker_state", {name_of(gate)}), 2);

    gate.accept();
    wait_until([&] { return serves(daemon); }, "service after the outage", 20s);
    EXPECT_EQ(shown(daemon, gate, "state"), "closed");
    EXPECT_GE(daemon.metric("pgweir_breaker_transitions_total"), 3);
    daemon.log_contains("breaker of " + name_of(gate) + ": closed -> open after 3 failures");
    daemon.log_contains("breaker of " + name_of(gate) + ": half_open -> closed");
}

TEST_F(breaker, WhileOpenNobodyWaitsForATimeout) {
    traffic_gate silent(shared_postgres().port());
    auto yaml = behind(silent.port());
    yaml.replace(yaml.find("open: 1s"), 8, "open: 60s");
    daemon_process const daemon(yaml);
    silent.pause();
    open(daemon, silent);
    auto const begin = steady_clock::now();
    auto const error = refusal(daemon);
    EXPECT_LT(steady_clock::now() - begin, 500ms) << "connect_timeout is 1 s";
    EXPECT_EQ(error.field('C'), "57P03");
    EXPECT_NE(error.field('M').find(name_of(silent)), std::string::npos) << error.field('M');
    EXPECT_NE(error.field('M').find("next try in "), std::string::npos) << error.field('M');
    EXPECT_NE(error.field('D').find("no answer within"), std::string::npos) << error.field('D');
    EXPECT_NE(error.field('H').find("SHOW BREAKERS"), std::string::npos) << error.field('H');

    auto const json = daemon.get("/circuit-breakers");
    EXPECT_EQ(json.status, 200);
    EXPECT_NE(json.body.find("\"state\":\"open\""), std::string::npos) << json.body;
    EXPECT_EQ(daemon.get("/ready").status, 503);

    silent.resume();
    pq_connection(daemon.dsn("pgweir")).must("RECONNECT");
    wait_until([&] { return serves(daemon); }, "service after RECONNECT");
}

TEST_F(breaker, AnOpenHostOfAListIsPassedBy) {
    traffic_gate silent(shared_postgres().port());
    silent.pause();
    daemon_process const daemon(configuration(
        {.pool = "mode: session, size: 9, overflow: 0, connect_timeout: 300ms, "
                 "breaker: {failures: 1, window: 60s, open: 60s}",
         .upstream =
             "host=127.0.0.1,localhost port=" + std::to_string(silent.port()) + ",{pg} dbname=shop"}
    ));
    EXPECT_TRUE(serves(daemon));
    EXPECT_EQ(shown(daemon, silent, "state"), "open");
    auto const begin = steady_clock::now();
    for (int i = 0; i < 5; ++i)
        EXPECT_TRUE(serves(daemon));
    EXPECT_LT(steady_clock::now() - begin, 1s) << "each connect stalls at the dead host";
    EXPECT_EQ(daemon.get("/ready").status, 200);
}

TEST_F(breaker, WrongPasswordsAndAFullPostgresAreNotTheHostsFault) {
    shared_postgres().execute(
        "DROP ROLE IF EXISTS nobody_in; CREATE ROLE nobody_in LOGIN CONNECTION LIMIT 0"
    );
    daemon_process const daemon(configuration(
        {.pool = "mode: transaction, size: 1, overflow: 0, "
                 "breaker: {failures: 1, window: 60s, open: 60s}",
         .rest = "  full: {upstream: \"host=127.0.0.1 port={pg} dbname=shop\", user: nobody_in}\n"
                 "  none: {upstream: \"host=127.0.0.1 port={pg} dbname=no_such\"}\n"}
    ));
    for (auto const* database : {"full", "none"}) {
        raw_client client(daemon.port());
        EXPECT_TRUE(has(client.start({{"user", "postgres"}, {"database", database}}), 'E'));
    }
    EXPECT_TRUE(serves(daemon));
    EXPECT_EQ(daemon.metric("pgweir_breaker_state"), 0);
    EXPECT_EQ(daemon.metric("pgweir_breaker_transitions_total"), 0);
}

TEST_F(breaker, AProxyThatKillsLoginsIsNotAskedWithoutPause) {
    traffic_gate gate(shared_postgres().port());
    daemon_process const daemon(behind(gate.port(), ", min_idle: 2"));
    EXPECT_TRUE(serves(daemon));
    gate.refuse();
    gate.cut();
    open(daemon, gate);
    auto const failures = daemon.metric("pgweir_server_connect_failures_total");
    for (int i = 0; i < 20; ++i)
        EXPECT_EQ(refusal(daemon).field('C').substr(0, 2) == "28", false);
    EXPECT_LE(daemon.metric("pgweir_server_connect_failures_total"), failures + 2)
        << "clients that come make logins of their own";
}

// Every pool of the host learns of it from one.
TEST_F(breaker, IsSharedByAllPoolsOfTheHost) {
    traffic_gate gate(shared_postgres().port());
    auto yaml = behind(gate.port());
    yaml.replace(yaml.find("open: 1s"), 8, "open: 60s");
    yaml += "  other: {upstream: \"host=127.0.0.1 port=" + std::to_string(gate.port()) +
            " dbname=postgres\"}\n";
    daemon_process const daemon(yaml);
    gate.refuse();
    open(daemon, gate);
    raw_client client(daemon.port());
    auto const error = first(client.start({{"user", "postgres"}, {"database", "other"}}), 'E');
    EXPECT_EQ(error.field('C'), "57P03") << error.field('M');
    EXPECT_NE(error.field('M').find("circuit breaker"), std::string::npos) << error.field('M');
}

// Not a matter of the breaker, but of the same host: what PostgreSQL has to bear at a start.
TEST_F(breaker, AStormOfClientsIsNotAStormOfLogins) {
    traffic_gate gate(shared_postgres().port());
    gate.pause();  // no login comes to its end
    auto const upstream = "host=127.0.0.1 port=" + std::to_string(gate.port()) + " dbname=";
    daemon_process const daemon(configuration(
        {.pool = "mode: transaction, size: 40, overflow: 0, connect_timeout: 20s",
         .threads = "2",
         .rest = "  other: {upstream: \"" + upstream + "postgres\"}\n",
         .upstream = upstream + "shop"}
    ));
    std::vector<raw_client> clients;
    for (int i = 0; i < 120; ++i) {
        clients.emplace_back(daemon.port());
        clients.back().send(
            frontend::startup({{"user", "postgres"}, {"database", i % 2 == 0 ? "shop" : "other"}})
        );
    }
    wait_until([&] { return daemon.metric("pgweir_pool_waiting_clients") == 120; }, "all to wait");
    EXPECT_EQ(gate.connections(), 8) << "four a thread, whichever pool it is for";
    gate.resume();
    for (auto& client : clients)
        EXPECT_TRUE(has(client.read_until('Z'), 'Z'));
    EXPECT_EQ(daemon.metric("pgweir_server_connect_failures_total"), 0);
}

}  // namespace
}  // namespace weir::test

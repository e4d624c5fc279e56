// Several hosts of which one is a standby: target_session_attrs and load_balance_hosts.
#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <set>
#include <string>

namespace weir::test {
namespace {

using namespace std::chrono_literals;

// A primary and a standby of it, for all tests that leave them as they are.
struct two_servers {
    postgres_server primary;
    postgres_server standby{postgres_server::standby_of{primary}};
};

class hosts : public testing::Test {
protected:
    static two_servers& both() {
        static two_servers servers;
        return servers;
    }
    static std::string leading_to(
        postgres_server const& first,
        postgres_server const& second,
        std::string const& more,
        std::string const& database = ""
    ) {
        return configuration(
            {.pool = "mode: session, size: 8, overflow: 0, check_after_idle: 0",
             .database = database,
             .upstream = "host=127.0.0.1,127.0.0.1 port=" + std::to_string(first.port()) + "," +
                         std::to_string(second.port()) + " dbname=postgres" + more}
        );
    }
    /// Which server a new client meets.
    static std::string met(daemon_process const& daemon) {
        return pq_connection(daemon.dsn("shop")).scalar("SELECT inet_server_port()");
    }
    static std::string port(postgres_server const& of) { return std::to_string(of.port()); }
};

TEST_F(hosts, TargetSessionAttrsChoosesAsLibpqDoes) {
    auto& [primary, standby] = both();
    struct line {
        std::string attrs;
        postgres_server const& first;
        postgres_server const& met;
    };
    for (auto const& [attrs, first, expected] : {
             line{"any", primary, primary},
             line{"any", standby, standby},
             line{"read-write", standby, primary},
             line{"primary", standby, primary},
             line{"read-only", primary, standby},
             line{"standby", primary, standby},
             line{"prefer-standby", primary, standby},
         }) {
        auto const& second = &first == &primary ? standby : primary;
        daemon_process const daemon(leading_to(first, second, " target_session_attrs=" + attrs));
        EXPECT_EQ(met(daemon), port(expected)) << attrs;
        EXPECT_EQ(met(daemon), port(expected)) << attrs << ", again";
        EXPECT_EQ(daemon.metric("pgweir_server_connect_failures_total"), 0);
        pq_connection direct(
            "host=127.0.0.1,127.0.0.1 port=" + port(first) + "," + port(second) +
            " dbname=postgres user=postgres target_session_attrs=" + attrs
        );
        EXPECT_EQ(direct.scalar("SELECT inet_server_port()"), port(expected)) << "libpq itself";
    }
}

TEST_F(hosts, WhatNoHostOffersIsAnErrorThatSaysSo) {
    auto& [primary, standby] = both();
    daemon_process const daemon(leading_to(standby, standby, " target_session_attrs=primary"));
    raw_client client(daemon.port());
    auto const error = first(client.start({{"user", "postgres"}, {"database", "shop"}}), 'E');
    EXPECT_EQ(error.field('C'), "08006");
    EXPECT_NE(error.field('M').find("no primary session"), std::string::npos) << error.field('M');
    EXPECT_NE(error.field('D').find("target_session_attrs=primary"), std::string::npos);
    EXPECT_EQ(
        shown_by_console(
            daemon, "SHOW BREAKERS", "upstream", "127.0.0.1:" + port(standby), "state"
        ),
        "closed"
    ) << "the host is well";
}

TEST_F(hosts, PreferStandbyTakesThePrimaryWhenThereIsNoStandby) {
    auto& [primary, standby] = both();
    port_lock const nobody;
    daemon_process const daemon(configuration(
        {.upstream = "host=127.0.0.1,127.0.0.1 port=" + std::to_string(nobody.port()) + "," +
                     port(primary) + " dbname=postgres target_session_attrs=prefer-standby"}
    ));
    EXPECT_EQ(met(daemon), port(primary));
}

TEST_F(hosts, TakeTurnsByRoundRobinAndStayInOrderWithoutIt) {
    auto& servers = both();
    auto const seen = [&](std::string const& order) {
        daemon_process const daemon(
            leading_to(servers.primary, servers.standby, "", ", load_balance_hosts: " + order)
        );
        std::multiset<std::string> met_ports;
        std::vector<std::unique_ptr<pq_connection>> clients;
        for (int i = 0; i < 6; ++i) {
            clients.push_back(std::make_unique<pq_connection>(daemon.dsn("shop")));
            met_ports.insert(clients.back()->scalar("SELECT inet_server_port()"));
        }
        EXPECT_EQ(
            shown_by_console(daemon, "SHOW POOLS", "database", "shop", "load_balance_hosts"), order
        );
        return met_ports.count(port(servers.primary));
    };
    EXPECT_EQ(seen("disable"), 6U);
    EXPECT_EQ(seen("round-robin"), 3U);
}

TEST_F(hosts, APromotedStandbyIsTakenAndAnIdleServerOfTheOldRoleRetired) {
    postgres_server primary;
    postgres_server standby{postgres_server::standby_of{primary}};
    daemon_process const writes(leading_to(primary, standby, " target_session_attrs=read-write"));
    daemon_process const reads(leading_to(standby, primary, " target_session_attrs=standby"));
    pq_connection client(writes.dsn("shop"));
    EXPECT_EQ(met(writes), port(primary));
    EXPECT_EQ(met(reads), port(standby));

    primary.crash();
    standby.promote();
    wait_until(
        [&] {
            auto again = pq_connection::attempt(writes.dsn("shop"));
            return again.ok() && again.execute("CREATE TABLE IF NOT EXISTS after (i int)").ok();
        },
        "writes at the new primary",
        20s
    );
    // Its idle server learns of the promotion with the check before its next use.
    auto const error = [&] {
        raw_client after(reads.port());
        return first(after.start({{"user", "postgres"}, {"database", "shop"}}), 'E');
    }();
    EXPECT_EQ(error.field('C'), "08006") << error.field('M');
    wait_until(
        [&] { return reads.metric("pgweir_server_connections", {"state=\"idle\""}) == 0; },
        "the server that is no standby any more to be closed"
    );
}

}  // namespace
}  // namespace weir::test

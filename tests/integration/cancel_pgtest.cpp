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

class cancel_of_settings : public cancel, public testing::WithParamInterface<char const*> {};

// The second server takes this long to be given the client's setting: PostgreSQL looks the name up
// in a catalog that is locked. The cancel is meant for the statement behind it.
TEST_P(cancel_of_settings, HitsTheStatementAndNotOurSet) {
    std::string const setting = GetParam();
    shared_postgres().execute("DROP ROLE IF EXISTS actor; CREATE ROLE actor", "shop");
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 2, overflow: 0"}));
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    pq_connection one(daemon.dsn("shop"));
    pq_connection two(daemon.dsn("shop"));
    one.must("BEGIN");
    two.must("BEGIN");  // both servers exist
    one.must("COMMIT");
    client.ask(frontend::query("SET " + setting));  // known to the server of `one`
    one.must("BEGIN");
    two.must("COMMIT");
    pq_connection locker(shared_postgres().dsn("shop"));
    locker.must("BEGIN; LOCK TABLE pg_authid, pg_tablespace");
    client.send(frontend::query("SELECT pg_sleep(62)"));
    wait_until(
        [&] { return locker.scalar("SELECT count(*) FROM pg_locks WHERE NOT granted") != "0"; },
        "the daemon's SET to wait"
    );
    send_cancel(daemon, client.backend_key_data());
    locker.must("COMMIT");
    auto const replies = client.read_until('Z');
    EXPECT_EQ(first(replies, 'E').field('C'), "57014");
    EXPECT_EQ(first(replies, 'E').field('S'), "ERROR");
    EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ");
}

// A role is applied before anything else is sent, a table space in front of it in one packet.
INSTANTIATE_TEST_SUITE_P(
    Setting, cancel_of_settings, testing::Values("ROLE actor", "default_tablespace TO pg_default")
);

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

// Each client waits for the server, has it on its way, or runs when its cancel comes: none is lost.
// With a lost one its statement would hold up everybody behind it.
TEST_F(cancel, AllAtOnceReachWhoeverRunsOrWaits) {
    daemon_process const daemon(
        configuration({.pool = "mode: transaction, size: 1, overflow: 0, wait_timeout: 2m"})
    );
    std::vector<raw_client> clients;
    for (int n = 0; n < 30; ++n)
        clients.push_back(raw_client::logged_in(daemon.port(), "postgres", "shop"));
    for (int round = 0; round < 20; ++round) {
        for (auto& client : clients)
            client.send(frontend::query("SELECT pg_sleep(62)"));
        wait_for_query("SELECT pg_sleep(62)");
        std::vector<raw_client> cancels;
        for (auto const& client : clients) {
            cancels.emplace_back(daemon.port());
            cancels.back().send(frontend::cancel_request(client.backend_key_data()));
        }
        for (auto& client : clients)
            EXPECT_EQ(first(client.read_until('Z'), 'E').field('C'), "57014");
    }
}

// It is sent once to a statement that catches it. PostgreSQL itself signals a backend twice, as a
// process and as a group; the second one may come a moment later, but not as late as ours would.
TEST_F(cancel, ThatIsCaughtIsNotSentAgain) {
    daemon_process const daemon(configuration());
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    client.send(frontend::query(
        "DO $$ BEGIN PERFORM pg_sleep(63); EXCEPTION WHEN query_canceled THEN "
        "BEGIN PERFORM pg_sleep(0.05); EXCEPTION WHEN query_canceled THEN NULL; END; "
        "PERFORM pg_sleep(0.5); RAISE NOTICE 'cleaned up'; END $$"
    ));
    wait_until(
        [] {
            return shared_postgres().scalar(
                       "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query "
                       "LIKE 'DO%pg_sleep(63)%' AND query_start < clock_timestamp() - interval "
                       "'300 ms'"
                   ) == "1";
        },
        "the statement to have run for a while"
    );
    send_cancel(daemon, client.backend_key_data());
    EXPECT_EQ(types(client.read_until('Z')), "NCZ");
}

// Protocol 3.2: a key that nobody guesses, and no negotiation. What is newer is answered once with
// the version that is spoken.
TEST_F(cancel, LongKeysOfProtocol32) {
    daemon_process const daemon(configuration({.pool = "size: 1, overflow: 0"}));
    struct asked {
        std::int64_t version;
        bool negotiates;
    };
    for (auto const& [version, negotiates] : {asked{0x30002, false}, asked{0x3270f, true}}) {
        raw_client client(daemon.port());
        client.send(frontend::startup({{"user", "postgres"}, {"database", "shop"}}, version));
        auto const greeting = client.read_until('Z');
        EXPECT_EQ(has(greeting, 'v'), negotiates);
        if (negotiates) {
            EXPECT_EQ(first(greeting, 'v').body, frontend::int32(0x30002) + frontend::int32(0));
        }
        auto const key = first(greeting, 'K').body;
        EXPECT_EQ(key.size(), 4U + 32U);
        client.send(frontend::query("SELECT pg_sleep(60)"));
        wait_until(
            [&] {
                return shared_postgres().scalar(
                           "SELECT count(*) FROM pg_stat_activity WHERE query "
                           "= 'SELECT pg_sleep(60)' AND state = 'active'"
                       ) == "1";
            },
            "the statement to run"
        );
        send_cancel(daemon, key.substr(0, 8));  // a part of the key is no key
        send_cancel(daemon, key);
        EXPECT_EQ(first(client.read_until('Z'), 'E').field('C'), "57014");
    }
}

}  // namespace
}  // namespace weir::test

// Limits of time of a client: pool.query_timeout, transaction_timeout, idle_in_transaction_timeout
// and client_idle_timeout, each for whom it is set and for nobody else.
#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace weir::test {
namespace {

using namespace std::chrono_literals;

class client_times : public testing::Test {
protected:
    void SetUp() override { refill_shop(); }

    static raw_client login(daemon_process const& daemon, std::string const& user = "postgres") {
        return raw_client::logged_in(daemon.port(), user, "shop");
    }
    static std::string with(std::string const& times, std::string const& mode = "transaction") {
        return configuration({.pool = "mode: " + mode + ", size: 2, overflow: 0, " + times});
    }
    static void make_role(std::string const& name) {
        shared_postgres().execute(
            "DO $$ BEGIN CREATE ROLE " + name +
            " LOGIN; EXCEPTION WHEN duplicate_object THEN END $$"
        );
    }
    static bool is_active(std::string const& query) {
        return shared_postgres().scalar(
                   "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '" +
                   query + "%'"
               ) != "0";
    }
};

/// The client is told this before it is closed.
void expect_end(raw_client& client, std::string const& sqlstate, std::string const& words) {
    auto const last = client.read_to_end();
    ASSERT_TRUE(has(last, 'E')) << types(last);
    auto const& error = first(last, 'E');
    EXPECT_EQ(error.field('S'), "FATAL");
    EXPECT_EQ(error.field('C'), sqlstate);
    EXPECT_EQ(error.field('M'), words);
    EXPECT_NE(error.field('D').find("pool."), std::string::npos);
    EXPECT_FALSE(error.field('H').empty());
}

constexpr auto idle_in_transaction = "terminating connection due to idle-in-transaction timeout";
constexpr auto transaction = "terminating connection due to transaction timeout";
constexpr auto idle_session = "terminating connection due to idle-session timeout";

// --- query_timeout ---

TEST_F(client_times, AStatementThatTakesTooLongIsCancelledAndTheSessionLivesOn) {
    daemon_process const daemon(with("query_timeout: 300ms"));
    auto client = login(daemon);
    for (auto const& asked :
         {frontend::query("SELECT pg_sleep(63)"),
          frontend::parse("", "SELECT pg_sleep(63)") + frontend::bind("", "") +
              frontend::execute("") + frontend::sync(),
          frontend::parse("named", "SELECT pg_sleep(63)") + frontend::bind("", "named") +
              frontend::execute("") + frontend::sync()}) {
        auto const replies = client.ask(asked);
        auto const& error = first(replies, 'E');
        EXPECT_EQ(error.field('S'), "ERROR");
        EXPECT_EQ(error.field('C'), "57014");
        EXPECT_NE(error.field('M').find("pool.query_timeout"), std::string::npos);
        EXPECT_NE(error.field('D').find("300 ms"), std::string::npos);
        EXPECT_EQ(replies.back().body, "I");
        EXPECT_FALSE(is_active("SELECT pg_sleep(63)"));
        EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ");
    }
}

TEST_F(client_times, ACancelOfTheClientsOwnIsToldInPostgresWords) {
    daemon_process const daemon(with("query_timeout: 20s"));
    auto client = login(daemon);
    client.send(frontend::query("SELECT pg_sleep(64)"));
    wait_until([] { return is_active("SELECT pg_sleep(64)"); }, "the statement to run");
    send_cancel(daemon, client.backend_key_data());
    EXPECT_EQ(
        first(client.read_until('Z'), 'E').field('M'), "canceling statement due to user request"
    );
}

TEST_F(client_times, AFailedTransactionStaysTheClients) {
    daemon_process const daemon(with("query_timeout: 300ms"));
    auto client = login(daemon);
    client.ask(frontend::query("BEGIN"));
    auto const replies = client.ask(frontend::query("SELECT pg_sleep(63)"));
    EXPECT_EQ(first(replies, 'E').field('C'), "57014");
    EXPECT_EQ(replies.back().body, "E");
    EXPECT_EQ(client.ask(frontend::query("ROLLBACK")).back().body, "I");
}

// PostgreSQL sends the replies of a text, or of all up to a Sync, together: what happens between
// them is not to be seen from outside.
TEST_F(client_times, EachReadyForQueryHasItsOwnTime) {
    daemon_process const daemon(with("query_timeout: 1s"));
    auto client = login(daemon);
    std::string const one = "SELECT pg_sleep(0.6)";
    client.send(frontend::query(one) + frontend::query(one) + frontend::query(one));
    EXPECT_EQ(types(client.read_until('Z', 3)), "TDCZTDCZTDCZ");
    auto const step = frontend::parse("", one) + frontend::bind("", "") + frontend::execute("");
    client.send(step + frontend::sync() + step + frontend::sync());
    EXPECT_EQ(types(client.read_until('Z', 2)), "12DCZ12DCZ");
    EXPECT_TRUE(has(client.ask(frontend::query(one + ";" + one + ";" + one)), 'E'));
    EXPECT_TRUE(has(client.ask(step + step + step + frontend::sync()), 'E'));
}

TEST_F(client_times, TheQueueDoesNotCount) {
    daemon_process const daemon(configuration({.pool = "size: 1, overflow: 0, query_timeout: 200ms"}
    ));
    auto holder = login(daemon);
    holder.ask(frontend::query("BEGIN"));
    auto waiter = login(daemon);
    auto const begin = std::chrono::steady_clock::now();
    waiter.send(frontend::query("SELECT 1"));
    wait_until(
        [&] { return std::chrono::steady_clock::now() - begin > 800ms; },
        "the limit to be long over"
    );
    EXPECT_EQ(waiting_clients(daemon), 1);
    holder.ask(frontend::query("COMMIT"));
    EXPECT_EQ(types(waiter.read_until('Z')), "TDCZ");
}

// It swallows every cancel, ours and the one at the end.
constexpr auto stubborn =
    "DO $$ BEGIN FOR n IN 1..40 LOOP BEGIN PERFORM pg_sleep(0.5); EXCEPTION WHEN query_canceled "
    "THEN NULL; END; END LOOP; END $$";

TEST_F(client_times, AStatementThatIgnoresTheCancelLosesItsServerAndItsClient) {
    daemon_process const daemon(configuration({.pool = "size: 1, overflow: 0, query_timeout: 300ms"}
    ));
    auto client = login(daemon);
    auto const begin = std::chrono::steady_clock::now();
    client.send(frontend::query(stubborn));
    auto const last = client.read_to_end();
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 5'300ms);
    auto const& error = first(last, 'E');
    EXPECT_EQ(error.field('S'), "FATAL");
    EXPECT_EQ(error.field('C'), "57014");
    EXPECT_NE(error.field('M').find("pool.query_timeout"), std::string::npos);
    EXPECT_NE(error.field('H').find("pg_stat_activity"), std::string::npos);
    shared_postgres().scalar(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'DO %'"
    );
    auto next = login(daemon);
    EXPECT_EQ(types(next.ask(frontend::query("SELECT 1"))), "TDCZ");
}

TEST_F(client_times, AClientThatDoesNotReadHoldsItsServerNoLongerThanThat) {
    for (std::string const times : {"query_timeout: 500ms", "transaction_timeout: 500ms"}) {
        daemon_process const daemon(
            configuration({.pool = "size: 1, overflow: 0, wait_notice: 0, " + times})
        );
        auto client = login(daemon);
        client.send(frontend::query(
            "SELECT repeat('x', 100000) FROM generate_series(1, 10000)"  // a gigabyte
        ));
        wait_until([&] { return is_active("SELECT repeat"); }, "the statement to run");
        auto next = login(daemon);
        EXPECT_EQ(types(next.ask(frontend::query("SELECT 1"))), "TDCZ") << times;
        wait_until([&] { return !is_active("SELECT repeat"); }, "the backend to end");
    }
}

// As with statement_timeout the data of a COPY count, and while PostgreSQL reads them it looks at
// no cancel.
TEST_F(client_times, ACopyIsAStatement) {
    daemon_process const daemon(with("query_timeout: 300ms"));
    auto fed = login(daemon);
    fed.send(frontend::query("COPY log (text) FROM STDIN"));
    EXPECT_EQ(types(fed.read_until('G')), "G");
    auto starved = login(daemon);
    starved.send(frontend::query("COPY log (text) FROM STDIN"));
    EXPECT_EQ(types(starved.read_until('G')), "G");
    auto const begin = std::chrono::steady_clock::now();
    wait_until(
        [&] { return std::chrono::steady_clock::now() - begin > 700ms; }, "the limit to be over"
    );
    fed.send(frontend::copy_data("late\n") + frontend::copy_done());
    auto const replies = fed.read_until('Z');
    EXPECT_EQ(first(replies, 'E').field('C'), "57014");
    EXPECT_NE(first(replies, 'E').field('M').find("pool.query_timeout"), std::string::npos);
    EXPECT_EQ(types(fed.ask(frontend::query("SELECT 1"))), "TDCZ");
    EXPECT_EQ(first(starved.read_to_end(), 'E').field('C'), "57014");
    EXPECT_EQ(shared_postgres().scalar("SELECT count(*) FROM log", "shop"), "0");
}

// --- idle_in_transaction_timeout ---

TEST_F(client_times, AnIdleTransactionIsRolledBackAndItsClientClosed) {
    for (std::string const mode : {"transaction", "session"}) {
        daemon_process const daemon(with("idle_in_transaction_timeout: 300ms", mode));
        auto client = login(daemon);
        client.ask(frontend::query("BEGIN; UPDATE items SET value = 7 WHERE id = 1"));
        expect_end(client, "25P03", idle_in_transaction);
        auto other = login(daemon);
        // The row's lock is gone with it.
        EXPECT_EQ(
            types(other.ask(frontend::query("UPDATE items SET value = 8 WHERE id = 1"))), "CZ"
        );
        EXPECT_EQ(shared_postgres().scalar("SELECT value FROM items WHERE id = 1", "shop"), "8");
    }
}

TEST_F(client_times, AFailedOrAnImplicitTransactionThatWaitsIsOneToo) {
    daemon_process const daemon(with("idle_in_transaction_timeout: 300ms"));
    auto failed = login(daemon);
    failed.ask(frontend::query("BEGIN"));
    failed.ask(frontend::query("SELECT 1/0"));
    expect_end(failed, "25P03", idle_in_transaction);
    auto implicit = login(daemon);
    implicit.send(
        frontend::parse("", "SELECT 1") + frontend::bind("", "") + frontend::execute("") +
        frontend::flush()
    );
    expect_end(implicit, "25P03", idle_in_transaction);
}

TEST_F(client_times, ATransactionThatIsAtWorkIsNotIdle) {
    daemon_process const daemon(with("idle_in_transaction_timeout: 400ms"));
    auto client = login(daemon);
    client.ask(frontend::query("BEGIN"));
    EXPECT_EQ(types(client.ask(frontend::query("SELECT pg_sleep(1)"))), "TDCZ");
    auto const begin = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - begin < 1s) {
        EXPECT_EQ(types(client.ask(frontend::query("SELECT pg_sleep(0.05)"))), "TDCZ");
    }
    EXPECT_EQ(client.ask(frontend::query("COMMIT")).back().body, "I");
}

// --- transaction_timeout ---

TEST_F(client_times, ATransactionThatTakesTooLongEndsTheSession) {
    daemon_process const daemon(with("transaction_timeout: 600ms"));
    auto idle = login(daemon);
    idle.ask(frontend::query("BEGIN"));
    auto busy = login(daemon);
    std::string text = "BEGIN";
    for (int n = 0; n < 100; ++n)
        text += "; SELECT pg_sleep(0.1)";
    busy.send(frontend::query(text));
    expect_end(idle, "25P04", transaction);
    expect_end(busy, "25P04", transaction);
    // One statement is a transaction, too.
    auto implicit = login(daemon);
    implicit.send(frontend::query("SELECT pg_sleep(65)"));
    expect_end(implicit, "25P04", transaction);
    wait_until([] { return !is_active("SELECT pg_sleep(65)"); }, "it to be cancelled");
}

TEST_F(client_times, ManyShortTransactionsAreNotALongOne) {
    daemon_process const daemon(with("transaction_timeout: 600ms"));
    auto client = login(daemon);
    auto const begin = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - begin < 1'500ms) {
        ASSERT_EQ(client.ask(frontend::query("BEGIN")).back().body, "T");
        ASSERT_EQ(types(client.ask(frontend::query("SELECT pg_sleep(0.1)"))), "TDCZ");
        ASSERT_EQ(client.ask(frontend::query("COMMIT")).back().body, "I");
    }
}

// --- client_idle_timeout ---

TEST_F(client_times, AnIdleClientIsDisconnected) {
    for (std::string const mode : {"transaction", "session"}) {
        daemon_process const daemon(with("client_idle_timeout: 300ms", mode));
        auto fresh = login(daemon);
        expect_end(fresh, "57P05", idle_session);
        auto client = login(daemon);
        EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ");
        expect_end(client, "57P05", idle_session);
        auto listener = login(daemon);  // as with PostgreSQL's idle_session_timeout
        EXPECT_EQ(types(listener.ask(frontend::query("LISTEN news"))), "CZ");
        expect_end(listener, "57P05", idle_session);
    }
}

TEST_F(client_times, AClientThatDoesSomethingIsNotIdle) {
    daemon_process const daemon(with("client_idle_timeout: 400ms"));
    auto sleeper = login(daemon);
    auto pinger = login(daemon);
    auto holder = login(daemon);
    holder.ask(frontend::query("BEGIN"));
    sleeper.send(frontend::query("SELECT pg_sleep(1.5)"));
    auto const begin = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - begin < 1'200ms) {
        EXPECT_EQ(types(pinger.ask(frontend::sync())), "Z");
    }
    EXPECT_EQ(types(sleeper.read_until('Z')), "TDCZ");
    EXPECT_EQ(types(holder.ask(frontend::query("COMMIT"))), "CZ");
}

// --- for whom ---

// PgBouncer compares every client with the global 0 when one user has a limit, and drops them all.
TEST_F(client_times, OfOneUserAreNobodyElses) {
    make_role("idler");
    daemon_process const daemon(configuration(
        {.pool = "size: 2, overflow: 0",
         .rest = "users: {idler: {pool: {client_idle_timeout: 200ms, query_timeout: 300ms, "
                 "transaction_timeout: 600ms, idle_in_transaction_timeout: 200ms}}}\n"}
    ));
    auto other = login(daemon);
    auto in_transaction = login(daemon);
    in_transaction.ask(frontend::query("BEGIN"));
    auto idler = login(daemon, "idler");
    expect_end(idler, "57P05", idle_session);
    auto idles = login(daemon, "idler");
    idles.ask(frontend::query("BEGIN"));
    expect_end(idles, "25P03", idle_in_transaction);
    auto slow = login(daemon, "idler");
    EXPECT_EQ(first(slow.ask(frontend::query("SELECT pg_sleep(66)")), 'E').field('C'), "57014");
    EXPECT_EQ(types(other.ask(frontend::query("SELECT pg_sleep(1)"))), "TDCZ");
    EXPECT_EQ(types(in_transaction.ask(frontend::query("COMMIT"))), "CZ");
}

TEST_F(client_times, OfOneUserMayBeOff) {
    make_role("idler");
    daemon_process const daemon(configuration(
        {.pool = "size: 2, overflow: 0",
         .database = ", pool: {client_idle_timeout: 300ms}",
         .rest = "users: {idler: {pool: {client_idle_timeout: 0}}}\n"}
    ));
    auto other = login(daemon);
    auto idler = login(daemon, "idler");
    expect_end(other, "57P05", idle_session);
    auto again = login(daemon);
    expect_end(again, "57P05", idle_session);
    EXPECT_EQ(types(idler.ask(frontend::query("SELECT 1"))), "TDCZ");
}

// PgBouncer never enforces query_wait_timeout when it is one user's alone.
TEST_F(client_times, TheWaitOfOneUserIsLimitedWithoutALimitForAll) {
    make_role("idler");
    daemon_process const daemon(configuration(
        {.pool = "size: 1, overflow: 0, wait_timeout: 0",
         .rest = "users: {idler: {pool: {wait_timeout: 300ms}}}\n"}
    ));
    auto holder = login(daemon, "idler");
    holder.ask(frontend::query("BEGIN"));
    auto waiter = login(daemon, "idler");
    EXPECT_EQ(first(waiter.ask(frontend::query("SELECT 1")), 'E').field('C'), "53300");
}

TEST_F(client_times, ComeAndGoWithAReload) {
    daemon_process daemon(with("client_idle_timeout: 0"));
    auto client = login(daemon);
    daemon.rewrite(with("client_idle_timeout: 300ms"));
    daemon.reload();
    expect_end(client, "57P05", idle_session);
    daemon.rewrite(with("query_timeout: 300ms"));
    daemon.reload();
    auto next = login(daemon);
    auto const begin = std::chrono::steady_clock::now();
    wait_until([&] { return std::chrono::steady_clock::now() - begin > 1s; }, "a second");
    EXPECT_EQ(first(next.ask(frontend::query("SELECT pg_sleep(66)")), 'E').field('C'), "57014");
    daemon.rewrite(with("query_timeout: 0"));
    daemon.reload();
    EXPECT_EQ(types(next.ask(frontend::query("SELECT pg_sleep(1)"))), "TDCZ");
}

// --- logins ---

TEST_F(client_times, ALoginThatIsNotMadeIsEnded) {
    daemon_process const daemon(configuration({.listen = ", client_login_timeout: 300ms"}));
    raw_client silent(daemon.port());
    auto const last = silent.read_to_end();
    EXPECT_EQ(first(last, 'E').field('S'), "FATAL");
    EXPECT_NE(first(last, 'E').field('D').find("listen.client_login_timeout"), std::string::npos);
    auto client = login(daemon);  // and who has logged in stays
    auto const begin = std::chrono::steady_clock::now();
    wait_until(
        [&] { return std::chrono::steady_clock::now() - begin > 800ms; }, "the limit to pass"
    );
    EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ");
}

}  // namespace
}  // namespace weir::test

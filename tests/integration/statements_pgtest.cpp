// What is known of single statements: SHOW QUERIES and SHOW SLOW, the thresholds of databases and
// users, and the reads that an application runs over and over.
#include "tests/integration/cache_fixture.hpp"

#include <gtest/gtest.h>

#include <sstream>
#include <string>

namespace weir::test {
namespace {

class statements : public testing::Test {
protected:
    void SetUp() override { refill_shop(); }
};

// The row of SHOW QUERIES of the statement with this normalised text, by the name of a column.
std::string figure(
    daemon_process const& daemon, std::string const& query, std::string const& column
) {
    return shown_by_console(daemon, "SHOW QUERIES", "query", query, column);
}
double number(daemon_process const& daemon, std::string const& query, std::string const& column) {
    return std::stod(figure(daemon, query, column));
}

pq_result all_queries(daemon_process const& daemon) {
    pq_connection console(daemon.dsn("pgweir"));
    return console.must("SHOW QUERIES");
}
int column_of(pq_result const& result, std::string const& name) {
    for (int i = 0; i < result.columns(); ++i) {
        if (result.column_name(i) == name) return i;
    }
    throw std::runtime_error("no column " + name);
}

TEST_F(statements, OfOneShapeAreOneRow) {
    daemon_process const daemon(configuration());
    pq_connection client(daemon.dsn("shop"));
    client.must("SELECT value FROM items WHERE id = 1");
    client.must("SELECT  value FROM items WHERE id = 2 -- a comment");
    client.execute_with("SELECT value FROM items WHERE id < $1", {"3"});
    client.prepare("s", "SELECT value FROM items WHERE id < $1");
    client.execute_prepared("s", {"4"});
    EXPECT_FALSE(client.execute("SELECT value FROM items WHERE id = 1 / 0").ok());
    constexpr char const* with_literal = "select value from items where id = $1";
    EXPECT_EQ(figure(daemon, with_literal, "calls"), "2");
    EXPECT_EQ(figure(daemon, with_literal, "rows"), "2");
    EXPECT_EQ(figure(daemon, with_literal, "errors"), "0");
    EXPECT_EQ(figure(daemon, with_literal, "database"), "shop");
    EXPECT_EQ(figure(daemon, with_literal, "kind"), "read");
    constexpr char const* with_parameter = "select value from items where id < $1";
    EXPECT_EQ(figure(daemon, with_parameter, "calls"), "2");
    EXPECT_EQ(figure(daemon, with_parameter, "rows"), "5");
    EXPECT_EQ(figure(daemon, "select value from items where id = $1 / $2", "errors"), "1");
}

TEST_F(statements, TellWaitingFromServingAndHolding) {
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 1, overflow: 0"}));
    pq_connection holder(daemon.dsn("shop"));
    holder.must("BEGIN");
    holder.must("SELECT 1 AS holds");
    raw_client waiter = raw_client::logged_in(daemon.port(), "postgres", "shop");
    waiter.send(frontend::query("SELECT 2 AS waits"));
    wait_until([&] { return waiting_clients(daemon) == 1; }, "a client to wait");
    holder.must("SELECT pg_sleep(0.2)");
    holder.must("COMMIT");
    waiter.read_until('Z');
    EXPECT_GE(number(daemon, "select $1 as waits", "wait_ms"), 190);
    EXPECT_LT(number(daemon, "select $1 as waits", "server_ms"), 150);
    EXPECT_GE(number(daemon, "select pg_sleep($1)", "server_ms"), 190);
    // It held the server while it ran, and until the next statement came.
    EXPECT_GE(
        number(daemon, "select $1 as holds", "occupied_ms"),
        number(daemon, "select $1 as holds", "server_ms")
    );
}

TEST_F(statements, BlameAnIdleTransactionOnItsLastStatement) {
    daemon_process const daemon(configuration(
        {.pool = "mode: transaction, size: 2, overflow: 0, "
                 "idle_in_transaction_timeout: 300ms"}
    ));
    pq_connection client(daemon.dsn("shop"));
    client.must("BEGIN");
    client.must("SELECT 1 AS culprit");
    wait_until(
        [&] { return number(daemon, "select $1 as culprit", "occupied_ms") >= 290; },
        "the idle time to be told"
    );
}

TEST_F(statements, TellWhatMemoryDidForThem) {
    daemon_process const daemon(cache_configuration("{name: items, tables: [items], ttl: 1h}"));
    pq_connection client(daemon.dsn("shop"));
    (void)cached(daemon, client, "SELECT count(*) FROM items");
    client.must("SELECT count(*) FROM log");
    EXPECT_GE(number(daemon, "select count(*) from items", "hits"), 1);
    EXPECT_GE(number(daemon, "select count(*) from items", "misses"), 1);
    EXPECT_GT(number(daemon, "select count(*) from items", "saved_ms"), 0);
    EXPECT_GT(number(daemon, "select count(*) from items", "cache_ms"), 0);
    EXPECT_EQ(figure(daemon, "select count(*) from log", "cache"), "no_rule");
    EXPECT_EQ(figure(daemon, "select count(*) from log", "hits"), "0");
}

TEST_F(statements, BeyondTheLimitAreFoldedIntoOneRow) {
    daemon_process const daemon(configuration({.threads = "1", .rest = "statements: {limit: 50}\n"})
    );
    pq_connection client(daemon.dsn("shop"));
    for (int i = 0; i < 300; ++i)
        client.must("SELECT 1 AS name_" + std::to_string(i));
    auto const shown = all_queries(daemon);
    EXPECT_EQ(shown.rows(), 51);
    int const calls = column_of(shown, "calls");
    long sum = 0;
    for (int i = 0; i < shown.rows(); ++i)
        sum += std::stol(shown.value(i, calls));
    EXPECT_EQ(sum, 300);
    EXPECT_EQ(figure(daemon, "(other)", "calls"), "250");
}

TEST_F(statements, AreNotKeptWithALimitOfNone) {
    daemon_process daemon(configuration({.rest = "statements: {limit: 0}\n"}));
    pq_connection client(daemon.dsn("shop"));
    client.must("SELECT 1 AS unseen");
    EXPECT_EQ(all_queries(daemon).rows(), 0);
    daemon.rewrite(configuration());
    daemon.reload();
    client.must("SELECT 1 AS seen");
    EXPECT_EQ(figure(daemon, "select $1 as seen", "calls"), "1");
}

TEST_F(statements, AreSlowAsTheirDatabaseAndUserSay) {
    std::string const rest =
        "slow_log: {threshold: 1h, file: \"{dir}/slow.log\"}\n"
        "users: {patient: {slow_log: {threshold: -1}}}\n";
    pq_connection direct(shared_postgres().dsn("shop"));
    direct.must("DROP ROLE IF EXISTS patient");
    direct.must("CREATE ROLE patient LOGIN");
    daemon_process daemon(configuration({.database = ", slow_log: {threshold: 0}", .rest = rest}));
    pq_connection client(daemon.dsn("shop"));
    pq_connection patient(daemon.dsn("shop", "patient"));
    patient.must("SELECT 1 AS patient");
    client.must("SELECT 1 AS quick");
    EXPECT_EQ(
        shown_by_console(daemon, "SHOW SLOW", "query", "select $1 as quick", "database"), "shop"
    );
    EXPECT_EQ(shown_by_console(daemon, "SHOW SLOW", "query", "select $1 as quick", "calls"), "1");
    EXPECT_EQ(read_file(daemon.dir() / "slow.log").find("patient"), std::string::npos);
    daemon.rewrite(configuration({.database = ", slow_log: {threshold: 1h}", .rest = rest}));
    daemon.reload();
    double const before = daemon.metric("pgweir_slow_queries_total", {"database=\"shop\""});
    client.must("SELECT 1 AS quick_again");
    EXPECT_EQ(daemon.metric("pgweir_slow_queries_total", {"database=\"shop\""}), before);
}

TEST_F(statements, ThatMemoryCouldAnswerAreAdvised) {
    daemon_process const daemon(configuration());
    pq_connection client(daemon.dsn("shop"));
    constexpr char const* report =
        "SELECT count(*) FROM items a, items b, items c, items d, items e WHERE a.value >= 0";
    for (int i = 0; i < 120; ++i)
        client.must(report);
    constexpr char const* text =
        "select count(*) from items a, items b, items c, items d, items e where a.value >= $1";
    while (number(daemon, text, "server_ms") < 700)
        client.must(report);
    auto const query = figure(daemon, text, "fingerprint");
    auto const apply = shown_by_console(daemon, "SHOW ADVICE", "kind", "cacheable", "apply");
    EXPECT_NE(apply.find("fingerprint: [\"" + query + "\"]"), std::string::npos) << apply;
    EXPECT_NE(
        shown_by_console(daemon, "SHOW ADVICE", "kind", "cacheable", "gain").find("% of "),
        std::string::npos
    );
    // What it advises is a rule that does what it says.
    daemon_process const advised(cache_configuration(apply.substr(2), "", {.database = ""}));
    pq_connection again(advised.dsn("shop"));
    (void)cached(advised, again, report);
}

// --- N+1 ---

std::string const list = "SELECT id FROM items ORDER BY id";
std::string const one_of_it = "SELECT value FROM items WHERE id = $1";
constexpr char const* normalised = "select value from items where id = $1";

std::string n_plus_one_line(daemon_process const& daemon) {
    auto const file = daemon.dir() / "slow.log";
    std::string line;
    wait_until(
        [&] {
            std::istringstream lines(read_file(file));
            while (std::getline(lines, line)) {
                if (line.find("\"n_plus_one\"") != std::string::npos) return true;
            }
            return false;
        },
        "a line about N+1"
    );
    return line;
}
std::string const with_file = "slow_log: {file: \"{dir}/slow.log\"}\n";

TEST_F(statements, RunForEachRowOfAnotherAreNamedWithThat) {
    daemon_process const daemon(configuration({.rest = with_file}));
    pq_connection client(daemon.dsn("shop") + " application_name=orders");
    for (int page = 0; page < 2; ++page) {
        auto const ids = client.must(list);
        ASSERT_EQ(ids.rows(), 10);
        for (int i = 0; i < ids.rows(); ++i)
            client.execute_with(one_of_it, {ids.value(i, 0)});
    }
    auto const line = n_plus_one_line(daemon);
    EXPECT_NE(line.find("\"query\":\"" + std::string{normalised}), std::string::npos) << line;
    EXPECT_NE(line.find("\"parent\":\"select id from items order by id\""), std::string::npos)
        << line;
    EXPECT_NE(line.find("\"application\":\"orders\""), std::string::npos) << line;
    EXPECT_NE(line.find("\"repeats\":10"), std::string::npos) << line;
    EXPECT_NE(line.find("\"window_ms\":1000"), std::string::npos) << line;
    EXPECT_EQ(figure(daemon, normalised, "n_plus_one"), "1") << "one run: the pause was short";
    EXPECT_EQ(figure(daemon, normalised, "repeated"), "20");
    EXPECT_EQ(daemon.metric("pgweir_n_plus_one_total", {"database=\"shop\""}), 1);
    EXPECT_EQ(daemon.metric("pgweir_n_plus_one_total", {"database=\"shop\""}), 1);
}

TEST_F(statements, RunForEachRowWithLiteralsAreFoundAsWell) {
    daemon_process const daemon(configuration({.rest = with_file}));
    pq_connection client(daemon.dsn("shop"));
    client.must(list);
    for (int i = 1; i <= 10; ++i)
        client.must("SELECT value FROM items WHERE id = " + std::to_string(i));
    EXPECT_NE(n_plus_one_line(daemon).find(normalised), std::string::npos);
}

TEST_F(statements, RunForEachRowOfARequestAreFoundOverItsConnections) {
    daemon_process const daemon(configuration({.rest = with_file}));
    pq_connection one(daemon.dsn("shop"));
    pq_connection two(daemon.dsn("shop"));
    for (int i = 1; i <= 10; ++i) {
        (i % 2 == 0 ? one : two)
            .must(
                "SELECT value FROM items WHERE id = " + std::to_string(i) +
                " /* request_id='req-1' */"
            );
    }
    EXPECT_NE(n_plus_one_line(daemon).find("\"request_id\":\"req-1\""), std::string::npos);
}

TEST_F(statements, AskedAgainWithTheSameValuesOrByManyAreNoRun) {
    daemon_process const daemon(configuration({.rest = with_file}));
    pq_connection client(daemon.dsn("shop"));
    for (int i = 0; i < 30; ++i)
        client.execute_with(one_of_it, {"1"});
    for (int i = 1; i <= 10; ++i) {
        pq_connection other(daemon.dsn("shop"));
        other.execute_with(one_of_it, {std::to_string(i)});
    }
    EXPECT_EQ(figure(daemon, normalised, "calls"), "40");
    EXPECT_EQ(figure(daemon, normalised, "n_plus_one"), "0");
}

TEST_F(statements, AreNotWatchedWithRepeatsOfNone) {
    daemon_process const daemon(configuration({.rest = "slow_log: {n_plus_one: {repeats: 0}}\n"}));
    pq_connection client(daemon.dsn("shop"));
    for (int i = 1; i <= 30; ++i)
        client.execute_with(one_of_it, {std::to_string(i)});
    EXPECT_EQ(figure(daemon, normalised, "calls"), "30");
    EXPECT_EQ(figure(daemon, normalised, "n_plus_one"), "0");
}

}  // namespace
}  // namespace weir::test

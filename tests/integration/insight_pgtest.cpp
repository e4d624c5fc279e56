#include "tests/integration/cache_fixture.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weir::test {
namespace {

class insight : public testing::Test {
protected:
    void SetUp() override { refill_shop(); }
};

// What a daemon has seen that shows every kind of metric: hits, writes, errors, waits.
void make_traffic(daemon_process const& daemon) {
    pq_connection client(daemon.dsn("shop"));
    cached(daemon, client, "SELECT value FROM items WHERE id = 1");
    client.must("UPDATE items SET value = 1");
    client.must("BEGIN; INSERT INTO log (text) VALUES ('x'); COMMIT");
    client.execute("SELECT 1 / 0");
    client.prepare("s", "SELECT 1");
    client.execute_prepared("s");
    pq_connection::attempt(daemon.dsn("no_such_database"));
}

TEST_F(insight, MetricsPassPromtool) {
    daemon_process const daemon(cache_configuration());
    make_traffic(daemon);
    write_file(daemon.dir() / "metrics", daemon.get("/metrics").body);
    auto const done = run_to_end(
        {.command =
             {"bash", "-c", "promtool check metrics < " + (daemon.dir() / "metrics").string()}}
    );
    EXPECT_EQ(done.status, 0) << done.output;
    EXPECT_EQ(done.output, "");
}

TEST_F(insight, MetricsHaveTheNamesThatAreDocumented) {
    daemon_process const daemon(cache_configuration());
    make_traffic(daemon);
    auto const text = daemon.get("/metrics").body;
    for (std::string const name :
         {"clients{",
          "client_logins_total{",
          "server_connections{",
          "pool_size{",
          "pool_overflow_connections{",
          "pool_waiting_clients{",
          "pool_wait_seconds_bucket{",
          "pool_wait_timeouts_total",
          "server_connect_seconds_bucket{",
          "queries_total{",
          "query_seconds_bucket{",
          "transactions_total",
          "bytes_total{",
          "cache_requests_total{",
          "cache_entries",
          "cache_bytes",
          "cache_invalidations_total{",
          "slow_queries_total",
          "errors_total{",
          "prepared_statements{",
          "pinned_clients{",
          "config_reloads_total",
          "event_loop_lag_seconds_bucket{",
          "build_info{"}) {
        EXPECT_NE(text.find("\npgweir_" + name), std::string::npos) << name;
    }
    EXPECT_NE(text.find("\nprocess_"), std::string::npos);
}

TEST_F(insight, CountersFollowTheTraffic) {
    daemon_process const daemon(cache_configuration());
    auto const queries = [&] {
        return daemon.metric("pgweir_queries_total", {"database=\"shop\""});
    };
    auto const errors = [&] {
        return daemon.metric("pgweir_errors_total", {"sqlstate_class=\"22\"", "origin=\"server\""});
    };
    auto const transactions = [&] { return daemon.metric("pgweir_transactions_total", {}); };
    pq_connection client(daemon.dsn("shop"));
    client.must("SELECT 1");
    // A query is counted after its reply is on its way.
    wait_until([&] { return queries() == 1; }, "the first query to be counted");
    double const transactions_before = transactions();
    double const errors_before = errors();
    for (int n = 0; n < 5; ++n) {
        client.must("SELECT " + std::to_string(n));
    }
    client.execute("SELECT 1 / 0");
    wait_until([&] { return queries() == 7; }, "six more queries to be counted");
    EXPECT_EQ(transactions(), transactions_before + 6);
    EXPECT_EQ(errors(), errors_before + 1);
}

// Both ways, of short replies and of one that passes in many pieces.
TEST_F(insight, BytesAreCountedAsTheyPass) {
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 1, overflow: 0"}));
    auto const bytes = [&](std::string const& direction) {
        return daemon.metric("pgweir_bytes_total", {"direction=\"" + direction + "\""});
    };
    pq_connection client(daemon.dsn("shop"));
    std::string const text(1000, 'x');
    double const in_before = bytes("from_client");
    double const out_before = bytes("to_client");
    double const there_before = bytes("to_server");
    double const back_before = bytes("from_server");
    for (int n = 0; n < 20; ++n)
        client.must("SELECT '" + text + "'");
    client.must("SELECT repeat('y', 1000000)");
    double const query = 5 + 1 + 9 + 1000;  // type and length, closing zero, SELECT and quotes
    double const rest = 200;                // a reply's messages beside its value, at most
    auto const is_near = [](double counted, double least, double slack) {
        return counted >= least && counted <= least + slack;
    };
    wait_until(
        [&] { return bytes("from_server") - back_before >= 1'020'000; }, "the replies to be counted"
    );
    EXPECT_PRED3(is_near, bytes("from_server") - back_before, 1'020'000, 21 * rest);
    EXPECT_PRED3(is_near, bytes("to_client") - out_before, 1'020'000, 21 * rest);
    EXPECT_PRED3(is_near, bytes("from_client") - in_before, 20 * query, 100);
    EXPECT_PRED3(is_near, bytes("to_server") - there_before, 20 * query, 1000);
}

TEST_F(insight, PinsAndPreparedStatementsAreCountedAtTheScrape) {
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 3, overflow: 0"}));
    auto const pinned = [&](std::string const& reason) {
        return daemon.metric("pgweir_pinned_clients", {"reason=\"" + reason + "\""});
    };
    auto const prepared = [&] {
        return daemon.metric("pgweir_prepared_statements", {"database=\"shop\""});
    };
    EXPECT_NE(
        daemon.get("/metrics").body.find("pgweir_pinned_clients{reason=\"listen\"} 0"),
        std::string::npos
    );
    {
        pq_connection listener(daemon.dsn("shop"));
        listener.must("LISTEN heard");
        pq_connection both(daemon.dsn("shop"));
        both.must("LISTEN heard");
        both.must("CREATE TEMPORARY TABLE mine (n integer)");
        pq_connection free(daemon.dsn("shop"));
        ASSERT_TRUE(free.prepare("a", "SELECT 1").ok());
        ASSERT_TRUE(free.prepare("b", "SELECT 2").ok());
        EXPECT_EQ(pinned("listen"), 2);
        EXPECT_EQ(pinned("temporary_table"), 1);
        EXPECT_EQ(daemon.metric("pgweir_pinned_clients"), 3) << "one client, two reasons";
        EXPECT_EQ(prepared(), 2);
        listener.must("UNLISTEN *");
        EXPECT_EQ(pinned("listen"), 1);
    }
    wait_until([&] { return daemon.metric("pgweir_pinned_clients") == 0; }, "the pins to end");
    EXPECT_EQ(prepared(), 2) << "the server keeps them";
}

TEST_F(insight, ClientsAreCountedByWhatTheyDo) {
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 1, overflow: 0"}));
    auto const clients = [&](std::string const& state) {
        return daemon.metric("pgweir_clients", {"state=\"" + state});
    };
    wait_until([&] { return clients("") == 0; }, "the fixture's own client to leave");
    raw_client silent(daemon.port());
    silent.send(frontend::ssl_request());
    ASSERT_EQ(silent.read_byte(), 'N');
    pq_connection idle(daemon.dsn("shop"));
    pq_connection active(daemon.dsn("shop"));
    active.must("BEGIN");
    auto waiting = raw_client::logged_in(daemon.port(), "postgres", "shop");
    waiting.send(frontend::query("SELECT 1"));
    pq_connection admin(daemon.dsn("pgweir"));
    wait_until([&] { return clients("waiting") == 1; }, "a client to wait");
    EXPECT_EQ(clients("login"), 1);
    EXPECT_EQ(clients("idle"), 1);
    EXPECT_EQ(clients("active"), 1);
    EXPECT_EQ(clients("console"), 1);
    auto const json = daemon.get("/stats.json").body;
    EXPECT_NE(
        json.find(R"("clients":{"login":1,"idle":1,"active":1,"waiting":1,"console":1,)"),
        std::string::npos
    ) << json;
}

TEST_F(insight, PreparedStatementsOfSessionModeAreCounted) {
    daemon_process const daemon(configuration({.pool = "mode: session, size: 2, overflow: 0"}));
    pq_connection one(daemon.dsn("shop"));
    pq_connection two(daemon.dsn("shop"));
    ASSERT_TRUE(one.prepare("a", "SELECT 1").ok());
    ASSERT_TRUE(two.prepare("a", "SELECT 1").ok());
    EXPECT_EQ(daemon.metric("pgweir_prepared_statements", {"database=\"shop\""}), 2);
}

// A client could be served as long as there is room and one pool without trouble.
TEST_F(insight, ReadyWhileAClientCouldBeServed) {
    daemon_process const daemon(configuration(
        {.listen = ", max_clients: 4",
         .rest = "  broken: {upstream: \"host=127.0.0.1 port=1 dbname=shop\"}\n"}
    ));
    pq_connection client(daemon.dsn("shop"));
    client.must("SELECT 1");
    EXPECT_FALSE(pq_connection::attempt(daemon.dsn("broken")).ok());
    auto const degraded = daemon.get("/ready");
    EXPECT_EQ(degraded.status, 200) << degraded.body;
    EXPECT_NE(
        degraded.body.find("\"degraded\":[\"pool broken/postgres has no server"), std::string::npos
    ) << degraded.body;
    pq_connection admin(daemon.dsn("pgweir"));
    admin.must("PAUSE shop");
    EXPECT_EQ(daemon.get("/ready").status, 503) << "nobody can be served";
    admin.must("RESUME shop");
    EXPECT_EQ(daemon.get("/ready").status, 200);
    pq_connection const third(daemon.dsn("shop"));
    pq_connection const fourth(daemon.dsn("shop"));
    auto const full = daemon.get("/ready");
    EXPECT_EQ(full.status, 503);
    EXPECT_NE(full.body.find("listen.max_clients is reached: 4"), std::string::npos) << full.body;
}

TEST_F(insight, HealthAndReadinessAndUnknownPaths) {
    daemon_process const daemon(configuration());
    EXPECT_EQ(daemon.get("/health").status, 200);
    wait_until([&] { return daemon.get("/ready").status == 200; }, "readiness");
    EXPECT_EQ(daemon.get("/no/such/path").status, 404);
}

TEST_F(insight, JsonAnswersAreJson) {
    daemon_process const daemon(cache_configuration());
    make_traffic(daemon);
    for (std::string const path : {"/stats.json", "/cache/stats", "/slow"}) {
        auto const got = daemon.get(path);
        EXPECT_EQ(got.status, 200) << path;
        write_file(daemon.dir() / "answer.json", got.body);
        auto const done =
            run_to_end({.command = {WEIR_PYTHON, "-m", "json.tool", daemon.dir() / "answer.json"}});
        EXPECT_EQ(done.status, 0) << path << "\n" << done.output << got.body;
    }
}

// Checks each line of the slow log by Python's own reader of JSON.
constexpr char const* slow_log_check = R"(
import json, sys
wanted = {"ts", "level", "event", "request_id", "client", "database", "user", "application", "fingerprint", "query", "duration_ms",
          "wait_ms", "server_ms", "rows", "bytes", "cache"}
lines = [json.loads(line) for line in open(sys.argv[1])]
slow = [line for line in lines if line["event"] == "slow_query" and "pg_sleep" in line["query"]]
assert len(slow) == 1, lines
line = slow[0]
assert wanted <= set(line), wanted - set(line)
assert line["database"] == "shop" and line["user"] == "postgres" and line["application"] == "reports", line
assert line["duration_ms"] >= 150 and line["server_ms"] >= 150 and line["wait_ms"] < line["duration_ms"], line
assert "hunter2" not in json.dumps(line) and "0.2" not in line["query"], line
assert line["rows"] == 1, line
)";

TEST_F(insight, SlowLogIsJsonWithoutParameters) {
    daemon_process const daemon(
        configuration({.rest = "slow_log: {threshold: 150ms, file: \"{dir}/slow.log\"}\n"})
    );
    pq_connection client(daemon.dsn("shop") + " application_name=reports");
    client.must("SELECT 'fast'");
    client.must("SELECT pg_sleep(0.2), 'hunter2' AS secret");
    auto const file = daemon.dir() / "slow.log";
    wait_until(
        [&] { return read_file(file).find("pg_sleep") != std::string::npos; },
        "a line in the slow log"
    );
    auto const done = run_to_end({.command = {WEIR_PYTHON, "-c", slow_log_check, file}});
    EXPECT_EQ(done.status, 0) << done.output << read_file(file);
    EXPECT_GE(daemon.metric("pgweir_slow_queries_total", {"database=\"shop\""}), 1);
}

TEST_F(insight, SlowLogTellsWaitingFromServing) {
    daemon_process const daemon(configuration(
        {.pool = "mode: transaction, size: 1, overflow: 0",
         .rest = "slow_log: {threshold: 100ms, file: \"{dir}/slow.log\"}\n"}
    ));
    auto holder = raw_client::logged_in(daemon.port(), "postgres", "shop");
    holder.send(frontend::query("SELECT pg_sleep(0.4)"));
    wait_until(
        [] {
            return shared_postgres().scalar(
                       "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = "
                       "'SELECT pg_sleep(0.4)'"
                   ) == "1";
        },
        "the holder's query to run"
    );
    auto waiter = raw_client::logged_in(daemon.port(), "postgres", "shop");
    waiter.ask(frontend::query("SELECT 'waited'"));
    holder.read_until('Z');
    auto const file = daemon.dir() / "slow.log";
    wait_until(
        [&] {
            auto const done = run_to_end(
                {.command =
                     {WEIR_PYTHON,
                      "-c",
                      "import json, sys\n"
                      "lines = [json.loads(line) for line in open(sys.argv[1])]\n"
                      "assert any(line['wait_ms'] > 100 and line['server_ms'] < 100 for line in "
                      "lines), lines",
                      file}}
            );
            return done.status == 0;
        },
        [&] { return "a line whose time is waiting: " + read_file(file); },
        std::chrono::seconds(10)
    );
}

// The time of a query begins with its own first message, however long its client was silent before:
// outside a transaction, inside one, and after a unit that was refused.
TEST_F(insight, SlowLogCountsAQueryFromItsOwnBeginning) {
    daemon_process const daemon(configuration(
        {.pool = "mode: transaction, size: 1, overflow: 0, wait_timeout: 100ms",
         .rest = "slow_log: {threshold: 0, file: \"{dir}/slow.log\"}\n"}
    ));
    auto const idle = [] { shared_postgres().execute("SELECT pg_sleep(0.7)"); };
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    client.ask(frontend::query("SELECT 1 AS first"));
    {
        auto holder = raw_client::logged_in(daemon.port(), "postgres", "shop");
        holder.ask(frontend::query("BEGIN"));
        EXPECT_TRUE(has(client.ask(frontend::query("SELECT 1 AS refused")), 'E'));
        holder.ask(frontend::query("COMMIT"));
    }
    idle();
    client.ask(frontend::query("SELECT 1 AS late_outside"));
    client.ask(frontend::query("BEGIN"));
    idle();
    client.ask(frontend::query("SELECT 1 AS late_inside"));
    client.ask(
        frontend::parse("", "SELECT 1 AS late_extended") + frontend::bind("", "") +
        frontend::execute("") + frontend::sync()
    );
    client.ask(frontend::query("COMMIT"));
    auto const file = daemon.dir() / "slow.log";
    wait_until(
        [&] { return read_file(file).find("late_extended") != std::string::npos; },
        "the last line of the slow log"
    );
    auto const done = run_to_end(
        {.command =
             {WEIR_PYTHON,
              "-c",
              "import json, sys\n"
              "lines = [json.loads(line) for line in open(sys.argv[1])]\n"
              "late = [line for line in lines if 'late_' in line['query']]\n"
              "assert len(late) == 3, lines\n"
              "assert all(0 <= line['duration_ms'] < 700 for line in late), late\n",
              file}}
    );
    EXPECT_EQ(done.status, 0) << done.output;
}

TEST_F(insight, SlowLogIsReopenedForLogrotate) {
    daemon_process daemon(
        configuration({.rest = "slow_log: {threshold: 0, file: \"{dir}/slow.log\"}\n"})
    );
    pq_connection client(daemon.dsn("shop"));
    client.must("SELECT 'first'");
    auto const file = daemon.dir() / "slow.log";
    wait_until([&] { return !read_file(file).empty(); }, "a line in the slow log");
    std::filesystem::rename(file, daemon.dir() / "slow.log.1");
    daemon.process().signal(SIGUSR1);
    wait_until(
        [&] {
            client.must("SELECT 'second'");
            return !read_file(file).empty();
        },
        "a line in the new file"
    );
}

}  // namespace
}  // namespace weir::test

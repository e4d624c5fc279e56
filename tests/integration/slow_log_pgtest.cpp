// What a line of the slow log says: which statement it is about, whose request that was, where the
// time went, and how it ended.
#include "tests/integration/cache_fixture.hpp"

#include <gtest/gtest.h>

#include <sstream>
#include <string>

namespace weir::test {
namespace {

class slow_log : public testing::Test {
protected:
    void SetUp() override { refill_shop(); }
};

constexpr char const* every_statement = "slow_log: {threshold: 0, file: \"{dir}/slow.log\"}\n";

// The first line that holds the text, as soon as there is one.
std::string line_with(daemon_process const& daemon, std::string const& text) {
    auto const file = daemon.dir() / "slow.log";
    std::string found;
    wait_until(
        [&] {
            std::istringstream lines(read_file(file));
            while (std::getline(lines, found)) {
                if (!lines.eof() && found.find(text) != std::string::npos) return true;
            }
            return false;
        },
        [&] { return "a line with " + text + ": " + read_file(file); }
    );
    return found;
}

// The value of a field as it is written, without quotes; empty when there is none.
std::string value_of(std::string const& line, std::string const& field) {
    auto const key = "\"" + field + "\":";
    auto const at = line.find(key);
    if (at == std::string::npos) return "";
    auto from = at + key.size();
    if (line[from] == '"') {
        ++from;
        return line.substr(from, line.find('"', from) - from);
    }
    return line.substr(from, line.find_first_of(",}", from) - from);
}

double number_of(std::string const& line, std::string const& field) {
    return std::stod(value_of(line, field));
}

std::string extended(std::string const& sql) {
    return frontend::parse("", sql) + frontend::bind("", "") + frontend::execute("");
}

void wait_until_it_runs(std::string const& name) {
    wait_until(
        [&] {
            return shared_postgres().scalar(
                       "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> "
                       "pg_backend_pid() AND query LIKE '%" +
                       name + "%'"
                   ) == "1";
        },
        name + " to run"
    );
}

std::string const trace = "5bd66ef5095369c7b0d1f8f4bd33716a";

std::string tagged(std::string const& id) {
    return "/* request_id='" + id + "',traceparent='00-" + trace + "-c532cb4098ac3dd2-01' */ ";
}

TEST_F(slow_log, CarriesTheIdsOfTheComment) {
    daemon_process const daemon(configuration({.rest = every_statement}));
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    client.ask(frontend::query(tagged("req-77") + "SELECT 1 AS simple"));
    client.ask(extended(tagged("req-78") + "SELECT 1 AS extended") + frontend::sync());
    client.ask(frontend::parse("s", tagged("req-79") + "SELECT 1 AS prepared") + frontend::sync());
    client.ask(frontend::bind("", "s") + frontend::execute("") + frontend::sync());
    client.ask(frontend::query("SELECT 1 AS untagged"));
    client.ask(frontend::query("/* request_id='not one' */ SELECT 1 AS malformed"));
    EXPECT_EQ(value_of(line_with(daemon, "as simple"), "request_id"), "req-77");
    EXPECT_EQ(value_of(line_with(daemon, "as simple"), "trace_id"), trace);
    EXPECT_EQ(value_of(line_with(daemon, "as extended"), "request_id"), "req-78");
    EXPECT_EQ(value_of(line_with(daemon, "as prepared"), "request_id"), "req-79");
    for (auto const* const name : {"as untagged", "as malformed"}) {
        auto const line = line_with(daemon, name);
        EXPECT_NE(value_of(line, "request_id").find('-'), std::string::npos) << line;
        EXPECT_EQ(value_of(line, "request_id").find("req"), std::string::npos) << line;
        EXPECT_EQ(value_of(line, "trace_id"), "") << line;
    }
}

TEST_F(slow_log, BlamesEachOfPipelinedQueriesForItsOwn) {
    daemon_process const daemon(configuration({.rest = every_statement}));
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    client.send(
        frontend::query("SELECT pg_sleep(0.3) AS one") +
        frontend::query("SELECT pg_sleep(0.1) AS two") + extended("SELECT 1 AS three") +
        frontend::sync() + frontend::query("SELECT 1 / 0 AS four")
    );
    client.read_until('Z', 4);
    auto const one = line_with(daemon, "as one");
    auto const two = line_with(daemon, "as two");
    auto const four = line_with(daemon, "as four");
    EXPECT_GE(number_of(one, "server_ms"), 290) << one;
    EXPECT_GE(number_of(two, "server_ms"), 90) << two;
    EXPECT_LT(number_of(two, "duration_ms"), 290) << two;
    EXPECT_LT(number_of(line_with(daemon, "as three"), "duration_ms"), 90);
    EXPECT_EQ(value_of(two, "sqlstate"), "");
    EXPECT_EQ(value_of(four, "sqlstate"), "22012") << four;
    // A lone one behind them is as any other.
    client.ask(frontend::query("SELECT 1 AS five"));
    EXPECT_LT(number_of(line_with(daemon, "as five"), "duration_ms"), 90);
}

TEST_F(slow_log, TellsABatchByItsFirstStatementThatDoesSomething) {
    daemon_process const daemon(configuration({.rest = every_statement}));
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    client.ask(
        extended("BEGIN") + extended("SELECT pg_sleep(0.1) AS slow") +
        extended("SELECT 1 AS quick") + extended("COMMIT") + frontend::sync()
    );
    auto const line = line_with(daemon, "as slow");
    EXPECT_GE(number_of(line, "server_ms"), 90) << line;
    EXPECT_EQ(value_of(line, "rows"), "2") << line;
}

// COPY reads over the Sync that was sent behind it: no reply comes for that one, and no line.
TEST_F(slow_log, IsNotLedAstrayByASyncThatCopyReadsOver) {
    daemon_process const daemon(configuration({.rest = every_statement}));
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    client.ask(
        frontend::query("COPY log (text) FROM STDIN") + frontend::sync() +
        frontend::copy_data("a\n") + frontend::copy_done()
    );
    client.ask(frontend::query("SELECT 1 AS behind"));
    EXPECT_EQ(value_of(line_with(daemon, "as behind"), "rows"), "1");
}

TEST_F(slow_log, DescribesAnswersFromMemory) {
    daemon_process const daemon(cache_configuration(
        "{name: everything, databases: [shop], ttl: 1h}", "", {.rest = every_statement}
    ));
    pq_connection client(daemon.dsn("shop"));
    auto const sql = tagged("req-hit") + "SELECT value FROM items WHERE id = 3";
    cached(daemon, client, sql);
    auto const miss = line_with(daemon, "\"cache\":\"miss\"");
    auto const hit = line_with(daemon, "\"cache\":\"hit\"");
    EXPECT_EQ(value_of(hit, "query"), value_of(miss, "query")) << hit;
    EXPECT_EQ(value_of(hit, "fingerprint"), value_of(miss, "fingerprint")) << hit;
    EXPECT_NE(value_of(hit, "fingerprint"), "0000000000000000") << hit;
    EXPECT_EQ(value_of(hit, "rule"), "everything") << hit;
    EXPECT_EQ(value_of(hit, "request_id"), "req-hit") << hit;
    EXPECT_EQ(value_of(hit, "trace_id"), trace) << hit;
}

// What is asked in the packet of the login cannot find the catalog loaded: that begins with it.
TEST_F(slow_log, CallsAReadBeforeTheCatalogIsKnownABypass) {
    daemon_process const daemon(cache_configuration(
        "{name: everything, databases: [shop], ttl: 1h}", "", {.rest = every_statement}
    ));
    raw_client client(daemon.port());
    client.send(
        frontend::startup({{"user", "postgres"}, {"database", "shop"}}) +
        frontend::query("SELECT value FROM items WHERE id = 4")
    );
    client.read_until('Z', 2);
    auto const line = line_with(daemon, "from items");
    EXPECT_EQ(value_of(line, "cache"), "bypass") << line;
    EXPECT_EQ(
        shown_by_console(daemon, "SHOW CACHE REASONS", "reason", "catalog_missing", "count"), "1"
    );
}

TEST_F(slow_log, HasAStatementThatFoundNoServer) {
    daemon_process const daemon(configuration(
        {.pool = "mode: transaction, size: 1, overflow: 0, wait_timeout: 100ms",
         .rest = every_statement}
    ));
    auto const queries = [&] {
        return daemon.metric("pgweir_queries_total", {"database=\"shop\""});
    };
    auto holder = raw_client::logged_in(daemon.port(), "postgres", "shop");
    holder.ask(frontend::query("BEGIN"));
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    client.ask(frontend::query(tagged("req-refused") + "SELECT 1 AS refused_simple"));
    client.ask(extended("SELECT 1 AS refused_extended") + frontend::sync());
    for (auto const* const name : {"as refused_simple", "as refused_extended"}) {
        auto const line = line_with(daemon, name);
        EXPECT_EQ(value_of(line, "sqlstate"), "53300") << line;
        EXPECT_GE(number_of(line, "wait_ms"), 90) << line;
        EXPECT_GE(number_of(line, "duration_ms"), 90) << line;
        EXPECT_EQ(number_of(line, "server_ms"), 0) << line;
    }
    EXPECT_EQ(value_of(line_with(daemon, "as refused_simple"), "request_id"), "req-refused");
    wait_until([&] { return queries() == 3; }, "the refused ones to be counted");
}

TEST_F(slow_log, HasAStatementWhoseServerWasTerminated) {
    daemon_process const daemon(configuration({.rest = every_statement}));
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    client.send(frontend::query("SELECT pg_sleep(60) AS terminated"));
    wait_until_it_runs("AS terminated");
    shared_postgres().execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'active' AND pid <> "
        "pg_backend_pid() AND query LIKE '%AS terminated%'"
    );
    client.read_to_end();
    auto const line = line_with(daemon, "as terminated");
    EXPECT_EQ(value_of(line, "sqlstate"), "57P01") << line;
}

TEST_F(slow_log, HasAStatementWhoseClientWentAway) {
    daemon_process const daemon(configuration({.rest = every_statement}));
    {
        auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
        client.send(frontend::query("SELECT pg_sleep(60) AS left_alone"));
        wait_until_it_runs("AS left_alone");
    }
    auto const line = line_with(daemon, "as left_alone");
    EXPECT_EQ(value_of(line, "sqlstate"), "08006") << line;
}

// --- values and plans ---

constexpr char const* with_values =
    "slow_log: {threshold: 0, file: \"{dir}/slow.log\", parameters: show}\n";
constexpr char const* with_plans =
    "slow_log: {threshold: 0, file: \"{dir}/slow.log\", explain: plan, explain_per_minute: 100}\n";

TEST_F(slow_log, ShowsValuesWhereTheyAreWanted) {
    daemon_process const daemon(configuration({.rest = with_values}));
    pq_connection client(daemon.dsn("shop"));
    client.must("SELECT 'secret' AS simple");
    client.execute_with("SELECT $1::text AS extended, $2::int", {"hidden", "7"});
    client.must("SELECT 1 AS last");
    auto const simple = line_with(daemon, "AS simple");
    EXPECT_NE(simple.find("SELECT 'secret' AS simple"), std::string::npos) << simple;
    auto const extended = line_with(daemon, "AS extended");
    EXPECT_NE(extended.find("\"parameters\":[\"hidden\",\"7\"]"), std::string::npos) << extended;
}

TEST_F(slow_log, HasThePlanWithoutValues) {
    daemon_process const daemon(configuration({.rest = with_plans}));
    pq_connection client(daemon.dsn("shop"));
    client.must("SELECT value AS simple FROM items WHERE value::text = 'secret'");
    client.execute_with("SELECT value AS extended FROM items WHERE id = $1", {"7"});
    for (auto const* const name : {"as simple", "as extended"}) {
        auto const line = line_with(daemon, name);
        EXPECT_NE(line.find("\"plan\":{\"Plan\":{\"Node Type\":"), std::string::npos) << line;
        EXPECT_NE(line.find("\"Relation Name\":\"items\""), std::string::npos) << line;
        EXPECT_EQ(line.find("secret"), std::string::npos) << line;
    }
}

TEST_F(slow_log, ExplainsUnderTheClientsSettings) {
    shared_postgres().execute(
        "DROP SCHEMA IF EXISTS elsewhere CASCADE; CREATE SCHEMA elsewhere; "
        "CREATE TABLE elsewhere.only_there (id int)",
        "shop"
    );
    daemon_process const daemon(configuration({.rest = with_plans}));
    pq_connection client(daemon.dsn("shop"));
    client.must("SET search_path = elsewhere, \"$user\"");
    client.must("SELECT id FROM only_there");
    auto const line = line_with(daemon, "from only_there");
    EXPECT_NE(line.find("\"Relation Name\":\"only_there\""), std::string::npos) << line;
}

TEST_F(slow_log, RunsNothingWhenItExplains) {
    daemon_process const daemon(configuration({.rest = with_plans}));
    pq_connection client(daemon.dsn("shop"));
    client.must("INSERT INTO log VALUES (1, 'once')");
    auto const line = line_with(daemon, "insert into log");
    EXPECT_NE(line.find("\"Node Type\":\"ModifyTable\""), std::string::npos) << line;
    EXPECT_EQ(shared_postgres().scalar("SELECT count(*) FROM log", "shop"), "1");
}

TEST_F(slow_log, TellsWhyThereIsNoPlan) {
    daemon_process const daemon(configuration({.rest = with_plans}));
    pq_connection client(daemon.dsn("shop"));
    client.must("CREATE TEMP TABLE own (id int)");
    client.must("SELECT id FROM own");
    auto const line = line_with(daemon, "select id from own");
    EXPECT_NE(value_of(line, "no_plan"), "") << line;
    client.must("SET datestyle = iso");
    auto const set = line_with(daemon, "set datestyle");
    EXPECT_EQ(set.find("plan"), std::string::npos) << "only reads and writes have one: " << set;
}

TEST_F(slow_log, ExplainsSoManyAMinuteAndLosesNone) {
    daemon_process const daemon(configuration(
        {.rest = "slow_log: {threshold: 0, file: \"{dir}/slow.log\", explain: plan, "
                 "explain_per_minute: 3}\n"}
    ));
    pq_connection client(daemon.dsn("shop"));
    for (int i = 0; i < 20; ++i)
        client.must("SELECT value AS number_" + std::to_string(i) + " FROM items");
    int plans = 0;
    for (int i = 0; i < 20; ++i) {
        auto const line = line_with(daemon, "as number_" + std::to_string(i) + " ");
        plans += line.find("\"plan\":") != std::string::npos ? 1 : 0;
    }
    EXPECT_EQ(plans, 3);
}

}  // namespace
}  // namespace weir::test

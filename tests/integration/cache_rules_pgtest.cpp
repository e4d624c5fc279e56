// What rules and declarations of the configuration make of the cache: functions that are declared
// or vouched for, row security by a setting, linearizable.
#include "tests/integration/cache_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

namespace weir::test {
namespace {

constexpr char const* schema = R"(
CREATE TABLE t(id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1), (2, 2);
CREATE TABLE log(n int); CREATE TABLE other(n int); INSERT INTO other VALUES (1);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN EXECUTE ''INSERT INTO log VALUES (1)''; RETURN NULL; END';
CREATE TABLE watched(x int); CREATE TRIGGER w AFTER INSERT ON watched
    FOR EACH ROW EXECUTE FUNCTION note();
CREATE FUNCTION write_log(n int) RETURNS int LANGUAGE plpgsql AS
    'BEGIN EXECUTE ''INSERT INTO log VALUES (1)''; RETURN n; END';
CREATE FUNCTION doubled(n int) RETURNS int STABLE LANGUAGE plpgsql AS
    'BEGIN RETURN (SELECT 2 * v FROM t WHERE id = n); END';
CREATE TABLE granted(tenant text, may_see text); INSERT INTO granted VALUES ('a', 'x'), ('b', 'y');
CREATE TABLE guarded(owner text, d text); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON guarded USING (owner IN (SELECT may_see FROM granted
    WHERE tenant = current_setting('app.tenant', true)));
INSERT INTO guarded VALUES ('x', 'of x'), ('y', 'of y');
CREATE VIEW over_guarded AS SELECT d FROM guarded;
CREATE TABLE clocked(d text); ALTER TABLE clocked ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON clocked USING (now() > '2000-01-01');
DO $$ BEGIN CREATE ROLE tenant LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
ALTER VIEW over_guarded OWNER TO tenant;
GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC;)";

class cache_rules : public testing::Test {
protected:
    static void SetUpTestSuite() { prepare_shop(); }
    void SetUp() override {
        shared_postgres().execute("DROP DATABASE IF EXISTS ruled");
        shared_postgres().execute("CREATE DATABASE ruled");
        shared_postgres().execute(schema, "ruled");
    }

    void start(std::string const& rules, std::string const& more_cache = "") {
        daemon_ = std::make_unique<daemon_process>(cache_configuration(
            rules, more_cache, {.upstream = "host=127.0.0.1 port={pg} dbname=ruled"}
        ));
        reader_ = connect();
        writer_ = connect();
    }
    [[nodiscard]] std::unique_ptr<pq_connection> connect(std::string const& user = "") const {
        return std::make_unique<pq_connection>(
            daemon_->dsn("shop") + (user.empty() ? "" : " user=" + user)
        );
    }
    std::string kept(std::string const& sql) { return cached(*daemon_, *reader_, sql); }
    answer ask_reader(std::string const& sql) { return ask(*daemon_, *reader_, sql); }
    /// The reasons of EXPLAIN CACHE, parted by blanks; "" when it is cached.
    std::string explained(std::string const& sql) {
        pq_connection console(daemon_->dsn("pgweir"));
        auto const rows = console.execute("EXPLAIN CACHE DATABASE shop USER postgres " + sql);
        std::string reasons;
        for (int row = 0; row < rows.rows(); ++row) {
            if (rows.value(row, 0) == "reason") {
                reasons += (reasons.empty() ? "" : " ") + rows.value(row, 1);
            }
        }
        return reasons;
    }

    std::unique_ptr<daemon_process> daemon_;
    std::unique_ptr<pq_connection> reader_;
    std::unique_ptr<pq_connection> writer_;
};

constexpr char const* all = "{name: all, databases: [shop], ttl: 1h}";

TEST_F(cache_rules, FunctionsAreTakenAtTheirDeclaration) {
    start(all, ", functions: {note: {writes: [log]}, public.write_log: {writes: [public.log]}}");
    for (std::string const write :
         {"INSERT INTO watched VALUES (1)", "SELECT public.write_log(1)"}) {
        kept("SELECT count(*) FROM log");
        kept("SELECT n FROM other");
        writer_->must(write);
        EXPECT_FALSE(ask_reader("SELECT count(*) FROM log").from_memory) << write;
        EXPECT_TRUE(ask_reader("SELECT n FROM other").from_memory) << write;
    }
    EXPECT_EQ(reader_->scalar("SELECT count(*) FROM log"), "2");
}

TEST_F(cache_rules, FunctionsThatNobodyDeclaredMayWriteAnything) {
    start(all);
    for (std::string const write :
         {"INSERT INTO watched VALUES (1)", "SELECT public.write_log(1)"}) {
        kept("SELECT n FROM other");
        writer_->must(write);
        EXPECT_FALSE(ask_reader("SELECT n FROM other").from_memory) << write;
    }
}

TEST_F(cache_rules, FunctionsThatARuleVouchesForAreKept) {
    start(
        "{name: vouched, databases: [shop], tables: [t], functions: [doubled], ttl: 1h}, "
        "{name: rest, databases: [shop], ttl: 1h}"
    );
    EXPECT_EQ(kept("SELECT doubled(id) FROM t WHERE id = 1"), "2");
    writer_->must("UPDATE t SET v = 5 WHERE id = 1");
    auto const after = ask_reader("SELECT doubled(id) FROM t WHERE id = 1");
    EXPECT_FALSE(after.from_memory);
    EXPECT_EQ(after.value, "10");
    EXPECT_EQ(explained("SELECT doubled(1) FROM other"), "user_function");
}

TEST_F(cache_rules, PoliciesAreKeptByARuleThatNamesTheirSettings) {
    start("{name: tenants, databases: [shop], settings: [app.tenant], ttl: 1h}");
    auto a = connect("tenant");
    auto b = connect("tenant");
    a->must("SET app.tenant = 'a'");
    b->must("SET app.tenant = 'b'");
    auto nobody = connect("tenant");
    for (std::string const read :
         {"SELECT string_agg(d, ',') FROM guarded",
          "SELECT string_agg(d, ',') FROM over_guarded"}) {
        SCOPED_TRACE(read);
        EXPECT_EQ(cached(*daemon_, *nobody, read), "") << "and that is no other's answer";
        EXPECT_EQ(cached(*daemon_, *a, read), "of x");
        EXPECT_EQ(cached(*daemon_, *b, read), "of y");
        EXPECT_EQ(cached(*daemon_, *a, read), "of x");
        // What the policy reads is read.
        writer_->must("UPDATE granted SET may_see = 'y' WHERE tenant = 'a'");
        auto const after = ask(*daemon_, *a, read);
        EXPECT_FALSE(after.from_memory);
        EXPECT_EQ(after.value, "of y");
        writer_->must("UPDATE granted SET may_see = 'x' WHERE tenant = 'a'");
        EXPECT_EQ(a->scalar(read), "of x");
    }
    // The owner sees all, under a key of its own.
    EXPECT_EQ(kept("SELECT count(*) FROM guarded"), "2");
    EXPECT_EQ(a->scalar("SELECT count(*) FROM guarded"), "1");
    a->must("BEGIN");
    a->must("SELECT set_config('app.tenant', 'b', true)");
    EXPECT_EQ(a->scalar("SELECT string_agg(d, ',') FROM guarded"), "of y");
    a->must("COMMIT");
    EXPECT_EQ(a->scalar("SELECT string_agg(d, ',') FROM guarded"), "of x");
    a->must("SELECT set_config('app.tenant', 'b', false)");
    EXPECT_EQ(a->scalar("SELECT string_agg(d, ',') FROM guarded"), "of y");
    writer_->must("ALTER POLICY p ON guarded USING (true)");
    EXPECT_EQ(a->scalar("SELECT count(*) FROM guarded"), "2");
}

// However its name is written, what sets a setting sets it.
TEST_F(cache_rules, SettingsOfPoliciesAreSeenInQuotesToo) {
    start("{name: tenants, databases: [shop], settings: [app.tenant], ttl: 1h}");
    auto a = connect("tenant");
    auto b = connect("tenant");
    auto const set = [](pq_connection& client, std::string const& name, std::string const& tenant) {
        client.must("SELECT " + name + "('app.tenant', '" + tenant + "', false)");
    };
    constexpr auto read = "SELECT string_agg(d, ',') FROM guarded";
    for (std::string const name : {"\"set_config\"", "pg_catalog.\"set_config\""}) {
        SCOPED_TRACE(name);
        set(*a, name, "a");
        set(*b, name, "b");
        EXPECT_EQ(cached(*daemon_, *a, read), "of x");
        EXPECT_EQ(cached(*daemon_, *b, read), "of y");
    }
    // What the cache does not see through, it does not answer.
    for (std::string const name : {"U&\"set_config\"", "U&\"set\\005fconfig\""}) {
        SCOPED_TRACE(name);
        set(*b, name, "a");
        EXPECT_EQ(b->scalar(read), "of x");
        set(*b, name, "b");
        EXPECT_EQ(b->scalar(read), "of y");
    }
    auto const bound = b->execute_with("SELECT U&\"set_config\"($1, 'a', false)", {"app.tenant"});
    ASSERT_TRUE(bound.ok()) << bound.message();
    EXPECT_EQ(b->scalar(read), "of x");
    // Nobody else has to bear it.
    auto held = connect("tenant");
    held->must("BEGIN");
    EXPECT_EQ(connect("tenant")->scalar("SELECT 1"), "1");
}

TEST_F(cache_rules, PoliciesThatAskForTheNameOfTheApplication) {
    start(
        "{name: tenants, databases: [shop], tables: [of_application], settings: [app.tenant], "
        "ttl: 1h}, {name: rest, databases: [shop], ttl: 1h}"
    );
    writer_->must(
        "CREATE TABLE of_application(owner text, d text); INSERT INTO of_application VALUES "
        "('a', 'of a'), ('b', 'of b'); GRANT SELECT ON of_application TO tenant; ALTER TABLE "
        "of_application ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON of_application USING (owner "
        "= current_setting('application_name'))"
    );
    auto a = connect("tenant");
    auto b = connect("tenant");
    a->must("SET application_name = 'a'");
    b->must("SET application_name = 'b'");
    constexpr auto read = "SELECT d FROM of_application";
    EXPECT_EQ(cached(*daemon_, *a, read), "of a");
    EXPECT_EQ(cached(*daemon_, *b, read), "of b");
    // Where no code runs, the answer is everybody's.
    constexpr auto plain = "SELECT n FROM other";
    EXPECT_EQ(cached(*daemon_, *a, plain), "1");
    EXPECT_TRUE(ask(*daemon_, *b, plain).from_memory);
}

TEST_F(cache_rules, PoliciesAreNotKeptOtherwise) {
    start(all);
    kept("SELECT n FROM other");
    EXPECT_EQ(explained("SELECT d FROM guarded"), "row_security");
    EXPECT_EQ(explained("SELECT d FROM over_guarded"), "row_security");
}

TEST_F(cache_rules, PoliciesAreNoOthersAndReadNoClock) {
    start(
        "{name: shared, databases: [shop], tables: [guarded], settings: [app.tenant], share: "
        "database, ttl: 1h}, {name: own, databases: [shop], settings: [app.tenant], ttl: 1h}"
    );
    kept("SELECT n FROM other");
    EXPECT_EQ(explained("SELECT d FROM guarded"), "row_security");
    EXPECT_NE(explained("SELECT d FROM clocked"), "");
}

TEST_F(cache_rules, LinearizableReadsPastAWriteUnderWay) {
    start(all, ", consistency: linearizable");
    kept("SELECT v FROM t WHERE id = 1");
    kept("SELECT n FROM other");
    writer_->must("BEGIN");
    writer_->must("UPDATE t SET v = 7 WHERE id = 1");
    auto const during = ask_reader("SELECT v FROM t WHERE id = 1");
    EXPECT_FALSE(during.from_memory);
    EXPECT_EQ(during.value, "1");
    EXPECT_FALSE(ask_reader("SELECT v FROM t WHERE id = 1").from_memory) << "nor was it stored";
    EXPECT_TRUE(ask_reader("SELECT n FROM other").from_memory);
    EXPECT_GT(daemon_->metric("pgweir_cache_bypass_total", {"reason=\"pending_write\""}), 0.0);
    writer_->must("COMMIT");
    EXPECT_EQ(kept("SELECT v FROM t WHERE id = 1"), "7");
}

TEST_F(cache_rules, AfterCommitServesWhileAWriteIsUnderWay) {
    start(all);
    kept("SELECT v FROM t WHERE id = 1");
    writer_->must("BEGIN");
    writer_->must("UPDATE t SET v = 7 WHERE id = 1");
    EXPECT_TRUE(ask_reader("SELECT v FROM t WHERE id = 1").from_memory);
    writer_->must("COMMIT");
    auto const after = ask_reader("SELECT v FROM t WHERE id = 1");
    EXPECT_FALSE(after.from_memory);
    EXPECT_EQ(after.value, "7");
}

TEST_F(cache_rules, FunctionsThatLookLikeColumnsAreCalls) {
    start(all);
    writer_->must(
        "CREATE FUNCTION of_int(n int) RETURNS int LANGUAGE plpgsql AS 'BEGIN UPDATE other SET n = "
        "other.n + 1; RETURN n; END'"
    );
    kept("SELECT n FROM other");
    writer_->must("SELECT (q.id).of_int FROM t q WHERE id = 1");
    EXPECT_EQ(ask_reader("SELECT n FROM other").value, "2");
    writer_->must("SELECT x.of_int FROM generate_series(1, 1) x");
    EXPECT_EQ(ask_reader("SELECT n FROM other").value, "3");
    kept("SELECT n FROM other");
    EXPECT_NE(explained("SELECT (q.id).of_int FROM t q"), "");
    EXPECT_NE(explained("SELECT (v::text::regclass).nextval FROM t q"), "");
    EXPECT_NE(explained("SELECT ('x'::text).timestamptz FROM t q"), "");
    EXPECT_NE(explained("SELECT q.txt::_timestamptz FROM (SELECT d AS txt FROM clocked) q"), "");
}

// Several names lead to one database, each as another role or with other defaults.
TEST_F(cache_rules, ServersThatRunAsOthersHaveKeysOfTheirOwn) {
    std::string const place = "{upstream: \"host=127.0.0.1 port={pg} dbname=ruled\", ";
    daemon_ = std::make_unique<daemon_process>(cache_configuration(
        "{name: all, users: [postgres], settings: [app.tenant], in_transaction: until_write, "
        "ttl: 1h}",
        "",
        {.rest = "  as_tenant: " + place + "user: tenant}\n  set_a: " + place +
                 "user: tenant, connect_query: \"SET app.tenant = 'a'\"}\n  snapshots: " + place +
                 "connect_query: \"SET default_transaction_isolation = 'repeatable read'\"}\n",
         .upstream = "host=127.0.0.1 port={pg} dbname=ruled"}
    ));
    reader_ = connect();
    EXPECT_EQ(kept("SELECT count(*) FROM guarded"), "2");
    pq_connection tenant(daemon_->dsn("as_tenant"));
    pq_connection of_a(daemon_->dsn("set_a"));
    EXPECT_EQ(cached(*daemon_, tenant, "SELECT count(*) FROM guarded"), "0");
    EXPECT_EQ(cached(*daemon_, of_a, "SELECT string_agg(d, ',') FROM guarded"), "of x");
    EXPECT_EQ(cached(*daemon_, of_a, "SELECT count(*) FROM guarded"), "1");
    pq_connection snapshot(daemon_->dsn("snapshots"));
    cached(*daemon_, snapshot, "SELECT n FROM other");
    snapshot.must("BEGIN");
    EXPECT_FALSE(ask(*daemon_, snapshot, "SELECT n FROM other").from_memory);
}

constexpr char const* until_write =
    "{name: all, databases: [shop], in_transaction: until_write, ttl: 1h}";

TEST_F(cache_rules, TransactionsReadFromMemoryUntilTheyWrite) {
    start(until_write);
    std::string const read = "SELECT v FROM t WHERE id = 1";
    kept(read);
    reader_->must("BEGIN");
    EXPECT_TRUE(ask_reader(read).from_memory);
    EXPECT_EQ(PQtransactionStatus(reader_->get()), PQTRANS_INTRANS);
    EXPECT_EQ(reader_->execute_with("SELECT v FROM t WHERE id = $1", {"2"}).value(0, 0), "2");
    // What a transaction has fetched, others are given.
    EXPECT_FALSE(ask_reader("SELECT n FROM other").from_memory);
    EXPECT_TRUE(ask(*daemon_, *writer_, "SELECT n FROM other").from_memory);
    EXPECT_EQ(PQtransactionStatus(writer_->get()), PQTRANS_IDLE);
    reader_->must("UPDATE t SET v = 5 WHERE id = 1");
    auto const own = ask_reader(read);
    EXPECT_FALSE(own.from_memory);
    EXPECT_EQ(own.value, "5");
    auto const others = ask(*daemon_, *writer_, read);
    EXPECT_TRUE(others.from_memory);
    EXPECT_EQ(others.value, "1");
    reader_->must("ROLLBACK");
    EXPECT_EQ(reader_->scalar(read), "1");
}

TEST_F(cache_rules, TransactionsMayAskWhatIsNotKept) {
    start(until_write);
    kept("SELECT n FROM other");
    for (std::string const other :
         {"SELECT now()",
          "SELECT count(*) FROM t WHERE now() > '2000-01-01'",
          "SELECT current_date, current_user",
          "SELECT version(), random()",
          "SELECT count(*) FROM pg_class",
          "SELECT count(*) FROM t TABLESAMPLE system (50)"}) {
        reader_->must("BEGIN");
        reader_->must(other);
        EXPECT_TRUE(ask_reader("SELECT n FROM other").from_memory) << other;
        reader_->must("COMMIT");
    }
}

TEST_F(cache_rules, TransactionsSeeWhatWasCommittedMeanwhile) {
    start(until_write);
    std::string const read = "SELECT v FROM t WHERE id = 1";
    kept(read);
    reader_->must("BEGIN");
    EXPECT_TRUE(ask_reader(read).from_memory);
    writer_->must("UPDATE t SET v = 6 WHERE id = 1");
    auto const after = ask_reader(read);
    EXPECT_FALSE(after.from_memory);
    EXPECT_EQ(after.value, "6");
    EXPECT_TRUE(ask_reader(read).from_memory);
    reader_->must("COMMIT");
}

TEST_F(cache_rules, TransactionsWithASnapshotOrALockReadFromTheirServer) {
    start(until_write);
    std::string const read = "SELECT v FROM t WHERE id = 1";
    for (std::string const begin :
         {"BEGIN ISOLATION LEVEL REPEATABLE READ",
          "START TRANSACTION ISOLATION LEVEL SERIALIZABLE",
          "BEGIN ;; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
          "BEGIN ;; SET LOCAL transaction_isolation = 'repeatable read'",
          "BEGIN ISOLATION LEVEL REPEATABLE READ ;; BEGIN",
          "BEGIN ;; SELECT v FROM t WHERE id = 2 FOR UPDATE",
          "BEGIN ;; LOCK TABLE t",
          "BEGIN ;; SELECT pg_advisory_xact_lock(1)",
          "BEGIN ;; SAVEPOINT a ;; UPDATE t SET v = v WHERE false ;; ROLLBACK TO a",
          "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ ;; BEGIN",
          "SET default_transaction_isolation = 'serializable' ;; BEGIN"}) {
        SCOPED_TRACE(begin);
        auto client = connect();
        cached(*daemon_, *client, read);
        for (std::size_t at = 0; at < begin.size();) {
            auto const end = std::min(begin.find(" ;; ", at), begin.size());
            client->must(begin.substr(at, end - at));
            at = end + 4;
        }
        EXPECT_FALSE(ask(*daemon_, *client, read).from_memory);
        client->must("COMMIT");
    }
}

TEST_F(cache_rules, TransactionsOfRolesWithAnotherIsolationReadFromTheirServer) {
    start(until_write);
    auto client = connect("tenant");
    cached(*daemon_, *client, "SELECT n FROM other");
    client->must("BEGIN");
    EXPECT_TRUE(ask(*daemon_, *client, "SELECT n FROM other").from_memory);
    client->must("COMMIT");
    writer_->must("ALTER ROLE tenant SET default_transaction_isolation = 'repeatable read'");
    cached(*daemon_, *client, "SELECT n FROM other");
    client->must("BEGIN");
    EXPECT_FALSE(ask(*daemon_, *client, "SELECT n FROM other").from_memory);
    client->must("COMMIT");
    writer_->must("ALTER ROLE tenant RESET default_transaction_isolation");
}

TEST_F(cache_rules, FailedTransactionsAreToldSo) {
    start(until_write);
    kept("SELECT n FROM other");
    reader_->must("BEGIN");
    EXPECT_FALSE(reader_->execute("SELECT 1/0").ok());
    EXPECT_EQ(reader_->execute("SELECT n FROM other").sqlstate(), "25P02");
    reader_->must("ROLLBACK");
}

}  // namespace
}  // namespace weir::test

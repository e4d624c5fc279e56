// Ways in which query caches have gone wrong: each must give PostgreSQL's own answer, cached or
// not. A statement is read twice before the change, so that it would be in memory if the daemon
// dared to keep it.
#include "tests/integration/cache_fixture.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace weir::test {
namespace {

class cache_traps : public testing::Test {
protected:
    static void SetUpTestSuite() { prepare_shop(); }

    void SetUp() override {
        shared_postgres().execute("DROP DATABASE IF EXISTS traps");
        shared_postgres().execute("CREATE DATABASE traps");
        shared_postgres().execute(
            R"(CREATE SCHEMA s1; CREATE SCHEMA s2;
CREATE TABLE t(id int PRIMARY KEY, v int, g int); INSERT INTO t SELECT i, 1, i % 3 FROM generate_series(1, 100) i;
CREATE TABLE s1.n(v int); INSERT INTO s1.n VALUES (1); CREATE TABLE s2.n(v int); INSERT INTO s2.n VALUES (2);
CREATE TABLE p(id int PRIMARY KEY); CREATE TABLE c(id int PRIMARY KEY, pid int REFERENCES p ON DELETE CASCADE);
CREATE TABLE gc(id int, cid int REFERENCES c ON DELETE SET NULL);
INSERT INTO p VALUES (1); INSERT INTO c VALUES (1, 1); INSERT INTO gc VALUES (1, 1);
CREATE TABLE ev(k int, d date) PARTITION BY RANGE (k);
CREATE TABLE ev1 PARTITION OF ev FOR VALUES FROM (0) TO (10); CREATE TABLE ev2 PARTITION OF ev FOR VALUES FROM (10) TO (20);
CREATE TABLE parent(x int); CREATE TABLE child() INHERITS (parent);
CREATE TABLE fmt(ts timestamptz, d date, i interval, b bytea, f float8);
INSERT INTO fmt VALUES ('2024-02-03 04:05:06.7+00', '2024-02-03', '1 mon 2 d', '\x00ff', 1.0 / 3);
CREATE TABLE tot(n bigint); INSERT INTO tot VALUES (0);
CREATE FUNCTION trg() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE tot SET n = n + 1; RETURN NULL; END';
CREATE TABLE tr(x int); CREATE TRIGGER a AFTER INSERT ON tr FOR EACH STATEMENT EXECUTE FUNCTION trg();
CREATE TABLE ruled(x int); CREATE RULE also AS ON INSERT TO ruled DO ALSO UPDATE tot SET n = n + 10;
CREATE VIEW v1 AS SELECT g, sum(v) s FROM t GROUP BY g; CREATE VIEW v2 AS SELECT * FROM v1; CREATE VIEW vnow AS SELECT now() n;
CREATE VIEW simple AS SELECT id, v FROM t;
CREATE MATERIALIZED VIEW mv AS SELECT count(*) FROM t;
CREATE FUNCTION wf() RETURNS int LANGUAGE sql VOLATILE AS 'UPDATE t SET v = v + 1 WHERE id = 1 RETURNING v';
CREATE FUNCTION rf() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT sum(v) FROM t';
CREATE PROCEDURE pc() LANGUAGE plpgsql AS 'BEGIN UPDATE t SET v = v + 1; COMMIT; END';
CREATE SEQUENCE sq;
CREATE TABLE rl(owner text, d text); ALTER TABLE rl ENABLE ROW LEVEL SECURITY;
CREATE POLICY q ON rl USING (owner = current_setting('app.tenant', true));
INSERT INTO rl VALUES ('a', 'of a'), ('b', 'of b');
GRANT ALL ON ALL TABLES IN SCHEMA public, s1, s2 TO PUBLIC; GRANT USAGE ON SCHEMA s1, s2 TO PUBLIC;
DO $$ BEGIN CREATE ROLE tenant LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;)",
            "traps"
        );
        daemon_ = std::make_unique<daemon_process>(cache_configuration(
            "{name: everything, databases: [shop], ttl: 1h}",
            "",
            {.upstream = "host=127.0.0.1 port={pg} dbname=traps"}
        ));
        reader_ = std::make_unique<pq_connection>(daemon_->dsn("shop"));
        writer_ = std::make_unique<pq_connection>(daemon_->dsn("shop"));
        cached(
            *daemon_, *reader_, "SELECT v FROM s1.n"
        );  // the catalog is there, and a plain table is kept
    }
    void TearDown() override {
        reader_.reset();
        writer_.reset();
        daemon_.reset();
    }

    // Reads twice, writes through the daemon, and reads again: PostgreSQL's answer, however the
    // first ones came about.
    void expect_fresh(std::string const& read, std::vector<std::string> const& writes) {
        SCOPED_TRACE(read);
        reader_->scalar(read);
        auto const before = reader_->scalar(read);
        for (auto const& write : writes) {
            writer_->must(write);
        }
        auto const truth = shared_postgres().scalar(read, "traps");
        EXPECT_NE(truth, before) << "the write changes nothing";
        EXPECT_EQ(reader_->scalar(read), truth);
        EXPECT_EQ(reader_->scalar(read), truth);
    }

    // Reads twice, lets the world change without a write, and reads again.
    void expect_not_kept(std::string const& read, std::string const& change_around_the_daemon) {
        SCOPED_TRACE(read);
        reader_->scalar(read);
        reader_->scalar(read);
        shared_postgres().execute(change_around_the_daemon, "traps");
        EXPECT_EQ(reader_->scalar(read), shared_postgres().scalar(read, "traps"));
    }

    std::unique_ptr<daemon_process> daemon_;
    std::unique_ptr<pq_connection> reader_;
    std::unique_ptr<pq_connection> writer_;
};

TEST_F(cache_traps, ViewsOfViews) {
    expect_fresh("SELECT sum(s) FROM v2", {"UPDATE t SET v = 5"});
    expect_fresh("SELECT v FROM t WHERE id = 3", {"UPDATE simple SET v = 9 WHERE id = 3"});
    EXPECT_NE(reader_->scalar("SELECT n FROM vnow"), reader_->scalar("SELECT n FROM vnow"));
}

TEST_F(cache_traps, MaterializedView) {
    expect_fresh(
        "SELECT count FROM mv", {"DELETE FROM t WHERE id < 10", "REFRESH MATERIALIZED VIEW mv"}
    );
}

TEST_F(cache_traps, Partitions) {
    expect_fresh("SELECT count(*) FROM ev", {"INSERT INTO ev2 VALUES (11)"});
    expect_fresh("SELECT count(*) FROM ev1", {"INSERT INTO ev VALUES (1)"});
    expect_fresh("SELECT count(*) FROM ev1", {"UPDATE ev SET k = 12 WHERE k = 1"});
    expect_fresh("SELECT count(*) FROM ev", {"ALTER TABLE ev DETACH PARTITION ev2"});
}

TEST_F(cache_traps, Inheritance) {
    expect_fresh("SELECT count(*) FROM parent", {"INSERT INTO child VALUES (1)"});
    expect_fresh("SELECT sum(x) FROM child", {"UPDATE parent SET x = 5"});
}

TEST_F(cache_traps, ForeignKeyActions) {
    expect_fresh("SELECT count(cid) FROM gc", {"DELETE FROM p"});
    writer_->must("INSERT INTO p VALUES (2); INSERT INTO c VALUES (2, 2)");
    expect_fresh("SELECT count(*) FROM c", {"TRUNCATE p CASCADE"});
}

TEST_F(cache_traps, TriggersAndRules) {
    expect_fresh("SELECT n FROM tot", {"INSERT INTO tr VALUES (2)"});
    expect_fresh("SELECT n FROM tot", {"INSERT INTO tr SELECT 1 WHERE false"});
    expect_fresh("SELECT n FROM tot", {"INSERT INTO ruled VALUES (1)"});
}

TEST_F(cache_traps, PipelineWithATrigger) {
    std::string const read = "SELECT n FROM tot";
    reader_->scalar(read);
    reader_->scalar(read);
    auto client = raw_client::logged_in(daemon_->port(), "postgres", "shop");
    auto const run = [](std::string const& sql) {
        return frontend::parse("", sql) + frontend::bind("", "") + frontend::execute("");
    };
    client.send(run("INSERT INTO tr VALUES (1)") + run(read) + frontend::sync());
    EXPECT_EQ(first(client.read_until('Z'), 'D').columns()[0], "1");
}

TEST_F(cache_traps, FunctionsThatWrite) {
    expect_fresh("SELECT v FROM t WHERE id = 1", {"SELECT wf()"});
    expect_fresh("SELECT v FROM t WHERE id = 1", {"CALL pc()"});
    expect_fresh("SELECT v FROM t WHERE id = 1", {"SELECT 1 WHERE wf() > 0"});
    expect_fresh("SELECT v FROM t WHERE id = 1", {"DO $$ BEGIN PERFORM wf(); END $$"});
}

TEST_F(cache_traps, FunctionsThatReadWhatTheTextDoesNotName) {
    expect_not_kept("SELECT rf()", "UPDATE t SET v = v + 1");
    expect_not_kept("SELECT last_value FROM sq", "SELECT nextval('sq'), nextval('sq')");
    expect_not_kept("SELECT count(*) FROM pg_class", "CREATE TABLE one_more (n integer)");
    expect_not_kept("SELECT current_setting('app.x', true) FROM s1.n", "UPDATE s1.n SET v = v");
}

TEST_F(cache_traps, VolatileAnswers) {
    for (std::string const sql :
         {"SELECT random() FROM t LIMIT 1",
          "SELECT clock_timestamp() FROM t LIMIT 1",
          "SELECT nextval('sq') FROM t LIMIT 1",
          "SELECT gen_random_uuid() FROM t LIMIT 1",
          "SELECT txid_current() FROM t LIMIT 1"}) {
        EXPECT_NE(reader_->scalar(sql), reader_->scalar(sql)) << sql;
    }
}

TEST_F(cache_traps, RenamesSwapTables) {
    writer_->must("CREATE TABLE t2 AS SELECT id, 99 AS v, g FROM t");
    expect_fresh(
        "SELECT v FROM t WHERE id = 1",
        {"BEGIN; ALTER TABLE t RENAME TO t_old; ALTER TABLE t2 RENAME TO t; COMMIT"}
    );
}

TEST_F(cache_traps, SearchPathChoosesTheTable) {
    auto& client = *reader_;
    client.must("SET search_path = s1");
    EXPECT_EQ(client.scalar("SELECT v FROM n"), "1");
    EXPECT_EQ(client.scalar("SELECT v FROM n"), "1");
    client.must("BEGIN; SET search_path = s2");
    EXPECT_EQ(client.scalar("SELECT v FROM n"), "2");
    client.must("ROLLBACK");
    EXPECT_EQ(client.scalar("SELECT v FROM n"), "1");
    client.must("SELECT set_config('search_path', 's2', false)");
    EXPECT_EQ(client.scalar("SELECT v FROM n"), "2");
    client.must("SET search_path = s1, public");
    EXPECT_EQ(client.scalar("SELECT v FROM t WHERE id = 1"), "1");
    EXPECT_EQ(client.scalar("SELECT v FROM t WHERE id = 1"), "1");
    writer_->must("CREATE TABLE s1.t AS SELECT 1 AS id, 7 AS v");
    EXPECT_EQ(client.scalar("SELECT v FROM t WHERE id = 1"), "7");
}

TEST_F(cache_traps, TemporaryTableHidesTheOther) {
    reader_->must("SET search_path = s1");
    EXPECT_EQ(reader_->scalar("SELECT count(*) FROM n"), "1");
    EXPECT_EQ(reader_->scalar("SELECT count(*) FROM n"), "1");
    writer_->must("SET search_path = s1");
    writer_->must("CREATE TEMPORARY TABLE n (v integer)");
    EXPECT_EQ(writer_->scalar("SELECT count(*) FROM n"), "0");
    EXPECT_EQ(reader_->scalar("SELECT count(*) FROM n"), "1");
    writer_->must("DROP TABLE pg_temp.n");
}

TEST_F(cache_traps, SettingsThatChangeHowValuesLook) {
    pq_connection direct(shared_postgres().dsn("traps"));
    std::string const sql =
        "SELECT ts || ' ' || d || ' ' || i || ' ' || b::text || ' ' || f FROM fmt";
    for (std::string const setting :
         {"TimeZone = 'UTC'",
          "TimeZone = 'Asia/Tokyo'",
          "DateStyle = 'German'",
          "DateStyle = 'ISO'",
          "bytea_output = 'escape'",
          "bytea_output = 'hex'",
          "extra_float_digits = -4",
          "extra_float_digits = 1",
          "IntervalStyle = 'iso_8601'"}) {
        direct.must("SET " + setting);
        reader_->must("SET " + setting);
        for (int n = 0; n < 2; ++n) {
            EXPECT_EQ(reader_->scalar(sql), direct.scalar(sql)) << setting;
        }
        EXPECT_EQ(reader_->scalar("SELECT ts FROM fmt"), direct.scalar("SELECT ts FROM fmt"))
            << setting;
    }
}

TEST_F(cache_traps, SettingsGivenAtTheLogin) {
    std::string const sql = "SELECT ts FROM fmt";
    EXPECT_NE(cached(*daemon_, *reader_, sql), "");
    pq_connection tokyo(daemon_->dsn("shop") + " options='-c TimeZone=Asia/Tokyo'");
    pq_connection direct(shared_postgres().dsn("traps") + " options='-c TimeZone=Asia/Tokyo'");
    EXPECT_EQ(tokyo.scalar(sql), direct.scalar(sql));
}

// A write in a text that a lexer with other settings takes for a constant.
TEST_F(cache_traps, WritesBehindABackslash) {
    std::string const read = "SELECT v FROM s1.n";
    std::string const hidden = R"(SELECT '\''; UPDATE s1.n SET v = v + 1; --')";
    auto const expect_seen = [&](std::string const& what, auto const& write) {
        SCOPED_TRACE(what);
        auto const before = cached(*daemon_, *reader_, read);
        write();
        EXPECT_EQ(reader_->scalar(read), std::to_string(std::stoi(before) + 1));
    };
    std::string const off = "standard_conforming_strings = off";
    expect_seen("SET", [&] {
        writer_->must("SET " + off);
        writer_->must(hidden);
        writer_->must("RESET standard_conforming_strings");
    });
    expect_seen("SET LOCAL", [&] {
        writer_->must("BEGIN; SET LOCAL " + off);
        writer_->must(hidden);
        writer_->must("COMMIT");
    });
    expect_seen("set_config", [&] {
        writer_->must("SELECT set_config('standard_conforming_strings', 'off', false)");
        writer_->must(hidden);
        writer_->must("RESET standard_conforming_strings");
    });
    expect_seen("start-up", [&] {
        pq_connection other(daemon_->dsn("shop") + " options='-c standard_conforming_strings=off'");
        other.must(hidden);
    });
    expect_seen("pipeline", [&] {
        auto other = raw_client::logged_in(daemon_->port(), "postgres", "shop");
        other.send(frontend::query("SET " + off) + frontend::query(hidden));
        other.read_until('Z', 2);
    });
    expect_seen("after a rollback", [&] {
        pq_connection other(daemon_->dsn("shop") + " options='-c standard_conforming_strings=off'");
        other.must("BEGIN; SET LOCAL standard_conforming_strings = on");
        other.must("ROLLBACK");
        other.must(hidden);
    });
}

TEST_F(cache_traps, WritesInAStatementThatWasPreparedBehindABackslash) {
    std::string const read = "SELECT v FROM s1.n";
    auto const before = cached(*daemon_, *reader_, read);
    // One statement under either setting; only under `off` does it write.
    std::string const text =
        R"(WITH a(x) AS (SELECT '\' /* '), b AS (UPDATE s1.n SET v = v + 1 RETURNING 1) )"
        R"(SELECT x FROM a -- */ ) SELECT x FROM a)";
    writer_->must("BEGIN; SET LOCAL standard_conforming_strings = off");
    auto const prepared = writer_->prepare("hidden", text);
    ASSERT_TRUE(prepared.ok()) << prepared.message();
    writer_->must("SET LOCAL standard_conforming_strings = on");
    auto const ran = writer_->execute_prepared("hidden");
    ASSERT_TRUE(ran.ok()) << ran.message();
    writer_->must("COMMIT");
    EXPECT_EQ(reader_->scalar(read), std::to_string(std::stoi(before) + 1));
}

TEST_F(cache_traps, WritesBehindHalfACharacter) {
    std::string const read = "SELECT v FROM s1.n";
    auto const before = cached(*daemon_, *reader_, read);
    // The last byte of a character of these encodings may be a backslash.
    pq_connection chinese(daemon_->dsn("shop") + " client_encoding=GBK");
    chinese.must("SELECT E'\xE3\x81\x82\\'; UPDATE s1.n SET v = v + 1; --'");
    EXPECT_EQ(reader_->scalar(read), std::to_string(std::stoi(before) + 1));
    // What is ASCII reads the same in all of them.
    EXPECT_EQ(cached(*daemon_, chinese, "SELECT count(*) FROM s1.n"), reader_->scalar("SELECT 1"));
}

TEST_F(cache_traps, HarmlessSettingsLeaveTheCacheOn) {
    std::string const read = "SELECT v FROM s1.n";
    cached(*daemon_, *reader_, read);
    for (std::string const sql :
         {"SET standard_conforming_strings = on",
          "SET standard_conforming_strings TO 'true'",
          "SET standard_conforming_strings = off",
          "SET client_encoding TO 'unicode'",
          "SET NAMES 'utf-8'",
          "SET search_path TO \"$user\", public"}) {
        pq_connection client(daemon_->dsn("shop"));
        client.must(sql);
        cached(*daemon_, client, read);
        // What says the same as the default is no other key.
        if (sql.find("search_path") != std::string::npos) continue;
        pq_connection next(daemon_->dsn("shop"));
        next.must(sql);
        EXPECT_TRUE(ask(*daemon_, next, read).from_memory) << sql;
    }
}

TEST_F(cache_traps, MembershipThatIsRevokedFromAnotherDatabase) {
    shared_postgres().execute(
        "DROP ROLE IF EXISTS boss; CREATE ROLE boss; GRANT boss TO tenant; REVOKE ALL ON s2.n FROM "
        "PUBLIC; GRANT SELECT ON s2.n TO boss",
        "traps"
    );
    daemon_process both(configuration(
        {.rest =
             "  other: {upstream: \"host=127.0.0.1 port={pg} dbname=postgres\"}\n"
             "cache: {memory: 64MiB, rules: [{name: all, databases: [shop, other], ttl: 1h}]}\n",
         .upstream = "host=127.0.0.1 port={pg} dbname=traps"}
    ));
    pq_connection tenant(both.dsn("shop", "tenant"));
    pq_connection admin(both.dsn("other"));
    cached(both, admin, "SELECT 1");
    EXPECT_EQ(cached(both, tenant, "SELECT v FROM s2.n"), "2");
    admin.must("REVOKE boss FROM tenant");
    EXPECT_EQ(tenant.execute("SELECT v FROM s2.n").sqlstate(), "42501");
    shared_postgres().execute("DROP OWNED BY boss; DROP ROLE boss", "traps");
}

TEST_F(cache_traps, DefaultsOfARoleAreInTheKey) {
    shared_postgres().execute("ALTER ROLE tenant SET TimeZone = 'Asia/Tokyo'");
    daemon_process shared(cache_configuration(
        "{name: everything, databases: [shop], share: database, ttl: 1h}",
        "",
        {.upstream = "host=127.0.0.1 port={pg} dbname=traps"}
    ));
    pq_connection reader(shared.dsn("shop"));
    cached(shared, reader, "SELECT ts FROM fmt");
    pq_connection tenant(shared.dsn("shop", "tenant"));
    pq_connection direct(shared_postgres().dsn("traps", "tenant"));
    EXPECT_EQ(tenant.scalar("SELECT ts FROM fmt"), direct.scalar("SELECT ts FROM fmt"));
    shared_postgres().execute("ALTER ROLE tenant RESET ALL");
}

TEST_F(cache_traps, RowSecurityByASetting) {
    pq_connection client(daemon_->dsn("shop", "tenant"));
    client.must("SET app.tenant = 'a'");
    EXPECT_EQ(client.scalar("SELECT d FROM rl"), "of a");
    EXPECT_EQ(client.scalar("SELECT d FROM rl"), "of a");
    client.must("SET app.tenant = 'b'");
    EXPECT_EQ(client.scalar("SELECT d FROM rl"), "of b");
    client.must("BEGIN");
    client.must("SELECT set_config('app.tenant', 'a', true)");
    EXPECT_EQ(client.scalar("SELECT d FROM rl"), "of a");
    client.must("COMMIT");
    EXPECT_EQ(client.scalar("SELECT d FROM rl"), "of b");
}

TEST_F(cache_traps, RoleAndPrivilege) {
    pq_connection tenant(daemon_->dsn("shop", "tenant"));
    EXPECT_EQ(tenant.scalar("SELECT v FROM s2.n"), "2");
    EXPECT_EQ(tenant.scalar("SELECT v FROM s2.n"), "2");
    writer_->must("REVOKE ALL ON s2.n FROM PUBLIC");
    EXPECT_EQ(tenant.execute("SELECT v FROM s2.n").sqlstate(), "42501");
    EXPECT_EQ(reader_->scalar("SELECT v FROM s2.n"), "2");
    reader_->must("SET ROLE tenant");
    EXPECT_EQ(reader_->execute("SELECT v FROM s2.n").sqlstate(), "42501");
    reader_->must("RESET ROLE");
    EXPECT_EQ(reader_->scalar("SELECT v FROM s2.n"), "2");
}

TEST_F(cache_traps, WordsThatMeanTheTimeOfNow) {
    for (std::string const sql :
         {"SELECT 'now'::timestamp, count(*) FROM t",
          "SELECT current_timestamp FROM t LIMIT 1",
          "SELECT localtime(6) FROM t LIMIT 1"}) {
        EXPECT_NE(reader_->scalar(sql), reader_->scalar(sql)) << sql;
    }
}

TEST_F(cache_traps, PortalWithARowLimitIsNotTheWholeAnswer) {
    auto client = raw_client::logged_in(daemon_->port(), "postgres", "shop");
    auto const run = [](int rows) {
        return frontend::parse("", "SELECT id FROM t WHERE id <= 5 ORDER BY id") +
               frontend::bind("", "") + frontend::execute("", rows);
    };
    EXPECT_EQ(types(client.ask(run(2) + frontend::sync())), "12DDsZ");
    EXPECT_EQ(types(client.ask(run(0) + frontend::sync())), "12DDDDDCZ");
    EXPECT_EQ(types(client.ask(run(0) + frontend::sync())), "12DDDDDCZ");
    EXPECT_EQ(types(client.ask(run(2) + frontend::sync())), "12DDsZ");
    EXPECT_EQ(types(client.ask(run(0) + frontend::execute("") + frontend::sync())), "12DDDDDCCZ");
}

TEST_F(cache_traps, LockingReadsAreNotAnsweredFromMemory) {
    std::string const plain = "SELECT v FROM t WHERE id = 1";
    reader_->scalar(plain + " FOR UPDATE");
    reader_->scalar(plain + " FOR UPDATE");
    double const before = hits(*daemon_);
    reader_->scalar(plain + " FOR UPDATE");
    reader_->scalar(plain + " FOR SHARE");
    EXPECT_EQ(hits(*daemon_), before);
}

TEST_F(cache_traps, FailedReadIsNotKept) {
    std::string const sql = "SELECT 10 / v FROM s1.n";
    writer_->must("UPDATE s1.n SET v = 0");
    EXPECT_EQ(reader_->execute(sql).sqlstate(), "22012");
    EXPECT_EQ(reader_->execute(sql).sqlstate(), "22012");
    shared_postgres().execute("UPDATE s1.n SET v = 5", "traps");
    EXPECT_EQ(reader_->scalar(sql), "2");
}

TEST_F(cache_traps, PreparedTransactionOfTwoPhases) {
    EXPECT_EQ(reader_->scalar("SELECT v FROM t WHERE id = 1"), "1");
    // Switched off at PostgreSQL here; the error must leave the daemon's versions and the client's
    // session in order.
    writer_->must("BEGIN; UPDATE t SET v = 12 WHERE id = 1");
    EXPECT_EQ(writer_->execute("PREPARE TRANSACTION 'g1'").sqlstate(), "55000");
    writer_->execute("ROLLBACK");
    EXPECT_EQ(reader_->scalar("SELECT v FROM t WHERE id = 1"), "1");
    writer_->must("UPDATE t SET v = 13 WHERE id = 1");
    EXPECT_EQ(reader_->scalar("SELECT v FROM t WHERE id = 1"), "13");
}

TEST_F(cache_traps, UnlikelySpellings) {
    expect_fresh("SELECT v FROM t WHERE id = 1", {"UPDATE \"public\".\"t\" SET v = 31"});
    expect_fresh("SELECT v FROM t WHERE id = 1", {"uPdAtE\tPUBLIC.T set V = 32"});
    expect_fresh("SELECT v FROM t WHERE id = 1", {"UPDATE U&\"\\0074\" SET v = 33"});
    expect_fresh("SELECT v FROM t WHERE id = 1", {";;; UPDATE t SET v = 34 ;;;"});
    expect_fresh(
        "SELECT v FROM t WHERE id = 1", {"SELECT 'x; -- '; /* /* */ */ UPDATE t SET v = 35"}
    );
    expect_fresh("SELECT v FROM t WHERE id = 1", {"SELECT $q$ text $q$; UPDATE t SET v = 36"});
}

}  // namespace
}  // namespace weir::test

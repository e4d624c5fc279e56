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

class cache_caution : public testing::Test {
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

TEST_F(cache_caution, ViewsOfViews) {
    expect_fresh("SELECT sum(s) FROM v2", {"UPDATE t SET v = 5"});
    expect_fresh("SELECT v FROM t WHERE id = 3", {"UPDATE simple SET v = 9 WHERE id = 3"});
    EXPECT_NE(reader_->scalar("SELECT n FROM vnow"), reader_->scalar("SELECT n FROM vnow"));
}

TEST_F(cache_caution, MaterializedView) {
    expect_fresh(
        "SELECT count FROM mv", {"DELETE FROM t WHERE id < 10", "REFRESH MATERIALIZED VIEW mv"}
    );
}

TEST_F(cache_caution, Partitions) {
    expect_fresh("SELECT count(*) FROM ev", {"INSERT INTO ev2 VALUES (11)"});
    expect_fresh("SELECT count(*) FROM ev1", {"INSERT INTO ev VALUES (1)"});
    expect_fresh("SELECT count(*) FROM ev1", {"UPDATE ev SET k = 12 WHERE k = 1"});
    expect_fresh("SELECT count(*) FROM ev", {"ALTER TABLE ev DETACH PARTITION ev2"});
}

TEST_F(cache_caution, Inheritance) {
    expect_fresh("SELECT count(*) FROM parent", {"INSERT INTO child VALUES (1)"});
    expect_fresh("SELECT sum(x) FROM child", {"UPDATE parent SET x = 5"});
}

TEST_F(cache_caution, ForeignKeyActions) {
    expect_fresh("SELECT count(cid) FROM gc", {"DELETE FROM p"});
    writer_->must("INSERT INTO p VALUES (2); INSERT INTO c VALUES (2, 2)");
    expect_fresh("SELECT count(*) FROM c", {"TRUNCATE p CASCADE"});
}

TEST_F(cache_caution, TriggersAndRules) {
    expect_fresh("SELECT n FROM tot", {"INSERT INTO tr VALUES (2)"});
    expect_fresh("SELECT n FROM tot", {"INSERT INTO tr SELECT 1 WHERE false"});
    expect_fresh("SELECT n FROM tot", {"INSERT INTO ruled VALUES (1)"});
}

TEST_F(cache_caution, FunctionsThatWrite) {
    expect_fresh("SELECT v FROM t WHERE id = 1", {"SELECT wf()"});
    expect_fresh("SELECT v FROM t WHERE id = 1", {"CALL pc()"});
    expect_fresh("SELECT v FROM t WHERE id = 1", {"SELECT 1 WHERE wf() > 0"});
    expect_fresh("SELECT v FROM t WHERE id = 1", {"DO $$ BEGIN PERFORM wf(); END $$"});
}

TEST_F(cache_caution, FunctionsThatReadWhatTheTextDoesNotName) {
    expect_not_kept("SELECT rf()", "UPDATE t SET v = v + 1");
    expect_not_kept("SELECT last_value FROM sq", "SELECT nextval('sq'), nextval('sq')");
    expect_not_kept("SELECT count(*) FROM pg_class", "CREATE TABLE one_more (n integer)");
    expect_not_kept("SELECT current_setting('app.x', true) FROM s1.n", "UPDATE s1.n SET v = v");
}

TEST_F(cache_caution, VolatileAnswers) {
    for (std::string const sql :
         {"SELECT random() FROM t LIMIT 1",
          "SELECT clock_timestamp() FROM t LIMIT 1",
          "SELECT nextval('sq') FROM t LIMIT 1",
          "SELECT gen_random_uuid() FROM t LIMIT 1",
          "SELECT txid_current() FROM t LIMIT 1"}) {
        EXPECT_NE(reader_->scalar(sql), reader_->scalar(sql)) << sql;
    }
}

TEST_F(cache_caution, PortalWithARowLimitIsNotTheWholeAnswer) {
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

TEST_F(cache_caution, LockingReadsAreNotAnsweredFromMemory) {
    std::string const plain = "SELECT v FROM t WHERE id = 1";
    reader_->scalar(plain + " FOR UPDATE");
    reader_->scalar(plain + " FOR UPDATE");
    double const before = hits(*daemon_);
    reader_->scalar(plain + " FOR UPDATE");
    reader_->scalar(plain + " FOR SHARE");
    EXPECT_EQ(hits(*daemon_), before);
}

TEST_F(cache_caution, FailedReadIsNotKept) {
    std::string const sql = "SELECT 10 / v FROM s1.n";
    writer_->must("UPDATE s1.n SET v = 0");
    EXPECT_EQ(reader_->execute(sql).sqlstate(), "22012");
    EXPECT_EQ(reader_->execute(sql).sqlstate(), "22012");
    shared_postgres().execute("UPDATE s1.n SET v = 5", "traps");
    EXPECT_EQ(reader_->scalar(sql), "2");
}

}  // namespace
}  // namespace weir::test

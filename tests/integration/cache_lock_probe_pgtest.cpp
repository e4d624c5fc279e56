// A transaction in which code ran that nobody has read: its locks tell what it has written, so that
// no cached answer misses that, and others stay.
#include "tests/integration/cache_fixture.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace weir::test {
namespace {

constexpr char const* objects = R"(
CREATE TABLE a(id int PRIMARY KEY, v int); INSERT INTO a VALUES (1, 0);
CREATE TABLE b(id int PRIMARY KEY REFERENCES a ON DELETE CASCADE ON UPDATE CASCADE, v int);
INSERT INTO b VALUES (1, 0);
CREATE TABLE c(id int, v int) PARTITION BY RANGE (id);
CREATE TABLE c1 PARTITION OF c FOR VALUES FROM (1) TO (10);
CREATE TABLE c2 PARTITION OF c FOR VALUES FROM (10) TO (20);
INSERT INTO c VALUES (1, 0), (10, 0);
CREATE TABLE other(id int, v int); INSERT INTO other VALUES (1, 0);
CREATE FUNCTION run(text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE $1; RETURN 1; END $$;
CREATE TABLE told(v int); INSERT INTO told VALUES (0);
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN EXECUTE 'UPDATE ' || TG_ARGV[0] || ' SET v = v + 1'; RETURN NULL; END $$;
CREATE TABLE telling(v int); INSERT INTO telling VALUES (0);
CREATE TRIGGER t AFTER INSERT OR UPDATE ON telling EXECUTE FUNCTION tell('told');
GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC;
DO $$ BEGIN CREATE ROLE tenant LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;)";

class lock_probe : public testing::Test {
protected:
    static constexpr char const* upstream = "host=127.0.0.1 port={pg} dbname=probed";

    lock_probe() { start(); }

    void start(std::string const& more_cache = "") {
        reader_ = nullptr;
        writer_ = nullptr;
        daemon_ = nullptr;
        shared_postgres().execute("DROP DATABASE IF EXISTS probed WITH (FORCE)");
        shared_postgres().execute("CREATE DATABASE probed");
        shared_postgres().execute(objects, "probed");
        daemon_ = std::make_unique<daemon_process>(cache_configuration(
            "{name: everything, databases: [shop], ttl: 1h}", more_cache, {.upstream = upstream}
        ));
        reader_ = std::make_unique<pq_connection>(daemon_->dsn("shop"));
        writer_ = std::make_unique<pq_connection>(daemon_->dsn("shop"));
    }

    static std::string sum_of(std::string const& table) { return "SELECT sum(v) FROM " + table; }
    static std::string truth(std::string const& table) {
        return shared_postgres().scalar(sum_of(table), "probed");
    }
    void fill() {
        for (std::string const table : {"a", "b", "c", "c1", "c2", "other", "told", "telling"}) {
            before_[table] = cached(*daemon_, *reader_, sum_of(table));
        }
    }
    /// What is read after the write: no old value, and those that are from memory.
    std::string kept() {
        std::string names;
        for (auto const& [table, old] : before_) {
            auto const got = ask(*daemon_, *reader_, sum_of(table));
            EXPECT_EQ(got.value, truth(table)) << table;
            if (got.from_memory) names += names.empty() ? table : " " + table;
        }
        return names;
    }
    /// `run` in a transaction.
    void write(std::string const& sql) {
        writer_->must("BEGIN");
        writer_->must("SELECT run($$" + sql + "$$)");
        writer_->must("COMMIT");
    }
    [[nodiscard]] double probes(std::string const& result) const {
        return daemon_->metric("pgweir_cache_lock_probes_total", {"result=\"" + result + '"'});
    }

    std::unique_ptr<daemon_process> daemon_;
    std::unique_ptr<pq_connection> reader_;
    std::unique_ptr<pq_connection> writer_;
    std::map<std::string, std::string> before_;
};

TEST_F(lock_probe, KeepsWhatTheCodeHasNotWritten) {
    fill();
    write("UPDATE other SET v = v + 1");
    EXPECT_EQ(kept(), "a b c c1 c2 telling told");
    EXPECT_EQ(probes("narrowed"), 1);
}

TEST_F(lock_probe, FollowsPartitionsKeysAndTriggers) {
    fill();
    write("UPDATE c1 SET v = v + 1");
    EXPECT_EQ(kept(), "a b c2 other telling told");
    fill();
    write("UPDATE a SET id = 2");
    EXPECT_EQ(kept(), "c c1 c2 other telling told") << "by the key";
    fill();
    writer_->must("BEGIN");
    writer_->must("UPDATE telling SET v = v + 1");
    writer_->must("COMMIT");
    EXPECT_EQ(kept(), "a b c c1 c2 other");
    EXPECT_EQ(probes("narrowed"), 3);
}

TEST_F(lock_probe, CountsWhatWasUndoneAndDoneAgain) {
    fill();
    writer_->must("BEGIN");
    writer_->must("SAVEPOINT s");
    writer_->must("SELECT run('UPDATE a SET v = v + 1')");
    writer_->must("ROLLBACK TO s");
    writer_->must("SELECT run('DELETE FROM told')");
    writer_->must("COMMIT AND CHAIN");
    writer_->must("SELECT run('DELETE FROM other')");
    writer_->must("COMMIT");
    EXPECT_EQ(kept(), "a b c c1 c2 telling");
    EXPECT_EQ(probes("narrowed"), 2);
}

TEST_F(lock_probe, InEveryProtocol) {
    fill();
    writer_->must("BEGIN");
    writer_->must("SELECT run('UPDATE other SET v = v + 1')");
    writer_->execute_with("COMMIT", {});
    EXPECT_EQ(kept(), "a b c c1 c2 telling told");
    fill();
    writer_->prepare("ends", "COMMIT");
    writer_->must("BEGIN");
    writer_->must("SELECT run('UPDATE other SET v = v + 1')");
    writer_->execute_prepared("ends", {});
    EXPECT_EQ(kept(), "a b c c1 c2 telling told");
    EXPECT_EQ(probes("narrowed"), 2);
    // What is sent in one go is not interrupted.
    fill();
    auto raw = raw_client::logged_in(daemon_->port(), "postgres", "shop");
    raw.send(
        frontend::query("BEGIN") + frontend::query("SELECT run('UPDATE other SET v = v + 1')") +
        frontend::query("COMMIT")
    );
    for (int i = 0; i < 3; ++i)
        raw.read_until('Z');
    EXPECT_EQ(ask(*daemon_, *reader_, sum_of("other")).value, truth("other"));
    // It is a part of the transaction that fails.
    fill();
    raw.send(frontend::query("BEGIN; SELECT run('UPDATE other SET v = v + 1'); COMMIT"));
    EXPECT_EQ(types(raw.read_until('Z')), "CTDCCZ");
    EXPECT_EQ(ask(*daemon_, *reader_, sum_of("other")).value, truth("other"));
}

TEST_F(lock_probe, FindsDdl) {
    fill();
    write("ALTER TABLE other ADD COLUMN w int");
    EXPECT_EQ(kept(), "");
    EXPECT_EQ(probes("everything"), 1);
    fill();
    write("CREATE OR REPLACE FUNCTION fresh() RETURNS int LANGUAGE sql AS 'SELECT 1'");
    EXPECT_EQ(probes("everything"), 2) << "no lock on a table tells of it";
    fill();
    write("TRUNCATE other");
    EXPECT_EQ(probes("everything"), 3) << "it gives the table another file";
    fill();
    write("CREATE TEMP TABLE passing(x int) ON COMMIT DROP");
    EXPECT_EQ(probes("everything"), 4);
    fill();
    write("REVOKE SELECT ON other FROM tenant");
    EXPECT_EQ(probes("everything"), 5);
    fill();
    write("ALTER ROLE tenant CONNECTION LIMIT 5");
    EXPECT_EQ(probes("everything"), 6) << "of all databases";
}

TEST_F(lock_probe, CodeThatLocksDoNotShowIsNotAsked) {
    writer_->must(
        "CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON telling INITIALLY DEFERRED FOR EACH ROW "
        "EXECUTE FUNCTION tell('other')"
    );
    fill();
    writer_->must("BEGIN");
    writer_->must("UPDATE telling SET v = v + 1");
    writer_->must("COMMIT");
    EXPECT_EQ(kept(), "");
    EXPECT_EQ(probes("narrowed") + probes("everything") + probes("failed"), 0);
}

TEST_F(lock_probe, AnErrorOfItIsNotTheTransactions) {
    shared_postgres().execute("REVOKE ALL ON pg_locks FROM PUBLIC", "probed");
    auto tenant = pq_connection(daemon_->dsn("shop", "tenant"));
    fill();
    tenant.must("BEGIN");
    tenant.must("SELECT run('UPDATE other SET v = v + 1')");
    EXPECT_EQ(tenant.execute("COMMIT").command_tag(), "COMMIT");
    EXPECT_NE(truth("other"), before_["other"]);
    EXPECT_EQ(kept(), "");
    EXPECT_EQ(probes("failed"), 1);
}

TEST_F(lock_probe, CursorsRunCodeBehindIt) {
    fill();
    writer_->must("BEGIN");
    writer_->must("DECLARE h CURSOR WITH HOLD FOR SELECT run('UPDATE other SET v = v + 1')");
    writer_->must("COMMIT");
    EXPECT_NE(truth("other"), before_["other"]) << "the COMMIT has run it";
    EXPECT_EQ(kept(), "");
    EXPECT_EQ(probes("everything"), 1);
    writer_->must("CLOSE h");
    fill();
    auto raw = raw_client::logged_in(daemon_->port(), "postgres", "shop");
    raw.send(
        frontend::query("BEGIN") +
        frontend::query("DECLARE c CURSOR FOR SELECT run('UPDATE told SET v = v + 1')")
    );
    raw.read_until('Z');
    raw.read_until('Z');
    // The portal of a COMMIT, and what is fetched before it is run.
    raw.send(
        frontend::parse("c", "COMMIT") + frontend::bind("p", "c") + frontend::sync() +
        frontend::query("FETCH c") + frontend::execute("p") + frontend::sync()
    );
    for (int i = 0; i < 3; ++i)
        raw.read_until('Z');
    EXPECT_NE(truth("told"), before_["told"]);
    EXPECT_EQ(kept(), "");
}

TEST_F(lock_probe, LeavesAPortalThatIsOpen) {
    fill();
    auto raw = raw_client::logged_in(daemon_->port(), "postgres", "shop");
    raw.send(frontend::query("BEGIN; SELECT run('UPDATE other SET v = v + 1')"));
    raw.read_until('Z');
    raw.send(
        frontend::parse("", "SELECT generate_series(1, 5)") + frontend::bind("", "") +
        frontend::execute("", 2) + frontend::sync()
    );
    EXPECT_EQ(types(raw.read_until('Z')), "12DDsZ");
    raw.send(frontend::parse("ends", "COMMIT") + frontend::sync());
    EXPECT_EQ(types(raw.read_until('Z')), "1Z");
    raw.send(frontend::execute("", 2) + frontend::sync());
    EXPECT_EQ(types(raw.read_until('Z')), "DDsZ");
}

TEST_F(lock_probe, PartitionsThatNobodyWasToldOf) {
    fill();
    shared_postgres().execute(
        "CREATE TABLE c3 PARTITION OF c FOR VALUES FROM (20) TO (30)", "probed"
    );
    write("INSERT INTO c3 VALUES (20, 5)");
    EXPECT_EQ(ask(*daemon_, *reader_, sum_of("c")).value, truth("c"));
}

TEST_F(lock_probe, DdlWhoseCountersAreOff) {
    writer_->must("CREATE VIEW uv AS SELECT v FROM other");
    fill();
    EXPECT_EQ(cached(*daemon_, *reader_, sum_of("uv")), truth("uv"));
    writer_->must("BEGIN");
    writer_->must("SET LOCAL track_counts = off");
    writer_->must("SELECT run('CREATE OR REPLACE VIEW uv AS SELECT v + 1 AS v FROM other')");
    writer_->must("SET LOCAL track_counts = on");
    writer_->must("COMMIT");
    EXPECT_EQ(ask(*daemon_, *reader_, sum_of("uv")).value, truth("uv"));
    writer_->must(
        "CREATE FUNCTION quiet(text) RETURNS int LANGUAGE plpgsql SET track_counts = off AS "
        "$$ BEGIN EXECUTE $1; RETURN 1; END $$"
    );
    EXPECT_EQ(cached(*daemon_, *reader_, sum_of("uv")), truth("uv"));
    writer_->must("BEGIN");
    writer_->must("SELECT quiet('CREATE OR REPLACE VIEW uv AS SELECT v + 2 AS v FROM other')");
    writer_->must("COMMIT");
    EXPECT_EQ(ask(*daemon_, *reader_, sum_of("uv")).value, truth("uv"));
}

TEST_F(lock_probe, CanBeLeftOut) {
    start(", lock_probe: false");
    fill();
    write("UPDATE other SET v = v + 1");
    EXPECT_EQ(kept(), "");
    EXPECT_EQ(probes("narrowed") + probes("everything") + probes("failed"), 0);
}

TEST_F(lock_probe, AServerLostMeanwhileLosesNothing) {
    fill();
    writer_->must("BEGIN");
    auto const id = writer_->scalar("SELECT pg_backend_pid()");
    writer_->must("SELECT run('UPDATE other SET v = v + 1')");
    shared_postgres().execute("SELECT pg_terminate_backend(" + id + ")");
    EXPECT_FALSE(writer_->execute("COMMIT").ok());
    EXPECT_EQ(truth("other"), before_["other"]);
    EXPECT_EQ(ask(*daemon_, *reader_, sum_of("other")).value, truth("other"));
}

}  // namespace
}  // namespace weir::test

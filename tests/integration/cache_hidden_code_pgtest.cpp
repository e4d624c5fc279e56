// Code that a statement runs without calling it by name: behind views, policies, defaults, indexes,
// in functions written like columns. Whatever it writes, no cached answer may miss it; and what is
// known to be harmless costs the cache nothing.
#include "tests/integration/cache_fixture.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace weir::test {
namespace {

constexpr char const* n_of_u = "SELECT n FROM u";

constexpr char const* objects = R"(
CREATE TABLE u(n bigint); INSERT INTO u VALUES (0);
CREATE TABLE t(id int, v int); INSERT INTO t VALUES (1, 1);
CREATE TABLE w(x int); CREATE TABLE w1(x int);
CREATE FUNCTION wu() RETURNS int LANGUAGE sql AS 'UPDATE u SET n = n + 1; SELECT 1';
CREATE FUNCTION wut(t) RETURNS int LANGUAGE sql AS 'UPDATE u SET n = n + 1; SELECT 1';
CREATE FUNCTION cnt(t) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT n FROM u';
CREATE FUNCTION imm(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT wu()';
CREATE VIEW vw AS SELECT wu() AS one; CREATE VIEW vw2 AS SELECT one FROM vw;
CREATE VIEW vx AS SELECT query_to_xml('SELECT wu()', true, true, '')::text;
CREATE VIEW plain_view AS SELECT id, upper(v::text) FROM t;
CREATE TABLE guarded(x int); INSERT INTO guarded VALUES (1);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON guarded USING (wu() = 1);
GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC;
DO $$ BEGIN CREATE ROLE tenant LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
CREATE DOMAIN dd AS int DEFAULT wu(); CREATE TABLE tdd(id int, x dd);
CREATE FUNCTION odd(int, int) RETURNS boolean LANGUAGE sql AS 'SELECT wu() = 1';
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = odd);
CREATE DOMAIN checked AS int CHECK (VALUE === 1); CREATE TABLE tchecked(x checked);
CREATE TABLE sprouting(x int);)";

class hidden_code : public testing::Test {
protected:
    void start(std::string const& sql) {
        shared_postgres().execute("DROP DATABASE IF EXISTS hidden WITH (FORCE)");
        shared_postgres().execute("CREATE DATABASE hidden");
        shared_postgres().execute(sql, "hidden");
        daemon_ = std::make_unique<daemon_process>(cache_configuration(
            "{name: everything, databases: [shop], ttl: 1h}",
            "",
            {.upstream = "host=127.0.0.1 port={pg} dbname=hidden"}
        ));
        reader_ = std::make_unique<pq_connection>(daemon_->dsn("shop"));
        writer_ = std::make_unique<pq_connection>(daemon_->dsn("shop"));
    }

    void expect_fresh(std::string const& write, std::string const& user = "postgres") {
        SCOPED_TRACE(write);
        auto const before = cached(*daemon_, *reader_, n_of_u);
        auto writer = raw_client::logged_in(daemon_->port(), user, "shop");
        writer.send(frontend::query(write));
        EXPECT_EQ(types(writer.read_until('Z')).find('E'), std::string::npos);
        auto const truth = shared_postgres().scalar(n_of_u, "hidden");
        EXPECT_NE(truth, before) << "the statement changes nothing";
        EXPECT_EQ(reader_->scalar(n_of_u), truth);
    }

    // The statement leaves what is cached where it is.
    void expect_harmless(std::string const& statement) {
        SCOPED_TRACE(statement);
        cached(*daemon_, *reader_, n_of_u);
        writer_->must(statement);
        EXPECT_TRUE(ask(*daemon_, *reader_, n_of_u).from_memory);
    }

    std::unique_ptr<daemon_process> daemon_;
    std::unique_ptr<pq_connection> reader_;
    std::unique_ptr<pq_connection> writer_;
};

// Memory answers as PostgreSQL would the role that code has put on.
TEST_F(hidden_code, ThatTakesARoleOffersItNothingOfOthers) {
    start(
        "CREATE TABLE secret(n int); INSERT INTO secret VALUES (42);"
        "DO $$ BEGIN CREATE ROLE stranger; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
        "CREATE FUNCTION become(who text) RETURNS void LANGUAGE plpgsql AS"
        " $f$ BEGIN EXECUTE 'SET ROLE ' || who; END $f$"
    );
    constexpr auto query = "SELECT n FROM secret";
    EXPECT_EQ(cached(*daemon_, *reader_, query), "42");
    EXPECT_TRUE(ask(*daemon_, *writer_, query).from_memory);
    writer_->must("SELECT become('stranger')");
    EXPECT_EQ(cached(*daemon_, *reader_, query), "42");  // it may have been a write
    EXPECT_EQ(writer_->execute(query).sqlstate(), "42501");
    EXPECT_TRUE(ask(*daemon_, *reader_, query).from_memory);
    writer_->must("SELECT become('none')");
    EXPECT_EQ(writer_->scalar(query), "42");
}

TEST_F(hidden_code, BehindWhatIsRead) {
    start(objects);
    for (std::string const write :
         {"SELECT * FROM vw",
          "TABLE vw",
          "SELECT 1 WHERE (SELECT one FROM vw) = 1",
          "WITH q AS MATERIALIZED (SELECT * FROM vw) SELECT * FROM q",
          "MERGE INTO w USING vw ON false WHEN NOT MATCHED THEN INSERT VALUES (one)",
          "CREATE TEMP TABLE of_view AS TABLE vw",
          "SELECT * INTO TEMP of_view FROM vw",
          "SELECT * FROM vw2",
          "SELECT * FROM vx",
          "INSERT INTO w SELECT one FROM vw",
          "COPY (SELECT * FROM vw) TO STDOUT",
          "EXPLAIN ANALYZE SELECT * FROM vw",
          "BEGIN; DECLARE c CURSOR FOR SELECT * FROM vw; FETCH ALL FROM c; COMMIT"}) {
        expect_fresh(write);
    }
    expect_fresh("SELECT * FROM guarded", "tenant");
    expect_harmless("SELECT * FROM plain_view");
    expect_harmless("SELECT count(*) FROM pg_class");
    expect_harmless("SELECT count(*) FROM information_schema.columns");
}

TEST_F(hidden_code, ThatLooksLikeAColumn) {
    start(objects);
    for (std::string const write :
         {"SELECT t.wut FROM t",
          "SELECT (t).wut FROM t",
          "SELECT (SELECT t FROM t LIMIT 1).wut",
          "UPDATE t SET v = 1 WHERE id = 1 RETURNING t.wut"}) {
        expect_fresh(write);
    }
    std::string const count = "SELECT t.cnt FROM t";
    reader_->scalar(count);
    reader_->scalar(count);
    writer_->must("UPDATE u SET n = n + 1");
    EXPECT_EQ(reader_->scalar(count), shared_postgres().scalar(count, "hidden"));
    EXPECT_EQ(cached(*daemon_, *reader_, "SELECT t.v FROM t WHERE t.id = 1"), "1");
}

TEST_F(hidden_code, OfDomains) {
    start(objects);
    expect_fresh("INSERT INTO tdd(id) VALUES (1)");
    expect_fresh("INSERT INTO tchecked VALUES (1)");
}

TEST_F(hidden_code, OfMaintenance) {
    start(objects);
    expect_fresh("EXPLAIN SELECT imm(1)");
    expect_harmless("COMMENT ON TABLE w IS 'x'");
    expect_harmless("ANALYZE w");
    writer_->must("INSERT INTO sprouting VALUES (1); CREATE INDEX s ON sprouting (imm(x))");
    expect_fresh("REINDEX TABLE sprouting");
    expect_fresh("CLUSTER sprouting USING s");
    expect_fresh("ANALYZE sprouting");
    writer_->must(
        "DROP TABLE sprouting; CREATE FUNCTION noted() RETURNS event_trigger LANGUAGE plpgsql AS "
        "'BEGIN UPDATE u SET n = n + 1; END'; CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE "
        "FUNCTION noted()"
    );
    expect_fresh("COMMENT ON TABLE w IS 'y'");
    expect_fresh("CREATE TEMP TABLE own(x int)");
}

TEST_F(hidden_code, ThatChangesTheCatalog) {
    start(objects + std::string{R"(
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE u SET n = n + 1; RETURN NULL; END';
CREATE FUNCTION arm() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN CREATE TRIGGER late AFTER INSERT ON w1 EXECUTE FUNCTION note(); RETURN NULL; END';
CREATE TRIGGER early AFTER INSERT ON w EXECUTE FUNCTION arm();)"});
    cached(*daemon_, *reader_, n_of_u);
    writer_->must("INSERT INTO w VALUES (1)");
    reader_->scalar(n_of_u);
    writer_->must("INSERT INTO w1 VALUES (1)");
    EXPECT_EQ(reader_->scalar(n_of_u), "1");
    EXPECT_EQ(reader_->scalar(n_of_u), "1");
    expect_fresh("INSERT INTO w1 VALUES (2)");
}

TEST_F(hidden_code, ThatMakesATableWhereItExplains) {
    start(R"(
CREATE TABLE u(n bigint); INSERT INTO u VALUES (0); CREATE SCHEMA late;
CREATE FUNCTION explained() RETURNS int LANGUAGE plpgsql AS $f$
DECLARE r record; BEGIN
 FOR r IN EXPLAIN ANALYZE CREATE TABLE late.u AS SELECT 7 AS n LOOP END LOOP; RETURN 1; END $f$;)");
    reader_->must("SET search_path = late, public");
    EXPECT_EQ(cached(*daemon_, *reader_, n_of_u), "0");
    writer_->must("SELECT explained()");
    EXPECT_EQ(reader_->scalar(n_of_u), "7");
}

TEST_F(hidden_code, OfTheCatalogIsNoOrdinaryTables) {
    start(
        "CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE m(x mood); INSERT INTO m VALUES ('sad');"
        "CREATE VIEW labels AS SELECT enumlabel FROM pg_enum"
    );
    constexpr auto read = "SELECT x FROM m";
    EXPECT_EQ(cached(*daemon_, *reader_, read), "sad");
    writer_->must("UPDATE pg_enum SET enumlabel = 'blue' WHERE enumlabel = 'sad'");
    EXPECT_EQ(reader_->scalar(read), "blue");
    EXPECT_EQ(cached(*daemon_, *reader_, read), "blue");
    writer_->must("UPDATE labels SET enumlabel = 'glad'");
    EXPECT_EQ(reader_->scalar(read), "glad");
}

// A column of a temporary table's type goes when that goes.
TEST_F(hidden_code, ThatEndsWithATemporaryTable) {
    start(
        "CREATE TABLE u(n bigint); INSERT INTO u VALUES (0);"
        "CREATE TABLE lasting(x int); INSERT INTO lasting VALUES (1)"
    );
    constexpr auto read = "SELECT * FROM lasting";
    auto const columns = [&] { return reader_->execute(read).columns(); };
    for (std::string const end :
         {"DROP TABLE pg_temp.own CASCADE", "DISCARD TEMP", "DISCARD ALL"}) {
        SCOPED_TRACE(end);
        writer_->must("CREATE TEMP TABLE own(z int); ALTER TABLE lasting ADD COLUMN o pg_temp.own");
        cached(*daemon_, *reader_, n_of_u);  // the catalog is known again
        EXPECT_EQ(columns(), 2);
        EXPECT_EQ(columns(), 2);
        writer_->must(end);
        EXPECT_EQ(columns(), 1);
    }
}

TEST_F(hidden_code, ThatLeavesATableBehindIsNotReadByOthers) {
    start(R"(
CREATE SCHEMA app; CREATE TABLE u(n bigint); INSERT INTO u VALUES (0);
CREATE TABLE tags(x text); INSERT INTO tags VALUES ('everybody''s');
CREATE FUNCTION hide() RETURNS int LANGUAGE plpgsql AS
  'BEGIN CREATE TEMP TABLE tags(x text); INSERT INTO tags VALUES (''own''); RETURN 1; END';
CREATE VIEW hiding AS SELECT hide();)");
    cached(*daemon_, *reader_, n_of_u);
    writer_->must("SELECT * FROM hiding");
    reader_->scalar("SELECT x FROM tags");
    EXPECT_EQ(cached(*daemon_, *reader_, "SELECT x FROM tags"), "everybody's");
}

TEST_F(hidden_code, TemporaryTablesAreTheirSessionsAffair) {
    start(objects);
    expect_harmless("CREATE TEMP TABLE own(x int)");
    expect_harmless("CREATE TEMP TABLE copied AS SELECT * FROM t");
    expect_harmless("DROP TABLE pg_temp.own");
    expect_fresh("CREATE TEMP TABLE made AS SELECT wu()");
    // One that hides another's table and runs code.
    pq_connection hiding(daemon_->dsn("shop"));
    hiding.must("CREATE TEMP VIEW t AS SELECT wu() AS id");
    auto const before = cached(*daemon_, *reader_, n_of_u);
    hiding.must("SELECT * FROM t");
    EXPECT_NE(reader_->scalar(n_of_u), before);
}

TEST_F(hidden_code, ExtensionsCostNothing) {
    start(R"(
CREATE EXTENSION pg_trgm; CREATE EXTENSION citext; CREATE EXTENSION pgcrypto; CREATE EXTENSION hstore;
CREATE EXTENSION "uuid-ossp"; CREATE EXTENSION unaccent;
CREATE TABLE u(n bigint); INSERT INTO u VALUES (0);
CREATE TABLE tags(id int, name text, ci citext); INSERT INTO tags VALUES (1, 'one', 'One');
CREATE TABLE keys(id uuid, word text);
CREATE TABLE attributes(x int); INSERT INTO attributes VALUES (1);)");
    for (std::string const read :
         {"SELECT max(id) FROM tags",
          "SELECT min(ci) FROM tags",
          "SELECT replace(name, 'o', 'u') FROM tags",
          "SELECT split_part(name, 'n', 1) FROM tags WHERE id + 1 = 2 OR name LIKE 'o%'",
          "SELECT similarity(name, 'on') > 0 FROM tags",
          "SELECT x FROM attributes"}) {
        SCOPED_TRACE(read);
        cached(*daemon_, *reader_, read);
    }
    for (std::string const statement :
         {"SELECT name FROM tags WHERE name % 'on'",
          "INSERT INTO keys VALUES (gen_random_uuid(), crypt('a', gen_salt('md5')))",
          "INSERT INTO keys VALUES (uuid_generate_v4(), unaccent('a'))",
          "UPDATE attributes SET x = 2",
          "SELECT (information_schema._pg_expandarray(indkey)).n FROM pg_index LIMIT 1"}) {
        expect_harmless(statement);
    }
}

TEST_F(hidden_code, ExtensionsThatRunSqlAreNotTrusted) {
    start(objects + std::string{"CREATE EXTENSION tablefunc;"});
    expect_fresh("SELECT * FROM crosstab('SELECT 1, 1, wu()') AS c(a int, b int)");
}

}  // namespace
}  // namespace weir::test

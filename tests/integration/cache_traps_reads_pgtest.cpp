// The traps of what a read depends on, by their numbers (2.B).
#include "tests/integration/cache_traps_fixture.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weir::test {
namespace {

class cache_traps_reads : public cache_traps {
protected:
    // The daemon before the database as it is now; for what was made past it.
    void make(std::string const& sql) {
        around(sql);
        start_daemon();
    }
};

// B9
TEST_F(cache_traps_reads, T24_Views) {
    expect_gone("SELECT sum(s) FROM v1", {"UPDATE t SET v = 2"});
    expect_gone("SELECT sum(s) FROM v2", {"UPDATE t SET v = 3"});
    expect_gone("SELECT s FROM v3", {"UPDATE t SET v = 4"});
    expect_gone("SELECT v FROM simple WHERE id = 3", {"UPDATE t SET v = 5"});
    expect_kept("SELECT s FROM v3", {"UPDATE u SET v = 6"});
    make(
        "CREATE VIEW joined AS SELECT t.v + u.v + (SELECT max(v) FROM s1.n) AS v FROM t, u; "
        "CREATE VIEW lateral_one AS SELECT j.v FROM u, LATERAL (SELECT * FROM joined) j; "
        "CREATE VIEW with_cte AS WITH c AS (SELECT v FROM s2.n) SELECT * FROM c"
    );
    expect_gone("SELECT max(v) FROM lateral_one", {"UPDATE s1.n SET v = 50"});
    expect_gone("SELECT max(v) FROM lateral_one", {"UPDATE u SET v = 60"});
    expect_gone("SELECT v FROM with_cte", {"UPDATE s2.n SET v = 70"});
}

// B9
TEST_F(cache_traps_reads, T25_VolatileViews) {
    expect_never("SELECT n FROM vnow", "view_volatile");
    auto const first = read("SELECT n FROM vnow").value;
    EXPECT_NE(read("SELECT n FROM vnow").value, first);
    make(
        "CREATE VIEW over_now AS SELECT n FROM vnow; "
        "CREATE VIEW dice AS SELECT random() AS r FROM t LIMIT 1; "
        "CREATE VIEW who AS SELECT current_user AS r; "
        "CREATE VIEW today AS SELECT count(*) AS r FROM ev WHERE d = current_date; "
        "CREATE VIEW places AS SELECT ctid::text AS r FROM u; "
        "CREATE VIEW asks AS SELECT rf() AS r"
    );
    for (std::string const view : {"over_now", "dice", "who", "today", "places", "asks"}) {
        auto const sql = "SELECT * FROM " + view;
        SCOPED_TRACE(sql);
        for (int turn = 0; turn < 2; ++turn) {
            auto const got = read(sql);
            EXPECT_NE(got.how, "hit");
            EXPECT_NE(got.how, "miss") << "it is kept";
        }
    }
}

TEST_F(cache_traps_reads, T27_MaterializedView) {
    std::string const sql = "SELECT count FROM mv";
    expect_kept(sql, {"DELETE FROM t WHERE id < 10"});
    expect_gone(sql, {"REFRESH MATERIALIZED VIEW mv"});
    make("CREATE UNIQUE INDEX ON mv (count)");
    expect_kept(sql, {"DELETE FROM t WHERE id < 20"});
    expect_gone(sql, {"REFRESH MATERIALIZED VIEW CONCURRENTLY mv"});
}

// B10
TEST_F(cache_traps_reads, T28_PartitionsAndChildrenUpwards) {
    make(
        "CREATE TABLE ev3 PARTITION OF ev FOR VALUES FROM (20) TO (40) PARTITION BY RANGE (k); "
        "CREATE TABLE ev3a PARTITION OF ev3 FOR VALUES FROM (20) TO (30); "
        "CREATE TABLE mother (y int); CREATE TABLE heir () INHERITS (parent, mother); "
        "CREATE TABLE grandchild () INHERITS (child); "
        "CREATE VIEW of_ev AS SELECT count(*) AS n FROM ev"
    );
    expect_gone("SELECT count(*) FROM ev", {"INSERT INTO ev2 VALUES (11)"});
    expect_gone("SELECT count(*) FROM ev", {"INSERT INTO ev3a VALUES (21)"});
    expect_gone("SELECT count(*) FROM ev3", {"INSERT INTO ev3a VALUES (22)"});
    expect_gone("SELECT n FROM of_ev", {"INSERT INTO ev3a VALUES (23)"});
    expect_gone("SELECT count(*) FROM parent", {"INSERT INTO child VALUES (1)"});
    expect_gone("SELECT count(*) FROM parent", {"INSERT INTO grandchild VALUES (2)"});
    expect_gone("SELECT count(*) FROM parent", {"INSERT INTO heir VALUES (3, 3)"});
    expect_gone("SELECT count(*) FROM mother", {"INSERT INTO heir VALUES (4, 4)"});
    // Not to the neighbour.
    expect_kept("SELECT count(*) FROM ev1", {"INSERT INTO ev2 VALUES (12)"});
    expect_kept("SELECT count(*) FROM child", {"INSERT INTO heir VALUES (5, 5)"});
}

// B10
TEST_F(cache_traps_reads, T29_PartitionsAndChildrenDownwards) {
    expect_gone("SELECT count(*) FROM ev1", {"INSERT INTO ev VALUES (1)"});
    prove("SELECT count(*) FROM ev2");
    expect_gone("SELECT count(*) FROM ev1", {"UPDATE ev SET k = 12 WHERE k = 1"});
    EXPECT_EQ(read("SELECT count(*) FROM ev2"), (seen{"1", "miss"}));
    expect_gone("SELECT count(*) FROM ev2", {"DELETE FROM ev"});
    writer_->must("INSERT INTO child VALUES (1)");
    expect_gone("SELECT sum(x) FROM child", {"UPDATE parent SET x = 5"});
    writer_->must("INSERT INTO parent VALUES (1)");
    expect_gone("SELECT sum(x) FROM ONLY parent", {"UPDATE parent SET x = 6"});
    expect_gone("SELECT sum(x) FROM child", {"TRUNCATE parent"});
}

// B10
TEST_F(cache_traps_reads, T30_AttachAndDetach) {
    std::string const sql = "SELECT count(*) FROM ev";
    writer_->must("INSERT INTO ev VALUES (1), (11)");
    expect_gone_by_ddl(sql, {"ALTER TABLE ev DETACH PARTITION ev2"});
    expect_kept(sql, {"INSERT INTO ev2 VALUES (12)"});
    expect_gone_by_ddl(sql, {"ALTER TABLE ev ATTACH PARTITION ev2 FOR VALUES FROM (10) TO (20)"});
    expect_gone(sql, {"INSERT INTO ev2 VALUES (13)"});
    expect_gone_by_ddl(sql, {"ALTER TABLE ev DETACH PARTITION ev1 CONCURRENTLY"});
    prove(sql);
    writer_->must("CREATE TABLE ev3 PARTITION OF ev FOR VALUES FROM (20) TO (30)");
    expect_gone(sql, {"INSERT INTO ev3 VALUES (21)"});
    expect_gone_by_ddl(sql, {"DROP TABLE ev3"});
    expect_gone_by_ddl(
        "SELECT count(*) FROM parent",
        {"CREATE TABLE more AS SELECT 1 AS x", "ALTER TABLE more INHERIT parent"}
    );
    expect_gone_by_ddl("SELECT count(*) FROM parent", {"ALTER TABLE more NO INHERIT parent"});
}

// B14
TEST_F(cache_traps_reads, T40_FunctionsThatReadTables) {
    expect_never("SELECT rf()", "user_function", "UPDATE t SET v = v + 1");
    make(
        "CREATE FUNCTION liar() RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT sum(v) FROM t'; "
        "CREATE FUNCTION rows() RETURNS SETOF int LANGUAGE sql STABLE AS 'SELECT v FROM u'"
    );
    expect_never("SELECT liar() FROM s1.n", "user_function", "UPDATE t SET v = v + 1");
    expect_never("SELECT * FROM rows()", "user_function", "UPDATE u SET v = v + 1");
    expect_never("SELECT v FROM u WHERE v < rf()", "user_function", "UPDATE u SET v = v + 1");
}

TEST_F(cache_traps_reads, T41_HiddenFunctions) {
    make(
        "CREATE FUNCTION sum_of_t(int, int) RETURNS bigint LANGUAGE sql STABLE AS "
        "'SELECT sum(v) + $1 + $2 FROM t'; "
        "CREATE OPERATOR <+> (LEFTARG = int, RIGHTARG = int, FUNCTION = sum_of_t); "
        "CREATE FUNCTION few() RETURNS bool LANGUAGE sql STABLE AS 'SELECT count(*) < 3 FROM u'; "
        "CREATE DOMAIN checked AS int CHECK (few() OR VALUE > 0)"
    );
    expect_never("SELECT 1 <+> v FROM s1.n", "user_operator", "UPDATE t SET v = v + 1");
    expect_never(
        "SELECT 1 OPERATOR(public.<+>) v FROM s1.n", "user_operator", "UPDATE t SET v = v + 1"
    );
    expect_never("SELECT v::checked FROM u", "user_type", "UPDATE u SET v = v + 1");
    // A cast needs no name: nothing is kept of a database that has such a one.
    writer_->must("CREATE TYPE pair AS (a int, b int)");
    writer_->must(
        "CREATE FUNCTION as_pair(int) RETURNS pair LANGUAGE sql STABLE AS "
        "'SELECT ROW($1, (SELECT max(v) FROM t))::pair'"
    );
    writer_->must("CREATE CAST (int AS pair) WITH FUNCTION as_pair(int) AS ASSIGNMENT");
    wait_until([&] { return read("SELECT v FROM s1.n").how == "user_cast"; }, "the new catalog");
    expect_never("SELECT (v::pair)::text FROM s1.n", "user_cast", "UPDATE t SET v = v + 1");
}

TEST_F(cache_traps_reads, T46_LockingReads) {
    std::string const plain = "SELECT v FROM t WHERE id = 1";
    prove(plain);
    for (std::string const& sql :
         {plain + " FOR UPDATE",
          plain + " FOR NO KEY UPDATE",
          plain + " FOR SHARE",
          plain + " FOR KEY SHARE",
          "SELECT * FROM (" + plain + " FOR UPDATE) s",
          "WITH c AS (" + plain + " FOR UPDATE) SELECT * FROM c"}) {
        expect_never(sql, "locking");
        EXPECT_EQ(read(plain), (seen{"1", "hit"})) << "a lock is no write: " << sql;
    }
    make("CREATE VIEW locked AS SELECT v FROM t WHERE id = 1 FOR UPDATE");
    for (int turn = 0; turn < 2; ++turn) {
        auto const got = read("SELECT v FROM locked");
        EXPECT_NE(got.how, "hit");
        EXPECT_NE(got.how, "miss") << "it is kept";
    }
    // It is taken each time.
    reader_->must("BEGIN");
    reader_->must(plain + " FOR UPDATE");
    auto other = client();
    EXPECT_EQ(other.execute(plain + " FOR UPDATE NOWAIT").sqlstate(), "55P03");
    reader_->must("COMMIT");
    EXPECT_EQ(other.execute(plain + " FOR UPDATE NOWAIT").sqlstate(), "");
}

TEST_F(cache_traps_reads, T47_ManyTables) {
    std::string create;
    std::string all = "SELECT sum(x) FROM (";
    for (int n = 0; n < 200; ++n) {
        auto const name = "many" + std::to_string(n);
        create += "CREATE TABLE " + name + " (x int); INSERT INTO " + name + " VALUES (1);";
        all += (n == 0 ? "" : " UNION ALL ") + std::string("SELECT x FROM ") + name;
    }
    make(create);
    all += ") s";
    for (int const n : {0, 1, 127, 128, 129, 199}) {
        expect_gone(all, {"UPDATE many" + std::to_string(n) + " SET x = x + 1"});
    }
    // Every place where a table can stand.
    for (std::string const sql :
         {"SELECT (SELECT max(v) FROM u) FROM s1.n",
          "SELECT v FROM s1.n WHERE EXISTS (SELECT FROM u WHERE u.v > 100) = false ORDER BY "
          "(SELECT max(u.v) FROM u), 1",
          "SELECT count(*) FROM s1.n GROUP BY (SELECT max(v) FROM u), v HAVING (SELECT max(v) FROM "
          "u) > 0",
          "SELECT s.v FROM s1.n, LATERAL (SELECT u.v FROM u WHERE u.id = 1) s",
          "SELECT v FROM s1.n UNION ALL SELECT v FROM u EXCEPT SELECT 0 ORDER BY 1 DESC",
          "SELECT max(a.v + b.v) FROM u a, u b",
          "SELECT CASE WHEN v IN (SELECT v FROM s1.n) THEN v ELSE v END FROM (VALUES (1)) x (y) "
          "JOIN u ON u.id = x.y",
          "SELECT array(SELECT v FROM u)::text FROM s1.n",
          "SELECT v FROM s1.n LIMIT (SELECT max(v) FROM u)",
          "SELECT sum((SELECT max(v) FROM u)) OVER (ORDER BY v) FROM s1.n"}) {
        SCOPED_TRACE(sql);
        prove(sql);
        writer_->must("UPDATE u SET v = v + 1");
        EXPECT_EQ(read(sql), (seen{truth(sql), "miss"}));
        EXPECT_EQ(read(sql), (seen{truth(sql), "hit"}));
    }
}

TEST_F(cache_traps_reads, T48_NamesOfCommonTableExpressions) {
    expect_gone("WITH u AS (SELECT max(v) AS v FROM u) SELECT v FROM u", {"UPDATE u SET v = 2"});
    expect_gone(
        "WITH x AS (SELECT 1), y AS (SELECT v FROM u) SELECT v FROM y", {"UPDATE u SET v = 3"}
    );
    expect_gone(
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r, u WHERE n < u.v) "
        "SELECT count(*) FROM r",
        {"UPDATE u SET v = 4"}
    );
    expect_gone(
        "SELECT (WITH t AS (SELECT 1 AS v) SELECT v FROM t) + v FROM u", {"UPDATE u SET v = 5"}
    );
    expect_gone(
        "SELECT o.m FROM (WITH t AS (SELECT 1 AS v) SELECT v FROM t) s, "
        "(SELECT max(v) AS m FROM t) o",
        {"UPDATE t SET v = 6"}
    );
    // A name that is only the expression's.
    expect_kept("WITH u AS (SELECT 1 AS v) SELECT v FROM u", {"UPDATE s1.n SET v = 9"});
}

TEST_F(cache_traps_reads, T49_ForeignTables) {
    around(
        "CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw; "
        "CREATE FOREIGN TABLE far (x text) SERVER files OPTIONS (filename '/dev/null'); "
        "CREATE TABLE near_far (x text) PARTITION BY LIST (x); "
        "CREATE FOREIGN TABLE far_part PARTITION OF near_far FOR VALUES IN ('a') SERVER files "
        "OPTIONS (filename '/dev/null'); CREATE VIEW over_far AS SELECT * FROM far"
    );
    start_daemon();
    for (std::string const name : {"far", "near_far", "over_far"}) {
        expect_never("SELECT count(*) FROM " + name, "foreign_table");
    }
}

TEST_F(cache_traps_reads, T50_Sequences) {
    expect_never("SELECT last_value FROM sq", "sequence", "SELECT nextval('sq'), nextval('sq')");
    for (std::string const call : {"nextval('sq')", "lastval()", "currval('sq')"}) {
        auto const sql = "SELECT " + call + " FROM s1.n";
        EXPECT_EQ(read(sql).how.find("hit"), std::string::npos);
        EXPECT_EQ(read(sql).how.find("miss"), std::string::npos) << sql;
    }
}

TEST_F(cache_traps_reads, T51_SystemCatalogs) {
    expect_never(
        "SELECT count(*) FROM pg_class", "system_catalog", "CREATE TABLE one_more (n int)"
    );
    expect_never(
        "SELECT count(*) FROM information_schema.tables",
        "system_catalog",
        "CREATE TABLE two (n int)"
    );
    expect_never("SELECT count(*) FROM pg_stat_activity", "system_catalog");
    expect_never("SELECT 't'::regclass FROM s1.n", "catalog_cast");
    for (std::string const call :
         {"to_regclass('t')",
          "pg_get_viewdef('v1')",
          "has_table_privilege('t', 'SELECT')",
          "obj_description(1259, 'pg_class')",
          "pg_relation_size('t')"}) {
        auto const got = read("SELECT " + call + " FROM s1.n");
        EXPECT_EQ(got.how, "function_not_allowed") << call;
    }
}

TEST_F(cache_traps_reads, T52_SystemColumns) {
    for (std::string const column : {"ctid", "xmin", "xmax", "cmin", "tableoid", "u.ctid"}) {
        expect_never("SELECT " + column + " FROM u", "system_column");
    }
    expect_never("SELECT v FROM u WHERE ctid = '(0,1)'", "system_column");
}

TEST_F(cache_traps_reads, T53_Samples) {
    for (std::string const sql :
         {"SELECT count(*) FROM t TABLESAMPLE bernoulli (50)",
          "SELECT count(*) FROM t TABLESAMPLE system (100) REPEATABLE (1)",
          "SELECT * FROM (SELECT count(*) FROM t TABLESAMPLE bernoulli (50)) s"}) {
        expect_never(sql, "tablesample");
    }
}

TEST_F(cache_traps_reads, T55_LargeObjects) {
    around("SELECT lo_create(77); SELECT lo_put(77, 0, 'one')");
    expect_never(
        "SELECT lo_get(77) FROM s1.n", "function_not_allowed", "SELECT lo_put(77, 0, 'two')"
    );
    expect_never("SELECT count(*) FROM pg_largeobject", "system_catalog");
}

}  // namespace
}  // namespace weir::test

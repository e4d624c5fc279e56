// The traps of what a write reaches, by their numbers (2.B). Plain writes by every kind of
// statement are in cache_writes_pgtest.cpp.
#include "tests/integration/cache_traps_fixture.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weir::test {
namespace {

using namespace frontend;

constexpr char const* v_of_one = "SELECT v FROM t WHERE id = 1";
constexpr char const* total = "SELECT n FROM tot";

class cache_traps_writes : public cache_traps {
protected:
    // The daemon before the database as it is now; for what was made past it.
    void make(std::string const& sql) {
        around(sql);
        start_daemon();
    }

    // As expect_gone; code has run on a server, from which nothing is kept before it is wiped.
    void expect_gone_by_code(std::string const& sql, std::vector<std::string> const& writes) {
        expect_gone_by_ddl(sql, writes);
    }

    // A simple Query, and what COPY FROM STDIN asks for.
    void run(raw_client& client, std::string const& sql, std::string const& data) {
        client.send(query(sql));
        client.read_until('G');
        client.send(data);
        client.read_until('Z');
    }
};

TEST_F(cache_traps_writes, T26_UpdatableViews) {
    make(
        "CREATE VIEW checked AS SELECT id, v FROM t WHERE v < 100 WITH CHECK OPTION; "
        "CREATE VIEW twice AS SELECT id, v FROM simple; "
        "CREATE VIEW instead AS SELECT n FROM tot; "
        "CREATE FUNCTION to_tot() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN UPDATE tot SET n = n + 1; RETURN NEW; END'; "
        "CREATE TRIGGER i INSTEAD OF INSERT ON instead FOR EACH ROW EXECUTE FUNCTION to_tot()"
    );
    expect_gone(v_of_one, {"UPDATE simple SET v = 9 WHERE id = 1"});
    expect_gone(v_of_one, {"UPDATE checked SET v = 10 WHERE id = 1"});
    expect_gone(v_of_one, {"UPDATE twice SET v = 11 WHERE id = 1"});
    expect_gone("SELECT count(*) FROM t", {"INSERT INTO twice VALUES (101, 1)"});
    expect_gone("SELECT count(*) FROM t", {"DELETE FROM twice WHERE id = 101"});
    expect_gone("SELECT sum(v) FROM twice", {"UPDATE t SET v = 12"});
    expect_gone_by_code(total, {"INSERT INTO instead VALUES (1)"});
}

// B11
TEST_F(cache_traps_writes, T31_ForeignKeyActions) {
    expect_gone("SELECT count(cid) FROM gc", {"DELETE FROM p"});
    writer_->must("INSERT INTO p VALUES (2); INSERT INTO c VALUES (2, 2)");
    expect_gone("SELECT count(*) FROM c", {"DELETE FROM p WHERE id = 2"});
    make(
        "CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree ON DELETE CASCADE); "
        "INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2); "
        "CREATE TABLE leaf (id int, of int REFERENCES tree ON UPDATE CASCADE ON DELETE SET DEFAULT)"
        " PARTITION BY LIST (id); CREATE TABLE leaf1 PARTITION OF leaf FOR VALUES IN (1); "
        "INSERT INTO leaf VALUES (1, 3); CREATE VIEW leaves AS SELECT count(of) AS n FROM leaf"
    );
    expect_gone("SELECT sum(of) FROM leaf1", {"UPDATE tree SET id = 30 WHERE id = 3"});
    expect_gone("SELECT sum(of) FROM leaf", {"UPDATE tree SET id = 31 WHERE id = 30"});
    prove("SELECT n FROM leaves");
    prove("SELECT count(of) FROM leaf1");
    expect_gone("SELECT count(*) FROM tree", {"DELETE FROM tree WHERE id = 1"});
    EXPECT_EQ(read("SELECT n FROM leaves"), (seen{"0", "miss"}));
    EXPECT_EQ(read("SELECT count(of) FROM leaf1"), (seen{"0", "miss"}));
    // A key without an action carries nothing.
    expect_kept("SELECT count(*) FROM later", {"UPDATE u SET v = 7"});
}

// B12
TEST_F(cache_traps_writes, T32_Triggers) {
    make(
        "CREATE TABLE cascaded (id int PRIMARY KEY, pid int REFERENCES p ON DELETE CASCADE); "
        "INSERT INTO cascaded VALUES (1, 1); "
        "CREATE TRIGGER d AFTER DELETE ON cascaded FOR EACH ROW EXECUTE FUNCTION trg(); "
        "CREATE TABLE off (x int); CREATE TRIGGER o AFTER INSERT ON off EXECUTE FUNCTION trg(); "
        "ALTER TABLE off DISABLE TRIGGER o"
    );
    expect_gone_by_code(total, {"INSERT INTO tr VALUES (2)"});
    expect_gone_by_code(total, {"DELETE FROM p"});
    expect_gone_by_code(total, {"COPY tr FROM PROGRAM 'echo 5'"});
    expect_kept(total, {"INSERT INTO off VALUES (1)"});
    writer_->must("ALTER TABLE off ENABLE ALWAYS TRIGGER o");
    expect_gone_by_code(total, {"INSERT INTO off VALUES (1)"});
}

TEST_F(cache_traps_writes, T33_Rules) {
    make(
        "CREATE TABLE elsewhere (x int); CREATE RULE away AS ON INSERT TO elsewhere DO INSTEAD "
        "UPDATE tot SET n = n + 100; "
        "CREATE TABLE removing (x int); INSERT INTO removing VALUES (1); "
        "CREATE RULE gone AS ON DELETE TO removing DO ALSO DELETE FROM s1.n"
    );
    expect_gone(total, {"INSERT INTO ruled VALUES (1)"});
    expect_gone(total, {"INSERT INTO elsewhere VALUES (1)"});
    expect_gone("SELECT count(*) FROM s1.n", {"DELETE FROM removing"});
    expect_kept("SELECT v FROM u", {"INSERT INTO ruled VALUES (2)"});
}

// B13
TEST_F(cache_traps_writes, T34_WritesInCommonTableExpressions) {
    std::string const count = "SELECT count(*) FROM t";
    int id = 100;
    for (std::string const before :
         {"WITH d AS (",
          "WITH x AS (SELECT 1), d AS (",
          "WITH x AS MATERIALIZED (SELECT 1), d AS ("}) {
        auto const write = before + "DELETE FROM t WHERE id = " + std::to_string(id--) +
                           " RETURNING 1) SELECT count(*) FROM d";
        expect_gone(count, {write});
        EXPECT_EQ(read(write), (seen{"0", "writing_cte"}));
        EXPECT_EQ(read(write), (seen{"0", "writing_cte"}));
    }
    expect_gone(
        count,
        {"WITH d AS (DELETE FROM t WHERE id = 50 RETURNING v) INSERT INTO u SELECT 5, v FROM d"}
    );
    expect_gone(
        "SELECT count(*) FROM u",
        {"WITH i AS (INSERT INTO u VALUES (6, 6) RETURNING id) UPDATE s1.n SET v = 3"}
    );
}

TEST_F(cache_traps_writes, T35_SelectInto) {
    for (std::string const sql :
         {"SELECT 1 AS v INTO made",
          "CREATE TABLE made AS SELECT 1 AS v",
          "CREATE MATERIALIZED VIEW made AS SELECT 1 AS v"}) {
        SCOPED_TRACE(sql);
        writer_->must(sql);
        EXPECT_EQ(writer_->execute(sql).sqlstate(), "42P07") << "it was not run";
        EXPECT_EQ(prove("SELECT v FROM made"), "1");
        writer_->must(
            sql.find("MATER") == std::string::npos ? "DROP TABLE made"
                                                   : "DROP MATERIALIZED VIEW made"
        );
        EXPECT_EQ(read("SELECT v FROM made").value, "42P01");
    }
}

// B13
TEST_F(cache_traps_writes, T36_Copy) {
    std::string const count = "SELECT count(*) || ':' || sum(v) FROM u";
    auto writer = raw();
    auto const expect_copied = [&](std::string const& sql, std::string const& data) {
        SCOPED_TRACE(sql);
        auto const before = prove(count);
        run(writer, sql, data);
        auto const now = truth(count);
        EXPECT_NE(now, before);
        EXPECT_EQ(read(count), (seen{now, "miss"}));
    };
    expect_copied("COPY u FROM STDIN", copy_data("10\t5\n") + copy_done());
    expect_copied("COPY u (v, id) FROM STDIN (FORMAT csv)", copy_data("5,11\n") + copy_done());
    auto const header = std::string("PGCOPY\n\xFF\r\n\0", 11) + int32(0) + int32(0);
    expect_copied(
        "COPY u FROM STDIN (FORMAT binary)",
        copy_data(header + int16(2) + int32(4) + int32(12) + int32(4) + int32(5) + int16(-1)) +
            copy_done()
    );
    auto const before = prove(count);
    run(writer, "COPY u FROM STDIN", copy_data("13\t5\n") + copy_fail("no"));
    EXPECT_EQ(read(count).value, before);
    prove(count);
    writer.ask(query("BEGIN"));
    run(writer, "COPY u FROM STDIN", copy_data("14\t5\n") + copy_done());
    EXPECT_EQ(read(count), (seen{before, "hit"}));
    writer.ask(query("COMMIT"));
    EXPECT_EQ(read(count), (seen{truth(count), "miss"}));
    expect_gone(count, {"COPY u FROM PROGRAM 'printf \"15\\t5\\n\"'"});
    // COPY that writes what it gives.
    for (std::string const sql :
         {"COPY (DELETE FROM u WHERE id = 15 RETURNING id) TO STDOUT",
          "COPY (WITH d AS (DELETE FROM u WHERE id = 14 RETURNING id) SELECT * FROM d) TO "
          "STDOUT"}) {
        SCOPED_TRACE(sql);
        prove(count);
        writer.ask(query(sql));
        EXPECT_EQ(read(count), (seen{truth(count), "miss"}));
    }
    prove(count);
    writer.ask(query("COPY u TO STDOUT"));
    EXPECT_EQ(read(count).how, "hit") << "it only reads";
}

// B11
TEST_F(cache_traps_writes, T37_Truncate) {
    expect_gone("SELECT count(*) FROM gc", {"TRUNCATE p CASCADE"});
    expect_gone("SELECT count(*) FROM t", {"TRUNCATE t RESTART IDENTITY"});
    writer_->must("INSERT INTO u VALUES (9, 9); INSERT INTO later VALUES (1, 9)");
    expect_gone("SELECT count(*) FROM later", {"TRUNCATE u CASCADE"});
    writer_->must("INSERT INTO ev VALUES (1), (11)");
    expect_gone("SELECT count(*) FROM ev2", {"TRUNCATE ev"});
    writer_->must("INSERT INTO ev VALUES (1), (11)");
    expect_gone("SELECT count(*) FROM ev", {"TRUNCATE ev1"});
}

TEST_F(cache_traps_writes, T38_Merge) {
    expect_gone(
        v_of_one, {"MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN UPDATE SET v = 40"}
    );
    expect_gone(
        "SELECT count(*) FROM t",
        {"MERGE INTO t USING (VALUES (500)) x (i) ON t.id = x.i WHEN NOT MATCHED THEN INSERT "
         "VALUES "
         "(x.i, 1, 1)"}
    );
}

// B14
TEST_F(cache_traps_writes, T39_FunctionsThatWrite) {
    make(
        "CREATE TABLE defaulting (a int, b int DEFAULT wf()); "
        "CREATE FUNCTION bump() RETURNS bool LANGUAGE plpgsql AS "
        "'BEGIN UPDATE t SET v = v + 1; RETURN true; END'; "
        "CREATE TABLE checking (a int CHECK (bump()))"
    );
    for (std::string const sql :
         {"SELECT wf()",
          "SELECT 1 WHERE wf() > 0",
          "SELECT * FROM wf()",
          "SELECT public.wf() FROM s1.n",
          "SELECT count(*) FROM s1.n HAVING wf() > 0",
          "CALL pc()",
          "DO $$ BEGIN PERFORM wf(); END $$",
          "INSERT INTO defaulting (a) VALUES (1)",
          "INSERT INTO checking VALUES (1)",
          "UPDATE u SET v = wf()",
          "VALUES (wf())"}) {
        expect_gone_by_code(v_of_one, {sql});
    }
    EXPECT_EQ(read("SELECT nextval('sq')").how, "function_not_allowed");
    EXPECT_EQ(read("SELECT pg_sleep(0)").how, "function_not_allowed");
    expect_kept(
        v_of_one, {"SELECT nextval('sq')", "SELECT pg_sleep(0), random(), clock_timestamp()"}
    );
}

// B16
TEST_F(cache_traps_writes, T42_StatementsPreparedBySql) {
    writer_->must("PREPARE q AS UPDATE t SET v = v + 1");
    for (int turn = 0; turn < 3; ++turn) {
        auto const before = std::stoi(prove(v_of_one));
        writer_->must("EXECUTE q");
        auto const got = read(v_of_one);
        EXPECT_EQ(got.value, std::to_string(before + 1));
        EXPECT_NE(got.how, "hit");
    }
    reader_->must("PREPARE r AS " + std::string(v_of_one));
    for (int turn = 0; turn < 2; ++turn) {
        auto const before = read("EXECUTE r");
        EXPECT_EQ(before.value, truth(v_of_one));
        EXPECT_NE(before.how, "hit");
        writer_->must("UPDATE t SET v = v + 1");
    }
    EXPECT_EQ(read("EXECUTE r").value, truth(v_of_one));
}

// B16
TEST_F(cache_traps_writes, T43_BindWithoutParse) {
    ASSERT_TRUE(writer_->prepare("w", "UPDATE t SET v = $1 WHERE id = 1").ok());
    for (int n = 100; n < 105; ++n) {
        prove(v_of_one);
        ASSERT_TRUE(writer_->execute_prepared("w", {std::to_string(n)}).ok());
        EXPECT_EQ(read(v_of_one), (seen{std::to_string(n), "miss"}));
    }
    // In a transaction, with the Parse in another one, on whatever server.
    for (int n = 200; n < 203; ++n) {
        writer_->must("BEGIN");
        ASSERT_TRUE(writer_->execute_prepared("w", {std::to_string(n)}).ok());
        prove(v_of_one);
        writer_->must("COMMIT");
        EXPECT_EQ(read(v_of_one), (seen{std::to_string(n), "miss"}));
    }
}

// B16
TEST_F(cache_traps_writes, T44_RowLimitOfAWrite) {
    auto writer = raw();
    for (int const rows : {1, 2, 0}) {
        auto const before = std::stoi(prove(v_of_one));
        writer.ask(unit("UPDATE t SET v = v + 1", {}, rows) + sync());
        EXPECT_EQ(read(v_of_one), (seen{std::to_string(before + 1), "miss"}));
        prove(v_of_one);
        // Suspended after a row, and all the same done.
        writer.ask(unit("UPDATE t SET v = v + 1 RETURNING id", {}, rows) + sync());
        EXPECT_EQ(read(v_of_one), (seen{truth(v_of_one), "miss"}));
        EXPECT_EQ(truth(v_of_one), std::to_string(before + 2));
    }
}

TEST_F(cache_traps_writes, T45_ExplainAnalyze) {
    expect_gone(v_of_one, {"EXPLAIN ANALYZE UPDATE t SET v = 51"});
    expect_gone(v_of_one, {"EXPLAIN (ANALYZE, COSTS OFF) UPDATE t SET v = 52"});
    expect_gone(v_of_one, {"EXPLAIN (ANALYZE true, VERBOSE) UPDATE t SET v = 53"});
    expect_gone(
        v_of_one, {"EXPLAIN (ANALYZE 1) WITH d AS (UPDATE t SET v = 54 RETURNING 1) TABLE d"}
    );
    expect_gone_by_code(v_of_one, {"EXPLAIN ANALYZE SELECT wf()"});
    expect_gone_by_code(
        v_of_one, {"PREPARE e AS UPDATE t SET v = 56", "EXPLAIN (ANALYZE) EXECUTE e"}
    );
    prove(v_of_one);
    writer_->must("EXPLAIN UPDATE t SET v = 57");
    EXPECT_EQ(read(v_of_one).value, "56") << "it only explains";
    for (int turn = 0; turn < 2; ++turn) {
        EXPECT_NE(read("EXPLAIN " + std::string(v_of_one)).how, "hit");
    }
}

// B25
TEST_F(cache_traps_writes, T54_WritesOfNoRow) {
    expect_kept(v_of_one, {"UPDATE t SET v = 1 WHERE false"});
    expect_kept(v_of_one, {"DELETE FROM t WHERE id = -1"});
    expect_kept(v_of_one, {"INSERT INTO t SELECT 1, 1, 1 WHERE false"});
    auto const version = of_table("public.t", "version");
    writer_->must("UPDATE t SET v = 1 WHERE false");
    EXPECT_EQ(of_table("public.t", "version"), version);
    EXPECT_EQ(of_table("public.t", "pending"), 0);
    expect_gone_by_code(total, {"INSERT INTO tr SELECT 1 WHERE false"});
    // What it says of one table is not what it did to another.
    expect_gone(
        v_of_one, {"WITH d AS (UPDATE t SET v = 70 RETURNING 1) UPDATE u SET v = 1 WHERE false"}
    );
    expect_gone(v_of_one, {"UPDATE t SET v = 71; UPDATE t SET v = 1 WHERE false"});
    expect_gone(
        v_of_one, {"BEGIN", "UPDATE t SET v = 72", "UPDATE t SET v = 1 WHERE false", "COMMIT"}
    );
}

TEST_F(cache_traps_writes, T56_NoLogicalChange) {
    make("CREATE INDEX of_v ON t (v)");
    expect_kept(
        v_of_one,
        {"VACUUM t",
         "ANALYZE t",
         "CLUSTER t USING of_v",
         "REINDEX TABLE t",
         "VACUUM FULL t",
         "CHECKPOINT",
         "BEGIN; LOCK TABLE t IN SHARE MODE; COMMIT"}
    );
}

}  // namespace
}  // namespace weir::test

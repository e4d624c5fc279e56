// What the catalog's reading tells of code that a real PostgreSQL holds.
#include "daemon/session/code_question.hpp"
#include "tests/support/pq.hpp"
#include "tests/unit/daemon/upstream/loader_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon {
namespace {

using hook = code_reading::hook;
using words = std::vector<std::string>;

class code_in_a_catalog : public testing::Test {
protected:
    void SetUp() override {
        make_database("coded");
        run("CREATE TABLE t (a int, b text)");
    }
    static void run(const std::string& sql) { postgres().execute(sql, "coded"); }
    static void add(const std::string& name, const std::string& body) {
        run("CREATE FUNCTION " + name + "(x int) RETURNS int LANGUAGE plpgsql AS $f$ BEGIN " +
            body + " RETURN 1; END $f$");
    }
    static code_reading read(std::string_view digest = "") {
        std::string sql = "SELECT 'before'";
        append_code_columns(sql, digest, true);
        sql += " FROM (SELECT 1) AS shown";
        append_code_source(sql);
        test::pq_connection connection(postgres().dsn("coded"));
        const auto result = connection.must(sql);
        EXPECT_EQ(result.columns(), static_cast<int>(1 + code_columns));
        std::vector<std::string> kept;
        for (int i = 0; i < result.columns(); ++i)
            kept.push_back(result.value(0, i));
        const std::vector<std::optional<std::string_view>> values{kept.begin(), kept.end()};
        return read_code(values, 1);
    }
    static words leaving() {
        words found = read().leaving;
        std::sort(found.begin(), found.end());
        return found;
    }
};

TEST_F(code_in_a_catalog, MayBeNone) {
    const auto nothing = read();
    EXPECT_EQ(nothing.leaving, words{});
    EXPECT_EQ(nothing.names, words{});
    EXPECT_EQ(nothing.hooked, hook::nothing);
    EXPECT_NE(nothing.digest, "");
}

TEST_F(code_in_a_catalog, ThatComputesOrIsLocalLeavesNothing) {
    const words bodies{
        "PERFORM set_config('app.person', 'x', true);",
        "PERFORM set_config('app.person', coalesce(null, 'x'), TRUE);",
        "SET LOCAL work_mem = '7MB'; SET CONSTRAINTS ALL DEFERRED; SET TRANSACTION READ ONLY;",
        "SET LOCAL ROLE postgres;",
        "UPDATE t SET a = 1 WHERE a = x;",
        "INSERT INTO t AS u VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 1 WHERE u.a = x;",
        "PERFORM 1 FROM t FOR UPDATE; UPDATE ONLY public.t AS u SET a = 1;",
        "EXECUTE format('UPDATE %I SET a = 1', 't');",
        "ALTER TABLE t ALTER COLUMN a SET DEFAULT 1; ALTER ROLE postgres SET work_mem = '1MB';",
        "PERFORM pg_advisory_xact_lock(1), current_setting('app.person', true);",
        "CREATE TEMPORARY TABLE passing (a int) ON COMMIT DROP;",
        "RAISE NOTICE 'the set of x = %', x; RAISE EXCEPTION 'temporary failure, reset it and "
        "listen';",
        "-- SET ROLE postgres; LISTEN x; PERFORM pg_advisory_lock(1); PERFORM leaves(1)\n",
        "/* CREATE TEMP TABLE x (a int); */ PERFORM 1 AS leaves;",
        "EXECUTE 'SELECT 1'; EXECUTE $q$SELECT 1$q$;",
        "PERFORM set_config('app.t', coalesce(current_setting('app.t', true), lower('a,b')), "
        "true);",
        "PERFORM 1 FROM t FOR UPDATE SKIP LOCKED;",
    };
    for (std::size_t i = 0; i < bodies.size(); ++i)
        add("harmless_" + std::to_string(i), bodies[i]);
    EXPECT_EQ(leaving(), words{});
}

TEST_F(code_in_a_catalog, ThatMayLeaveSomethingIsFoundOut) {
    const words bodies{
        "PERFORM set_config('app.person', 'x', false);",
        "PERFORM set_config('app.person', 'x', x = 7);",
        "PERFORM pg_catalog.SET_CONFIG('a.b', 'x', x = 7), set_config('a.c', 'x', true);",
        "PERFORM set_config('app.person', abs(x, true)::text, false);",
        "SET work_mem = '7MB';",
        "SET SESSION \"work_mem\" TO '7MB';",
        "SET app.person = 'x';",
        "SET ROLE postgres;",
        "SET SESSION AUTHORIZATION postgres;",
        "SET TIME ZONE 'UTC';",
        "IF x = 7 THEN -- to update\n SET work_mem = '7MB'; END IF;",
        "IF x = 7 THEN RAISE NOTICE '--'; SET work_mem TO '7MB'; END IF;",
        "IF 'UPDATE' = 'x' THEN SET work_mem = '7MB'; END IF;",
        "PERFORM 1 FROM t FOR UPDATE; SET work_mem = '7MB';",
        "EXECUTE format('SET %I = %L', 'work_mem', '7MB');",
        "EXECUTE 'SET ' || 'work_mem = 1';",
        "EXECUTE $q$SET work_mem = 1$q$;",
        "<<here>> SET work_mem = 1;",
        "IF x = 1 THEN NULL; ELSE SET work_mem = 1; END IF;",
        "FOR i IN 1..2 LOOP SET work_mem = 1; END LOOP;",
        "EXECUTE 'SELECT 1; SET work_mem = 1';",
        "RESET work_mem;",
        "EXECUTE 'RESET ALL';",
        "RESET SESSION AUTHORIZATION;",
        "CREATE OR REPLACE TEMP VIEW passing AS SELECT 1;",
        "LISTEN passing;",
        "EXECUTE 'LISTEN ' || 'passing';",
        "CREATE TEMP TABLE passing (a int);",
        "CREATE TABLE pg_temp.passing (a int);",
        "SELECT 1 INTO TEMP passing;",
        "PERFORM pg_try_advisory_lock(1);",
        "EXECUTE 'PREPARE p AS SELECT 1';",
        "EXECUTE 'DECLARE c CURSOR WITH HOLD FOR SELECT 1';",
        "LOAD 'auto_explain';",
        "FOR x IN SELECT a FROM t FOR UPDATE SKIP LOCKED LOOP SET work_mem = '64MB'; END LOOP;",
        "-- see /etc/app/* \n IF x = 1 THEN SET work_mem = '7MB'; END IF; /* the end */",
        "IF 'x' LIKE 'image/*' THEN SET work_mem = '7MB'; /* end */ END IF;",
        "RAISE NOTICE ' -- %', x; SET work_mem = '7MB';",
        "EXECUTE format('SET %I.%I = %L', 'app', 'tenant', 'x');",
        "EXECUTE format('SET %1$I = %2$L', 'work_mem', '7MB');",
        "EXECUTE concat('SET ', 'work_mem', ' = 1');",
        "UPDATE pg_settings SET setting = '7MB' WHERE name = 'work_mem';",
        "CREATE TABLE \"pg_temp\".passing (a int);",
        "RESET TIME ZONE;",
        "SET XML OPTION DOCUMENT;",
        "EXECUTE(x);",
        "EXECUTE leaves.x;",
        "EXECUTE x;",
        "EXECUTE $1;",
    };
    for (std::size_t i = 0; i < bodies.size(); ++i) {
        run("SET check_function_bodies = off; CREATE FUNCTION leaves(x int) RETURNS int LANGUAGE"
            " plpgsql AS $f$ BEGIN " +
            bodies[i] + " RETURN 1; END $f$");
        EXPECT_EQ(leaving(), words{"leaves"}) << bodies[i];
        run("DROP FUNCTION leaves(int)");
    }
}

TEST_F(code_in_a_catalog, ThatCallsSuchCodeIsSuch) {
    add("deep", "LISTEN passing;");
    add("middle", "PERFORM DEEP(x);");
    add("deeper", "RETURN 1;");
    run("CREATE FUNCTION top(x int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT middle(x); END");
    run("CREATE AGGREGATE all_of(int) (sfunc = int4pl, stype = int, finalfunc = top)");
    run("CREATE FUNCTION by_default(x int, y int DEFAULT deep(1)) RETURNS int LANGUAGE sql AS"
        " 'SELECT 1'");
    run("CREATE FUNCTION \"odd name\"(x int) RETURNS int LANGUAGE sql AS 'SELECT deep(x)'");
    run("CREATE FUNCTION of_odd(x int) RETURNS int LANGUAGE sql AS 'SELECT \"odd name\"(x)'");
    EXPECT_EQ(leaving(), (words{"*", "all_of", "by_default", "deep", "middle", "of_odd", "top"}));
    EXPECT_EQ(read().hooked, hook::nothing);
}

TEST_F(code_in_a_catalog, HangsOnWhatRunsIt) {
    run("CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN LISTEN x; RETURN NEW; END'");
    add("leaves", "LISTEN passing;");
    add("harmless", "RETURN 2;");
    const auto before = read();
    EXPECT_EQ(before.hooked, hook::nothing);
    run("CREATE TRIGGER fired BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION fired()");
    const auto with_trigger = read();
    EXPECT_EQ(with_trigger.hooked, hook::writes);
    EXPECT_NE(with_trigger.digest, before.digest);
    run("CREATE VIEW harmless_view AS SELECT harmless(1)");
    EXPECT_EQ(read().hooked, hook::writes);
    run("CREATE VIEW v AS SELECT leaves(1)");
    const auto with_view = read();
    EXPECT_EQ(with_view.hooked, hook::everything);
    EXPECT_NE(with_view.digest, with_trigger.digest);
    run("DROP VIEW v; DROP TRIGGER fired ON t; ALTER TABLE t ALTER COLUMN a SET DEFAULT leaves(1)");
    EXPECT_EQ(read().hooked, hook::writes);
    run("CREATE POLICY p ON t USING (leaves(a) = 1)");
    EXPECT_EQ(read().hooked, hook::everything);
}

// One text is one time, for which PostgreSQL takes what it was at its beginning.
TEST_F(code_in_a_catalog, IsReadInATimeOfItsOwn) {
    test::pq_connection connection(postgres().dsn("coded"));
    connection.must("SET statement_timeout TO 100");
    EXPECT_EQ(connection.execute("SELECT pg_sleep(0.2)").sqlstate(), "57014");
    const std::string in_front{before_code_question};
    EXPECT_EQ(connection.execute(in_front + "SELECT pg_sleep(0.2)").sqlstate(), "");
    EXPECT_EQ(connection.scalar(in_front + "SHOW statement_timeout"), "5s");
    EXPECT_EQ(connection.scalar("SHOW statement_timeout"), "100ms");
}

TEST_F(code_in_a_catalog, IsReadOnceAsLongAsItIsTheSame) {
    add("leaves", "PERFORM set_config('app.person', 'x', false);");
    const auto first = read();
    EXPECT_EQ(first.leaving, words{"leaves"});
    EXPECT_EQ(first.names, words{"app.person"});
    const auto again = read(first.digest);
    EXPECT_EQ(again.digest, first.digest);
    EXPECT_EQ(again.leaving, words{});
    EXPECT_EQ(again.names, words{});
}

}  // namespace
}  // namespace weir::daemon

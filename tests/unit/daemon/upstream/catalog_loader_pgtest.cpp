// What a snapshot says that the loader has read from a real catalog.
#include "tests/unit/daemon/upstream/loader_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace weir::daemon {
namespace {

constexpr const char* shop = R"sql(
CREATE SCHEMA s1;
CREATE TABLE plain(id int PRIMARY KEY, v int);
CREATE TABLE s1.plain2(id int PRIMARY KEY);
CREATE TABLE twin(x int);
CREATE TABLE s1.twin(x int);
CREATE VIEW seen AS SELECT * FROM plain;
CREATE TABLE parts(k int) PARTITION BY RANGE (k);
CREATE TABLE part1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE part2 PARTITION OF parts FOR VALUES FROM (10) TO (20);
CREATE TABLE logbook(n int);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO logbook VALUES (1); RETURN NULL; END$$;
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN NEW.at = now(); RETURN NEW; END$$;
CREATE FUNCTION anything() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN EXECUTE 'UPDATE plain SET v = 1'; RETURN NULL; END$$;
CREATE TABLE stamped(x int, at timestamptz);
CREATE TRIGGER s BEFORE UPDATE ON stamped FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TABLE opaque(x int);
CREATE TRIGGER a AFTER INSERT ON opaque FOR EACH ROW EXECUTE FUNCTION anything();
CREATE FUNCTION doubtful(int) RETURNS bool LANGUAGE plpgsql AS
    $$BEGIN EXECUTE 'SELECT 1'; RETURN true; END$$;
CREATE TABLE conditional(x int);
CREATE TRIGGER c AFTER INSERT ON conditional FOR EACH ROW WHEN (doubtful(new.x))
    EXECUTE FUNCTION note();
CREATE TABLE conditional2(x int);
CREATE TRIGGER c AFTER INSERT ON conditional2 FOR EACH ROW WHEN (abs(new.x) > 1)
    EXECUTE FUNCTION note();
CREATE TABLE watched(x int);
CREATE TRIGGER w AFTER INSERT ON watched FOR EACH STATEMENT EXECUTE FUNCTION note();
CREATE TABLE p(id int PRIMARY KEY);
CREATE TABLE c(id int PRIMARY KEY, pid int REFERENCES p ON DELETE CASCADE);
CREATE TABLE guarded(x int);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE FUNCTION counted() RETURNS int LANGUAGE plpgsql AS $$BEGIN EXECUTE 'SELECT 1'; RETURN 1; END$$;
CREATE FUNCTION plain_number() RETURNS int LANGUAGE sql AS 'SELECT 7';
CREATE TABLE numbered(x int DEFAULT plain_number());
CREATE TABLE running(x int DEFAULT counted());
CREATE VIEW seen2 AS SELECT * FROM seen;
CREATE VIEW seen3 AS SELECT s.v, (SELECT max(n) FROM logbook) FROM seen2 s JOIN p ON p.id = s.id;
CREATE VIEW over_guarded AS SELECT * FROM guarded;
CREATE VIEW rich(c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12) AS
    WITH a AS (SELECT id, lower(v::text) AS w, v FROM plain)
    SELECT w, count(DISTINCT v), sum(v) FILTER (WHERE v > 1), rank() OVER (ORDER BY w),
           CASE WHEN w IN ('a', 'b') THEN coalesce(max(v), 0) ELSE greatest(1, 2) END,
           ARRAY[min(v)], row(w, 1) IS NULL, (SELECT bool_or(b.v IS NOT NULL) FROM plain b WHERE b.id = 1),
           string_agg(w, ',' ORDER BY w), w = ANY (ARRAY['x']), (w, 1) < ('b', 2), w COLLATE "C"
      FROM a GROUP BY w HAVING count(*) > 0
    UNION ALL SELECT 'x', 1, 2, 3, 4, NULL, false, true, nullif('a', 'b'), false, true, 'q'
    ORDER BY 1;
CREATE VIEW v_now AS SELECT now() n, * FROM plain;
CREATE VIEW v_date AS SELECT current_date d, * FROM plain;
CREATE VIEW v_random AS SELECT * FROM plain WHERE v > random();
CREATE VIEW v_cast AS SELECT v::text::date FROM plain;
CREATE VIEW v_ctid AS SELECT ctid FROM plain;
CREATE VIEW v_regclass AS SELECT v::oid::regclass FROM plain;
CREATE VIEW v_sample AS SELECT * FROM plain TABLESAMPLE system (50);
CREATE VIEW v_lock AS SELECT * FROM plain FOR UPDATE;
CREATE VIEW v_catalog AS SELECT relname FROM pg_class;
CREATE VIEW v_setting AS SELECT * FROM plain WHERE v::text = current_setting('app.x', true);
CREATE VIEW v_zone AS SELECT time with time zone '01:00+0' AT TIME ZONE 'Europe/Berlin' AS t;
CREATE MATERIALIZED VIEW mv AS SELECT * FROM plain;
CREATE MATERIALIZED VIEW mv_code AS SELECT counted() AS n;
CREATE VIEW over_mv_code AS SELECT * FROM mv_code;
CREATE TABLE ruled(x int);
CREATE RULE also AS ON INSERT TO ruled DO ALSO INSERT INTO logbook VALUES (new.x);
CREATE FUNCTION half(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
    $$BEGIN EXECUTE 'SELECT 1'; RETURN n / 2; END$$;
CREATE TABLE by_code(n int) PARTITION BY RANGE (half(n));
CREATE TABLE by_code1 PARTITION OF by_code FOR VALUES FROM (0) TO (10);
)sql";

class loaded_shop : public testing::Test {
protected:
    static void SetUpTestSuite() {
        make_database("shop");
        postgres().execute(shop, "shop");
    }
    void SetUp() override { snapshot = world.loaded("shop").snapshot(); }

    const querycache::relation_row* relation(std::string_view name) {
        const auto listed = snapshot->listed(name);
        return listed.size() == 1 ? listed.front() : nullptr;
    }
    /// Why its answers may not be kept: a reason, or a function that a view calls.
    std::string refusal(std::string_view name) {
        const auto* const found = relation(name);
        if (found == nullptr)
            throw std::runtime_error("no relation, or several: " + std::string(name));
        const auto closure = snapshot->reads(*found);
        if (!closure.reasons.empty()) return std::string(to_string(closure.reasons.front()));
        if (closure.row_security) return "row_security";
        return closure.calls.empty() ? "" : closure.calls.front().name;
    }
    /// The names of the relations, sorted, of a list of oids.
    std::string names(const std::vector<querycache::oid>& relations) {
        std::vector<std::string> all;
        for (const auto id : relations)
            all.push_back(snapshot->find(id)->name);
        std::sort(all.begin(), all.end());
        std::string text;
        for (const auto& one : all)
            text += text.empty() ? one : " " + one;
        return text;
    }
    std::string behind(std::string_view name) {
        return names(snapshot->reads(*relation(name)).relations);
    }
    std::string written(const std::string& name) {
        const auto closure = snapshot->writes({{.schema = "", .name = name}});
        return closure.everything ? "(all)" : names(closure.relations);
    }

    loader_world world;
    std::shared_ptr<const querycache::catalog> snapshot;
};

TEST_F(loaded_shop, PlainTablesMayBeRead) {
    EXPECT_EQ(refusal("plain"), "");
    EXPECT_EQ(refusal("s1.plain2"), "");
    EXPECT_EQ(refusal("logbook"), "");
}

TEST_F(loaded_shop, OidsArePostgresOwn) {
    ASSERT_NE(relation("plain"), nullptr);
    EXPECT_EQ(
        std::to_string(relation("plain")->id),
        postgres().scalar("SELECT 'public.plain'::regclass::oid", "shop")
    );
    EXPECT_EQ(relation("plain")->schema, "public");
    EXPECT_EQ(relation("plain")->kind, 'r');
    EXPECT_EQ(relation("plain")->persistence, 'p');
}

TEST_F(loaded_shop, KnowsWhatRunsCode) {
    EXPECT_TRUE(relation("watched")->has_triggers);
    EXPECT_TRUE(relation("running")->runs_functions);
    EXPECT_FALSE(relation("plain")->runs_functions);
    EXPECT_EQ(written("opaque"), "(all)");
    EXPECT_EQ(written("conditional"), "(all)");
    EXPECT_EQ(written("running"), "(all)");
    EXPECT_EQ(written("by_code"), "(all)") << "its partition key calls a function";
    EXPECT_EQ(written("by_code1"), "(all)");
    EXPECT_EQ(written("mv_code"), "(all)") << "REFRESH runs its query";
    EXPECT_EQ(refusal("mv_code"), "") << "reading it does not";
    EXPECT_FALSE(relation("mv_code")->read_runs_code);
    EXPECT_FALSE(relation("over_mv_code")->read_runs_code);
    EXPECT_EQ(written("mv"), "mv");
}

TEST_F(loaded_shop, ReadsSeeThroughViews) {
    EXPECT_EQ(refusal("guarded"), "row_security");
    EXPECT_EQ(refusal("over_guarded"), "row_security");
    EXPECT_EQ(behind("seen"), "plain");
    EXPECT_EQ(behind("seen3"), "logbook p plain");
    EXPECT_EQ(behind("parts"), "parts");
    EXPECT_EQ(behind("over_mv_code"), "mv_code");
    EXPECT_EQ(behind("rich"), "plain");
    EXPECT_EQ(refusal("rich"), "");
    EXPECT_EQ(refusal("v_now"), "now");
    EXPECT_EQ(refusal("v_date"), "clock_or_identity");
    EXPECT_EQ(refusal("v_random"), "random");
    EXPECT_EQ(refusal("v_cast"), "view");
    EXPECT_EQ(refusal("v_ctid"), "view");
    EXPECT_EQ(refusal("v_regclass"), "view");
    EXPECT_EQ(refusal("v_sample"), "view");
    EXPECT_EQ(refusal("v_lock"), "locking");
    EXPECT_EQ(refusal("v_catalog"), "system_catalog");
    EXPECT_EQ(refusal("v_setting"), "current_setting");
    EXPECT_EQ(refusal("v_zone"), "timezone");
}

TEST_F(loaded_shop, WritesFollowForeignKeys) {
    const auto of_parent = snapshot->writes({{.schema = "", .name = "p"}});
    EXPECT_FALSE(of_parent.plain);
    EXPECT_EQ(written("p"), "c p");
    EXPECT_EQ(written("plain"), "plain");
}

TEST_F(loaded_shop, WritesFollowPartitionsViewsAndRules) {
    EXPECT_EQ(written("parts"), "part1 part2 parts");
    EXPECT_EQ(written("part1"), "part1 parts");
    EXPECT_EQ(written("seen"), "plain seen");
    EXPECT_EQ(written("ruled"), "logbook ruled");
}

TEST_F(loaded_shop, WritesFollowWhatFunctionsSayThatTheyDo) {
    EXPECT_EQ(written("watched"), "logbook watched");
    EXPECT_EQ(written("conditional2"), "conditional2 logbook");
    EXPECT_EQ(written("stamped"), "stamped");
    EXPECT_EQ(written("numbered"), "numbered");
    EXPECT_FALSE(snapshot->find_functions("", "plain_number", 0).runs_code);
}

TEST_F(loaded_shop, NamesOfTwoSchemasLeadNowhere) {
    EXPECT_EQ(snapshot->listed("twin").size(), 2U);
    EXPECT_EQ(snapshot->resolve({.schema = "", .name = "twin"}).relation, nullptr);
    EXPECT_NE(snapshot->resolve({.schema = "s1", .name = "twin"}).relation, nullptr);
}

TEST_F(loaded_shop, FunctionsAndTypesAreKnown) {
    EXPECT_TRUE(snapshot->has_user_function("", "counted"));
    EXPECT_FALSE(snapshot->has_user_function("", "lower"));
    EXPECT_TRUE(snapshot->has_builtin_function("lower"));
    EXPECT_TRUE(snapshot->is_enumeration("", "mood"));
    EXPECT_FALSE(snapshot->hidden().casts || snapshot->hidden().impure_casts);
    EXPECT_FALSE(snapshot->hidden().event_triggers);
    EXPECT_FALSE(snapshot->has_unsafe_domains());
    EXPECT_FALSE(snapshot->maintenance_runs_code());
}

TEST_F(loaded_shop, ReadsOfOrdinaryRelationsRunNoCode) {
    for (const char* name :
         {"plain", "seen", "parts", "part1", "watched", "guarded", "running", "pg_class"}) {
        EXPECT_EQ(snapshot->read_runs_code({"", name}), false) << name;
    }
    EXPECT_EQ(snapshot->read_runs_code({"information_schema", "tables"}), false);
}

TEST(CatalogLoader, UnsafeOperatorsCastsAndDomainsAreSeen) {
    make_database("unsafe");
    postgres().execute(
        R"sql(
CREATE FUNCTION odd(int, int) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN EXECUTE 'SELECT 1'; RETURN true; END$$;
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = odd);
CREATE FUNCTION is_fine(int) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN EXECUTE 'SELECT 1'; RETURN true; END$$;
CREATE DOMAIN fine AS int CHECK (is_fine(VALUE));
CREATE TYPE pair AS (a int, b int);
CREATE FUNCTION to_pair(int) RETURNS pair LANGUAGE sql AS
    'SET LOCAL a.b = 1; SELECT $1, $1';
CREATE CAST (int AS pair) WITH FUNCTION to_pair(int);)sql",
        "unsafe"
    );
    loader_world world;
    const auto snapshot = world.loaded("unsafe").snapshot();
    ASSERT_NE(snapshot->find_unsafe_operator("==="), nullptr);
    EXPECT_TRUE(snapshot->find_unsafe_operator("===")->runs_code);
    EXPECT_EQ(snapshot->find_unsafe_operator("="), nullptr);
    EXPECT_TRUE(snapshot->has_unsafe_domains());
    EXPECT_TRUE(snapshot->hidden().casts);
}

TEST(CatalogLoader, SeesCodeBehindWhatIsRead) {
    make_database("behind");
    postgres().execute(
        R"sql(
CREATE EXTENSION file_fdw; CREATE EXTENSION citext;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE TABLE t(id int, v numeric, c citext);
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SET LOCAL a.b = 1; SELECT 1';
CREATE VIEW calls AS SELECT f(); CREATE VIEW nested AS SELECT * FROM calls;
CREATE VIEW sql_of_text AS SELECT query_to_xml('SELECT f()', true, true, '');
CREATE VIEW sets AS SELECT set_config('a.b', 'c', false);
CREATE TABLE guarded(x int); CREATE POLICY p ON guarded USING (f() = 1);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE TABLE unguarded(x int); CREATE POLICY p ON unguarded USING (f() = 1);
CREATE VIEW of_guarded AS SELECT * FROM guarded;
CREATE FOREIGN TABLE far(x int) SERVER files OPTIONS (filename '/dev/null');
CREATE TABLE parent(x int); CREATE FOREIGN TABLE child() INHERITS (parent) SERVER files
  OPTIONS (filename '/dev/null');
CREATE VIEW of_parent AS SELECT * FROM parent;
CREATE DOMAIN dd AS int DEFAULT f() CHECK (VALUE <> f());
CREATE VIEW of_domain AS SELECT id::dd FROM t;
CREATE FUNCTION step(numeric, numeric) RETURNS numeric LANGUAGE plpgsql AS
    'BEGIN PERFORM set_config(''a.b'', ''c'', true); RETURN $1; END';
CREATE AGGREGATE odd(numeric) (SFUNC = step, STYPE = numeric);
CREATE AGGREGATE product(numeric) (SFUNC = numeric_mul, STYPE = numeric);
CREATE VIEW of_aggregate AS SELECT odd(v) FROM t;
CREATE VIEW of_plain_aggregate AS SELECT product(v), max(c), replace(c, 'a', 'b') FROM t GROUP BY c;
CREATE MATERIALIZED VIEW stored AS SELECT f(); CREATE VIEW of_stored AS SELECT * FROM stored;
CREATE TABLE defaulted(x int DEFAULT f()); CREATE VIEW of_defaulted AS SELECT * FROM defaulted;
)sql",
        "behind"
    );
    loader_world world;
    const auto snapshot = world.loaded("behind").snapshot();
    for (const char* name :
         {"calls",
          "nested",
          "sql_of_text",
          "sets",
          "guarded",
          "of_guarded",
          "far",
          "parent",
          "child",
          "of_parent",
          "of_domain",
          "of_aggregate"}) {
        EXPECT_EQ(snapshot->read_runs_code({"", name}), true) << name;
    }
    for (const char* name :
         {"t",
          "unguarded",
          "of_plain_aggregate",
          "stored",
          "of_stored",
          "defaulted",
          "of_defaulted"}) {
        EXPECT_EQ(snapshot->read_runs_code({"", name}), false) << name;
    }
    EXPECT_TRUE(snapshot->has_unsafe_domains());
    EXPECT_TRUE(snapshot->find_functions("", "odd", 1).runs_code);
    EXPECT_FALSE(snapshot->find_functions("", "product", 1).impure);
}

TEST(CatalogLoader, KnowsWhichCodeMayBeDdl) {
    const auto may = [](const std::string& source) {
        make_database("sources");
        postgres().execute(
            "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $_$" + source + "$_$", "sources"
        );
        loader_world world;
        return world.loaded("sources").snapshot()->hidden().may_change_catalog;
    };
    EXPECT_FALSE(may("BEGIN UPDATE t SET created_at = now(), altered = 1; END"));
    EXPECT_TRUE(may("BEGIN Create TEMP TABLE x(y int); END"));
    EXPECT_TRUE(may("BEGIN EXECUTE 'cre' || 'ate table x()'; END"));
    EXPECT_TRUE(may("BEGIN\tDROP\nTABLE x; END"));
}

TEST(CatalogLoader, LoadsTemporaryRelationsOnlyIfTheyRunCode) {
    make_database("hiding");
    postgres().execute(
        "CREATE TABLE t(x int); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SET LOCAL a.b = "
        "1; "
        "SELECT 1'",
        "hiding"
    );
    test::pq_connection session(postgres().dsn("hiding"));
    session.must("CREATE TEMP TABLE t(x int); CREATE TEMP VIEW v AS SELECT * FROM t");
    {
        loader_world world;
        EXPECT_EQ(world.loaded("hiding").snapshot()->listed("t").size(), 1U);
    }
    session.must("ALTER TABLE pg_temp.t ALTER x SET DEFAULT f(); CREATE TEMP VIEW v2 AS SELECT f()"
    );
    loader_world world;
    const auto snapshot = world.loaded("hiding").snapshot();
    EXPECT_EQ(snapshot->resolve({"", "t"}).reason, querycache::bypass_reason::ambiguous_name);
    EXPECT_EQ(snapshot->read_runs_code({"", "v2"}), true);
    EXPECT_TRUE(snapshot->listed("v").empty());
}

TEST(CatalogLoader, SeesWhatMaintenanceRuns) {
    make_database("maintained");
    postgres().execute(
        "CREATE TABLE t(x int); CREATE FUNCTION f(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS "
        "'BEGIN EXECUTE ''SELECT 1''; RETURN 1; END'; CREATE INDEX ON t (abs(x))",
        "maintained"
    );
    const auto runs = [] {
        loader_world world;
        return world.loaded("maintained").snapshot()->maintenance_runs_code();
    };
    EXPECT_FALSE(runs());
    postgres().execute("CREATE INDEX i ON t (x) WHERE f(x) = 1", "maintained");
    EXPECT_TRUE(runs());
    postgres().execute("DROP INDEX i; CREATE STATISTICS s ON (f(x)), x FROM t", "maintained");
    EXPECT_TRUE(runs());
    postgres().execute(
        "DROP STATISTICS s; CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN "
        "EXECUTE ''SELECT 1''; END'; CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION "
        "e()",
        "maintained"
    );
    EXPECT_TRUE(runs());
}

TEST(CatalogLoader, KnowsFunctionsThatTakeOneValue) {
    make_database("rows");
    postgres().execute(
        R"sql(
CREATE TABLE t(id int);
CREATE FUNCTION of_row(t) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION of_any(anyelement, int DEFAULT 1) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION of_int(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION of_two(t, int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION to_int(t) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint';
CREATE CAST (t AS bigint) WITH FUNCTION to_int(t) AS IMPLICIT;
CREATE FUNCTION of_bigint(bigint) RETURNS int LANGUAGE sql AS 'SELECT 1';)sql",
        "rows"
    );
    loader_world world;
    const auto snapshot = world.loaded("rows").snapshot();
    for (const char* name : {"of_row", "of_any", "of_bigint", "of_int", "to_int"})
        EXPECT_TRUE(snapshot->may_follow_dot(name)) << name;
    for (const char* name : {"of_two", "id", "row_to_json"})
        EXPECT_FALSE(snapshot->may_follow_dot(name)) << name;
}

TEST(CatalogLoader, TrustsExtensionsThatRunNoSql) {
    make_database("extended");
    postgres().execute(
        R"sql(
CREATE EXTENSION pg_trgm; CREATE EXTENSION citext; CREATE EXTENSION pgcrypto; CREATE EXTENSION hstore;
CREATE EXTENSION btree_gist; CREATE EXTENSION lo; CREATE EXTENSION tablefunc;)sql",
        "extended"
    );
    loader_world world;
    const auto snapshot = world.loaded("extended").snapshot();
    ASSERT_NE(snapshot->find_unsafe_operator("%"), nullptr) << "depends on a setting";
    EXPECT_FALSE(snapshot->find_unsafe_operator("%")->runs_code);
    EXPECT_EQ(snapshot->unsafe_comparison(), nullptr);
    EXPECT_FALSE(snapshot->hidden().casts);
    for (const char* name : {"max", "strpos", "similarity", "digest"}) {
        const std::uint16_t arguments = std::string_view(name) == "max" ? 1 : 2;
        EXPECT_TRUE(snapshot->find_functions("", name, arguments).any) << name;
        EXPECT_FALSE(snapshot->find_functions("", name, arguments).impure) << name;
    }
    EXPECT_FALSE(snapshot->find_functions("", "gen_salt", 1).runs_code);
    EXPECT_TRUE(snapshot->find_functions("", "crosstab", 1).runs_code);
    EXPECT_TRUE(snapshot->is_of_information_schema("information_schema", "_pg_expandarray"));
}

TEST(CatalogLoader, AskedAtOnceItLoadsWhatDdlHasMade) {
    make_database("changing");
    loader_world world;
    auto& state = world.loaded("changing");
    EXPECT_TRUE(state.snapshot()->listed("later").empty());
    postgres().execute("CREATE TABLE later(x int)", "changing");
    state.versions().catalog()->bump(querycache::bump_cause::ddl);
    ASSERT_TRUE(state.needs_refresh());
    world.databases.refresh("changing", true);
    EXPECT_EQ(world.loaded("changing").snapshot()->listed("later").size(), 1U);
}

TEST(CatalogLoader, AskedSoonItFindsWhatPassedElsewhere) {
    make_database("changing");
    loader_world world;
    auto& state = world.loaded("changing");
    const auto before = state.catalog_version();
    postgres().execute("CREATE TABLE elsewhere(x int)", "changing");
    world.databases.refresh("changing", false);
    test::wait_until(
        [&] { return state.snapshot()->listed("elsewhere").size() == 1; }, "the new table"
    );
    EXPECT_GT(state.catalog_version(), before) << "entries of the old catalog are still served";
    EXPECT_FALSE(state.needs_refresh());
}

TEST(CatalogLoader, LoadsAgainUntilItHasCaughtUpWithDdl) {
    make_database("changing");
    loader_world world;
    auto& state = world.loaded("changing");
    // Each request may be answered by a load that began before the next bump.
    for (int i = 0; i < 50; ++i) {
        state.versions().catalog()->bump(querycache::bump_cause::ddl);
        world.databases.refresh("changing", true);
    }
    test::wait_until([&] { return !state.needs_refresh(); }, "a current snapshot");
    EXPECT_EQ(control_connections("changing"), 1);
}

TEST(CatalogLoader, NeedsNoPrivilege) {
    make_database("strict");
    postgres().execute(
        "DROP ROLE IF EXISTS nobody_special; CREATE ROLE nobody_special LOGIN;"
        "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC",
        "strict"
    );
    loader_world world;
    const auto as_nobody = target_at(tcp_address(postgres().port()), "strict", "nobody_special");
    auto& state = world.loaded("strict", as_nobody);
    EXPECT_EQ(state.identity().system_identifier, 0U);
    EXPECT_NE(state.identity().started, 0U);
    EXPECT_NE(state.identity().database, 0U);
    EXPECT_EQ(world.told("pg_control_system() is refused"), 1U);
}

}  // namespace
}  // namespace weir::daemon

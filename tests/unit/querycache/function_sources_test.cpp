#include "querycache/function_sources.hpp"

#include "tests/unit/querycache/world.hpp"

#include <gtest/gtest.h>

#include <map>

namespace weir::querycache {
namespace {

using enum source_language;

/// "table, table", "nothing", or "?" when it may do anything.
std::string writes_of(std::string_view source, source_language language = plpgsql) {
    const auto facts = read_source(source, language);
    if (!facts.is_understood) return "?";
    std::string all;
    for (const auto& target : facts.writes) {
        all += all.empty() ? "" : ", ";
        all += target.schema.empty() ? target.name : target.schema + "." + target.name;
    }
    return all.empty() ? "nothing" : all;
}

TEST(FunctionSource, OfTriggersAsTheyAreWritten) {
    EXPECT_EQ(writes_of("BEGIN NEW.updated_at = now(); RETURN NEW; END"), "nothing");
    EXPECT_EQ(
        writes_of("DECLARE n int := 0; BEGIN\n IF TG_OP = 'DELETE' THEN n := -1; ELSIF TG_OP = "
                  "'INSERT' THEN n := 1; ELSE RETURN NULL; END IF;\n UPDATE public.totals SET n = "
                  "totals.n + n WHERE id = 1;\n IF NOT FOUND THEN INSERT INTO totals (id, n) "
                  "VALUES (1, n) ON CONFLICT (id) DO UPDATE SET n = excluded.n; END IF; RETURN "
                  "NULL; END;"),
        "public.totals, totals"
    );
    EXPECT_EQ(
        writes_of("BEGIN INSERT INTO \"Audit Log\"(op, body) VALUES (TG_OP, to_jsonb(OLD)); "
                  "PERFORM pg_notify('changed', 'x'); RETURN OLD; EXCEPTION WHEN others THEN RAISE "
                  "NOTICE 'no %', sqlerrm; RETURN NULL; END"),
        "Audit Log"
    );
}

TEST(FunctionSource, OfEveryWrite) {
    EXPECT_EQ(writes_of("DELETE FROM ONLY a.b WHERE true", sql), "a.b");
    EXPECT_EQ(writes_of("WITH d AS (DELETE FROM a RETURNING 1) SELECT count(*) FROM d", sql), "a");
    EXPECT_EQ(writes_of("UPDATE ONLY a SET x = 1; INSERT INTO b SELECT 1", sql), "a, b");
    EXPECT_EQ(writes_of("INSERT INTO s.t (a, b) VALUES (1, 2)", sql), "s.t");
    EXPECT_EQ(
        writes_of("BEGIN FOR r IN UPDATE a SET x = 1 RETURNING x LOOP PERFORM 1; END LOOP; END"),
        "a"
    );
    EXPECT_EQ(writes_of("SELECT 1 FROM a FOR UPDATE", sql), "nothing");
    EXPECT_EQ(writes_of("SELECT 1 FROM a FOR NO KEY UPDATE", sql), "nothing");
    EXPECT_EQ(writes_of("SELECT x INTO y FROM a"), "nothing") << "a variable";
}

TEST(FunctionSource, IsNotUnderstoodWhereItMayDoAnything) {
    for (const char* source :
         {"BEGIN EXECUTE 'UPDATE t SET a = 1'; END",
          "BEGIN FOR r IN EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1 LOOP NULL; END LOOP; END",
          "BEGIN RETURN QUERY EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1; END",
          "BEGIN FOR r IN CALL p(1) LOOP NULL; END LOOP; END",
          "BEGIN RETURN QUERY EXECUTE q; END",
          "BEGIN FOR r IN EXECUTE q LOOP NULL; END LOOP; END",
          "BEGIN TRUNCATE t; END",
          "BEGIN CREATE TABLE t (a int); END",
          "BEGIN IF a THEN DROP TABLE t; END IF; END",
          "BEGIN LOOP SET role = x; END LOOP; END",
          "BEGIN SET LOCAL search_path = x; END",
          "BEGIN UPDATE t SET a = 1; COMMIT; END",
          "BEGIN CALL p(); END",
          "BEGIN MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE; END",
          "BEGIN <<here>> REFRESH MATERIALIZED VIEW m; END",
          "BEGIN INSERT t VALUES (1); END",
          "BEGIN UPDATE a.b.c SET x = 1; END",
          "BEGIN UPDATE 'x' SET a = 1; END",
          "DECLARE c CURSOR FOR UPDATE t SET a = 1 RETURNING a; BEGIN NULL; END",
          "BEGIN OPEN c FOR UPDATE t SET a = 1 RETURNING a; END",
          "BEGIN WITH RECURSIVE r AS (SELECT 1) SEARCH DEPTH FIRST BY a SET key UPDATE t SET a = "
          "1; END",
          "BEGIN PERFORM "
          "a_name_of_very_much_more_than_sixty_three_bytes_which_postgresql_cuts_off(); END",
          "BEGIN PERFORM pg_temp.f(); END",
          "BEGIN PERFORM pg_temp_3.f(); END",
          "BEGIN PERFORM E'\\n'; END",
          "BEGIN PERFORM 'unterminated; END",
          "BEGIN U&\"\\0061\" := 1; END",
          ""}) {
        EXPECT_EQ(writes_of(source), "?") << source;
    }
    EXPECT_EQ(writes_of("SELECT 1 INTO t", sql), "?") << "it makes a table";
    EXPECT_EQ(writes_of("SELECT 1; DO 'x'", sql), "?");
    EXPECT_EQ(writes_of("-- EXECUTE\n SELECT 'EXECUTE' /* DROP */", sql), "nothing");
    std::string deep = "SELECT ";
    deep.append(70000, '(');
    EXPECT_EQ(writes_of(deep, sql), "?");
}

TEST(FunctionSource, TellsWhatItCallsAndNames) {
    const auto facts = read_source("SELECT s.f(x), \"G h\"(1) FROM v WHERE a IN (1)", sql);
    ASSERT_TRUE(facts.is_understood);
    ASSERT_EQ(facts.calls.size(), 3U);
    EXPECT_EQ(facts.calls[0].schema, "s");
    EXPECT_EQ(facts.calls[0].name, "f");
    EXPECT_EQ(facts.calls[1].name, "G h");
    EXPECT_EQ(facts.calls[2].name, "in") << "a keyword, which is the name of no function";
    EXPECT_TRUE(std::binary_search(facts.names.begin(), facts.names.end(), "v"));
}

class knowing_functions : public testing::Test {
protected:
    void add(oid id, std::string name, std::string source, std::uint16_t arguments = 1) {
        auto f = test::user_function(std::move(name), arguments);
        f.id = id;
        rows.functions.push_back(std::move(f));
        sources.push_back({id, plpgsql, std::move(source), {}});
    }

    /// "f: table table; g:" of what is known, in order of the oids.
    std::string known() {
        std::map<oid, std::string> found;
        for (const auto& k : know_functions(rows, sources, invisible)) {
            auto& text = found[k.function];
            for (const auto& f : rows.functions) {
                if (f.id == k.function) text = f.name + ":";
            }
            for (const auto& target : k.writes)
                text += " " + target.name;
        }
        std::string all;
        for (const auto& [id, text] : found)
            all += (all.empty() ? "" : "; ") + text;
        return all;
    }

    catalog_rows rows = test::some_rows();
    std::vector<source_row> sources;
    std::vector<oid> invisible;
};

TEST_F(knowing_functions, FollowsCalls) {
    add(30010, "stamp", "BEGIN RETURN lower('x'); END");
    add(30011, "book", "BEGIN INSERT INTO t VALUES (stamp()); END");
    add(30012, "outer", "BEGIN PERFORM book(); UPDATE u SET a = 1; END");
    add(30013, "both", "BEGIN PERFORM both2(); END");
    add(30014, "both2", "BEGIN PERFORM both(), outer(); END");
    EXPECT_EQ(known(), "stamp:; book: t; outer: u t; both: u t; both2: u t");
}

TEST_F(knowing_functions, IsStoppedByWhatNobodyKnows) {
    add(30010, "calls", "BEGIN PERFORM wf(); END");
    add(30011, "caller", "BEGIN PERFORM public.calls(); END");
    add(30012, "elsewhere", "BEGIN PERFORM other.wf(); END");
    rows.functions.push_back({.schema = "pg_catalog", .name = "query_to_xml"});
    add(30013, "runs", "BEGIN PERFORM query_to_xml('x'); END");
    EXPECT_EQ(known(), "") << "whatever is called by a qualified name is a function";
}

TEST_F(knowing_functions, IsStoppedByAColumnThatIsAFunction) {
    add(30010, "reads", "BEGIN RETURN new.other; END");
    EXPECT_EQ(known(), "reads:");
    add(30011, "calls", "BEGIN RETURN new.wf; END");
    add(30012, "calls_too", "BEGIN RETURN (new.id).wf; END");
    EXPECT_EQ(known(), "reads:");
}

TEST_F(knowing_functions, IsStoppedByDefaultsThatCall) {
    add(30010, "f", "BEGIN RETURN 1; END");
    sources[0].defaults = "({CONST :consttype 23 :constvalue 4 [ 1 0 0 0 ]})";
    EXPECT_EQ(known(), "f:");
    sources[0].defaults = "({FUNCEXPR :funcid 30001})";
    EXPECT_EQ(known(), "");
}

TEST_F(knowing_functions, IsStoppedByRelationsThatMayRunCode) {
    add(30010, "f", "BEGIN PERFORM 1 FROM over_v; END");
    rows.relations.push_back(test::table(21000, "v"));
    rows.relations.push_back(test::table(21001, "over_v"));
    for (const auto* name : {"v", "over_v"}) {
        for (auto& r : rows.relations) {
            if (r.name == name) r.kind = 'v';
        }
    }
    rewrite_row inner{21000, true, {}};
    inner.tree.relations = {test::t_oid};
    rewrite_row outer{21001, true, {}};
    outer.tree.relations = {21000, 21001};
    rows.rewrites = {inner, outer};
    EXPECT_EQ(known(), "f:");
    rows.rewrites[0].tree.functions = {870};
    EXPECT_EQ(known(), "") << "nobody knows what it is";
    rows.builtins = {{870, "lower", false}, {2926, "query_to_xml", false}};
    EXPECT_EQ(known(), "f:") << "PostgreSQL's own";
    rows.rewrites[0].tree.functions = {870, 2926};
    EXPECT_EQ(known(), "") << "it runs SQL that is given as a text";
    rows.rewrites[0].tree.functions = {870, 30001};
    EXPECT_EQ(known(), "");
    rows.rewrites[0].tree = {};
    rows.rewrites[0].tree.is_understood = false;
    EXPECT_EQ(known(), "");
    rows.rewrites[0].tree = {};
    rows.rewrites[0].tree.relations = {20011};
    EXPECT_EQ(known(), "") << "a table with row security is behind it";
}

TEST_F(knowing_functions, KnowsNothingWhereCodeRunsUnseen) {
    add(30010, "f", "BEGIN RETURN 1; END");
    add(30011, "behind_a_cast", "BEGIN RETURN 1; END");
    add(30012, "writes", "BEGIN DELETE FROM t; END");
    invisible = {30011};
    EXPECT_EQ(known(), "f:; behind_a_cast:; writes: t");
    invisible = {30012};
    EXPECT_EQ(known(), "");
    invisible = {30001};
    EXPECT_EQ(known(), "");
}

TEST_F(knowing_functions, ClearsTheRowsOfSuspicion) {
    add(30010, "stamp", "BEGIN RETURN 1; END");
    add(30011, "book", "BEGIN DELETE FROM t; END");
    rows.note(know_functions(rows, sources, invisible));
    const auto c = test::make_catalog(1, rows);
    EXPECT_FALSE(c->find_functions("", "stamp", 1).runs_code);
    EXPECT_TRUE(c->find_functions("", "stamp", 1).impure) << "it may read a table";
    const auto book = c->find_functions("", "book", 1);
    EXPECT_FALSE(book.runs_code);
    ASSERT_TRUE(book.writes_known);
    EXPECT_EQ(book.writes, (std::vector<sql::relation_name>{{"", "t"}}));
    EXPECT_TRUE(c->find_functions("", "wf", 1).runs_code);
}

}  // namespace
}  // namespace weir::querycache

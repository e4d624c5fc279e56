#include "querycache/sql/parser.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>

namespace weir::querycache::sql {
namespace {

using names = std::set<std::string>;

names names_of(const std::vector<relation_name>& relations) {
    names result;
    for (const relation_name& relation : relations) {
        result.insert(
            relation.schema.empty() ? relation.name : relation.schema + "." + relation.name
        );
    }
    return result;
}

names functions_of(const statement& facts) {
    names result;
    for (const function_call& call : facts.functions) {
        const std::string name = call.schema.empty() ? call.name : call.schema + "." + call.name;
        switch (call.what) {
            case function_call::kind::function:
                result.insert(name);
                break;
            case function_call::kind::operation:
                result.insert("operator " + name);
                break;
            case function_call::kind::type:
                result.insert("type " + name);
                break;
        }
    }
    return result;
}

bool has(const statement& facts, text_reason reason) {
    return (facts.reasons & reason_bit(reason)) != 0;
}

struct reads_case {
    std::string_view text;
    names reads;
};

TEST(Reads, AreFoundInEveryClause) {
    const reads_case cases[]{
        {"SELECT 1", {}},
        {"SELECT * FROM t", {"t"}},
        {"SELECT * FROM s.T, \"T\", ONLY u", {"s.t", "T", "u"}},
        {"SELECT * FROM a JOIN b ON true LEFT JOIN c USING (x) CROSS JOIN LATERAL (SELECT * FROM "
         "d) q",
         {"a", "b", "c", "d"}},
        {"SELECT (SELECT x FROM a), EXISTS (SELECT FROM b), ARRAY(SELECT y FROM c)",
         {"a", "b", "c"}},
        {"SELECT 1 WHERE x IN (SELECT y FROM a) OR z > ALL (SELECT y FROM b)", {"a", "b"}},
        {"SELECT 1 GROUP BY (SELECT x FROM a) HAVING (SELECT y FROM b)", {"a", "b"}},
        {"SELECT 1 ORDER BY (SELECT x FROM a) LIMIT (SELECT 1 FROM b) OFFSET (SELECT 1 FROM c)",
         {"a", "b", "c"}},
        {"SELECT DISTINCT ON ((SELECT x FROM a)) 1", {"a"}},
        {"SELECT sum(x) FILTER (WHERE x IN (SELECT 1 FROM a)) OVER (PARTITION BY (SELECT 1 FROM b) "
         "ORDER BY (SELECT 1 FROM c))",
         {"a", "b", "c"}},
        {"SELECT 1 FROM t WINDOW w AS (ORDER BY (SELECT 1 FROM a))", {"t", "a"}},
        {"SELECT f((SELECT 1 FROM a), VARIADIC ARRAY[(SELECT 1 FROM b)])", {"a", "b"}},
        {"SELECT CASE (SELECT 1 FROM a) WHEN (SELECT 1 FROM b) THEN (SELECT 1 FROM c) ELSE (SELECT "
         "1 FROM d) END",
         {"a", "b", "c", "d"}},
        {"SELECT * FROM a UNION (SELECT * FROM b EXCEPT SELECT * FROM c) INTERSECT SELECT * FROM d",
         {"a", "b", "c", "d"}},
        {"VALUES ((SELECT 1 FROM a)), ((SELECT 1 FROM b))", {"a", "b"}},
        {"SELECT * FROM generate_series(1, (SELECT 1 FROM a))", {"a"}},
        {"SELECT * FROM ROWS FROM (f((SELECT 1 FROM a)), g())", {"a"}},
        {"SELECT * FROM a TABLESAMPLE system ((SELECT 1 FROM b))", {"a", "b"}},
        {"SELECT * FROM XMLTABLE('/r' PASSING (SELECT x FROM a) COLUMNS c int DEFAULT (SELECT 1 "
         "FROM b))",
         {"a", "b"}},
        {"SELECT x[(SELECT 1 FROM a)], (SELECT y FROM b)::text COLLATE \"C\", row((SELECT 1 FROM "
         "c)), coalesce((SELECT 1 FROM d))",
         {"a", "b", "c", "d"}},
        {"SELECT * FROM a GROUP BY GROUPING SETS ((x, (SELECT 1 FROM b)), ())", {"a", "b"}},
        {"TABLE a", {"a"}},
        {"INSERT INTO t SELECT * FROM a RETURNING (SELECT 1 FROM b)", {"a", "b"}},
        {"INSERT INTO t VALUES (1) ON CONFLICT (x) WHERE (SELECT true FROM a) DO UPDATE SET y = "
         "(SELECT 1 FROM b) WHERE (SELECT true FROM c)",
         {"a", "b", "c"}},
        {"UPDATE t SET (x, y) = (SELECT 1, 2 FROM a) FROM b WHERE t.z IN (SELECT 1 FROM c)",
         {"a", "b", "c"}},
        {"DELETE FROM t USING a WHERE x IN (SELECT 1 FROM b)", {"a", "b"}},
        {"MERGE INTO t USING (SELECT * FROM a) q ON true WHEN MATCHED AND (SELECT true FROM b) "
         "THEN UPDATE SET x = (SELECT 1 FROM c) WHEN NOT MATCHED THEN INSERT VALUES ((SELECT 1 "
         "FROM d))",
         {"a", "b", "c", "d"}},
        {"COPY (SELECT * FROM a) TO STDOUT", {"a"}},
        {"COPY a TO STDOUT", {"a"}},
        {"DECLARE c CURSOR FOR SELECT * FROM a", {"a"}},
        {"EXPLAIN ANALYZE SELECT * FROM a", {"a"}},
        {"EXPLAIN SELECT * FROM a", {"a"}},
        {"CREATE TABLE u AS SELECT * FROM a", {"a"}},
    };
    for (const reads_case& one : cases) {
        const auto facts = parse_statement(one.text);
        EXPECT_EQ(names_of(facts->reads), one.reads) << one.text;
        EXPECT_FALSE(has(*facts, text_reason::parse_error)) << one.text;
    }
}

TEST(Reads, RespectTheScopeOfWith) {
    const reads_case cases[]{
        {"WITH t AS (SELECT 1) SELECT * FROM t", {}},
        {"WITH t AS (SELECT * FROM t) SELECT * FROM t", {"t"}},
        {"WITH RECURSIVE t AS (SELECT 1 UNION SELECT * FROM t) SELECT * FROM t", {}},
        {"WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a, b", {"b"}},
        {"WITH RECURSIVE a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a, b", {}},
        {"WITH b AS (SELECT 1), a AS (SELECT * FROM b) SELECT * FROM a", {}},
        {"WITH t AS (SELECT 1) SELECT * FROM s.t", {"s.t"}},
        {"SELECT * FROM (WITH t AS (SELECT 1) SELECT * FROM t) q, t", {"t"}},
        {"WITH t AS (SELECT 1) SELECT * FROM u WHERE x IN (SELECT * FROM t)", {"u"}},
        {"WITH t AS (WITH u AS (SELECT 1) SELECT * FROM u) SELECT * FROM t, u", {"u"}},
        {"WITH t AS (SELECT 1) SELECT * FROM t UNION SELECT * FROM t", {}},
        {"SELECT * FROM t UNION (WITH t AS (SELECT 1) SELECT * FROM t)", {"t"}},
        {"WITH t AS (SELECT 1) INSERT INTO u SELECT * FROM t", {}},
        {"WITH \"T\" AS (SELECT 1) SELECT * FROM t", {"t"}},
    };
    for (const reads_case& one : cases) {
        EXPECT_EQ(names_of(parse_statement(one.text)->reads), one.reads) << one.text;
    }
}

TEST(Reads, HaveNoCap) {
    std::string text = "SELECT * FROM t0";
    for (int i = 1; i < 200; ++i) {
        text += " UNION ALL SELECT * FROM t" + std::to_string(i);
    }
    const auto facts = parse_statement(text);
    EXPECT_EQ(facts->reads.size(), 200U);
    EXPECT_EQ(facts->reasons, 0U);
}

struct writes_case {
    std::string_view text;
    names writes;
};

TEST(Writes, NameTheirTargets) {
    const writes_case cases[]{
        {"INSERT INTO s.t VALUES (1)", {"s.t"}},
        {"UPDATE ONLY t x SET a = 1", {"t"}},
        {"DELETE FROM \"T\"", {"T"}},
        {"MERGE INTO t USING u ON true WHEN MATCHED THEN DO NOTHING", {"t"}},
        {"TRUNCATE a, s.b", {"a", "s.b"}},
        {"COPY t (a) FROM STDIN (FORMAT binary)", {"t"}},
        {"REFRESH MATERIALIZED VIEW CONCURRENTLY v", {"v"}},
        {"WITH d AS (DELETE FROM t RETURNING *) SELECT count(*) FROM d", {"t"}},
        {"WITH d AS (DELETE FROM t RETURNING *), i AS (INSERT INTO u SELECT * FROM d RETURNING *) "
         "UPDATE v SET a = 1",
         {"t", "u", "v"}},
        {"INSERT INTO a WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", {"a", "t"}},
        {"SELECT * FROM (WITH d AS (UPDATE t SET a = 1 RETURNING *) SELECT * FROM d) q", {"t"}},
        {"COPY (WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d) TO STDOUT", {"t"}},
        {"EXPLAIN ANALYZE INSERT INTO t VALUES (1)", {"t"}},
        {"EXPLAIN INSERT INTO t VALUES (1)", {"t"}},
        {"SELECT 1", {}},
    };
    for (const writes_case& one : cases) {
        const auto facts = parse_statement(one.text);
        EXPECT_EQ(names_of(facts->writes), one.writes) << one.text;
        EXPECT_EQ(facts->kind == statement_class::write, !one.writes.empty()) << one.text;
    }
}

TEST(Writes, ThroughWithAreAReason) {
    EXPECT_TRUE(has(
        *parse_statement("WITH d AS (DELETE FROM t RETURNING 1) SELECT 1"), text_reason::writing_cte
    ));
    EXPECT_FALSE(has(*parse_statement("DELETE FROM t"), text_reason::writing_cte));
}

struct reason_case {
    std::string_view text;
    reason_set reasons;
};

TEST(Reasons, OfReadsThatMayNotBeCached) {
    const reason_case cases[]{
        {"SELECT a FROM t", 0},
        {"SELECT * FROM t FOR UPDATE", reason_bit(text_reason::locking)},
        {"SELECT * FROM t FOR NO KEY UPDATE", reason_bit(text_reason::locking)},
        {"SELECT * FROM t FOR SHARE OF t NOWAIT", reason_bit(text_reason::locking)},
        {"SELECT * FROM t FOR KEY SHARE SKIP LOCKED", reason_bit(text_reason::locking)},
        {"SELECT * FROM (SELECT * FROM t FOR SHARE) q", reason_bit(text_reason::locking)},
        {"WITH q AS (SELECT * FROM t FOR UPDATE) SELECT * FROM q",
         reason_bit(text_reason::locking)},
        {"SELECT ctid FROM t", reason_bit(text_reason::system_column)},
        {"SELECT t.xmin FROM t", reason_bit(text_reason::system_column)},
        {"SELECT 1 FROM t WHERE cmax = '0'", reason_bit(text_reason::system_column)},
        {"SELECT tableoid FROM t", reason_bit(text_reason::system_column)},
        {"SELECT CURRENT_TIMESTAMP", reason_bit(text_reason::clock_or_identity)},
        {"SELECT current_date", reason_bit(text_reason::clock_or_identity)},
        {"SELECT localtime(0)", reason_bit(text_reason::clock_or_identity)},
        {"SELECT current_user", reason_bit(text_reason::clock_or_identity)},
        {"SELECT session_user", reason_bit(text_reason::clock_or_identity)},
        {"SELECT current_schema", reason_bit(text_reason::clock_or_identity)},
        {"SELECT * FROM t TABLESAMPLE bernoulli (1) REPEATABLE (2)",
         reason_bit(text_reason::tablesample)},
        {"SELECT * FROM ROWS FROM (generate_series(1, 2), generate_series(1, 3))",
         reason_bit(text_reason::function_source)},
        {"SELECT * FROM XMLTABLE('/r' PASSING x COLUMNS a int)",
         reason_bit(text_reason::function_source)},
        {"SELECT xmlelement(name a)", reason_bit(text_reason::function_source)},
        {"SELECT * FROM generate_series(1, 2) WITH ORDINALITY", 0},
        {"SELECT 't'::regclass", reason_bit(text_reason::catalog_cast)},
        {"SELECT regproc 'f'", reason_bit(text_reason::catalog_cast)},
        {"SELECT cast(a AS regtype[]) FROM t", reason_bit(text_reason::catalog_cast)},
        {"SELECT 'x'::pg_catalog.regrole", reason_bit(text_reason::catalog_cast)},
    };
    for (const reason_case& one : cases) {
        const auto facts = parse_statement(one.text);
        EXPECT_EQ(facts->reasons, one.reasons) << one.text;
        EXPECT_EQ(facts->kind, statement_class::read) << one.text;
    }
}

TEST(Reasons, OfCursors) {
    EXPECT_TRUE(has(*parse_statement("DECLARE c CURSOR FOR SELECT 1"), text_reason::cursor));
    EXPECT_TRUE(has(*parse_statement("UPDATE t SET a = 1 WHERE CURRENT OF c"), text_reason::cursor)
    );
    EXPECT_TRUE(has(*parse_statement("SELECT 1 INTO t"), text_reason::select_into));
}

struct functions_case {
    std::string_view text;
    names functions;
    bool writes_unknown;
};

TEST(Functions, AreListedAndJudged) {
    const functions_case cases[]{
        {"SELECT count(*), lower(a) FROM t", {"count", "lower"}, false},
        {"SELECT now(), random(), nextval('s'), pg_sleep(1)",
         {"now", "random", "nextval", "pg_sleep"},
         false},
        {"SELECT f(1), s.g(2)", {"f", "s.g"}, true},
        {"SELECT 1 FROM t WHERE w() > 1", {"w"}, true},
        {"SELECT pg_catalog.count(*), public.count(*) FROM t",
         {"pg_catalog.count", "public.count"},
         true},
        {"SELECT * FROM f(1) AS q(a int)", {"f"}, true},
        {"SELECT x AT TIME ZONE 'UTC', extract(year FROM y), x SIMILAR TO 'a' FROM t",
         {"pg_catalog.timezone", "pg_catalog.extract", "pg_catalog.similar_to_escape"},
         false},
        {"SELECT a + 1, b || c, d LIKE 'e', f IN (1), g BETWEEN 1 AND 2, h IS DISTINCT FROM 3 FROM "
         "t",
         {},
         false},
        {"SELECT a <=> b FROM t", {"operator <=>"}, true},
        {"SELECT a OPERATOR(public.+) b FROM t", {"operator public.+"}, true},
        {"SELECT a OPERATOR(pg_catalog.+) b FROM t", {}, false},
        {"SELECT 1 FROM t ORDER BY a USING OPERATOR(s.<)", {"operator s.<"}, true},
        {"SELECT 1 WHERE a OPERATOR(s.=) ANY (SELECT 1)", {"operator s.="}, true},
        {"SELECT a::int, b::text[], c::numeric(5,2), 'x'::\"char\", date '2024-01-01' FROM t",
         {},
         false},
        {"SELECT a::citext, b::s.mood FROM t", {"type citext", "type s.mood"}, true},
        {"SELECT query_to_xml('SELECT f()', true, true, '')", {"query_to_xml"}, true},
        {"INSERT INTO t VALUES (f())", {"f"}, true},
        {"SELECT sum(DISTINCT a ORDER BY b) FILTER (WHERE g()) OVER (ORDER BY h()) FROM t",
         {"sum", "g", "h"},
         true},
        {"PREPARE p AS SELECT f()", {}, false},
        {"EXPLAIN SELECT f()", {"f"}, true},
        {"EXPLAIN ANALYZE SELECT f()", {"f"}, true},
        {"DECLARE c CURSOR FOR SELECT f()", {"f"}, true},
        {"CREATE TABLE u AS SELECT f()", {"f"}, true},
    };
    for (const functions_case& one : cases) {
        const auto facts = parse_statement(one.text);
        EXPECT_EQ(functions_of(*facts), one.functions) << one.text;
        EXPECT_EQ(facts->writes_unknown, one.writes_unknown) << one.text;
        EXPECT_EQ(facts->calls_decide, one.writes_unknown) << one.text;
    }
}

TEST(Functions, AreCountedByArguments) {
    const auto facts = parse_statement("SELECT f(), f(1), f(1, 2), f(3)");
    ASSERT_EQ(facts->functions.size(), 3U);
    EXPECT_EQ(facts->functions[0].arguments, 0);
    EXPECT_EQ(facts->functions[2].arguments, 2);
}

TEST(Functions, CountWhatAnAggregateOrders) {
    const auto facts = parse_statement("SELECT f(0.5, 1) WITHIN GROUP (ORDER BY a, b) FROM t");
    ASSERT_EQ(facts->functions.size(), 1U);
    EXPECT_EQ(facts->functions[0].arguments, 4);
}

TEST(Functions, MayBeWrittenLikeColumns) {
    const auto attributes = [](std::string_view text) {
        const auto facts = parse_statement(text);
        return names(facts->attributes.begin(), facts->attributes.end());
    };
    EXPECT_EQ(attributes("SELECT f FROM t WHERE g > 1"), names{});
    EXPECT_EQ(attributes("SELECT t.f, s.t.g, t.* FROM s.t ORDER BY t.h"), (names{"f", "g", "h"}));
    EXPECT_EQ(attributes("SELECT (t).f, (t).* FROM t"), names{"f"});
    EXPECT_EQ(attributes("SELECT (SELECT t FROM t LIMIT 1).f, ($1).g.h"), (names{"f", "g", "h"}));
    EXPECT_EQ(attributes("UPDATE t SET v = 1 WHERE t.id = 1 RETURNING t.f"), (names{"id", "f"}));
    EXPECT_EQ(attributes("COPY (SELECT t.f FROM t) TO STDOUT"), names{"f"});
}

TEST(Operators, OfBuiltinNamesAreListedButForComparisons) {
    const auto facts = parse_statement(
        "SELECT a + b, c LIKE 'd', e OPERATOR(pg_catalog.-) f, g % 2 FROM t WHERE h = 1 AND "
        "i BETWEEN 1 AND 2 AND j IN (1) AND k <> 2 ORDER BY l + m"
    );
    EXPECT_EQ(names(facts->operators.begin(), facts->operators.end()), (names{"+", "~~", "%"}));
    EXPECT_EQ(facts->operators.size(), 3U);
    EXPECT_FALSE(facts->writes_unknown);
}

TEST(Parser, KeepsNoNameTwiceHoweverManyThereAre) {
    std::string text = "SELECT 1";
    for (int i = 0; i < 3000; ++i)
        text += ",f" + std::to_string(i) + "(a.b" + std::to_string(i % 10) + ")";
    const auto facts = parse_statement(text);
    EXPECT_EQ(facts->functions.size(), 3000U);
    EXPECT_EQ(facts->attributes.size(), 10U);
    // What a definition names is taken back, and counts again where it is read.
    const auto both = parse_statement("CREATE VIEW v AS SELECT a FROM t; SELECT a FROM t");
    EXPECT_EQ(names_of(both->reads), names{"t"});
}

TEST(Functions, WithSessionEffectsAreSeenThroughUnicodeNames) {
    const auto facts = parse_statement("SELECT U&\"set\\005fconfig\"('a.b', 'c', false)");
    EXPECT_TRUE(facts->effects & effect_bit(session_effect::set_config));
}

TEST(Functions, MayBeTakenOutOfValuesLikeColumns) {
    const std::vector<std::string> age{"age"};
    EXPECT_EQ(parse_statement("SELECT (q.ts).age FROM t q")->taken_out, age);
    EXPECT_EQ(parse_statement("SELECT x.age FROM generate_series(1, 2) x")->taken_out, age);
    EXPECT_TRUE(parse_statement("SELECT q.age FROM t q")->taken_out.empty());
    EXPECT_TRUE(
        parse_statement("SELECT (q).ctid FROM t q")->reasons &
        reason_bit(text_reason::system_column)
    );
}

TEST(Functions, CallsDecideOnlyWhereNothingElseIsUnknown) {
    EXPECT_FALSE(parse_statement("DO ''; SELECT f()")->calls_decide);
    EXPECT_TRUE(parse_statement("TRUNCATE t; SELECT f()")->calls_decide);
    EXPECT_FALSE(parse_statement("SELECT 1")->calls_decide);
}

TEST(ParseErrors, AreUnknownWriters) {
    for (const std::string_view text :
         {"SELEC 1",
          "SELECT 'a",
          "MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE RETURNING *",
          "SELECT 0x1F",
          "SELECT 1_000",
          "SELECT * FROM json_table('[]', '$[*]' COLUMNS (a int PATH '$'))",
          "SELECT '\xFF'",
          "SELECT 123abc",
          "SELECT (",
          "SELECT \"\""}) {
        const auto facts = parse_statement(text);
        EXPECT_EQ(facts->kind, statement_class::unknown) << text;
        EXPECT_TRUE(facts->writes_unknown) << text;
        EXPECT_FALSE(facts->calls_decide) << text;
        EXPECT_TRUE(has(*facts, text_reason::parse_error)) << text;
        EXPECT_TRUE(facts->effects & effect_bit(session_effect::opaque)) << text;
        EXPECT_TRUE(facts->reads.empty() && facts->writes.empty()) << text;
    }
}

TEST(ParseErrors, KeepTheEffectsOfTheLexer) {
    const auto facts = parse_statement("SELEC 1; LISTEN c");
    EXPECT_TRUE(facts->effects & effect_bit(session_effect::listen));
}

TEST(Parser, AgreesWithTheLexerOnSessionAndTransaction) {
    const auto set = parse_statement("SET search_path = s1, public");
    ASSERT_EQ(set->steps.size(), 1U);
    EXPECT_EQ(set->steps[0].setting, (setting_change{"search_path", "s1, public"}));
    EXPECT_TRUE(set->effects & effect_bit(session_effect::set));
    EXPECT_EQ(
        parse_statement("COMMIT AND CHAIN")->transaction, transaction_control::commit_and_chain
    );
    EXPECT_EQ(parse_statement("COMMIT PREPARED 'g'")->gid, "g");
    EXPECT_EQ(parse_statement("")->kind, statement_class::noop);
    EXPECT_EQ(parse_statement("")->statements, 0);
}

TEST(Parser, DoesNotMindALongLiteral) {
    const auto facts =
        parse_statement("INSERT INTO t VALUES ('" + std::string(300'000, 'x') + "')");
    EXPECT_EQ(facts->kind, statement_class::write);
    EXPECT_EQ(names_of(facts->writes), names{"t"});
}

TEST(Parser, ParsesWhatATextSaysNotWhatItsStringsSay) {
    const auto facts =
        parse_statement("SELECT '; DELETE FROM t; --' AS \"x; y\" FROM u -- ; DROP TABLE t");
    EXPECT_EQ(facts->kind, statement_class::read);
    EXPECT_EQ(facts->statements, 1);
    EXPECT_EQ(names_of(facts->reads), names{"u"});
}

TEST(ClockCasts, OfComputedTextsAreAReason) {
    const auto is_refused = [](std::string_view text) {
        return (parse_statement(text)->reasons & reason_bit(text_reason::clock_or_identity)) != 0;
    };
    for (const std::string_view text :
         {"SELECT ('no'||'w')::timestamp",
          "SELECT (chr(110)||'ow')::timestamptz",
          "SELECT 1 FROM t WHERE ts < ('to'||'day')::date",
          "SELECT CAST(lower('NO' || 'W') AS timestamp without time zone)",
          "SELECT timestamptz(lower(x)) FROM t",
          "SELECT (data->>'created')::timestamptz FROM t",
          "SELECT (SELECT note FROM t)::date",
          "SELECT created::date FROM (SELECT 'no'||'w' AS created) s",
          "WITH s(created) AS (SELECT 'no'||'w') SELECT created::date FROM s",
          "SELECT d::date FROM unnest($1::text[]) AS d",
          "SELECT j.d::date FROM (VALUES ('no'||'w')) AS j(d)",
          "SELECT ('[to'||'day,]')::daterange",
          "SELECT coalesce(created, lower(x))::date FROM t",
          "SELECT created::timetz FROM t"}) {
        EXPECT_TRUE(is_refused(text)) << text;
    }
    for (const std::string_view text :
         {"SELECT '2024-01-01'::date",
          "SELECT $1::timestamptz",
          "SELECT created::date AS created FROM t ORDER BY created::date",
          "SELECT date(created) FROM t",
          "SELECT date_trunc('day', created)::date FROM t",
          "SELECT (created + interval '1 day')::date FROM t",
          "SELECT (created AT TIME ZONE 'UTC')::date FROM t",
          "SELECT max(created)::date, coalesce(a, b)::date FROM t",
          "SELECT d.created::text::date FROM t d",
          "SELECT (a || b)::text FROM t"}) {
        EXPECT_FALSE(is_refused(text)) << text;
    }
}

TEST(ClockCasts, NameTheColumnsThatTheCatalogHasToKnow) {
    const auto facts = parse_statement(
        "SELECT t.created::date, max(paid)::timestamp FROM t WHERE created::date = $1 AND x::int = "
        "1"
    );
    EXPECT_EQ(facts->moment_columns, (std::vector<std::string>{"created", "paid"}));
    EXPECT_FALSE(facts->times_of_day);
    EXPECT_TRUE(parse_statement("SELECT x::time FROM t")->times_of_day);
}

}  // namespace
}  // namespace weir::querycache::sql

// Every row of the table of statement verdicts, through the parser.
#include "querycache/sql/parser.hpp"

#include <gtest/gtest.h>

#include <string_view>

namespace weir::querycache::sql {
namespace {

using kind = statement_class;

struct verdict_case {
    std::string_view text;
    statement_class expected;
    bool writes_unknown = false;
    std::uint16_t statements = 1;
};

TEST(StatementVerdict, OfEachKindOfStatement) {
    const verdict_case cases[]{
        {"SELECT a FROM t", kind::read},
        {"VALUES (1)", kind::read},
        {"TABLE t", kind::read},
        {"SELECT a INTO u FROM t", kind::ddl},
        {"INSERT INTO t VALUES (1)", kind::write},
        {"UPDATE t SET a = 1", kind::write},
        {"DELETE FROM t", kind::write},
        {"MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE", kind::write},
        {"COPY t FROM STDIN", kind::write},
        {"COPY t FROM PROGRAM 'x'", kind::write},
        {"COPY t TO STDOUT", kind::noop},
        {"COPY (SELECT 1) TO STDOUT", kind::noop},
        {"COPY (DELETE FROM t RETURNING a) TO STDOUT", kind::write},
        {"TRUNCATE t", kind::write},
        {"TRUNCATE t CASCADE", kind::write},
        {"REFRESH MATERIALIZED VIEW v", kind::write},
        {"CALL p()", kind::unknown, true},
        {"DO $$ BEGIN END $$", kind::unknown, true},
        {"PREPARE p AS DELETE FROM t", kind::session},
        {"EXECUTE p", kind::unknown, true},
        {"DEALLOCATE p", kind::session},
        {"DECLARE c CURSOR FOR SELECT a FROM t", kind::noop},
        {"FETCH 1 FROM c", kind::noop},
        {"MOVE 1 FROM c", kind::noop},
        {"CLOSE c", kind::noop},
        {"EXPLAIN DELETE FROM t", kind::write},
        {"EXPLAIN SELECT a FROM t", kind::noop},
        {"EXPLAIN ANALYZE SELECT a FROM t", kind::noop},
        {"EXPLAIN ANALYZE DELETE FROM t", kind::write},
        {"EXPLAIN (ANALYZE) DELETE FROM t", kind::write},
        {"EXPLAIN (ANALYZE off) DELETE FROM t", kind::write},
        {"EXPLAIN ANALYZE EXECUTE p", kind::unknown, true},
        {"EXPLAIN ANALYZE CREATE TABLE u AS SELECT 1", kind::ddl},
        {"BEGIN", kind::transaction},
        {"START TRANSACTION READ ONLY", kind::transaction},
        {"COMMIT", kind::transaction},
        {"ROLLBACK AND CHAIN", kind::transaction},
        {"SAVEPOINT s", kind::transaction},
        {"PREPARE TRANSACTION 'g'", kind::transaction},
        {"COMMIT PREPARED 'g'", kind::transaction},
        {"SET x.y = 1", kind::session},
        {"RESET ALL", kind::session},
        {"DISCARD ALL", kind::session},
        {"ALTER SYSTEM SET work_mem = '4MB'", kind::session},
        {"LOAD 'x'", kind::session},
        {"SHOW work_mem", kind::noop},
        {"LISTEN c", kind::noop},
        {"UNLISTEN *", kind::noop},
        {"NOTIFY c, 'x'", kind::noop},
        {"LOCK TABLE t", kind::noop},
        {"VACUUM t", kind::noop},
        {"ANALYZE t", kind::noop},
        {"CLUSTER t", kind::noop},
        {"REINDEX TABLE t", kind::noop},
        {"CHECKPOINT", kind::noop},
        {"SET CONSTRAINTS ALL DEFERRED", kind::noop},
        {"COMMENT ON TABLE t IS 'x'", kind::noop},
        {"GRANT SELECT ON t TO bob", kind::ddl},
        {"REVOKE SELECT ON t FROM bob", kind::ddl},
        {"GRANT admin TO bob", kind::ddl},
        {"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO bob", kind::ddl},
        {"CREATE ROLE bob", kind::ddl},
        {"ALTER ROLE bob SET search_path = s1", kind::ddl},
        {"DROP ROLE bob", kind::ddl},
        {"CREATE POLICY q ON t USING (owner = current_user)", kind::ddl},
        {"ALTER DATABASE d SET x.y = 1", kind::ddl},
        {"REASSIGN OWNED BY a TO b", kind::ddl},
        {"DROP OWNED BY a", kind::ddl},
        {"ALTER TABLE t OWNER TO bob", kind::ddl},
        {"CREATE TABLE t (a int DEFAULT 1)", kind::ddl},
        {"CREATE TABLE t AS SELECT 1", kind::ddl},
        {"CREATE TABLE t AS EXECUTE p", kind::unknown, true},
        {"CREATE MATERIALIZED VIEW v AS SELECT 1", kind::ddl},
        {"CREATE VIEW v AS SELECT 1", kind::ddl},
        {"CREATE INDEX i ON t (a)", kind::ddl},
        {"ALTER TABLE t ADD b int", kind::ddl},
        {"ALTER TABLE t RENAME TO u", kind::ddl},
        {"ALTER TABLE t SET SCHEMA s", kind::ddl},
        {"ALTER TABLE ev ATTACH PARTITION ev1 DEFAULT", kind::ddl},
        {"ALTER TABLE t ENABLE ROW LEVEL SECURITY", kind::ddl},
        {"DROP TABLE t", kind::ddl},
        {"DROP TABLE pg_temp.t, pg_temp.u", kind::noop},
        {"DROP TABLE pg_temp.t CASCADE", kind::ddl},
        {"DROP VIEW pg_temp.v", kind::noop},
        {"DROP TABLE pg_temp.t, u", kind::ddl},
        {"DROP TRIGGER t ON pg_temp", kind::ddl},
        {"DROP FUNCTION pg_temp.f()", kind::ddl},
        {"CREATE TEMP TABLE t (a int PRIMARY KEY, b serial, c mood)", kind::noop},
        {"CREATE TABLE pg_temp.t (a int)", kind::noop},
        {"CREATE TEMP TABLE t (a int DEFAULT f())", kind::ddl},
        {"SELECT f(); CREATE TEMP TABLE t (a int DEFAULT f())", kind::ddl, true, 2},
        {"CREATE TEMP TABLE t (LIKE u INCLUDING ALL)", kind::ddl},
        {"CREATE TEMP TABLE t () INHERITS (u)", kind::ddl},
        {"CREATE TEMP TABLE t AS SELECT a FROM u", kind::noop},
        {"CREATE TEMP TABLE t AS EXECUTE p", kind::unknown, true},
        {"SELECT a INTO TEMP t FROM u", kind::noop},
        {"WITH d AS (DELETE FROM u RETURNING *) SELECT a INTO TEMP t FROM d", kind::write},
        {"CREATE TEMP VIEW v AS SELECT 1", kind::ddl},
        {"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", kind::ddl},
        {"ALTER FUNCTION f() STABLE", kind::ddl},
        {"CREATE TRIGGER g AFTER INSERT ON t EXECUTE FUNCTION f()", kind::ddl},
        {"CREATE RULE r AS ON INSERT TO t DO ALSO INSERT INTO l VALUES (1)", kind::ddl},
        {"CREATE EXTENSION hstore", kind::ddl},
        {"IMPORT FOREIGN SCHEMA s FROM SERVER x INTO y", kind::ddl},
        {"ALTER TYPE mood ADD VALUE 'x'", kind::ddl},
        {"SECURITY LABEL ON TABLE t IS 'x'", kind::ddl},
        {"CREATE OPERATOR + (FUNCTION = f, LEFTARG = int, RIGHTARG = int)", kind::ddl},
    };
    for (const verdict_case& one : cases) {
        const auto facts = parse_statement(one.text);
        EXPECT_EQ(facts->kind, one.expected) << one.text;
        EXPECT_EQ(facts->writes_unknown, one.writes_unknown) << one.text;
        EXPECT_TRUE(facts->parsed);
        EXPECT_EQ(facts->statements, one.statements) << one.text;
        EXPECT_EQ(
            (facts->reasons & reason_bit(text_reason::not_a_read)) == 0, one.expected == kind::read
        ) << one.text;
        EXPECT_FALSE(facts->reasons & reason_bit(text_reason::parse_error)) << one.text;
    }
}

TEST(StatementVerdict, TellsWhatMaintains) {
    const auto maintains = [](std::string_view text) { return parse_statement(text)->maintains; };
    for (const std::string_view text :
         {"VACUUM t",
          "ANALYZE",
          "CLUSTER t",
          "REINDEX TABLE t",
          "COMMENT ON TABLE t IS 'x'",
          "CREATE TEMP TABLE t (a int)",
          "CREATE TEMP TABLE t AS SELECT 1",
          "SELECT 1 INTO TEMP t",
          "DROP TABLE pg_temp.t"}) {
        EXPECT_TRUE(maintains(text)) << text;
    }
    EXPECT_FALSE(maintains("SELECT 1"));
    EXPECT_FALSE(maintains("SHOW work_mem"));
}

TEST(StatementVerdict, OfSeveralStatementsIsTheWorst) {
    const auto facts =
        parse_statement("SELECT a FROM t; INSERT INTO u VALUES (1); COMMIT; BEGIN; SELECT 1");
    EXPECT_EQ(facts->kind, kind::write);
    EXPECT_EQ(facts->statements, 5);
    EXPECT_EQ(facts->writes, (std::vector<relation_name>{{"", "u"}}));
    EXPECT_EQ(facts->reads, (std::vector<relation_name>{{"", "t"}}));
    EXPECT_TRUE(facts->reasons & reason_bit(text_reason::multi_statement));
    EXPECT_EQ(facts->transaction, transaction_control::several);
}

TEST(StatementVerdict, OpaqueOnlyWhereAnythingMayHaveHappened) {
    const auto is_opaque = [](std::string_view text) {
        return (parse_statement(text)->effects & effect_bit(session_effect::opaque)) != 0;
    };
    EXPECT_TRUE(is_opaque("CALL p()"));
    EXPECT_TRUE(is_opaque("DO $$ $$"));
    EXPECT_TRUE(is_opaque("SELEC 1"));
    EXPECT_FALSE(is_opaque("EXECUTE p"));
    EXPECT_FALSE(is_opaque("SELECT f()"));
}

TEST(StatementVerdict, SharedObjectsAreThoseOfTheWholeServer) {
    const auto is_shared = [](std::string_view text) {
        return parse_statement(text)->shared_objects;
    };
    for (const std::string_view text :
         {"CREATE ROLE r",
          "ALTER ROLE r LOGIN",
          "ALTER ROLE r SET row_security = off",
          "DROP ROLE r",
          "GRANT a TO b",
          "REVOKE a FROM b",
          "ALTER GROUP a ADD USER b",
          "ALTER ROLE r RENAME TO s",
          "DROP OWNED BY r",
          "REASSIGN OWNED BY r TO s",
          "ALTER DATABASE d RENAME TO e",
          "ALTER DATABASE d OWNER TO r",
          "ALTER DATABASE d SET TimeZone = 'UTC'",
          "CREATE DATABASE d",
          "DROP DATABASE d",
          "CREATE TABLE t(); DROP ROLE r"}) {
        EXPECT_TRUE(is_shared(text)) << text;
    }
    for (const std::string_view text :
         {"CREATE TABLE t()",
          "ALTER TABLE t RENAME TO u",
          "ALTER TABLE t OWNER TO r",
          "ALTER FUNCTION f() OWNER TO r",
          "GRANT SELECT ON t TO r",
          "SELECT 1"}) {
        EXPECT_FALSE(is_shared(text)) << text;
    }
}

TEST(StatementVerdict, TempTablesMarkTheSession) {
    for (const std::string_view text :
         {"CREATE TEMP TABLE t (a int)",
          "SELECT 1 INTO TEMP t",
          "CREATE TEMP TABLE t AS SELECT 1",
          "CREATE TABLE U&\"pg\\005ftemp\".t (a int)",
          "SELECT * FROM pg_temp.t"}) {
        EXPECT_TRUE(parse_statement(text)->effects & effect_bit(session_effect::temp_object))
            << text;
    }
}

}  // namespace
}  // namespace weir::querycache::sql

#include "querycache/sql/session_effects.hpp"

#include "querycache/sql/lexed_statement.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace weir::querycache::sql {
namespace {

using effect = session_effect;

session_effect_set set_of(std::initializer_list<effect> effects) {
    session_effect_set result = 0;
    for (const effect one : effects) {
        result |= effect_bit(one);
    }
    return result;
}

struct effects_case {
    std::string_view text;
    session_effect_set effects;
};

TEST(SessionEffects, OfEachForm) {
    const effects_case cases[]{
        {"SELECT 1", 0},
        {"SET x = 1", set_of({effect::set})},
        {"SET SESSION x TO 1", set_of({effect::set})},
        {"SET LOCAL x = 1", set_of({effect::set_local})},
        {"SET x TO DEFAULT", set_of({effect::reset})},
        {"SET LOCAL x TO DEFAULT", set_of({effect::set_local})},
        {"SET TIME ZONE 'UTC'", set_of({effect::set})},
        {"SET TIME ZONE LOCAL", set_of({effect::reset})},
        {"SET NAMES 'UTF8'", set_of({effect::set})},
        {"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", set_of({effect::set_local})},
        {"SET transaction_isolation = 'serializable'", set_of({effect::set_local})},
        {"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", set_of({effect::set})},
        {"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, ISOLATION LEVEL SERIALIZABLE",
         set_of({effect::set_config})},
        {"SET SESSION CHARACTERISTICS AS TRANSACTION DEFERRABLE", set_of({effect::set_config})},
        {"SET LOCAL SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", set_of({effect::set_local})},
        {"SET ROLE bob", set_of({effect::set_role})},
        {"SET role = 'bob'", set_of({effect::set_role})},
        {"SET LOCAL ROLE bob", set_of({effect::set_local})},
        {"SET SESSION AUTHORIZATION bob", set_of({effect::set_role})},
        {"SET SESSION AUTHORIZATION DEFAULT", set_of({effect::set_role})},
        {"RESET ROLE", set_of({effect::set_role})},
        {"RESET SESSION AUTHORIZATION", set_of({effect::set_role})},
        {"SET CONSTRAINTS ALL DEFERRED", 0},
        {"RESET x", set_of({effect::reset})},
        {"RESET a.b", set_of({effect::reset})},
        {"RESET ALL", set_of({effect::reset_all})},
        {"DISCARD ALL", set_of({effect::discard_all})},
        {"DISCARD TEMP", set_of({effect::discard_temp})},
        {"DISCARD TEMPORARY", set_of({effect::discard_temp})},
        {"DISCARD PLANS", 0},
        {"DISCARD SEQUENCES", set_of({effect::discard_sequences})},
        {"DEALLOCATE p", set_of({effect::deallocate})},
        {"DEALLOCATE PREPARE p", set_of({effect::deallocate})},
        {"DEALLOCATE ALL", set_of({effect::deallocate_all})},
        {"DEALLOCATE PREPARE ALL", set_of({effect::deallocate_all})},
        {"PREPARE p AS SELECT 1", set_of({effect::prepare})},
        {"PREPARE TRANSACTION 'g'", 0},
        {"EXECUTE p(1)", set_of({effect::execute})},
        {"EXPLAIN (ANALYZE) EXECUTE p", set_of({effect::execute})},
        {"CREATE TABLE t AS EXECUTE p", set_of({effect::execute})},
        {"EXPLAIN ANALYZE CREATE TEMP TABLE t AS EXECUTE p",
         set_of({effect::execute, effect::temp_object})},
        {"CREATE TRIGGER t BEFORE INSERT ON u EXECUTE FUNCTION f()", 0},
        {"GRANT EXECUTE ON FUNCTION f() TO r", 0},
        {"SELECT name FROM pg_prepared_statements", set_of({effect::list_statements})},
        {"SELECT * FROM pg_catalog.\"pg_prepared_statements\"", set_of({effect::list_statements})},
        {"SELECT * FROM pg_prepared_statement()", set_of({effect::list_statements})},
        {"SELECT * FROM pg_prepared_xacts, my_pg_prepared_statements", 0},
        {"SELECT setseed(0.5)", set_of({effect::load})},
        {"SET seed = 0.5", set_of({effect::load})},
        {"SET LOCAL seed TO 0.5", set_of({effect::load})},
        {"DROP DATABASE d", set_of({effect::drop_object, effect::empties_database})},
        {"DROP DATABASE IF EXISTS \"D\" WITH (FORCE)",
         set_of({effect::drop_object, effect::empties_database})},
        {"ALTER DATABASE d RENAME TO e", set_of({effect::empties_database})},
        {"ALTER DATABASE d SET TABLESPACE t", set_of({effect::empties_database})},
        {"ALTER DATABASE d OWNER TO o", 0},
        {"CREATE DATABASE d", 0},
        {"CREATE DATABASE d OWNER o TEMPLATE = t", set_of({effect::empties_database})},
        {"LISTEN c", set_of({effect::listen})},
        {"UNLISTEN c", set_of({effect::unlisten})},
        {"UNLISTEN *", set_of({effect::unlisten_all})},
        {"CREATE TEMP TABLE t (a int)", set_of({effect::temp_object})},
        {"CREATE TEMPORARY VIEW v AS SELECT 1", set_of({effect::temp_object})},
        {"CREATE GLOBAL TEMP TABLE t (a int)", set_of({effect::temp_object})},
        {"CREATE LOCAL TEMPORARY SEQUENCE s", set_of({effect::temp_object})},
        {"CREATE OR REPLACE TEMP VIEW v AS SELECT 1", set_of({effect::temp_object})},
        {"CREATE TEMP RECURSIVE VIEW v (a) AS SELECT 1", set_of({effect::temp_object})},
        {"CREATE UNLOGGED TABLE t (a int)", 0},
        {"CREATE TABLE t (temp int)", 0},
        {"CREATE TABLE pg_temp.t (a int)", set_of({effect::temp_object})},
        {"CREATE FUNCTION \"pg_temp\".f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
         set_of({effect::temp_object})},
        {"SELECT * INTO TEMP t FROM u", set_of({effect::temp_object})},
        {"SELECT * INTO LOCAL TEMPORARY TABLE t FROM u", set_of({effect::temp_object})},
        {"SELECT * INTO t FROM u", 0},
        {"INSERT INTO temp VALUES (1)", 0},
        {"DECLARE c CURSOR WITH HOLD FOR SELECT 1", set_of({effect::hold_cursor})},
        {"DECLARE c CURSOR WITHOUT HOLD FOR SELECT 1", 0},
        {"SELECT pg_advisory_lock(1)", set_of({effect::advisory_lock})},
        {"SELECT pg_catalog.pg_advisory_lock_shared(1, 2)", set_of({effect::advisory_lock})},
        {"SELECT \"pg_try_advisory_lock\"(1)", set_of({effect::advisory_lock})},
        {"SELECT pg_try_advisory_lock_shared (1)", set_of({effect::advisory_lock})},
        {"SELECT pg_advisory_xact_lock(1)", 0},
        {"SELECT pg_try_advisory_xact_lock_shared(1)", 0},
        {"SELECT pg_advisory_unlock(1)", set_of({effect::advisory_unlock})},
        {"SELECT pg_advisory_unlock_shared(1, 2)", set_of({effect::advisory_unlock})},
        {"DROP TABLE t", set_of({effect::drop_object})},
        {"ALTER ROLE a SET work_mem = '1MB'", set_of({effect::session_defaults})},
        {"ALTER USER a IN DATABASE b RESET ALL", set_of({effect::session_defaults})},
        {"ALTER DATABASE b SET search_path = c", set_of({effect::session_defaults})},
        {"ALTER ROLE a PASSWORD 'set'", set_of({effect::session_defaults})},
        {"ALTER USER a NOSUPERUSER", set_of({effect::session_defaults})},
        {"ALTER GROUP g ADD USER a", set_of({effect::session_defaults})},
        {"DROP ROLE a, b", set_of({effect::session_defaults, effect::drop_object})},
        {"DROP USER IF EXISTS a", set_of({effect::session_defaults, effect::drop_object})},
        {"DROP USER MAPPING FOR a SERVER s", set_of({effect::drop_object})},
        {"ALTER USER MAPPING FOR a SERVER s OPTIONS (SET b 'c')", 0},
        {"CREATE ROLE a", 0},
        {"ALTER TABLE role SET SCHEMA a", 0},
        {"SELECT pg_advisory_unlock_all()", set_of({effect::advisory_unlock_all})},
        {"SELECT pg_advisory_lock FROM t", 0},
        {"SELECT 'pg_advisory_lock(1)'", 0},
        {"SELECT set_config('a.b', 'c', false)", set_of({effect::set})},
        {"SELECT pg_catalog.set_config('a.b', 'c', 'f') AS x;", set_of({effect::set})},
        {"SELECT \"set_config\"('a.b', 'c', false)", set_of({effect::set})},
        {"SELECT set_config('', 'c', false)", set_of({effect::set_config})},
        {"SELECT set_config('a.b', NULL, false)", set_of({effect::reset})},
        {"SELECT set_config('role', 'bob', false)", set_of({effect::set_role})},
        {"SELECT set_config('a.b', $1, false)", set_of({effect::set_bound})},
        {"SELECT set_config($1, $2, $3)", set_of({effect::set_bound})},
        {"SELECT set_config('a.b', 'c', true)", set_of({effect::set_local})},
        {"SELECT set_config($1, f($2, 3), true), set_config('a.b', g.x, 't') FROM g",
         set_of({effect::set_local})},
        {"SELECT other.set_config('a.b', 'c', true)", set_of({effect::set_config})},
        {"PREPARE p AS SELECT set_config('a.b', 'c', true)",
         set_of({effect::prepare, effect::set_config})},
        {"SELECT set_config('a.b', 'c', n > 1) FROM t", set_of({effect::set_config})},
        {"SELECT set_config('a.b', 'c', false) FROM t", set_of({effect::set_config})},
        {"SELECT set_config('a.b', 'c', false) WHERE false", set_of({effect::set_config})},
        {"SELECT set_config('a.b', 'c', false), set_config('a.d', 'c', false)",
         set_of({effect::set_config})},
        {"SELECT set_config('a.b', 'c' || 'd', false)", set_of({effect::set_config})},
        {"SELECT set_config('a.b', E'c', false)", set_of({effect::set_config})},
        {"SELECT set_config('a.b', 'c\\', false)", set_of({effect::set_config})},
        {"SELECT set_config('a.b', 'c'\n'd', false)", set_of({effect::set_config})},
        {"SELECT set_config('a.b', 'c')", set_of({effect::set_config})},
        {"SELECT set_config('a.b', 'c', false", set_of({effect::set_config})},
        {"UPDATE pg_settings SET setting = '1' WHERE name = 'x'", set_of({effect::set_config})},
        {"WITH x AS (UPDATE ONLY pg_catalog.pg_settings SET setting = '1') SELECT 1",
         set_of({effect::set_config})},
        {"SELECT * FROM pg_settings", 0},
        {"SELECT U&\"set\\005fconfig\"('a.b', 'c', false)",
         set_of({effect::opaque, effect::set_config})},
        {"SELECT U&\"set!005fconfig\" UESCAPE '!' ('a.b', 'c', false)", set_of({effect::opaque})},
        {"SELECT U&\"plain\"('a.b')", 0},
        {"EXPLAIN ANALYZE CREATE TEMP TABLE t AS SELECT 1", set_of({effect::temp_object})},
        {"EXPLAIN (ANALYZE) CREATE TEMP TABLE t AS SELECT 1", set_of({effect::temp_object})},
        {"EXPLAIN CREATE TEMP TABLE t AS SELECT 1", 0},
        {"CREATE TEMP TABLE t (a int) ON COMMIT DROP", 0},
        {"CREATE TEMP TABLE t ON COMMIT DROP AS SELECT 1", 0},
        {"CREATE TEMP TABLE t (a int) ON COMMIT DELETE ROWS", set_of({effect::temp_object})},
        {"SET LOCAL search_path = pg_temp", set_of({effect::set_local, effect::temp_object})},
        {"CLOSE c", set_of({effect::close_cursor})},
        {"CLOSE ALL", set_of({effect::close_all})},
        {"EXPLAIN ANALYZE SELECT set_config('a.b', 'c', false)", set_of({effect::set_config})},
        {"LOAD 'x'", set_of({effect::load})},
        {"SELECT currval('s')", set_of({effect::sequence_value})},
        {"SELECT lastval()", set_of({effect::sequence_value})},
        {"SELECT nextval('s')", set_of({effect::next_value})},
        {"SELECT setval('s', 1)", set_of({effect::next_value})},
        {"DO $$ BEGIN END $$", set_of({effect::opaque})},
        {"CALL p()", set_of({effect::opaque})},
        {"SET x = 1; LISTEN c", set_of({effect::set, effect::listen})},
        {"BEGIN; SET LOCAL x = 1; COMMIT", set_of({effect::set_local})},
        {"SET", set_of({effect::opaque})},
        {"RESET", set_of({effect::opaque})},
    };
    for (const effects_case& one : cases) {
        EXPECT_EQ(lex_statement(one.text)->effects, one.effects) << one.text;
    }
}

struct setting_case {
    std::string_view text;
    setting_change setting;
};

TEST(SessionEffects, NameTheSetting) {
    const setting_case cases[]{
        {"SET Search_Path = s1, public", {"search_path", "s1, public"}},
        {"SET search_path TO 'S1'", {"search_path", "'S1'"}},
        {"SET \"TimeZone\" TO 'UTC';", {"timezone", "'UTC'"}},
        {"SET app.Tenant = 'A'", {"app.tenant", "'A'"}},
        {"SET a.b.c = 'A'", {"a.b.c", "'A'"}},
        {"SET LOCAL work_mem = '4MB'", {"work_mem", "'4MB'"}},
        {"SET TIME ZONE 'Asia/Tokyo'", {"timezone", "'Asia/Tokyo'"}},
        {"SET SESSION TIME ZONE -7", {"timezone", "- 7"}},
        {"SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE",
         {"timezone", "interval '-08:00' hour to minute"}},
        {"SET TIME ZONE DEFAULT", {"timezone", ""}},
        {"SET NAMES 'LATIN1'", {"client_encoding", "'LATIN1'"}},
        {"SET SCHEMA 'x'", {"search_path", "'x'"}},
        {"SET XML OPTION DOCUMENT", {"xmloption", "document"}},
        {"SET ROLE NONE", {"role", "none"}},
        {"SET SESSION AUTHORIZATION 'bob'", {"session_authorization", "'bob'"}},
        {"RESET search_path", {"search_path", ""}},
        {"RESET TIME ZONE", {"timezone", ""}},
        {"SET x TO DEFAULT", {"x", ""}},
        {"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ",
         {"default_transaction_isolation", "'repeatable read'"}},
        {"SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
         {"default_transaction_read_only", "off"}},
        {"SELECT set_config('A.b', 'it''s', false)", {"a.b", "it's", true}},
        {"SELECT set_config('a.b', '', false)", {"a.b", "", true}},
        {"SELECT set_config('a.b', NULL, false)", {"a.b", ""}},
        {"SELECT set_config('a.b', $1, false)", {"a.b", "", true, {0, 1, 0}}},
        {"SELECT set_config($2, $1, $3)", {"", "", true, {2, 1, 3}}},
    };
    for (const setting_case& one : cases) {
        const auto facts = lex_statement(one.text);
        ASSERT_EQ(facts->steps.size(), 1U) << one.text;
        const setting_change& found = facts->steps.front().setting;
        EXPECT_EQ(found.name, one.setting.name) << one.text;
        EXPECT_EQ(found.value_sql, one.setting.value_sql) << one.text;
        EXPECT_EQ(found.is_raw, one.setting.is_raw) << one.text;
        EXPECT_EQ(found.parameters, one.setting.parameters) << one.text;
    }
}

TEST(SessionEffects, AreToldOfEachStatement) {
    const auto facts = lex_statement("BEGIN; SET a = 1;; SELECT 1; SAVEPOINT S; SET b = 2");
    ASSERT_EQ(facts->steps.size(), 5U);
    EXPECT_EQ(facts->steps[0].transaction, transaction_control::begin);
    EXPECT_EQ(facts->steps[1].setting.name, "a");
    EXPECT_TRUE(facts->steps[2].is_nothing());
    EXPECT_EQ(facts->steps[3].transaction, transaction_control::savepoint);
    EXPECT_EQ(facts->steps[3].name, "s");
    EXPECT_EQ(facts->steps[4].setting.value_sql, "2");
    EXPECT_TRUE(lex_statement("SELECT 1; SELECT 2")->steps.empty());
}

TEST(SessionEffects, TellNames) {
    const std::pair<std::string_view, std::string_view> cases[]{
        {"SAVEPOINT Abc", "abc"},
        {"SAVEPOINT \"Abc\"", "Abc"},
        {"SAVEPOINT savepoint", "savepoint"},
        {"RELEASE s", "s"},
        {"RELEASE SAVEPOINT s", "s"},
        {"RELEASE savepoint", "savepoint"},
        {"ROLLBACK TO s", "s"},
        {"ROLLBACK WORK TO SAVEPOINT s", "s"},
        {"ROLLBACK TRANSACTION TO s", "s"},
        {"ABORT TO s", "s"},
        {"SAVEPOINT U&\"s\\0065t\"", ""},
        {"LISTEN c", "c"},
        {"UNLISTEN c", "c"},
        {"PREPARE \"P\" AS SELECT 1", "P"},
        {"DEALLOCATE p", "p"},
        {"DEALLOCATE PREPARE p", "p"},
        {"DECLARE c BINARY CURSOR WITH HOLD FOR SELECT 1", "c"},
        {"CLOSE c", "c"},
    };
    for (const auto& [text, name] : cases) {
        const auto facts = lex_statement(text);
        ASSERT_EQ(facts->steps.size(), 1U) << text;
        EXPECT_EQ(facts->steps.front().name, name) << text;
    }
    EXPECT_EQ(lex_statement("LISTEN " + std::string(63, 'c'))->steps[0].name.size(), 63U);
    EXPECT_EQ(lex_statement("LISTEN " + std::string(64, 'c'))->steps[0].name, "");
}

}  // namespace
}  // namespace weir::querycache::sql

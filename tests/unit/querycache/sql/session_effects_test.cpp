#include "querycache/sql/session_effects.hpp"

#include "querycache/sql/lexed_statement.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>

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
         set_of({effect::opaque})},
        {"SET SESSION CHARACTERISTICS AS TRANSACTION DEFERRABLE", set_of({effect::opaque})},
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
        {"DISCARD SEQUENCES", 0},
        {"DEALLOCATE p", set_of({effect::deallocate})},
        {"DEALLOCATE PREPARE p", set_of({effect::deallocate})},
        {"DEALLOCATE ALL", set_of({effect::deallocate_all})},
        {"DEALLOCATE PREPARE ALL", set_of({effect::deallocate_all})},
        {"PREPARE p AS SELECT 1", set_of({effect::prepare})},
        {"PREPARE TRANSACTION 'g'", 0},
        {"EXECUTE p(1)", 0},
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
        {"SELECT pg_advisory_unlock(1)", 0},
        {"SELECT pg_advisory_unlock_all()", 0},
        {"SELECT pg_advisory_lock FROM t", 0},
        {"SELECT 'pg_advisory_lock(1)'", 0},
        {"SELECT set_config('a.b', 'c', false)", set_of({effect::set_config})},
        {"EXPLAIN ANALYZE SELECT set_config('a.b', 'c', false)", set_of({effect::set_config})},
        {"LOAD 'x'", set_of({effect::load})},
        {"SELECT currval('s')", set_of({effect::sequence_value})},
        {"SELECT lastval()", set_of({effect::sequence_value})},
        {"SELECT nextval('s')", 0},
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
        {"SET a = 1; SET b = 2", {}},
        {"SELECT 1", {}},
    };
    for (const setting_case& one : cases) {
        const auto facts = lex_statement(one.text);
        EXPECT_EQ(facts->setting.name, one.setting.name) << one.text;
        EXPECT_EQ(facts->setting.value_sql, one.setting.value_sql) << one.text;
    }
}

}  // namespace
}  // namespace weir::querycache::sql

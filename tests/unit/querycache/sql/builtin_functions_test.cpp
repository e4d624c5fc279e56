#include "querycache/sql/builtin_functions.hpp"

#include <gtest/gtest.h>

namespace weir::querycache::sql {
namespace {

TEST(BuiltinFunctions, CacheableOnesDependOnArgumentsAlone) {
    for (const char* name :
         {"count",
          "sum",
          "avg",
          "min",
          "max",
          "lower",
          "upper",
          "length",
          "substring",
          "round",
          "abs",
          "floor",
          "ceil",
          "md5",
          "row_number",
          "array_agg",
          "string_agg",
          "jsonb_set"}) {
        EXPECT_TRUE(is_cacheable_builtin(name)) << name;
        EXPECT_TRUE(is_cacheable_builtin("pg_catalog", name)) << name;
        EXPECT_FALSE(is_cacheable_builtin("public", name)) << name;
        EXPECT_TRUE(is_non_writing_builtin(name)) << name;
    }
}

TEST(BuiltinFunctions, NothingOfClockSessionOrCatalogIsCacheable) {
    for (const char* name :
         {"now",
          "random",
          "clock_timestamp",
          "current_setting",
          "version",
          "nextval",
          "currval",
          "lastval",
          "age",
          "pg_backend_pid",
          "txid_current",
          "to_regclass",
          "obj_description",
          "pg_get_viewdef",
          "has_table_privilege",
          "set_config",
          "pg_sleep",
          "lo_get",
          "gen_random_uuid",
          "quote_ident",
          "inet_client_addr",
          "timeofday",
          "pg_typeof",
          "pg_size",
          "no_such_function",
          ""}) {
        EXPECT_FALSE(is_cacheable_builtin(name)) << name;
        EXPECT_FALSE(is_keyed_builtin("", name)) << name;
    }
}

TEST(BuiltinFunctions, KeyedOnesDependOnSettingsOfTheKey) {
    for (const char* name :
         {"date_trunc", "to_char", "extract", "timezone", "concat", "json_agg", "to_tsvector"}) {
        EXPECT_TRUE(is_keyed_builtin("", name)) << name;
        EXPECT_FALSE(is_cacheable_builtin(name)) << name;
        EXPECT_TRUE(is_non_writing_builtin(name)) << name;
    }
}

TEST(BuiltinFunctions, NonWritingOnesMayWaitLockOrReadTheClock) {
    for (const char* name :
         {"now",
          "random",
          "pg_sleep",
          "version",
          "nextval",
          "setval",
          "current_setting",
          "pg_advisory_lock",
          "pg_try_advisory_xact_lock",
          "txid_current",
          "generate_series",
          "set_config",
          "gen_random_uuid",
          "pg_notify",
          "pg_get_viewdef",
          "has_table_privilege"}) {
        EXPECT_TRUE(is_non_writing_builtin(name)) << name;
    }
}

TEST(BuiltinFunctions, WhatRunsSqlOrIsNotKnownMayWrite) {
    for (const char* name :
         {"query_to_xml",
          "table_to_xml",
          "cursor_to_xml",
          "ts_stat",
          "ts_rewrite",
          "pg_import_system_collations",
          "pg_logical_slot_get_changes",
          "my_function",
          "dblink"}) {
        EXPECT_FALSE(is_non_writing_builtin(name)) << name;
    }
    EXPECT_FALSE(is_non_writing_builtin("public", "now"));
}

TEST(BuiltinFunctions, KnowTypesAndOperators) {
    EXPECT_TRUE(is_builtin_type("int4"));
    EXPECT_TRUE(is_builtin_type("_text"));
    EXPECT_TRUE(is_builtin_type("regclass"));
    EXPECT_FALSE(is_builtin_type("citext"));
    EXPECT_FALSE(is_builtin_type("_"));
    EXPECT_TRUE(is_builtin_operator("", "~~"));
    EXPECT_TRUE(is_builtin_operator("pg_catalog", "="));
    EXPECT_TRUE(is_builtin_operator("", "BETWEEN SYMMETRIC"));
    EXPECT_FALSE(is_builtin_operator("public", "="));
    EXPECT_FALSE(is_builtin_operator("", "<=>"));
}

}  // namespace
}  // namespace weir::querycache::sql

// The queries with which a catalog snapshot is loaded, one a member of catalog_rows, with the
// columns in the order of the row's members. For PostgreSQL 13 to 17; every name is qualified,
// because the session's search_path is not ours to trust. They need no privilege beyond connecting.
// Run them in one REPEATABLE READ READ ONLY transaction, after database_state::catalog_version()
// was read.
#pragma once

namespace weir::querycache::catalog_queries {

/// -> database_identity, name. One row: system identifier (as text: it is unsigned), oid, name.
inline constexpr const char* identity = R"sql(
SELECT s.system_identifier::pg_catalog.text, d.oid, d.datname
  FROM pg_catalog.pg_control_system() s, pg_catalog.pg_database d
 WHERE d.datname = pg_catalog.current_database())sql";

/// -> relation_row, all members in order. User-made functions in languages other than C count as
/// code that may do anything; 16384 is the first oid after initdb.
inline constexpr const char* relations = R"sql(
WITH code AS (
    SELECT p.oid FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
     WHERE p.oid >= 16384 AND l.lanname NOT IN ('c', 'internal')
), used AS (
    SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
     WHERE (d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
            AND d.refobjid IN (SELECT oid FROM code))
        OR (d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass
            AND d.refobjid IN (SELECT o.oid FROM pg_catalog.pg_operator o
                                WHERE o.oprcode IN (SELECT oid FROM code)))
), running AS (
    SELECT a.adrelid AS relid FROM used u JOIN pg_catalog.pg_attrdef a ON a.oid = u.objid
     WHERE u.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
    UNION
    SELECT c.conrelid FROM used u JOIN pg_catalog.pg_constraint c ON c.oid = u.objid
     WHERE u.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND c.conrelid <> 0
    UNION
    SELECT i.indrelid FROM used u JOIN pg_catalog.pg_index i ON i.indexrelid = u.objid
     WHERE u.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
)
SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relrowsecurity, c.relispartition,
       EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid),
       EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid),
       EXISTS (SELECT FROM pg_catalog.pg_trigger t
                WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'),
       EXISTS (SELECT FROM pg_catalog.pg_rewrite r
                WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN'),
       EXISTS (SELECT FROM running r WHERE r.relid = c.oid)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
   AND n.nspname <> 'pg_toast' AND n.nspname !~ '^pg_(toast_)?temp_')sql";

/// -> foreign_key_row: conrelid, confrelid, confdeltype, confupdtype.
inline constexpr const char* foreign_keys = R"sql(
SELECT conrelid, confrelid, confdeltype, confupdtype
  FROM pg_catalog.pg_constraint WHERE contype = 'f')sql";

/// -> function_row: schema, name, volatility, user_made.
inline constexpr const char* functions = R"sql(
SELECT n.nspname, p.proname,
       CASE WHEN pg_catalog.bool_or(p.provolatile = 'v') THEN 'v'
            WHEN pg_catalog.bool_or(p.provolatile = 's') THEN 's' ELSE 'i' END,
       pg_catalog.bool_or(p.oid >= 16384)
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 GROUP BY 1, 2)sql";

/// -> catalog_rows::unsafe_operators: name.
inline constexpr const char* unsafe_operators = R"sql(
SELECT DISTINCT o.oprname
  FROM pg_catalog.pg_operator o
  JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode
  JOIN pg_catalog.pg_language l ON l.oid = p.prolang
 WHERE (o.oid >= 16384 OR p.oid >= 16384)
   AND NOT (p.provolatile = 'i' AND l.lanname IN ('c', 'internal')))sql";

/// -> type_row: schema, name, kind. Row types of tables are left out, and arrays.
inline constexpr const char* types = R"sql(
SELECT n.nspname, t.typname, t.typtype
  FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
 WHERE t.oid >= 16384 AND t.typcategory <> 'A'
   AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_catalog.pg_class c
                                   WHERE c.oid = t.typrelid AND c.relkind = 'c')))sql";

/// -> has_unsafe_casts, has_unsafe_domains: one row.
inline constexpr const char* hidden_code = R"sql(
SELECT EXISTS (SELECT FROM pg_catalog.pg_cast c
                 JOIN pg_catalog.pg_proc p ON p.oid = c.castfunc
                 JOIN pg_catalog.pg_language l ON l.oid = p.prolang
                WHERE c.oid >= 16384
                  AND NOT (p.provolatile = 'i' AND l.lanname IN ('c', 'internal'))),
       EXISTS (SELECT FROM pg_catalog.pg_constraint c
                 JOIN pg_catalog.pg_depend d ON d.objid = c.oid
                      AND d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
                      AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
                 JOIN pg_catalog.pg_proc p ON p.oid = d.refobjid
                 JOIN pg_catalog.pg_language l ON l.oid = p.prolang
                WHERE c.contypid <> 0 AND p.oid >= 16384
                  AND l.lanname NOT IN ('c', 'internal')))sql";

}  // namespace weir::querycache::catalog_queries

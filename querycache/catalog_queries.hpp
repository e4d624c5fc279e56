// The queries with which a catalog snapshot is loaded, one a member of catalog_rows, with the
// columns in the order of the row's members. For PostgreSQL 13 to 17; every name is qualified,
// because the session's search_path is not ours to trust. They need no privilege beyond connecting.
// Run them in one REPEATABLE READ READ ONLY transaction, after database_state::catalog_version()
// was read. 16384 is the first oid after initdb.
#pragma once

namespace weir::querycache::catalog_queries {

/// -> database_identity, name. One row: system identifier (as text: it is unsigned), oid, name.
inline constexpr const char* identity = R"sql(
SELECT s.system_identifier::pg_catalog.text, d.oid, d.datname
  FROM pg_catalog.pg_control_system() s, pg_catalog.pg_database d
 WHERE d.datname = pg_catalog.current_database())sql";

/// -> the code: functions that may write tables or change the session, as one oid[] in text, which
/// is $1 of the queries below. (Once the sources are read, without those that are harmless.)
///
/// Of what came after initdb that is every function but those of extensions that are trusted:
///  * C code that is declared immutable. An extension that writes in it breaks PostgreSQL too.
///  * of the listed extensions all C code, and immutable code in other languages. It is known: none
///    of it runs SQL that writes, evaluates users' expressions, or changes the session. Extensions
///    that are not listed may (dblink, tablefunc, pg_cron and timescaledb do). Their functions cost
///    the cache its entries until somebody has read them: a promise is not kept on a guess.
/// (Foreign tables count by themselves, whatever their wrapper.)
/// An aggregate is what its support functions are. Of PostgreSQL's own: those that run SQL given as
/// text, and set_config.
inline constexpr const char* code = R"sql(
WITH listed AS (
    SELECT oid FROM pg_catalog.pg_extension
     WHERE extname IN ('bloom', 'btree_gin', 'btree_gist', 'citext', 'cube', 'dict_int', 'dict_xsyn',
                       'earthdistance', 'file_fdw', 'fuzzystrmatch', 'hstore', 'intagg', 'intarray',
                       'isn', 'lo', 'ltree', 'pageinspect', 'pg_buffercache', 'pg_freespacemap',
                       'pg_prewarm', 'pg_stat_statements', 'pg_trgm', 'pg_visibility',
                       'pg_walinspect', 'pgcrypto', 'pgrowlocks', 'pgstattuple', 'plpgsql', 'postgis',
                       'postgres_fdw', 'seg', 'sslinfo', 'tsm_system_rows', 'tsm_system_time',
                       'unaccent', 'uuid-ossp', 'vector')
), plain AS (
    SELECT p.oid
      FROM pg_catalog.pg_proc p
      JOIN pg_catalog.pg_language l ON l.oid = p.prolang
      LEFT JOIN pg_catalog.pg_depend d
           ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid
          AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
     WHERE p.oid >= 16384 AND p.prokind <> 'a'
       AND NOT (d.refobjid IS NOT NULL
                AND CASE WHEN d.refobjid IN (SELECT oid FROM listed)
                         THEN l.lanname IN ('c', 'internal') OR p.provolatile = 'i'
                         ELSE l.lanname IN ('c', 'internal') AND p.provolatile = 'i' END)
    UNION ALL
    SELECT oid FROM pg_catalog.pg_proc
     WHERE oid < 16384
       AND proname ~ '_to_xml(schema)?$|_and_xmlschema$|^(brin_.*summarize_.*|pg_logical_slot_.*|set_config|ts_rewrite|ts_stat)$'
)
SELECT pg_catalog.array_agg(oid)::pg_catalog.text
  FROM (SELECT oid FROM plain
        UNION ALL
        SELECT a.aggfnoid FROM pg_catalog.pg_aggregate a
         WHERE a.aggfnoid >= 16384
           AND EXISTS (SELECT FROM plain
                        WHERE plain.oid IN (a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn,
                                            a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn,
                                            a.aggmfinalfn))) c)sql";

/// -> relation_row, all members but the last two in order. Temporary relations are among them: the
/// loader keeps those that run code.
inline constexpr const char* relations = R"sql(
SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relrowsecurity,
       EXISTS (SELECT FROM pg_catalog.pg_trigger t
                WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'),
       EXISTS (SELECT FROM pg_catalog.pg_rewrite r
                WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN')
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
   AND n.nspname <> 'pg_toast' AND n.nspname::pg_catalog.text !~ '^pg_toast_temp_')sql";

/// -> code_row: what, oid. $1: the code. PostgreSQL does not note what depends on its own objects,
/// so calls of those are looked for in the expressions. A materialized view runs its query when it
/// is refreshed, which is a write to it, not when it is read; a parent table is read by reading its
/// children. A column of a temporary table's type counts as code: it goes when that session ends.
inline constexpr const char* code_behind = R"sql(
WITH RECURSIVE code AS (
    SELECT pg_catalog.unnest($1::pg_catalog.oid[]) AS oid
), pattern AS (
    SELECT ':funcid (' || pg_catalog.string_agg(oid::pg_catalog.text, '|') || ') ' AS calls
      FROM code WHERE oid < 16384
), expressions(classid, objid, tree) AS (
    SELECT 'pg_catalog.pg_rewrite'::pg_catalog.regclass, oid, ev_action::pg_catalog.text
      FROM pg_catalog.pg_rewrite WHERE ev_class >= 16384
    UNION ALL
    SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass, oid,
           pg_catalog.concat(polqual, polwithcheck)
      FROM pg_catalog.pg_policy
    UNION ALL
    SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass, oid, adbin::pg_catalog.text
      FROM pg_catalog.pg_attrdef
    UNION ALL
    SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, oid, conbin::pg_catalog.text
      FROM pg_catalog.pg_constraint WHERE conbin IS NOT NULL
    UNION ALL
    SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, oid, typdefaultbin::pg_catalog.text
      FROM pg_catalog.pg_type WHERE typdefaultbin IS NOT NULL
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, indexrelid,
           pg_catalog.concat(indexprs, indpred)
      FROM pg_catalog.pg_index WHERE indexprs IS NOT NULL OR indpred IS NOT NULL
), callers AS (
    SELECT d.classid, d.objid
      FROM code c JOIN pg_catalog.pg_depend d ON d.refobjid = c.oid
     WHERE d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
    UNION ALL
    SELECT d.classid, d.objid
      FROM code c JOIN pg_catalog.pg_operator o ON o.oprcode = c.oid
      JOIN pg_catalog.pg_depend d ON d.refobjid = o.oid
     WHERE d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass
    UNION ALL
    SELECT e.classid, e.objid FROM expressions e, pattern WHERE e.tree ~ pattern.calls
), domains AS (
    SELECT t.oid
      FROM callers x JOIN pg_catalog.pg_type t ON t.oid = x.objid AND t.typtype = 'd'
     WHERE x.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
    UNION
    SELECT k.contypid
      FROM callers x JOIN pg_catalog.pg_constraint k ON k.oid = x.objid AND k.contypid <> 0
     WHERE x.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
), readers AS (
    SELECT 'pg_catalog.pg_rewrite'::pg_catalog.regclass AS classid, r.oid AS objid, v.oid AS relid
      FROM pg_catalog.pg_rewrite r
      JOIN pg_catalog.pg_class v ON v.oid = r.ev_class AND v.relkind IN ('v', 'm')
     WHERE r.ev_type = '1' AND v.oid >= 16384
    UNION ALL
    SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass, p.oid, t.oid
      FROM pg_catalog.pg_policy p
      JOIN pg_catalog.pg_class t ON t.oid = p.polrelid AND t.relrowsecurity
), needs AS (
    SELECT r.relid, d.refclassid, d.refobjid
      FROM readers r
      JOIN pg_catalog.pg_depend d ON d.classid = r.classid AND d.objid = r.objid
     WHERE d.refobjid <> r.relid
), sources AS (
    SELECT relid, refobjid AS source FROM needs
     WHERE refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    UNION ALL
    SELECT inhparent, inhrelid FROM pg_catalog.pg_inherits
), read(relid) AS (
    (SELECT oid FROM pg_catalog.pg_class WHERE relkind = 'f'
     UNION
     SELECT r.relid FROM readers r JOIN callers x ON x.classid = r.classid AND x.objid = r.objid
     UNION
     SELECT n.relid FROM needs n JOIN domains d ON d.oid = n.refobjid
      WHERE n.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass
     UNION
     SELECT d.objid
       FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_type t ON t.typnamespace = n.oid
       JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass
            AND d.refobjid = t.oid AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
       JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relpersistence <> 't'
      WHERE n.nspname ~ '^pg_temp_')
    UNION
    SELECT s.relid
      FROM read r JOIN sources s ON s.source = r.relid
      JOIN pg_catalog.pg_class c ON c.oid = r.relid AND c.relkind <> 'm'
)
SELECT CASE c.relkind WHEN 'm' THEN 'w' ELSE 'r' END, c.oid
  FROM read r JOIN pg_catalog.pg_class c ON c.oid = r.relid
UNION
SELECT 'w', a.adrelid
  FROM callers x JOIN pg_catalog.pg_attrdef a ON a.oid = x.objid
 WHERE x.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
UNION
SELECT 'w', k.conrelid
  FROM callers x JOIN pg_catalog.pg_constraint k ON k.oid = x.objid AND k.conrelid <> 0
 WHERE x.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
UNION
SELECT 'w', c.oid
  FROM callers x JOIN pg_catalog.pg_class c ON c.oid = x.objid AND c.relkind = 'p'
 WHERE x.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
UNION
SELECT w.what, i.indrelid
  FROM callers x JOIN pg_catalog.pg_index i ON i.indexrelid = x.objid, (VALUES ('w'), ('m')) w(what)
 WHERE x.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
UNION
SELECT 'm', s.stxrelid
  FROM callers x JOIN pg_catalog.pg_statistic_ext s ON s.oid = x.objid
 WHERE x.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass
UNION
SELECT 'd', oid FROM domains)sql";

/// -> foreign_key_row: conrelid, confrelid, confdeltype, confupdtype.
inline constexpr const char* foreign_keys = R"sql(
SELECT conrelid, confrelid, confdeltype, confupdtype
  FROM pg_catalog.pg_constraint WHERE contype = 'f')sql";

/// -> inheritance_row: child, parent.
inline constexpr const char* inheritance = R"sql(
SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits)sql";

/// -> rewrite_row: relation, is_query, the tree as text. What a materialized view shows is in it
/// already; initdb's views are not read from the cache.
inline constexpr const char* rewrites = R"sql(
SELECT r.ev_class, r.ev_type = '1', pg_catalog.concat(r.ev_qual, ' ', r.ev_action)
  FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
 WHERE c.oid >= 16384 AND c.relkind <> 'm' AND r.ev_enabled <> 'D')sql";

/// -> trigger_row, all members in order; the condition as the text of a tree.
inline constexpr const char* triggers = R"sql(
SELECT t.tgrelid, p.oid, n.nspname, p.proname, t.tgqual
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE NOT t.tgisinternal AND t.tgenabled <> 'D')sql";

/// -> policy_row, all members in order, the condition as the text of a tree.
inline constexpr const char* policies = R"sql(
SELECT polrelid, pg_catalog.concat(polqual)
  FROM pg_catalog.pg_policy WHERE polcmd IN ('r', '*') AND polqual IS NOT NULL)sql";

/// -> builtin_row, all members in order, of those of the functions $1, an oid[] in text, that are
/// PostgreSQL's own. The types are time and timetz.
inline constexpr const char* builtins = R"sql(
SELECT p.oid, p.proname,
       EXISTS (SELECT FROM pg_catalog.unnest(p.proargtypes::pg_catalog.oid[]) a WHERE a IN (1083, 1266))
  FROM pg_catalog.pg_proc p
 WHERE p.oid = ANY ($1::pg_catalog.oid[]) AND p.oid < 16384)sql";

/// -> operator_function_row: users' own operators.
inline constexpr const char* operator_functions = R"sql(
SELECT oid, oprcode::pg_catalog.oid FROM pg_catalog.pg_operator WHERE oid >= 16384)sql";

/// -> source_row, all members in order, of the functions of the code $1 whose language is read.
/// (Of a function with a body in standard SQL there is no source.)
inline constexpr const char* sources = R"sql(
SELECT p.oid, l.lanname = 'sql', p.prosrc, p.proargdefaults
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
 WHERE p.oid = ANY ($1::pg_catalog.oid[]) AND p.oid >= 16384 AND l.lanname IN ('sql', 'plpgsql')
   AND p.prokind IN ('f', 'p') AND pg_catalog.length(p.prosrc) < 65536)sql";

/// -> functions of the code $1 that run without being called: behind casts, operators, the support
/// of types, and domains.
inline constexpr const char* invisible = R"sql(
WITH code AS (SELECT pg_catalog.unnest($1::pg_catalog.oid[]) AS oid)
SELECT c.castfunc FROM pg_catalog.pg_cast c WHERE c.castfunc IN (SELECT oid FROM code)
UNION
SELECT a.amproc FROM pg_catalog.pg_amproc a WHERE a.amproc IN (SELECT oid FROM code)
UNION
SELECT o.oprcode FROM pg_catalog.pg_operator o WHERE o.oprcode IN (SELECT oid FROM code)
UNION
SELECT d.refobjid
  FROM pg_catalog.pg_depend d
  LEFT JOIN pg_catalog.pg_constraint k
       ON d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.oid = d.objid
 WHERE d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
   AND d.refobjid IN (SELECT oid FROM code)
   AND (k.contypid <> 0 OR d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass))sql";

/// -> function_row, all members in order. $1: the code. Of PostgreSQL's own only names: what they
/// do is known.
inline constexpr const char* functions = R"sql(
WITH code AS (SELECT pg_catalog.unnest($1::pg_catalog.oid[]) AS oid)
SELECT 0, n.nspname, p.proname, 0, 0, false, false, false, false
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE p.oid < 16384
 GROUP BY n.nspname, p.proname
UNION ALL
SELECT p.oid, n.nspname, p.proname, p.pronargs - p.pronargdefaults,
       CASE WHEN p.provariadic <> 0 THEN 32767 ELSE p.pronargs END,
       true,
       p.oid IN (SELECT oid FROM code),
       p.provolatile = 'i' AND p.oid NOT IN (SELECT oid FROM code)
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_aggregate a
                         JOIN pg_catalog.pg_proc s
                              ON s.oid IN (a.aggtransfn, a.aggfinalfn, a.aggmtransfn, a.aggmfinalfn)
                        WHERE a.aggfnoid = p.oid AND s.provolatile <> 'i'),
       p.pronargs > 0 AND p.pronargs - p.pronargdefaults <= 1
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE p.oid >= 16384)sql";

/// -> operator_row: name, runs_code; one a name, of those that are not pure. $1: the code;
/// $2: the code before anything was known of it, since what writes nothing may still read a table.
inline constexpr const char* operators = R"sql(
WITH code AS (SELECT pg_catalog.unnest($1::pg_catalog.oid[]) AS oid),
     unread AS (SELECT pg_catalog.unnest($2::pg_catalog.oid[]) AS oid)
SELECT o.oprname, pg_catalog.bool_or(p.oid IN (SELECT oid FROM code))
  FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode
 WHERE o.oid >= 16384 AND (p.provolatile <> 'i' OR p.oid IN (SELECT oid FROM unread))
 GROUP BY 1)sql";

/// -> type_row: schema, name, kind. Row types of tables are left out, and arrays.
inline constexpr const char* types = R"sql(
SELECT n.nspname, t.typname, t.typtype
  FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
 WHERE t.oid >= 16384 AND t.typcategory <> 'A'
   AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_catalog.pg_class c
                                   WHERE c.oid = t.typrelid AND c.relkind = 'c')))sql";

/// -> hidden_code, all members in order: one row. $1 and $2 as above.
/// A function changes the catalog by a statement that stands in its source, by EXECUTE of a text,
/// or by a function that does: when no source holds such a word, and no function is in a language
/// that cannot be judged so, none can. Words in comments and strings count as well. (No backslash
/// in the patterns: what it means depends on a setting.)
/// What is written in C or an untrusted language may have a connection of its own (dblink); a
/// foreign table leads to one.
/// The settings of libraries that leave answers alone are listed.
inline constexpr const char* hidden_code = R"sql(
WITH code AS (SELECT pg_catalog.unnest($1::pg_catalog.oid[]) AS oid),
     unread AS (SELECT pg_catalog.unnest($2::pg_catalog.oid[]) AS oid)
SELECT EXISTS (SELECT FROM pg_catalog.pg_cast WHERE castfunc IN (SELECT oid FROM code))
       OR EXISTS (SELECT FROM pg_catalog.pg_amproc WHERE amproc IN (SELECT oid FROM code))
       OR EXISTS (SELECT FROM pg_catalog.pg_amop a JOIN pg_catalog.pg_operator o ON o.oid = a.amopopr
                   WHERE o.oprcode IN (SELECT oid FROM code)),
       EXISTS (SELECT FROM pg_catalog.pg_cast c JOIN pg_catalog.pg_proc p ON p.oid = c.castfunc
                WHERE c.oid >= 16384 AND p.provolatile <> 'i')
       OR EXISTS (SELECT FROM pg_catalog.pg_cast WHERE castfunc IN (SELECT oid FROM unread))
       OR EXISTS (SELECT FROM pg_catalog.pg_amproc WHERE amproc IN (SELECT oid FROM unread))
       OR EXISTS (SELECT FROM pg_catalog.pg_amop a JOIN pg_catalog.pg_operator o ON o.oid = a.amopopr
                   WHERE o.oprcode IN (SELECT oid FROM unread)),
       EXISTS (SELECT FROM pg_catalog.pg_event_trigger
                WHERE evtenabled <> 'D' AND evtfoid IN (SELECT oid FROM code)),
       EXISTS (SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
                WHERE p.oid >= 16384 AND p.prokind <> 'a' AND p.oid IN (SELECT oid FROM code)
                  AND (l.lanname NOT IN ('sql', 'plpgsql')
                       OR p.prosrc ~* '[[:<:]](alter|create|drop|execute|grant|import|language|reassign|revoke)[[:>:]]'
                       OR l.lanname = 'sql' AND p.prosrc ~* '[[:<:]]select[[:>:]].*[[:<:]]into[[:>:]]')),
       EXISTS (SELECT FROM pg_catalog.pg_class WHERE relkind = 'f')
       OR EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE NOT tgisinternal AND tgdeferrable)
       OR EXISTS (SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
                   WHERE p.oid IN (SELECT oid FROM code) AND p.oid >= 16384
                     AND (NOT l.lanpltrusted AND l.lanname <> 'internal'
                          OR pg_catalog.concat(p.prosrc, p.proconfig) ~* 'track_counts')),
       EXISTS (SELECT FROM pg_catalog.pg_settings
                WHERE name ~ '[.]'
                  AND name !~* '^(auth_delay|auto_explain|cron|pg_prewarm|pg_stat_kcache|pg_stat_statements|pg_wait_sampling|pgaudit|plperl|plpgsql|pltcl)[.]'))sql";

/// -> reads_committed: one row. The server's default for this session, and what roles and databases
/// have of their own.
inline constexpr const char* reads_committed = R"sql(
SELECT pg_catalog.current_setting('default_transaction_isolation') = 'read committed'
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_db_role_setting r, pg_catalog.unnest(r.setconfig) c
                        WHERE c ~ '^(default_)?transaction_isolation='))sql";

/// -> moment_columns: name. The types are date, time, timestamp, timestamptz, interval and timetz.
inline constexpr const char* moment_columns = R"sql(
SELECT a.attname
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped
   AND n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND n.nspname::pg_catalog.text !~ '^pg_(toast|temp_|toast_temp_)'
 GROUP BY 1
HAVING pg_catalog.bool_and(a.atttypid IN (1082, 1083, 1114, 1184, 1186, 1266)))sql";

/// -> times_of_day: attrelid. The types are time and timetz, and arrays of them.
inline constexpr const char* times_of_day = R"sql(
SELECT DISTINCT a.attrelid FROM pg_catalog.pg_attribute a
 WHERE a.atttypid IN (1083, 1183, 1266, 1270) AND a.attnum > 0 AND NOT a.attisdropped)sql";

/// -> looks: one row. The defaults of settings that change how values look, the control session's
/// own and those that roles and databases have.
inline constexpr const char* looks = R"sql(
SELECT pg_catalog.md5(pg_catalog.concat(
    (SELECT pg_catalog.string_agg(s.name || '=' || s.reset_val, E'\n' ORDER BY s.name)
       FROM pg_catalog.pg_settings s
      WHERE s.name IN ('DateStyle', 'IntervalStyle', 'TimeZone', 'timezone_abbreviations',
                       'extra_float_digits', 'bytea_output', 'lc_messages', 'lc_monetary',
                       'lc_numeric', 'lc_time', 'xmlbinary', 'xmloption', 'search_path',
                       'default_text_search_config', 'array_nulls', 'quote_all_identifiers',
                       'standard_conforming_strings', 'backslash_quote', 'transform_null_equals',
                       'client_encoding', 'row_security')),
    (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', r.setdatabase, r.setrole, r.setconfig),
                                  E'\n' ORDER BY r.setdatabase, r.setrole)
       FROM pg_catalog.pg_db_role_setting r))))sql";

}  // namespace weir::querycache::catalog_queries

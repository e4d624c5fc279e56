#include "daemon/session/code_question.hpp"

#include "daemon/session/answer_pieces.hpp"
#include "protocol/ascii.hpp"

#include <array>
#include <utility>

namespace weir::daemon {

namespace {

// Functions but those of PostgreSQL's own and of sessions.
constexpr std::string_view of_functions = R"sql(
 FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n
 ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
 AND n.nspname OPERATOR(pg_catalog.!~) '^pg_'
 AND n.nspname OPERATOR(pg_catalog.<>) 'information_schema')sql";

constexpr std::string_view source_of_old = "p.prosrc";
constexpr std::string_view source_of_both =
    "CASE WHEN p.prosqlbody IS NULL THEN p.prosrc ELSE pg_catalog.pg_get_function_sqlbody(p.oid)"
    " END";

// What stands between two quotes and looks like a name may be one, most likely where set_config()
// is called, else handed on to who does so. A regular expression for everything takes ten times as
// long.
constexpr std::string_view begin_names = R"sql((
 SELECT pg_catalog.string_agg(name, ' ') FROM (SELECT name FROM
 (SELECT pg_catalog.lower(pg_catalog.replace(name, '"', '')) AS name, is_set FROM (
  SELECT code, pg_catalog.strpos(pg_catalog.lower(code), 'set_config') OPERATOR(pg_catalog.>) 0
   AS calls FROM (SELECT )sql";
constexpr std::string_view end_names = R"sql() AS raw OFFSET 0) AS source, LATERAL (
 SELECT piece AS name, calls AS is_set
 FROM pg_catalog.unnest(pg_catalog.string_to_array(code, '''')) AS piece
 WHERE pg_catalog.length(piece) OPERATOR(pg_catalog.<=) 128
 AND pg_catalog.strpos(piece, '.') OPERATOR(pg_catalog.>) 1 AND piece OPERATOR(pg_catalog.~)
 '^[A-Za-z_][A-Za-z0-9_$-]*([.][A-Za-z_][A-Za-z0-9_$-]*)+$'
 UNION ALL SELECT m[1], true FROM pg_catalog.regexp_matches(
  CASE WHEN code OPERATOR(pg_catalog.~*)
  'set[[:space:]]+(session[[:space:]]+)?"?[a-z_][a-z0-9_$]*"?[.]' THEN code END,
  '[[:<:]]set[[:space:]]+(?:session[[:space:]]+)?("?[a-z_][a-z0-9_$]*"?(?:[.]"?[a-z_][a-z0-9_$]*"?)+)'
  '[[:space:]]*(?:=|to[[:>:]])',
  'gi') AS m) AS each) AS found
 WHERE pg_catalog.length(name) OPERATOR(pg_catalog.<=) 128
 GROUP BY name ORDER BY pg_catalog.bool_or(is_set) DESC, name LIMIT 128) AS first))sql";

// In lower case. Of what C does, and of an extension's code, nothing is known: looks have to tell.
constexpr std::string_view begin_leaving = R"sql((
 WITH RECURSIVE sources AS (
  SELECT p.oid, pg_catalog.lower(p.proname) AS name, p.proargnames AS arguments,
   l.lanname OPERATOR(pg_catalog.=) ANY (ARRAY['sql', 'plpgsql', 'c', 'internal']) AS is_known,
   CASE WHEN l.lanname OPERATOR(pg_catalog.=) ANY (ARRAY['c', 'internal']) THEN ''
   WHEN EXISTS (SELECT FROM pg_catalog.pg_depend AS d
    WHERE d.classid OPERATOR(pg_catalog.=) 1255 AND d.objid OPERATOR(pg_catalog.=) p.oid
    AND d.deptype OPERATOR(pg_catalog.=) 'e') THEN ''
   ELSE pg_catalog.lower()sql";
constexpr std::string_view end_leaving = ") END AS source";
// Comments may speak of what code does not do, and each function that is found costs looks. None is
// cut off across a quote: what looks like its beginning may stand in a constant.
constexpr std::string_view begin_judged = R"sql(
  JOIN pg_catalog.pg_language AS l ON l.oid OPERATOR(pg_catalog.=) p.prolang
 ), code AS (
  SELECT oid, name, arguments, is_known, pg_catalog.regexp_replace(pg_catalog.regexp_replace(source,
   pg_catalog.concat('(^|[[:space:]])--[^''', pg_catalog.chr(10), ']*'), ' ', 'g'),
   '/[*][^'']*?[*]/', ' ', 'g') AS body
  FROM sources
 ), leaving AS (
  SELECT oid, name FROM code WHERE )sql";

// Too much is found rather than too little. A name may be put in by format().
constexpr std::array conditions = {
    // A temporary object that outlives its transaction.
    R"sql(EXISTS (SELECT FROM pg_catalog.unnest(pg_catalog.string_to_array(body, ';')) AS one
   WHERE pg_catalog.textregexeq(one, '[[:<:]](create([[:space:]]+or[[:space:]]+replace)?|into)'
    '[[:space:]]+((local|global)[[:space:]]+)?temp(orary)?[[:>:]]')
   AND NOT pg_catalog.textregexeq(one, 'on[[:space:]]+commit[[:space:]]+drop')))sql",
    // set_config() but with a third argument of true.
    R"sql(EXISTS (SELECT FROM pg_catalog.unnest(pg_catalog.string_to_array(body, 'set_config'))
   WITH ORDINALITY AS each(one, number) WHERE number OPERATOR(pg_catalog.>) 1
   AND NOT pg_catalog.textregexeq(one, '^[[:space:]]*[(][^,;]*,'
    '([^,;()'']|''[^'']*''|[(]([^;()]|[(][^;()]*[)])*[)])*,[[:space:]]*true[[:space:]]*[)]')))sql",
    // The beginning of a statement, in code or in a text that is run. SET of UPDATE and ALTER is
    // none; a query that is FOR UPDATE is over where another statement begins.
    R"sql(pg_catalog.textregexeq(pg_catalog.regexp_replace(body, '[[:<:]](update|alter)[[:space:]]+'
    '((?!(loop|then|else|begin)[[:>:]])[^;[:space:]]+[[:space:]]+){0,7}?set[[:>:]]', ' ', 'g'),
   '(^|[;''$>]|[[:<:]](begin|then|else|loop))[[:space:]]*('
    'listen[[:>:]]|load[[:space:]]|prepare[[:space:]]+(?!transaction)|'
    'reset[[:space:]]+"?[a-z_%][a-z0-9_.$%]*"?[[:space:]]*([;'']|authorization|zone|$)|'
    'set[[:space:]]+''|'
    'set[[:space:]]+(session[[:space:]]+)?(("?[a-z_][a-z0-9_$]*"?|%([0-9]+[$])?[is])[.])*'
    '("?[a-z_][a-z0-9_$]*"?|%([0-9]+[$])?[is])[[:space:]]*(=|[[:<:]]to[[:>:]]|[[:<:]]from[[:>:]])|'
    'set[[:space:]]+(session[[:space:]]+)?'
    '(role|authorization|characteristics|time|names|schema|session|xml)[[:>:]])'))sql",
    // Wherever it stands.
    R"sql(pg_catalog.textregexeq(body, '[[:<:]]with[[:space:]]+hold[[:>:]]|pg_temp"?[.]|'
    'pg_(try_)?advisory_lock|[[:<:]]update[[:space:]]+[^;[:space:]]*pg_settings'))sql",
    // What an argument says.
    R"sql(pg_catalog.strpos(body, 'execute') OPERATOR(pg_catalog.>) 0 AND
   (pg_catalog.textregexeq(body, 'execute[[:space:]]*[(]?[[:space:]]*[$][0-9]') OR
   EXISTS (SELECT FROM pg_catalog.unnest(arguments) AS one
    WHERE pg_catalog.textregexeq(one, '^[A-Za-z0-9_]+$')
    AND pg_catalog.textregexeq(body, pg_catalog.concat('execute[[:space:]]*[[:space:](]'
    '[[:space:]]*([a-z0-9_]+[.])?', pg_catalog.lower(one), '[[:>:]]')))))sql",
    // A language that nobody here reads.
    R"sql(NOT is_known AND pg_catalog.textregexeq(body, 'execute|spi|query|prepare'))sql"};

// Who calls such a function is such: by name in a body, or as the catalog tells (aggregates,
// defaults of arguments). Names that are no words are looked for one by one.
constexpr std::string_view end_judged = R"sql(
 ), called AS (
  SELECT DISTINCT oid, m[1] AS name FROM code, LATERAL
   pg_catalog.regexp_matches(body, '([a-z_][a-z0-9_]*)"?[[:space:]]*[(]', 'g') AS m
  UNION SELECT code.oid, odd.name FROM code JOIN code AS odd
   ON NOT pg_catalog.textregexeq(odd.name, '^[a-z_][a-z0-9_]*$')
   AND pg_catalog.strpos(code.body, odd.name) OPERATOR(pg_catalog.>) 0
  UNION SELECT d.objid, code.name FROM code JOIN pg_catalog.pg_depend AS d
   ON d.refclassid OPERATOR(pg_catalog.=) 1255 AND d.refobjid OPERATOR(pg_catalog.=) code.oid
   AND d.classid OPERATOR(pg_catalog.=) 1255
 ), reaching AS (
  SELECT oid, name FROM leaving
  UNION SELECT code.oid, code.name FROM reaching
  JOIN called ON called.name OPERATOR(pg_catalog.=) reaching.name
  JOIN code ON code.oid OPERATOR(pg_catalog.=) called.oid
 )
 SELECT pg_catalog.concat_ws(' ',
  CASE WHEN hooks.others THEN 'everything' WHEN hooks.writes THEN 'writes' ELSE 'nothing' END,
  names.joined)
 FROM (SELECT pg_catalog.bool_or(NOT is_of_writes) AS others,
  pg_catalog.bool_or(is_of_writes) AS writes FROM
  (SELECT d.classid OPERATOR(pg_catalog.=) ANY (ARRAY[2620, 3466, 2604]::pg_catalog.oid[])
   AS is_of_writes FROM reaching JOIN pg_catalog.pg_depend AS d
   ON d.refclassid OPERATOR(pg_catalog.=) 1255 AND d.refobjid OPERATOR(pg_catalog.=) reaching.oid
   AND d.classid OPERATOR(pg_catalog.<>) 1255) AS each) AS hooks,
 (SELECT pg_catalog.string_agg(name, ' ') AS joined FROM (SELECT DISTINCT CASE WHEN
  pg_catalog.textregexeq(name, '^[a-z_][a-z0-9_]*$') THEN name ELSE '*' END AS name
  FROM reaching LIMIT 1001) AS few) AS names))sql";

constexpr std::string_view unless_as_before = ", CASE WHEN digest OPERATOR(pg_catalog.=) '";
constexpr std::string_view is_null_then = "' THEN NULL ELSE ";

// The later one counts, as at a login.
constexpr std::string_view digest_and_defaults = R"sql(, digest,
 (SELECT pg_catalog.string_agg(one, pg_catalog.chr(2) ORDER BY setrole, setdatabase)
 FROM pg_catalog.pg_db_role_setting, LATERAL pg_catalog.unnest(setconfig) AS each(one)
 WHERE (setdatabase OPERATOR(pg_catalog.=) 0 OR setdatabase OPERATOR(pg_catalog.=)
 (SELECT oid FROM pg_catalog.pg_database
 WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database()))
 AND (setrole OPERATOR(pg_catalog.=) 0 OR setrole OPERATOR(pg_catalog.=)
 (SELECT oid FROM pg_catalog.pg_roles
 WHERE rolname OPERATOR(pg_catalog.=) SESSION_USER))))sql";
constexpr char end_of_default = '\2';

void append_judged(std::string& sql) {
    sql += begin_judged;
    const char* separator = "(";
    for (const char* const one : conditions) {
        sql += separator;
        sql += one;
        separator = ")\n  OR (";
    }
    sql += ')';
    sql += end_judged;
}

code_reading::hook take_hook(std::vector<std::string>& words) {
    using enum code_reading::hook;
    if (words.empty()) return nothing;
    const std::string first = std::move(words.front());
    words.erase(words.begin());
    if (first == "everything") return everything;
    return first == "writes" ? writes : nothing;
}

}  // namespace

// A function that is replaced has another xmin, and so has a trigger. What else runs one depends on
// it.
void append_code_source(std::string& sql) {
    sql += R"sql(, (SELECT pg_catalog.concat(
 (SELECT pg_catalog.sum(pg_catalog.hashtext(pg_catalog.concat(p.oid, ' ', p.xmin))))sql";
    sql += of_functions;
    sql += R"sql(), ' ',
 (SELECT pg_catalog.sum(pg_catalog.hashtext(pg_catalog.concat(oid, ' ', xmin)))
  FROM pg_catalog.pg_trigger WHERE NOT tgisinternal), ' ',
 (SELECT pg_catalog.sum(pg_catalog.hashtext(
   pg_catalog.concat(d.classid, ' ', d.objid, ' ', d.refobjid))))sql";
    sql += of_functions;
    sql += R"sql(
  JOIN pg_catalog.pg_depend AS d ON d.refclassid OPERATOR(pg_catalog.=) 1255
  AND d.refobjid OPERATOR(pg_catalog.=) p.oid)) AS digest) AS functions)sql";
}

void append_code_columns(std::string& sql, std::string_view digest, bool has_sql_bodies) {
    const std::string_view source = has_sql_bodies ? source_of_both : source_of_old;
    for (const bool are_names : {true, false}) {
        sql += unless_as_before;
        sql += digest;
        sql += is_null_then;
        sql += are_names ? begin_names : begin_leaving;
        sql += source;
        sql += are_names ? " AS code" : end_leaving;
        sql += of_functions;
        if (are_names) {
            sql += end_names;
        } else {
            append_judged(sql);
        }
        sql += " END";
    }
    sql += digest_and_defaults;
}

code_reading read_code(
    const std::vector<std::optional<std::string_view>>& values, std::size_t first
) {
    code_reading read;
    read.names = take_names(values[first].value_or(""));
    read.leaving = take_names(values[first + 1].value_or(""));
    read.hooked = take_hook(read.leaving);
    read.digest = values[first + 2].value_or("");
    std::string_view rest = values[first + 3].value_or("");
    while (!rest.empty()) {
        const std::string_view one = take_piece(rest, end_of_default);
        const auto equals = one.find('=');
        if (equals == std::string_view::npos) continue;
        const std::string name = protocol::ascii_lower(one.substr(0, equals));
        if (name.find('.') != std::string::npos) read.defaults[name] = one.substr(equals + 1);
    }
    return read;
}

}  // namespace weir::daemon

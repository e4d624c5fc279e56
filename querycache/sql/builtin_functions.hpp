// What is known of PostgreSQL's own functions by name. Says nothing of user functions: an
// unqualified name finds pg_catalog first only if no user function fits the arguments better, so
// the cache side checks the catalog for functions of the same name. Pure look-ups.
#pragma once

#include <string_view>

namespace weir::querycache::sql {

/// True for functions whose result depends on their arguments alone: on no session setting, clock,
/// identity, sequence, catalog or large object, for every overload of the name.
/// `schema` is as written; only "" and "pg_catalog" can be builtin.
bool is_cacheable_builtin(std::string_view schema, std::string_view name);
inline bool is_cacheable_builtin(std::string_view name) {
    return is_cacheable_builtin({}, name);
}

/// True for functions that depend, besides their arguments, only on settings that are part of the
/// cache key (TimeZone, DateStyle, IntervalStyle, lc_*, default_text_search_config, ...) or on
/// definitions that the catalog's generation covers. Cacheable where the key holds those settings;
/// never of a clock.
bool is_keyed_builtin(std::string_view schema, std::string_view name);

/// True for functions that tell the time, the session, the server or chance, and do nothing else:
/// they lock nothing, set nothing and wait for nothing.
bool is_moment_builtin(std::string_view schema, std::string_view name);

/// True for functions that surely change no table (they may wait, lock, advance a sequence or
/// change a session). A superset of the two above. Functions that run SQL given as text
/// (query_to_xml, ts_stat, ...) are not among them.
bool is_non_writing_builtin(std::string_view schema, std::string_view name);
inline bool is_non_writing_builtin(std::string_view name) {
    return is_non_writing_builtin({}, name);
}

/// True for the name of a type of PostgreSQL itself, as the grammar spells it in pg_catalog
/// (int4, timestamptz, _text, ...).
bool is_builtin_type(std::string_view name);

/// True for an operator that PostgreSQL has under that name, unqualified or in pg_catalog.
/// Operators of extensions (hstore, PostGIS, ...) often have the same names: the catalog tells.
bool is_builtin_operator(std::string_view schema, std::string_view name);

}  // namespace weir::querycache::sql

// The catalog of one database as the loader fills it, row by row (catalog_queries.hpp has the
// queries): plain data. What follows from it is catalog.hpp's.
#pragma once

#include "querycache/node_tree.hpp"
#include "querycache/sql/statement.hpp"
#include "querycache/versions.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace weir::querycache {

/// A row of catalog_queries::relations.
struct relation_row {
    oid id = 0;
    std::string schema;
    std::string name;
    char kind = 'r';         ///< pg_class.relkind
    char persistence = 'p';  ///< pg_class.relpersistence
    bool row_security = false;
    bool has_triggers = false;  ///< enabled and not internal
    bool has_rules = false;     ///< other than a view's own
    /// A default, check, index or generated expression calls code, or the query of a materialized
    /// view does: a write to it may do anything.
    bool runs_functions = false;
    /// Its query, a policy of row security or what stands behind it calls code, or it is a foreign
    /// table: so may a read.
    bool read_runs_code = false;
};

/// A row of catalog_queries::code_behind: on what code hangs.
struct code_row {
    enum class place : char { read = 'r', write = 'w', maintenance = 'm', domain = 'd' };
    place what = place::read;
    oid object = 0;  ///< a relation or, of a domain, a type
};

/// A row of catalog_queries::foreign_keys.
struct foreign_key_row {
    oid child = 0;         ///< conrelid: has the key
    oid parent = 0;        ///< confrelid: is referenced
    char on_delete = 'a';  ///< a no action, r restrict, c cascade, n set null, d set default
    char on_update = 'a';
};

/// A row of catalog_queries::inheritance: tables and partitions.
struct inheritance_row {
    oid child = 0;
    oid parent = 0;
};

/// A row of catalog_queries::rewrites: a stored query, of a view or of a rule that is not disabled.
struct rewrite_row {
    oid relation = 0;       ///< whose rule it is
    bool is_query = false;  ///< what a view shows; else what is done in place of, or with, a write
    node_tree tree;
};

/// A row of catalog_queries::policies: of row security, for SELECT.
struct policy_row {
    oid relation = 0;
    node_tree condition;
};

/// A row of catalog_queries::triggers: one that is enabled and not internal.
struct trigger_row {
    oid relation = 0;
    oid function = 0;
    std::string schema;  ///< of the function
    std::string name;
    node_tree condition{};  ///< WHEN; understood and empty without one
};

/// What a user's function writes, as its source tells (function_sources.hpp).
struct known_writes_row {
    oid function = 0;
    std::vector<sql::relation_name> writes;
};

/// A row of catalog_queries::builtins: a function of PostgreSQL that a stored query calls.
struct builtin_row {
    oid id = 0;
    std::string name;
    bool takes_time_of_day = false;
};

/// A row of catalog_queries::operator_functions: a user's operator.
struct operator_function_row {
    oid id = 0;
    oid function = 0;
};

/// A row of catalog_queries::functions: one of PostgreSQL's own names, or one user-made function.
struct function_row {
    oid id = 0;  ///< of a user-made one
    std::string schema;
    std::string name;
    std::uint16_t fewest = 0;  ///< arguments, of a user-made one
    std::uint16_t most = 0;
    bool user_made = false;  ///< it came after initdb
    bool runs_code = false;  ///< may write, or change the session
    bool is_pure = false;    ///< depends on its arguments alone
    bool takes_one = false;  ///< argument: (value).name calls it too
};

/// A row of catalog_queries::operators.
struct operator_row {
    std::string name;
    bool runs_code = false;  ///< some operator of the name may write
};

/// A row of catalog_queries::types: a user's type, as a cast may name it.
struct type_row {
    std::string schema;
    std::string name;
    char kind = 'b';  ///< pg_type.typtype
};

/// What of a database runs code without being named. The row of catalog_queries::hidden_code.
struct hidden_code_row {
    bool casts = false;         ///< a cast, or what the text's sorting and grouping stand on
    bool impure_casts = false;  ///< a cast, or the like, depends on more than the value
    bool event_triggers = false;
    bool may_change_catalog = false;  ///< whatever code runs
    /// Code may write what the locks of its transaction do not tell: by a connection of its own, in
    /// a trigger that runs at COMMIT, or while it keeps the counters of DDL off.
    bool writes_beyond_locks = false;
    /// A library has settings of its own, which may change what any statement means.
    bool library_settings = false;
};

/// What the loader fills, row by row.
struct catalog_rows {
    std::vector<relation_row> relations;
    std::vector<foreign_key_row> foreign_keys;
    std::vector<inheritance_row> inheritance;
    std::vector<rewrite_row> rewrites;
    std::vector<policy_row> policies;
    std::vector<trigger_row> triggers;
    std::vector<function_row> functions;
    std::vector<known_writes_row> known_writes;
    std::vector<builtin_row> builtins;
    std::vector<operator_function_row> operator_functions;
    std::vector<operator_row> operators;  ///< user-made ones that are not pure
    std::vector<type_row> types;
    hidden_code_row hidden;
    bool has_unsafe_domains = false;     ///< a domain's default or check calls code
    bool maintenance_runs_code = false;  ///< the expression of an index or of statistics does
    /// Whatever the role, sessions begin with READ COMMITTED.
    bool reads_committed = false;
    /// A digest of the server's defaults that change how values look: two loads under other
    /// defaults have another digest.
    std::string looks;
    /// Names of columns that hold dates, times or intervals in every table that has one of that
    /// name.
    std::vector<std::string> moment_columns;
    std::vector<oid> times_of_day;  ///< relations with a column of type time or timetz

    /// Notes on what code hangs. To be called after `relations` is filled.
    void note(const std::vector<code_row>& behind);

    /// Notes what know_functions() has found: those that write nothing run no code any more.
    void note(std::vector<known_writes_row> known);

    /// Equal content gives an equal digest, whatever the order of the rows.
    [[nodiscard]] std::uint64_t digest() const;
};

}  // namespace weir::querycache

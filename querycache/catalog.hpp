// What the relations, functions, operators and types of one database are, as plain data, and what
// follows from it: to which relation a name leads, whether it may be read from the cache, what a
// write to it touches. A snapshot is immutable once built; nothing here asks a server (the daemon
// loads `catalog_rows` with the texts of catalog_queries.hpp).
// Thread rule: build on one thread, then share as shared_ptr<const catalog>.
#pragma once

#include "querycache/reasons.hpp"
#include "querycache/sql/statement.hpp"
#include "querycache/versions.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
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
    bool is_partition = false;
    bool has_parents = false;   ///< in pg_inherits as a child
    bool has_children = false;  ///< in pg_inherits as a parent
    bool has_triggers = false;  ///< enabled and not internal
    bool has_rules = false;     ///< other than a view's own
    /// A default, check, index or generated expression calls a function that is neither built in
    /// nor written in C: a write to the table may run any code.
    bool runs_functions = false;
};

/// A row of catalog_queries::foreign_keys.
struct foreign_key_row {
    oid child = 0;         ///< conrelid: has the key
    oid parent = 0;        ///< confrelid: is referenced
    char on_delete = 'a';  ///< a no action, r restrict, c cascade, n set null, d set default
    char on_update = 'a';
};

/// A row of catalog_queries::functions, one a (schema, name).
struct function_row {
    std::string schema;
    std::string name;
    char volatility = 'v';   ///< the worst of its overloads: i, s or v
    bool user_made = false;  ///< any overload came after initdb
};

/// A row of catalog_queries::types: a user's type, as a cast may name it.
struct type_row {
    std::string schema;
    std::string name;
    char kind = 'b';  ///< pg_type.typtype
};

/// What the loader fills, row by row.
struct catalog_rows {
    std::vector<relation_row> relations;
    std::vector<foreign_key_row> foreign_keys;
    std::vector<function_row> functions;
    /// Names of operators outside pg_catalog whose function is not (immutable and written in C).
    std::vector<std::string> unsafe_operators;
    std::vector<type_row> types;
    bool has_unsafe_casts = false;    ///< a user's cast runs a function that is not C
    bool has_unsafe_domains = false;  ///< a domain's check runs a function that is not C
};

/// Where a relation's name leads.
struct resolution {
    const relation_row* relation = nullptr;                  ///< set, or
    bypass_reason reason = bypass_reason::unknown_relation;  ///< why not
};

/// What a write touches: these relations, or everything.
struct write_closure {
    bool everything = false;
    bool plain = true;  ///< just the targets: no cascade was followed
    std::vector<oid> relations;
};

/// One snapshot. `generation` is the version of table_versions::catalog() as it was read BEFORE
/// the load began; while the two differ, the snapshot is out of date.
class catalog {
public:
    catalog(catalog_rows rows, std::uint64_t generation);
    catalog(const catalog&) = delete;
    catalog& operator=(const catalog&) = delete;

    [[nodiscard]] std::uint64_t generation() const { return generation_; }
    /// To set once, before the snapshot is shared.
    void set_generation(std::uint64_t generation) { generation_ = generation; }
    /// Equal content gives an equal digest, whatever the order of the rows.
    [[nodiscard]] std::uint64_t digest() const { return digest_; }

    /// An unqualified name leads somewhere only when one relation alone has it, over all schemas:
    /// then no search_path can make it mean another. (toast and temporary schemas are not loaded.)
    [[nodiscard]] resolution resolve(const sql::relation_name& name) const;
    [[nodiscard]] const relation_row* find(oid relation) const;
    /// All relations that `table`, `t` or `s.t`, may mean.
    [[nodiscard]] std::vector<const relation_row*> listed(std::string_view table) const;

    /// Why the relation may not be read from the cache; nothing when it may.
    [[nodiscard]] std::optional<bypass_reason> why_not_readable(const relation_row& relation) const;

    /// What a write to `targets` touches: they, and where foreign keys with an action carry it.
    /// (TRUNCATE ... CASCADE is not understood here: the facts call it a write of unknown extent.)
    [[nodiscard]] write_closure writes(const std::vector<sql::relation_name>& targets) const;

    /// Whether a function of that name exists outside pg_catalog (in `schema`, if it is given).
    [[nodiscard]] bool has_user_function(std::string_view schema, std::string_view name) const;
    /// Whether a function of that name exists in pg_catalog.
    [[nodiscard]] bool has_builtin_function(std::string_view name) const;
    [[nodiscard]] bool has_unsafe_operator(std::string_view name) const;
    /// Whether every user's type of that name is an enumeration, and there is one.
    [[nodiscard]] bool is_enumeration(std::string_view schema, std::string_view name) const;
    [[nodiscard]] bool has_unsafe_casts() const { return rows_.has_unsafe_casts; }
    /// Whether an unsafe operator has the name of one of PostgreSQL's own: such calls are not among
    /// the facts, since nearly every statement holds one.
    [[nodiscard]] bool has_unsafe_builtin_name() const { return has_unsafe_builtin_name_; }
    [[nodiscard]] bool has_unsafe_domains() const { return rows_.has_unsafe_domains; }
    [[nodiscard]] std::size_t relation_count() const { return rows_.relations.size(); }

private:
    struct keys_of {
        std::vector<const foreign_key_row*> referenced_by;
        bool action = false;  ///< on either side
    };

    /// Whether writing the relation may run code or reach tables that are not listed.
    [[nodiscard]] bool is_opaque_target(const relation_row& relation) const;

    catalog_rows rows_;
    std::uint64_t generation_;
    std::uint64_t digest_ = 0;
    bool has_unsafe_builtin_name_ = false;
    std::unordered_map<oid, const relation_row*> by_oid_;
    std::unordered_map<std::string_view, std::vector<const relation_row*>> by_name_;
    std::unordered_map<oid, keys_of> keys_;
    std::unordered_map<std::string_view, std::vector<std::string_view>> user_functions_;
    std::unordered_set<std::string_view> builtin_functions_;
    std::unordered_set<std::string_view> unsafe_operators_;
    std::unordered_map<std::string_view, std::vector<const type_row*>> types_;
};

}  // namespace weir::querycache

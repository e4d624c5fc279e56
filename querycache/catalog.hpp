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
    /// A default, check, index or generated expression calls code: a write to the table may do
    /// anything.
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

/// A row of catalog_queries::functions: one of PostgreSQL's own names, or one user-made function.
struct function_row {
    std::string schema;
    std::string name;
    std::uint16_t fewest = 0;  ///< arguments, of a user-made one
    std::uint16_t most = 0;
    bool user_made = false;  ///< it came after initdb
    bool runs_code = false;  ///< may write, or change the session
    bool is_pure = false;    ///< depends on its arguments alone
    bool takes_row = false;  ///< one argument that may be a row: row.name calls it too
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
    bool impure_casts = false;  ///< a cast depends on more than the value
    bool event_triggers = false;
    bool may_change_catalog = false;  ///< whatever code runs
};

/// What the loader fills, row by row.
struct catalog_rows {
    std::vector<relation_row> relations;
    std::vector<foreign_key_row> foreign_keys;
    std::vector<function_row> functions;
    std::vector<operator_row> operators;  ///< user-made ones that are not pure
    std::vector<type_row> types;
    hidden_code_row hidden;
    bool has_unsafe_domains = false;     ///< a domain's default or check calls code
    bool maintenance_runs_code = false;  ///< the expression of an index or of statistics does
    /// A digest of the server's defaults that change how values look: two loads under other
    /// defaults have another digest.
    std::string looks;
    /// Names of columns that hold dates, times or intervals in every table that has one of that
    /// name.
    std::vector<std::string> moment_columns;
    std::vector<oid> times_of_day;  ///< relations with a column of type time or timetz

    /// Notes on what code hangs. To be called after `relations` is filled.
    void note(const std::vector<code_row>& behind);
};

/// Where a relation's name leads.
struct resolution {
    const relation_row* relation = nullptr;                  ///< set, or
    bypass_reason reason = bypass_reason::unknown_relation;  ///< why not
};

/// What user-made functions of one name and number of arguments there are.
struct user_functions {
    bool any = false;
    bool runs_code = false;  ///< one of them
    bool impure = false;     ///< one of them
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
    /// then no search_path can make it mean another. information_schema does not count: it stands
    /// in nobody's search_path, and its names are everyday words. (Temporary relations are loaded
    /// only if they run code.)
    [[nodiscard]] resolution resolve(const sql::relation_name& name) const;
    [[nodiscard]] const relation_row* find(oid relation) const;
    /// All relations that `table`, `t` or `s.t`, may mean.
    [[nodiscard]] std::vector<const relation_row*> listed(std::string_view table) const;

    /// Why the relation may not be read from the cache; nothing when it may.
    [[nodiscard]] std::optional<bypass_reason> why_not_readable(const relation_row& relation) const;

    /// Whether reading what the name may mean can run code: not what initdb made. Nothing when
    /// nothing has the name.
    [[nodiscard]] std::optional<bool> read_runs_code(const sql::relation_name& name) const;

    /// What a write to `targets` touches: they, and where foreign keys with an action carry it.
    /// (TRUNCATE ... CASCADE is not understood here: the facts call it a write of unknown extent.)
    [[nodiscard]] write_closure writes(const std::vector<sql::relation_name>& targets) const;

    /// User-made functions of that name (in `schema`, if it is given) that take so many arguments.
    [[nodiscard]] user_functions find_functions(
        std::string_view schema, std::string_view name, std::uint16_t arguments
    ) const;
    /// Whether there are any, whatever they take.
    [[nodiscard]] bool has_user_function(std::string_view schema, std::string_view name) const;
    /// Whether a function of that name exists in pg_catalog.
    [[nodiscard]] bool has_builtin_function(std::string_view name) const;
    /// Whether initdb made a function of that name in information_schema. They only read.
    [[nodiscard]] bool is_of_information_schema(std::string_view schema, std::string_view name)
        const;
    /// Whether row.name may call a function.
    [[nodiscard]] bool is_row_function(std::string_view name) const {
        return row_functions_.count(name) != 0;
    }
    /// The user-made operators of that name that are not pure; null: none.
    [[nodiscard]] const operator_row* find_unsafe_operator(std::string_view name) const;
    /// Whether every user's type of that name is an enumeration, and there is one.
    [[nodiscard]] bool is_enumeration(std::string_view schema, std::string_view name) const;
    [[nodiscard]] const hidden_code_row& hidden() const { return rows_.hidden; }
    /// The unsafe operators with the name of a comparison, which a text need not name to use it.
    [[nodiscard]] const operator_row* unsafe_comparison() const { return unsafe_comparison_; }
    [[nodiscard]] bool has_unsafe_domains() const { return rows_.has_unsafe_domains; }
    [[nodiscard]] bool maintenance_runs_code() const {
        return rows_.maintenance_runs_code || rows_.hidden.event_triggers;
    }
    /// Whether every column of that name holds dates or times, and there is one.
    [[nodiscard]] bool holds_moments(std::string_view column) const {
        return moment_columns_.count(column) != 0;
    }
    /// Whether a column of the relation is a time of day.
    [[nodiscard]] bool has_times_of_day(oid relation) const {
        return times_of_day_.count(relation) != 0;
    }
    [[nodiscard]] std::size_t relation_count() const { return rows_.relations.size(); }

private:
    struct keys_of {
        std::vector<const foreign_key_row*> referenced_by;
        bool action = false;  ///< on either side
    };

    /// Whether writing the relation may run code or reach tables that are not listed.
    [[nodiscard]] bool is_opaque_target(const relation_row& relation) const;
    void index_functions();
    void index_operators();

    catalog_rows rows_;
    std::uint64_t generation_;
    std::uint64_t digest_ = 0;
    std::unordered_map<oid, const relation_row*> by_oid_;
    std::unordered_map<std::string_view, std::vector<const relation_row*>> by_name_;
    std::unordered_map<oid, keys_of> keys_;
    std::unordered_map<std::string_view, std::vector<const function_row*>> user_functions_;
    std::unordered_set<std::string_view> builtin_functions_;
    std::unordered_set<std::string_view> information_schema_functions_;
    std::unordered_set<std::string_view> row_functions_;
    std::unordered_map<std::string_view, const operator_row*> unsafe_operators_;
    const operator_row* unsafe_comparison_ = nullptr;
    std::unordered_set<std::string_view> moment_columns_;
    std::unordered_set<oid> times_of_day_;
    std::unordered_map<std::string_view, std::vector<const type_row*>> types_;
};

}  // namespace weir::querycache

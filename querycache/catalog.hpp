// What the relations, functions, operators and types of one database are, as plain data, and what
// follows from it: to which relation a name leads, whether it may be read from the cache, what a
// write to it touches. A snapshot is immutable once built; nothing here asks a server (the daemon
// loads `catalog_rows` with the texts of catalog_queries.hpp).
// Thread rule: build on one thread, then share as shared_ptr<const catalog>.
#pragma once

#include "querycache/catalog_rows.hpp"
#include "querycache/reasons.hpp"
#include "querycache/sql/statement.hpp"
#include "querycache/versions.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace weir::querycache {

/// Where a relation's name leads.
struct resolution {
    const relation_row* relation = nullptr;                  ///< set, or
    bypass_reason reason = bypass_reason::unknown_relation;  ///< why not
};

/// What user-made functions of one name and number of arguments there are.
struct user_functions {
    bool any = false;
    bool runs_code = false;     ///< one of them does, and it is not known what it writes
    bool impure = false;        ///< one of them
    bool writes_known = false;  ///< one of them runs code that is known
    std::vector<sql::relation_name> writes;  ///< of all of those
};

/// What a read of a relation stands on.
struct read_closure {
    std::vector<oid> relations;  ///< whose rows it shows: behind a view those of its query
    std::vector<sql::function_call> calls;  ///< of views: that are not known to be safe
    /// Row security stands before some of it: the answer is the user's own, and depends on what its
    /// policies ask of the session.
    bool row_security = false;
    bool calls_users_code = false;       ///< functions or operators that users have made
    std::vector<bypass_reason> reasons;  ///< why its answer may not be kept, in order of discovery
};

/// What a write touches: these relations, or everything.
struct write_closure {
    bool everything = false;
    bool catalog = false;  ///< PostgreSQL's own tables: it is DDL by other means
    bool plain = true;  ///< "0 rows" means that nothing was done: no trigger, rule, view or cascade
    std::vector<oid> relations;
};

/// The tables that a user's function writes, `t` or `s.t`, if somebody has declared them; else
/// null.
using declared_writes =
    std::function<const std::vector<std::string>*(std::string_view schema, std::string_view name)>;

/// Of a write to tables: TRUNCATE ... CASCADE also empties whatever refers to them.
enum class cascade : std::uint8_t { by_actions, by_every_key };

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

    /// What an answer out of the relation stands on. Partitions and children are not listed: a
    /// write to one of them counts as one to all that it belongs to.
    [[nodiscard]] read_closure reads(const relation_row& relation) const;

    /// Whether reading what the name may mean can run code: not what initdb made. Nothing when
    /// nothing has the name.
    [[nodiscard]] std::optional<bool> read_runs_code(const sql::relation_name& name) const;

    /// What a write to `targets` touches: they, what they are part of and consist of, and where
    /// foreign keys, rules, views and triggers carry it.
    [[nodiscard]] write_closure writes(
        const std::vector<sql::relation_name>& targets,
        const declared_writes& declared = {},
        cascade keys = cascade::by_actions
    ) const;

    /// The relations and what they are a part of: whose rows a write to them changes.
    [[nodiscard]] std::vector<oid> with_ancestors(const std::vector<oid>& relations) const;

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
    /// Whether (value).name may call a user-made function.
    [[nodiscard]] bool may_follow_dot(std::string_view name) const {
        return one_argument_.count(name) != 0;
    }
    /// The user-made operators of that name that are not pure; null: none.
    [[nodiscard]] const operator_row* find_unsafe_operator(std::string_view name) const;
    /// Whether every user's type of that name is an enumeration, and there is one.
    [[nodiscard]] bool is_enumeration(std::string_view schema, std::string_view name) const;
    /// Whether users' operators or types, or a library, may stand behind a text that names only
    /// what is PostgreSQL's: any operator's name may be overloaded, and the input, output and order
    /// of a value are its type's.
    [[nodiscard]] bool has_users_values() const { return has_users_values_; }
    [[nodiscard]] const hidden_code_row& hidden() const { return rows_.hidden; }
    /// The unsafe operators with the name of a comparison, which a text need not name to use it.
    [[nodiscard]] const operator_row* unsafe_comparison() const { return unsafe_comparison_; }
    [[nodiscard]] bool has_unsafe_domains() const { return rows_.has_unsafe_domains; }
    [[nodiscard]] bool maintenance_runs_code() const {
        return rows_.maintenance_runs_code || rows_.hidden.event_triggers;
    }
    /// Whether sessions begin with READ COMMITTED, whatever the role.
    [[nodiscard]] bool reads_committed() const { return rows_.reads_committed; }
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
    /// What hangs on one relation.
    struct relation_links {
        std::vector<const foreign_key_row*> referenced_by;
        std::vector<oid> parents;
        std::vector<oid> children;
        std::vector<const rewrite_row*> rules;  ///< other than a view's own
        std::vector<const trigger_row*> triggers;
        std::vector<const policy_row*> policies;
        const rewrite_row* query = nullptr;  ///< of a view
    };
    class read_walk;
    class write_walk;

    [[nodiscard]] const relation_links& links(oid relation) const;
    /// Whether the builtin or user-made function may write, or is not known.
    [[nodiscard]] bool may_write(oid function) const;
    /// Whether a stored expression is understood and calls nothing that may write.
    [[nodiscard]] bool is_harmless(const node_tree& tree) const;
    void index_links();
    void index_functions();
    void index_operators();

    catalog_rows rows_;
    std::uint64_t generation_;
    std::uint64_t digest_ = 0;
    std::unordered_map<oid, const relation_row*> by_oid_;
    std::unordered_map<std::string_view, std::vector<const relation_row*>> by_name_;
    std::unordered_map<oid, relation_links> links_;
    std::unordered_map<oid, const function_row*> functions_by_oid_;
    std::unordered_map<oid, const builtin_row*> builtins_by_oid_;
    std::unordered_map<oid, const known_writes_row*> known_writes_;
    std::unordered_map<oid, oid> operator_functions_;
    std::unordered_map<std::string_view, std::vector<const function_row*>> user_functions_;
    std::unordered_set<std::string_view> builtin_functions_;
    std::unordered_set<std::string_view> information_schema_functions_;
    std::unordered_set<std::string_view> one_argument_;
    std::unordered_map<std::string_view, const operator_row*> unsafe_operators_;
    const operator_row* unsafe_comparison_ = nullptr;
    bool has_users_values_ = false;
    std::unordered_set<std::string_view> moment_columns_;
    std::unordered_set<oid> times_of_day_;
    std::unordered_map<std::string_view, std::vector<const type_row*>> types_;
};

}  // namespace weir::querycache

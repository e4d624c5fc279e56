// Walks queries and expressions of a parse tree and reports what they name. Visits every message,
// also of nodes it has no code for; knows the scope of WITH names. Recurses: needs the parser's
// stack.
#pragma once

#include "querycache/sql/fact_collector.hpp"
#include "querycache/sql/parse_tree.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace weir::querycache::sql {

class expression_walker {
public:
    explicit expression_walker(fact_collector& facts) : facts_(facts) {}

    void walk(const parse_tree::message_view& node);

    /// The relation as a target, not as something read; an empty view does nothing.
    void walk_target(const parse_tree::message_view& range_var);
    /// The relation as what INTO or AS makes.
    void walk_into(const parse_tree::message_view& range_var);

    /// An INSERT, UPDATE, DELETE or MERGE was met, at any depth.
    bool has_writes() const { return has_writes_; }
    /// An INTO clause was met that makes a table for others to see.
    bool has_into() const { return has_into_; }
    /// One that makes a temporary table.
    bool makes_temporary() const { return makes_temporary_; }
    bool is_damaged() const { return is_damaged_; }

private:
    void walk_children(const parse_tree::message_view& node);
    void walk_scoped(
        const parse_tree::message_view& node, std::uint32_t with_field, std::uint32_t target
    );
    void walk_with(const parse_tree::message_view& with);
    void walk_range_var(const parse_tree::message_view& node);
    void walk_call(const parse_tree::message_view& node);
    void walk_operators(
        const parse_tree::message_view& node, std::uint32_t names, std::size_t arguments
    );
    void walk_column(const parse_tree::message_view& node);
    bool is_with_name(std::string_view name) const;

    fact_collector& facts_;
    std::vector<std::string> with_names_;  ///< visible here, innermost last
    std::size_t query_depth_ = 0;
    bool has_writes_ = false;
    bool has_into_ = false;
    bool makes_temporary_ = false;
    bool is_damaged_ = false;
};

/// Whether the RangeVar says that its relation is the session's own.
bool is_temporary(const parse_tree::message_view& range_var);

/// The parts of a list of String nodes in field `field`.
qualified_name name_in(const parse_tree::message_view& node, std::uint32_t field);

}  // namespace weir::querycache::sql

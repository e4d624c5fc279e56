#include "querycache/sql/clock_casts.hpp"

#include "querycache/sql/expression_walker.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace weir::querycache::sql {

namespace tree = parse_tree;
using tree::message_type;
using tree::message_view;

namespace {

template<std::size_t Count>
bool is_one_of(const std::array<std::string_view, Count>& names, const qualified_name& name) {
    // An array by its own name, too.
    std::string_view plain = name.name;
    if (plain.starts_with('_')) plain.remove_prefix(1);
    return (name.schema.empty() || name.schema == "pg_catalog") &&
           std::find(names.begin(), names.end(), plain) != names.end();
}

/// Types whose input knows now, today, ...
constexpr std::array<std::string_view, 12> moments{
    "date",
    "time",
    "timetz",
    "timestamp",
    "timestamptz",
    "daterange",
    "tsrange",
    "tstzrange",
    "datemultirange",
    "tsmultirange",
    "tstzmultirange",
    "abstime"};
/// Their results are never texts.
constexpr std::array<std::string_view, 12> never_texts{
    "age",
    "date_bin",
    "date_trunc",
    "generate_series",
    "make_date",
    "make_time",
    "make_timestamp",
    "make_timestamptz",
    "now",
    "timezone",
    "to_date",
    "to_timestamp"};
/// Their results are of their arguments' type.
constexpr std::array<std::string_view, 8> passing{
    "first_value", "lag", "last_value", "lead", "max", "min", "nth_value", "unnest"};

class clock_cast_walker {
public:
    explicit clock_cast_walker(statement& facts) : facts_(facts) {}

    void walk(const message_view& node);
    void finish();

private:
    void walk_children(const message_view& node);
    void judge_cast(const qualified_name& target, const message_view& operand);
    bool is_safe(const message_view& operand);
    bool is_safe_call(const message_view& call);
    bool is_safe_operation(const message_view& operation) const;
    bool are_safe(const message_view& node, std::uint32_t field);
    bool take_column(const message_view& column);
    void note_names(const message_view& node, std::uint32_t field);

    statement& facts_;
    std::vector<std::string> columns_;  ///< that are cast
    std::vector<std::string> renamed_;  ///< names that the statement itself gives to columns
    std::size_t query_depth_ = 0;
};

void clock_cast_walker::walk_children(const message_view& node) {
    node.each([this](std::uint32_t, const message_view& child) { walk(child); });
}

void clock_cast_walker::walk(const message_view& node) {
    switch (node.type()) {
        case message_type::select_stmt:
            ++query_depth_;
            walk_children(node);
            --query_depth_;
            return;
        case message_type::type_cast:
            judge_cast(
                name_in(node.child(tree::type_cast::type_name), tree::type_name::names),
                node.child(tree::type_cast::arg)
            );
            break;
        case message_type::func_call: {
            const auto called = name_in(node, tree::func_call::funcname);
            if (called.name == "make_time") facts_.times_of_day = true;
            if (node.count(tree::func_call::args) == 1) {
                judge_cast(called, node.child(tree::func_call::args));
            }
            break;
        }
        case message_type::type_name: {
            const auto name = name_in(node, tree::type_name::names).name;
            if (name == "time" || name == "timetz") facts_.times_of_day = true;
            break;
        }
        case message_type::res_target:
            // What the outermost query calls its columns is not seen by its own expressions.
            if (query_depth_ > 1) renamed_.emplace_back(node.text(tree::res_target::name));
            break;
        case message_type::alias:
            note_names(node, tree::alias::colnames);
            // The one column of a function in FROM goes by the function's alias.
            renamed_.emplace_back(node.text(tree::alias::aliasname));
            break;
        case message_type::common_table_expr:
            note_names(node, tree::common_table_expr::aliascolnames);
            break;
        default:
            break;
    }
    walk_children(node);
}

void clock_cast_walker::note_names(const message_view& node, std::uint32_t field) {
    node.each_in(field, [this](const message_view& name) {
        if (name.type() == message_type::string)
            renamed_.emplace_back(name.text(tree::string::sval));
    });
}

void clock_cast_walker::judge_cast(const qualified_name& target, const message_view& operand) {
    if (!is_one_of(moments, target)) return;
    // A time of day gets the offset that its zone has today.
    if (target.name == "timetz" || !is_safe(operand)) {
        facts_.reasons |= reason_bit(text_reason::clock_or_identity);
    }
}

bool clock_cast_walker::are_safe(const message_view& node, std::uint32_t field) {
    bool all = true;
    node.each_in(field, [&](const message_view& one) { all = is_safe(one) && all; });
    return all;
}

// Whether the operand surely is no text that may hold a word of the clock, but for literals and
// parameters, whose words are looked for in each call, and columns, of which the catalog knows.
bool clock_cast_walker::is_safe(const message_view& operand) {
    switch (operand.type()) {
        case message_type::a_const:
        case message_type::param_ref:
        case message_type::sql_value_function:
            return true;
        case message_type::column_ref:
            return take_column(operand);
        case message_type::type_cast:
            return is_one_of(
                       moments,
                       name_in(operand.child(tree::type_cast::type_name), tree::type_name::names)
                   ) ||
                   is_safe(operand.child(tree::type_cast::arg));
        case message_type::func_call:
            return is_safe_call(operand);
        case message_type::a_expr:
            return is_safe_operation(operand);
        case message_type::coalesce_expr:
            return are_safe(operand, tree::coalesce_expr::args);
        case message_type::min_max_expr:
            return are_safe(operand, tree::min_max_expr::args);
        case message_type::a_array_expr:
            return are_safe(operand, tree::a_array_expr::elements);
        default:
            return false;
    }
}

bool clock_cast_walker::is_safe_call(const message_view& call) {
    const auto called = name_in(call, tree::func_call::funcname);
    if (is_one_of(never_texts, called) || is_one_of(moments, called)) return true;
    return is_one_of(passing, called) && are_safe(call, tree::func_call::args);
}

// Sums and differences are no texts, whatever their operands are.
bool clock_cast_walker::is_safe_operation(const message_view& operation) const {
    if (operation.scalar(tree::a_expr::kind) != tree::value::aexpr_op) return false;
    const auto called = name_in(operation, tree::a_expr::name);
    constexpr std::array<std::string_view, 2> sums{"+", "-"};
    return is_one_of(sums, called);
}

bool clock_cast_walker::take_column(const message_view& column) {
    std::string name;
    bool is_star = false;
    column.each_in(tree::column_ref::fields, [&](const message_view& part) {
        is_star |= part.type() != message_type::string;
        if (!is_star) name = part.text(tree::string::sval);
    });
    if (is_star || name.empty()) return false;
    if (std::find(columns_.begin(), columns_.end(), name) == columns_.end()) {
        columns_.push_back(std::move(name));
    }
    return true;
}

void clock_cast_walker::finish() {
    for (auto& column : columns_) {
        if (std::find(renamed_.begin(), renamed_.end(), column) != renamed_.end()) {
            facts_.reasons |= reason_bit(text_reason::clock_or_identity);
        } else {
            facts_.moment_columns.push_back(std::move(column));
        }
    }
}

}  // namespace

void note_clock_casts(const message_view& statement, sql::statement& facts) {
    clock_cast_walker walker{facts};
    walker.walk(statement);
    walker.finish();
}

}  // namespace weir::querycache::sql

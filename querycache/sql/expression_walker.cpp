#include "querycache/sql/expression_walker.hpp"

#include <algorithm>
#include <array>

namespace weir::querycache::sql {

namespace tree = parse_tree;
using tree::message_type;
using tree::message_view;

namespace {

bool is_system_column(std::string_view name) {
    constexpr std::array<std::string_view, 6> names{
        "cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"};
    return std::binary_search(names.begin(), names.end(), name);
}

}  // namespace

bool is_temporary(const message_view& range_var) {
    return range_var.text(tree::range_var::relpersistence) == "t" ||
           range_var.text(tree::range_var::schemaname) == "pg_temp";
}

qualified_name name_in(const message_view& node, std::uint32_t field) {
    qualified_name result;
    node.each_in(field, [&](const message_view& part) {
        if (part.type() != message_type::string) return;
        result.schema = std::move(result.name);
        result.name = part.text(tree::string::sval);
    });
    return result;
}

void expression_walker::walk_children(const message_view& node) {
    const bool whole = node.each([this](std::uint32_t, const message_view& child) { walk(child); });
    if (!whole) is_damaged_ = true;
}

void expression_walker::walk(const message_view& node) {
    switch (node.type()) {
        case message_type::select_stmt:
            return walk_scoped(node, tree::select_stmt::with_clause, 0);
        case message_type::insert_stmt:
            return walk_scoped(node, tree::insert_stmt::with_clause, tree::insert_stmt::relation);
        case message_type::update_stmt:
            return walk_scoped(node, tree::update_stmt::with_clause, tree::update_stmt::relation);
        case message_type::delete_stmt:
            return walk_scoped(node, tree::delete_stmt::with_clause, tree::delete_stmt::relation);
        case message_type::merge_stmt:
            return walk_scoped(node, tree::merge_stmt::with_clause, tree::merge_stmt::relation);
        case message_type::range_var:
            return walk_range_var(node);
        case message_type::into_clause:
            facts_.reason(text_reason::select_into);
            return walk_into(node.child(tree::into_clause::rel));
        case message_type::func_call:
            return walk_call(node);
        case message_type::a_expr:
            walk_operators(node, tree::a_expr::name, node.child(tree::a_expr::lexpr) ? 2 : 1);
            break;
        case message_type::sub_link:
            walk_operators(node, tree::sub_link::oper_name, 2);
            break;
        case message_type::sort_by:
            walk_operators(node, tree::sort_by::use_op, 2);
            break;
        case message_type::type_name:
            facts_.type(name_in(node, tree::type_name::names));
            break;
        case message_type::column_ref:
            return walk_column(node);
        case message_type::a_indirection:
            node.each_in(tree::a_indirection::indirection, [this](const message_view& part) {
                if (part.type() != message_type::string) return;
                const auto name = part.text(tree::string::sval);
                if (is_system_column(name)) facts_.reason(text_reason::system_column);
                facts_.taken_out(name);
            });
            break;
        case message_type::sql_value_function:
            facts_.reason(text_reason::clock_or_identity);
            break;
        case message_type::locking_clause:
            return facts_.reason(text_reason::locking);
        case message_type::range_table_sample:
            facts_.reason(text_reason::tablesample);
            break;
        case message_type::current_of_expr:
            facts_.reason(text_reason::cursor);
            break;
        case message_type::range_function:
            facts_.names_values();
            if (node.flag(tree::range_function::is_rowsfrom))
                facts_.reason(text_reason::function_source);
            break;
        case message_type::range_table_func:
        case message_type::xml_expr:
        case message_type::xml_serialize:
            facts_.reason(text_reason::function_source);
            break;
        default:
            break;  // hundreds of node types that name nothing themselves: their children count
    }
    walk_children(node);
}

// A query or writing statement with names of its own: those of its WITH clause are visible in all
// of it, and nowhere else. The WITH clause stands late in the message, so it is walked first.
void expression_walker::walk_scoped(
    const message_view& node, std::uint32_t with_field, std::uint32_t target
) {
    const std::size_t outer_names = with_names_.size();
    if (target != 0) {
        has_writes_ = true;
        if (query_depth_ != 0) facts_.reason(text_reason::writing_cte);
        walk_target(node.child(target));
    }
    ++query_depth_;
    if (const message_view with = node.child(with_field)) walk_with(with);
    const bool whole = node.each([&](std::uint32_t field, const message_view& child) {
        if (field != with_field && field != target) walk(child);
    });
    if (!whole) is_damaged_ = true;
    --query_depth_;
    with_names_.resize(outer_names);
}

// WITH RECURSIVE: each name is visible in all of them; else only in those that follow.
void expression_walker::walk_with(const message_view& with) {
    const auto add_name = [this](const message_view& cte) {
        with_names_.emplace_back(cte.text(tree::common_table_expr::ctename));
    };
    const bool is_recursive = with.flag(tree::with_clause::recursive);
    if (is_recursive) with.each_in(tree::with_clause::ctes, add_name);
    with.each_in(tree::with_clause::ctes, [&](const message_view& cte) {
        walk_children(cte);
        if (!is_recursive) add_name(cte);
    });
}

bool expression_walker::is_with_name(std::string_view name) const {
    return std::find(with_names_.rbegin(), with_names_.rend(), name) != with_names_.rend();
}

void expression_walker::walk_range_var(const message_view& node) {
    const std::string_view schema = node.text(tree::range_var::schemaname);
    const std::string_view name = node.text(tree::range_var::relname);
    if (schema.empty() && is_with_name(name)) return;
    facts_.read({std::string{schema}, std::string{name}});
}

void expression_walker::walk_target(const message_view& range_var) {
    if (!range_var) return;
    facts_.write(
        {std::string{range_var.text(tree::range_var::schemaname)},
         std::string{range_var.text(tree::range_var::relname)}}
    );
    if (range_var.text(tree::range_var::relpersistence) == "t") {
        facts_.effect(session_effect::temp_object);
    }
}

void expression_walker::walk_into(const message_view& range_var) {
    if (is_temporary(range_var)) {
        makes_temporary_ = true;
        facts_.temporary();
    } else {
        has_into_ = true;
        walk_target(range_var);
    }
}

void expression_walker::walk_call(const message_view& node) {
    std::size_t arguments = node.count(tree::func_call::args);
    // PostgreSQL counts what is ordered among them.
    if (node.flag(tree::func_call::agg_within_group))
        arguments += node.count(tree::func_call::agg_order);
    facts_.function(name_in(node, tree::func_call::funcname), arguments);
    walk_children(node);
}

void expression_walker::walk_operators(
    const message_view& node, std::uint32_t names, std::size_t arguments
) {
    qualified_name called = name_in(node, names);
    if (!called.name.empty()) facts_.operation(std::move(called), arguments);
}

// Any part counts as a system column, so that (t).ctid and ctid.x do not hide.
void expression_walker::walk_column(const message_view& node) {
    std::size_t parts = 0;
    std::string_view last;
    node.each_in(tree::column_ref::fields, [&](const message_view& part) {
        ++parts;
        last = part.type() == message_type::string ? part.text(tree::string::sval) : "";
        if (is_system_column(last)) facts_.reason(text_reason::system_column);
    });
    if (parts > 1 && !last.empty()) facts_.attribute(last);
}

}  // namespace weir::querycache::sql

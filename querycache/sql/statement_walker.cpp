#include "querycache/sql/statement_walker.hpp"

#include "querycache/sql/expression_walker.hpp"
#include "querycache/sql/fact_collector.hpp"
#include "querycache/sql/parse_tree.hpp"

#include <algorithm>
#include <limits>
#include <string>

namespace weir::querycache::sql {

namespace tree = parse_tree;
using tree::message_type;
using tree::message_view;

namespace {

// A read that is not answered as such (EXPLAIN ANALYZE, DECLARE, COPY TO) touches no data either.
statement_class executed_inside(statement_class inner) {
    return inner == statement_class::read ? statement_class::noop : inner;
}

class statement_walker {
public:
    explicit statement_walker(fact_collector& facts) : facts_(facts) {}

    statement_class walk(const message_view& node);
    bool is_damaged() const { return is_damaged_; }

private:
    statement_class walk_query(const message_view& node);
    statement_class walk_copy(const message_view& node);
    statement_class walk_truncate(const message_view& node);
    statement_class walk_explain(const message_view& node);
    statement_class walk_create_as(const message_view& node);
    statement_class walk_inside(const message_view& node, std::uint32_t field);
    statement_class walk_definition(const message_view& node);
    statement_class unknown();
    void take_expression(const message_view& node);

    fact_collector& facts_;
    bool is_damaged_ = false;
};

statement_class statement_walker::unknown() {
    facts_.writes_unknown();
    return statement_class::unknown;
}

statement_class statement_walker::walk(const message_view& node) {
    switch (node.type()) {
        case message_type::select_stmt:
        case message_type::insert_stmt:
        case message_type::update_stmt:
        case message_type::delete_stmt:
        case message_type::merge_stmt:
            return walk_query(node);
        case message_type::copy_stmt:
            return walk_copy(node);
        case message_type::truncate_stmt:
            return walk_truncate(node);
        case message_type::refresh_mat_view_stmt: {
            expression_walker walker{facts_};
            walker.walk_target(node.child(tree::refresh_mat_view_stmt::relation));
            return statement_class::write;
        }
        case message_type::call_stmt:
        case message_type::do_stmt:
            facts_.effect(session_effect::opaque);
            return unknown();
        // What it runs is not in the text.
        case message_type::execute_stmt:
            return unknown();
        case message_type::declare_cursor_stmt:
            facts_.reason(text_reason::cursor);
            return walk_inside(node, tree::declare_cursor_stmt::query);
        case message_type::fetch_stmt:
        case message_type::close_portal_stmt:
            facts_.reason(text_reason::cursor);
            return statement_class::noop;
        case message_type::explain_stmt:
            return walk_explain(node);
        case message_type::transaction_stmt:
            return statement_class::transaction;
        case message_type::variable_set_stmt:
        case message_type::discard_stmt:
        case message_type::alter_system_stmt:
        case message_type::load_stmt:
        case message_type::prepare_stmt:
        case message_type::deallocate_stmt:
            return statement_class::session;
        case message_type::variable_show_stmt:
        case message_type::listen_stmt:
        case message_type::unlisten_stmt:
        case message_type::notify_stmt:
        case message_type::lock_stmt:
        case message_type::vacuum_stmt:
        case message_type::cluster_stmt:
        case message_type::reindex_stmt:
        case message_type::check_point_stmt:
        case message_type::constraints_set_stmt:
        case message_type::comment_stmt:
            return statement_class::noop;
        case message_type::create_table_as_stmt:
            return walk_create_as(node);
        default:
            return walk_definition(node);  // everything else changes the catalog
    }
}

void statement_walker::take_expression(const message_view& node) {
    expression_walker walker{facts_};
    walker.walk(node);
    if (walker.is_damaged()) is_damaged_ = true;
}

statement_class statement_walker::walk_query(const message_view& node) {
    expression_walker walker{facts_};
    walker.walk(node);
    if (walker.is_damaged()) is_damaged_ = true;
    if (walker.has_into()) return statement_class::ddl;
    return walker.has_writes() ? statement_class::write : statement_class::read;
}

statement_class statement_walker::walk_inside(const message_view& node, std::uint32_t field) {
    const message_view inner = node.child(field);
    return inner ? executed_inside(walk(inner)) : unknown();
}

statement_class statement_walker::walk_copy(const message_view& node) {
    if (node.child(tree::copy_stmt::query)) return walk_inside(node, tree::copy_stmt::query);
    if (const message_view filter = node.child(tree::copy_stmt::where_clause))
        take_expression(filter);
    const message_view relation = node.child(tree::copy_stmt::relation);
    if (!node.flag(tree::copy_stmt::is_from)) {
        take_expression(relation);
        return statement_class::noop;
    }
    expression_walker walker{facts_};
    walker.walk_target(relation);
    if (node.text(tree::copy_stmt::filename).empty()) facts_.copy_from_client();
    return statement_class::write;
}

// CASCADE also empties the tables that refer to these, whatever their foreign keys do on delete.
statement_class statement_walker::walk_truncate(const message_view& node) {
    expression_walker walker{facts_};
    node.each_in(tree::truncate_stmt::relations, [&](const message_view& relation) {
        walker.walk_target(relation);
    });
    if (node.scalar(tree::truncate_stmt::behavior) == tree::value::drop_cascade)
        facts_.writes_unknown();
    return statement_class::write;
}

// EXPLAIN (ANALYZE off) is plain; the last of several options counts. defGetBoolean: no value, 1,
// true and on are true.
bool analyzes(const message_view& explain) {
    bool result = false;
    explain.each_in(tree::explain_stmt::options, [&](const message_view& option) {
        if (option.text(tree::def_elem::defname) != "analyze") return;
        const message_view value = option.child(tree::def_elem::arg);
        if (value.type() == message_type::integer) {
            result = value.scalar(tree::integer::ival) != 0;
        } else if (value.type() == message_type::string) {
            std::string word{value.text(tree::string::sval)};
            std::transform(word.begin(), word.end(), word.begin(), [](char c) {
                return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
            });
            result = word != "off" && word != "false";
        } else {
            result = true;
        }
    });
    return result;
}

statement_class statement_walker::walk_explain(const message_view& node) {
    if (!analyzes(node)) return statement_class::noop;
    return walk_inside(node, tree::explain_stmt::query);
}

statement_class statement_walker::walk_create_as(const message_view& node) {
    expression_walker walker{facts_};
    if (const message_view into = node.child(tree::create_table_as_stmt::into)) {
        walker.walk_target(into.child(tree::into_clause::rel));
    }
    const message_view query = node.child(tree::create_table_as_stmt::query);
    return std::max(statement_class::ddl, query ? walk(query) : unknown());
}

// Definitions bump everything by their class. Their expressions are walked all the same, so that
// what they call is known; tables they name are not reads.
statement_class statement_walker::walk_definition(const message_view& node) {
    const auto before = facts_.here();
    take_expression(node);
    facts_.not_run_since(before);
    return statement_class::ddl;
}

}  // namespace

bool walk_parse_result(std::string_view bytes, statement& facts) {
    fact_collector collector{facts};
    statement_walker walker{collector};
    const message_view result{message_type::parse_result, bytes};
    facts.kind = statement_class::noop;
    std::size_t statements = 0;
    result.each_in(tree::parse_result::stmts, [&](const message_view& raw) {
        const statement_class kind = walker.walk(raw.child(tree::raw_stmt::stmt));
        facts.kind = std::max(facts.kind, kind);
        ++statements;
    });
    facts.statements = static_cast<std::uint16_t>(
        std::min<std::size_t>(statements, std::numeric_limits<std::uint16_t>::max())
    );
    if (facts.kind != statement_class::read) collector.reason(text_reason::not_a_read);
    if (statements > 1) collector.reason(text_reason::multi_statement);
    collector.finish();
    return !walker.is_damaged();
}

}  // namespace weir::querycache::sql

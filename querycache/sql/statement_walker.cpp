#include "querycache/sql/statement_walker.hpp"

#include "querycache/sql/clock_casts.hpp"
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

// A read that is not answered as such (EXPLAIN, DECLARE, COPY TO) writes nothing either.
statement_class executed_inside(statement_class inner) {
    return inner == statement_class::read ? statement_class::noop : inner;
}

// CREATE TABLE (LIKE ...)
bool copies_definitions(const message_view& create) {
    bool found = false;
    create.each_in(tree::create_stmt::table_elts, [&found](const message_view& element) {
        found = found || element.type() == message_type::table_like_clause;
    });
    return found;
}

// Whether all that is dropped is qualified as the session's own. (A table that stays may have a
// column of a temporary table's type: CASCADE drops it.)
bool drops_temporary(const message_view& drop) {
    if (drop.scalar(tree::drop_stmt::behavior) == tree::value::drop_cascade) return false;
    const auto type = drop.scalar(tree::drop_stmt::remove_type);
    bool all = type == tree::value::object_table || type == tree::value::object_view ||
               type == tree::value::object_sequence;
    drop.each_in(tree::drop_stmt::objects, [&all](const message_view& object) {
        all = all && name_in(object, tree::list::items).schema == "pg_temp";
    });
    return all;
}

// Whether a definition concerns what a server's databases share. (A database's owner is a member of
// pg_database_owner in it.)
bool concerns_shared_objects(const message_view& node) {
    switch (node.type()) {
        case message_type::create_role_stmt:
        case message_type::alter_role_stmt:
        case message_type::alter_role_set_stmt:
        case message_type::drop_role_stmt:
        case message_type::grant_role_stmt:
        case message_type::drop_owned_stmt:
        case message_type::reassign_owned_stmt:
        case message_type::createdb_stmt:
        case message_type::dropdb_stmt:
        case message_type::alter_database_stmt:
        case message_type::alter_database_set_stmt:
            return true;
        case message_type::alter_owner_stmt:
            return node.scalar(tree::alter_owner_stmt::object_type) == tree::value::object_database;
        case message_type::rename_stmt: {
            const auto renamed = node.scalar(tree::rename_stmt::rename_type);
            return renamed == tree::value::object_role || renamed == tree::value::object_database;
        }
        default:
            return false;
    }
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
    statement_class walk_create_as(const message_view& node);
    statement_class walk_create(const message_view& node);
    statement_class walk_inside(const message_view& node, std::uint32_t field);
    statement_class maintenance();
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

statement_class statement_walker::maintenance() {
    facts_.maintains();
    return statement_class::noop;
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
        // Planning alone runs what is declared immutable or stable, and that may call anything:
        // with or without ANALYZE it counts as run.
        case message_type::explain_stmt:
            return walk_inside(node, tree::explain_stmt::query);
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
        case message_type::check_point_stmt:
        case message_type::constraints_set_stmt:
            return statement_class::noop;
        case message_type::vacuum_stmt:  // ANALYZE too
        case message_type::cluster_stmt:
        case message_type::reindex_stmt:
        case message_type::comment_stmt:
            return maintenance();
        case message_type::create_table_as_stmt:
            return walk_create_as(node);
        case message_type::create_stmt:
            return walk_create(node);
        case message_type::drop_stmt:
            return drops_temporary(node) ? maintenance() : walk_definition(node);
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
    if (walker.has_writes()) return statement_class::write;
    return walker.makes_temporary() ? maintenance() : statement_class::read;
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
        facts_.truncates_cascading();
    return statement_class::write;
}

statement_class statement_walker::walk_create_as(const message_view& node) {
    expression_walker walker{facts_};
    const message_view into = node.child(tree::create_table_as_stmt::into);
    if (into) walker.walk_into(into.child(tree::into_clause::rel));
    const message_view query = node.child(tree::create_table_as_stmt::query);
    const auto made = walker.makes_temporary() ? maintenance() : statement_class::ddl;
    return std::max(made, query ? executed_inside(walk(query)) : unknown());
}

// A temporary table is its session's affair, unless it brings code along that a write to it will
// run, under a name that may be another table's: then the catalog has to be looked at.
statement_class statement_walker::walk_create(const message_view& node) {
    const bool stands_alone = node.count(tree::create_stmt::inh_relations) == 0 &&
                              !node.child(tree::create_stmt::of_typename) &&
                              !copies_definitions(node);
    const bool is_own = is_temporary(node.child(tree::create_stmt::relation)) && stands_alone;
    const auto before = facts_.here();
    const auto kind = walk_definition(node);
    if (!is_own || facts_.has_code_since(before)) return kind;
    facts_.temporary();
    return maintenance();
}

// Definitions bump everything by their class. Their expressions are walked all the same, so that
// what they call is known; tables they name are not reads.
statement_class statement_walker::walk_definition(const message_view& node) {
    if (concerns_shared_objects(node)) facts_.shared_objects();
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
        const message_view statement = raw.child(tree::raw_stmt::stmt);
        const statement_class kind = walker.walk(statement);
        if (kind == statement_class::read) note_clock_casts(statement, facts);
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

#include "querycache/sql/fact_collector.hpp"

#include "querycache/sql/builtin_functions.hpp"
#include "querycache/sql/session_effects.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace weir::querycache::sql {
namespace {

template<typename Item>
void add_once(std::vector<Item>& list, Item item) {
    if (std::find(list.begin(), list.end(), item) == list.end()) list.push_back(std::move(item));
}

// Types whose input or output reads the catalog.
bool is_catalog_type(std::string_view name) {
    if (name.starts_with('_')) name.remove_prefix(1);
    return name.starts_with("reg") && is_builtin_type(name);
}

}  // namespace

void fact_collector::note_temp(std::string_view schema) {
    if (schema == "pg_temp" || schema.starts_with("pg_temp_")) effect(session_effect::temp_object);
}

void fact_collector::read(relation_name relation) {
    note_temp(relation.schema);
    add_once(facts_.reads, std::move(relation));
}

void fact_collector::write(relation_name relation) {
    note_temp(relation.schema);
    add_once(facts_.writes, std::move(relation));
}

void fact_collector::call(function_call::kind what, qualified_name called, std::size_t arguments) {
    note_temp(called.schema);
    const auto count = static_cast<std::uint16_t>(
        std::min<std::size_t>(arguments, std::numeric_limits<std::uint16_t>::max())
    );
    add_once(facts_.functions, {what, std::move(called.schema), std::move(called.name), count});
}

void fact_collector::function(qualified_name called, std::size_t arguments) {
    add_call_effects(called.name, facts_);
    if (!is_non_writing_builtin(called.schema, called.name)) unknown_call_ = true;
    call(function_call::kind::function, std::move(called), arguments);
}

void fact_collector::operation(qualified_name called, std::size_t arguments) {
    if (is_builtin_operator(called.schema, called.name)) return;
    unknown_call_ = true;
    call(function_call::kind::operation, std::move(called), arguments);
}

void fact_collector::type(qualified_name named) {
    const bool can_be_builtin = named.schema.empty() || named.schema == "pg_catalog";
    if (can_be_builtin && is_catalog_type(named.name)) reason(text_reason::catalog_cast);
    if (can_be_builtin && is_builtin_type(named.name)) return;
    unknown_call_ = true;
    call(function_call::kind::type, std::move(named), 1);
}

void fact_collector::not_run_since(const mark& then) {
    facts_.reads.resize(then.reads);
    facts_.writes.resize(then.writes);
    unknown_call_ = then.unknown_call;
}

void fact_collector::finish() {
    facts_.writes_unknown = unknown_writer_ || unknown_call_;
    facts_.calls_decide = unknown_call_ && !unknown_writer_;
}

}  // namespace weir::querycache::sql

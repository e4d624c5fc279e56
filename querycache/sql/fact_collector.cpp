#include "querycache/sql/fact_collector.hpp"

#include "querycache/sql/builtin_functions.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

namespace weir::querycache::sql {
namespace {

// One text for a name of one list. Names hold no zero byte.
std::string key_of(char list, std::string_view schema, std::string_view name) {
    std::string key{list};
    key += schema;
    key += '\0';
    key += name;
    return key;
}

// BETWEEN and IN become comparisons too, and so do CASE, USING, NULLIF and more that name none.
bool is_comparison(std::string_view name) {
    return name == "=" || name == "<>" || name == "<" || name == ">" || name == "<=" ||
           name == ">=" || name.find("BETWEEN") != std::string_view::npos;
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
    if (is_new('r', relation.schema, relation.name)) facts_.reads.push_back(std::move(relation));
}

void fact_collector::write(relation_name relation) {
    note_temp(relation.schema);
    if (is_new('w', relation.schema, relation.name)) facts_.writes.push_back(std::move(relation));
}

void fact_collector::call(function_call::kind what, qualified_name called, std::size_t arguments) {
    note_temp(called.schema);
    if (what != function_call::kind::type) ++calls_;
    const auto count = static_cast<std::uint16_t>(
        std::min<std::size_t>(arguments, std::numeric_limits<std::uint16_t>::max())
    );
    // Below 'a', the letters of the other lists.
    const char list = static_cast<char>(1 + static_cast<int>(what));
    if (!is_new(list, called.schema, called.name + '\0' + std::to_string(count))) return;
    facts_.functions.push_back({what, std::move(called.schema), std::move(called.name), count});
}

void fact_collector::function(qualified_name called, std::size_t arguments) {
    if (!is_non_writing_builtin(called.schema, called.name)) unknown_call_ = true;
    call(function_call::kind::function, std::move(called), arguments);
}

void fact_collector::operation(qualified_name called, std::size_t arguments) {
    if (is_builtin_operator(called.schema, called.name)) {
        const bool may_be_another = called.schema.empty() && !is_comparison(called.name);
        if (may_be_another && is_new('o', {}, called.name)) {
            facts_.operators.push_back(std::move(called.name));
        }
        return;
    }
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

void fact_collector::attribute(std::string_view name) {
    if (is_new('a', {}, name)) facts_.attributes.emplace_back(name);
}

void fact_collector::taken_out(std::string_view name) {
    attribute(name);
    if (is_new('t', {}, name)) facts_.taken_out.emplace_back(name);
}

bool fact_collector::is_new(char list, std::string_view schema, std::string_view name) {
    return known_.insert(key_of(list, schema, name)).second;
}

void fact_collector::forget(char list, const std::vector<relation_name>& names, std::size_t from) {
    for (std::size_t i = from; i < names.size(); ++i)
        known_.erase(key_of(list, names[i].schema, names[i].name));
}

void fact_collector::not_run_since(const mark& then) {
    forget('r', facts_.reads, then.reads);
    forget('w', facts_.writes, then.writes);
    facts_.reads.resize(then.reads);
    facts_.writes.resize(then.writes);
    unknown_call_ = then.unknown_call;
}

void fact_collector::finish() {
    if (has_values_) {
        for (const auto& name : facts_.attributes) {
            if (is_new('t', {}, name)) facts_.taken_out.push_back(name);
        }
    }
    facts_.writes_unknown = unknown_writer_ || unknown_call_;
    facts_.calls_decide = unknown_call_ && !unknown_writer_;
}

}  // namespace weir::querycache::sql

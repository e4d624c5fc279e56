#include "querycache/catalog.hpp"

#include "querycache/rules.hpp"

#include <algorithm>

namespace weir::querycache {

namespace {

/// What initdb made, whatever hangs on it.
bool is_of_initdb(oid object) {
    return object < first_normal_oid;
}

bool is_comparison(std::string_view name) {
    return name == "=" || name == "<>" || name == "<" || name == ">" || name == "<=" ||
           name == ">=";
}

}  // namespace

catalog::catalog(catalog_rows rows, std::uint64_t generation)
    : rows_(std::move(rows)), generation_(generation), digest_(rows_.digest()) {
    for (const auto& r : rows_.relations) {
        by_oid_.emplace(r.id, &r);
        by_name_[r.name].push_back(&r);
    }
    moment_columns_.insert(rows_.moment_columns.begin(), rows_.moment_columns.end());
    times_of_day_.insert(rows_.times_of_day.begin(), rows_.times_of_day.end());
    for (const auto& t : rows_.types)
        types_[t.name].push_back(&t);
    has_users_values_ =
        rows_.hidden.library_settings || !rows_.operator_functions.empty() ||
        std::any_of(rows_.types.begin(), rows_.types.end(), [](const type_row& type) {
            return type.kind == 'b';
        });
    index_links();
    index_functions();
    index_operators();
}

void catalog::index_links() {
    for (const auto& k : rows_.foreign_keys)
        links_[k.parent].referenced_by.push_back(&k);
    for (const auto& i : rows_.inheritance) {
        links_[i.child].parents.push_back(i.parent);
        links_[i.parent].children.push_back(i.child);
    }
    for (const auto& r : rows_.rewrites) {
        auto& of = links_[r.relation];
        if (r.is_query) {
            of.query = &r;
        } else {
            of.rules.push_back(&r);
        }
    }
    for (const auto& p : rows_.policies)
        links_[p.relation].policies.push_back(&p);
    for (const auto& t : rows_.triggers)
        links_[t.relation].triggers.push_back(&t);
}

void catalog::index_functions() {
    for (const auto& b : rows_.builtins)
        builtins_by_oid_.emplace(b.id, &b);
    for (const auto& k : rows_.known_writes)
        known_writes_.emplace(k.function, &k);
    for (const auto& f : rows_.functions) {
        if (f.user_made) {
            functions_by_oid_.emplace(f.id, &f);
            user_functions_[f.name].push_back(&f);
            if (f.takes_one) one_argument_.insert(f.name);
        } else if (f.schema == "pg_catalog") {
            builtin_functions_.insert(f.name);
        } else if (f.schema == "information_schema") {
            information_schema_functions_.insert(f.name);
        }
    }
}

void catalog::index_operators() {
    for (const auto& o : rows_.operator_functions)
        operator_functions_.emplace(o.id, o.function);
    for (const auto& o : rows_.operators) {
        unsafe_operators_.emplace(o.name, &o);
        if (!is_comparison(o.name)) continue;
        if (unsafe_comparison_ == nullptr || o.runs_code) unsafe_comparison_ = &o;
    }
}

resolution catalog::resolve(const sql::relation_name& name) const {
    const auto found = by_name_.find(name.name);
    if (found == by_name_.end()) return {};
    const auto& candidates = found->second;
    if (name.schema.empty()) {
        const relation_row* only = candidates.front();
        for (const auto* candidate : candidates) {
            if (candidate == only || candidate->schema == "information_schema") continue;
            if (only->schema != "information_schema") {
                return {nullptr, bypass_reason::ambiguous_name};
            }
            only = candidate;
        }
        return {only};
    }
    for (const auto* candidate : candidates) {
        if (candidate->schema == name.schema) return {candidate};
    }
    return {};
}

const relation_row* catalog::find(oid relation) const {
    const auto found = by_oid_.find(relation);
    return found == by_oid_.end() ? nullptr : found->second;
}

std::vector<const relation_row*> catalog::listed(std::string_view table) const {
    std::vector<const relation_row*> all;
    for (const auto& r : rows_.relations) {
        if (is_listed(table, r.schema, r.name)) all.push_back(&r);
    }
    return all;
}

std::optional<bool> catalog::read_runs_code(const sql::relation_name& name) const {
    const auto found = by_name_.find(name.name);
    if (found == by_name_.end()) return std::nullopt;
    std::optional<bool> runs;
    for (const auto* candidate : found->second) {
        if (!name.schema.empty() && candidate->schema != name.schema) continue;
        if (candidate->read_runs_code && !is_of_initdb(candidate->id)) return true;
        runs = false;
    }
    return runs;
}

user_functions catalog::find_functions(
    std::string_view schema, std::string_view name, std::uint16_t arguments
) const {
    user_functions result;
    const auto found = user_functions_.find(name);
    if (found == user_functions_.end()) return result;
    for (const auto* f : found->second) {
        if (!schema.empty() && f->schema != schema) continue;
        if (arguments < f->fewest || arguments > f->most) continue;
        result.any = true;
        result.impure |= !f->is_pure;
        if (!f->runs_code) continue;
        const auto known = known_writes_.find(f->id);
        if (known == known_writes_.end()) {
            result.runs_code = true;
        } else {
            result.writes_known = true;
            const auto& writes = known->second->writes;
            result.writes.insert(result.writes.end(), writes.begin(), writes.end());
        }
    }
    return result;
}

bool catalog::has_user_function(std::string_view schema, std::string_view name) const {
    const auto found = user_functions_.find(name);
    if (found == user_functions_.end()) return false;
    const auto& all = found->second;
    return std::any_of(all.begin(), all.end(), [schema](const function_row* f) {
        return schema.empty() || f->schema == schema;
    });
}

bool catalog::has_builtin_function(std::string_view name) const {
    return builtin_functions_.count(name) != 0;
}

bool catalog::is_of_information_schema(std::string_view schema, std::string_view name) const {
    return (schema.empty() || schema == "information_schema") &&
           information_schema_functions_.count(name) != 0 && !has_user_function(schema, name);
}

const operator_row* catalog::find_unsafe_operator(std::string_view name) const {
    const auto found = unsafe_operators_.find(name);
    return found == unsafe_operators_.end() ? nullptr : found->second;
}

bool catalog::is_enumeration(std::string_view schema, std::string_view name) const {
    const auto found = types_.find(name);
    if (found == types_.end()) return false;
    bool any = false;
    for (const auto* type : found->second) {
        if (!schema.empty() && type->schema != schema) continue;
        if (type->kind != 'e') return false;
        any = true;
    }
    return any;
}

}  // namespace weir::querycache

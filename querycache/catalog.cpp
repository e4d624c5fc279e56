#include "querycache/catalog.hpp"

#include "querycache/rules.hpp"

#include <xxhash.h>

#include <algorithm>

namespace weir::querycache {

namespace {

/// Hash of a row's fields, length-prefixed so that no two rows run into each other.
class row_digest {
public:
    row_digest& text(std::string_view value) {
        number(value.size());
        bytes_.append(value);
        return *this;
    }
    row_digest& number(std::uint64_t value) {
        bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
        return *this;
    }
    [[nodiscard]] std::uint64_t value() const { return XXH3_64bits(bytes_.data(), bytes_.size()); }

private:
    std::string bytes_;
};

std::uint64_t digest_of(const catalog_rows& rows) {
    // A sum, so that the order in which the server returned the rows does not matter.
    std::uint64_t sum = 0;
    for (const auto& r : rows.relations) {
        const auto flags = static_cast<std::uint64_t>(
            r.row_security | r.is_partition << 1 | r.has_parents << 2 | r.has_children << 3 |
            r.has_triggers << 4 | r.has_rules << 5 | r.runs_functions << 6 | r.read_runs_code << 7
        );
        sum += row_digest{}
                   .number(r.id)
                   .text(r.schema)
                   .text(r.name)
                   .number(static_cast<unsigned char>(r.kind))
                   .number(static_cast<unsigned char>(r.persistence))
                   .number(flags)
                   .value();
    }
    for (const auto& k : rows.foreign_keys) {
        sum += row_digest{}
                   .number(k.child)
                   .number(k.parent)
                   .number(static_cast<unsigned char>(k.on_delete))
                   .number(static_cast<unsigned char>(k.on_update))
                   .value();
    }
    for (const auto& f : rows.functions) {
        sum += row_digest{}
                   .text("f")
                   .text(f.schema)
                   .text(f.name)
                   .number(f.fewest)
                   .number(f.most)
                   .number(static_cast<std::uint64_t>(
                       f.user_made | f.runs_code << 1 | f.is_pure << 2 | f.takes_row << 3
                   ))
                   .value();
    }
    for (const auto& o : rows.operators)
        sum += row_digest{}.text("o").text(o.name).number(o.runs_code ? 1 : 0).value();
    for (const auto& t : rows.types) {
        sum += row_digest{}
                   .text("t")
                   .text(t.schema)
                   .text(t.name)
                   .number(static_cast<unsigned char>(t.kind))
                   .value();
    }
    sum += row_digest{}.text("looks").text(rows.looks).value();
    for (const auto& c : rows.moment_columns)
        sum += row_digest{}.text("m").text(c).value();
    for (const auto relation : rows.times_of_day)
        sum += row_digest{}.text("d").number(relation).value();
    const auto& h = rows.hidden;
    return sum + static_cast<std::uint64_t>(
                     h.casts | h.impure_casts << 1 | h.event_triggers << 2 |
                     h.may_change_catalog << 3 | rows.has_unsafe_domains << 4 |
                     rows.maintenance_runs_code << 5
                 );
}

bool has_action(const foreign_key_row& key) {
    const auto acts = [](char type) { return type != 'a' && type != 'r'; };
    return acts(key.on_delete) || acts(key.on_update);
}

/// What initdb made, whatever hangs on it.
bool is_of_initdb(oid object) {
    constexpr oid first_normal = 16384;
    return object < first_normal;
}

bool is_comparison(std::string_view name) {
    return name == "=" || name == "<>" || name == "<" || name == ">" || name == "<=" ||
           name == ">=";
}

}  // namespace

void catalog_rows::note(const std::vector<code_row>& behind) {
    std::unordered_map<oid, relation_row*> by_oid;
    for (auto& r : relations)
        by_oid.emplace(r.id, &r);
    for (const auto& b : behind) {
        const auto found = by_oid.find(b.object);
        auto* const relation = found == by_oid.end() ? nullptr : found->second;
        switch (b.what) {
            case code_row::place::read:
                if (relation != nullptr) relation->read_runs_code = true;
                break;
            case code_row::place::write:
                if (relation != nullptr) relation->runs_functions = true;
                break;
            case code_row::place::maintenance:
                maintenance_runs_code = true;
                break;
            case code_row::place::domain:
                has_unsafe_domains = true;
                break;
        }
    }
}

catalog::catalog(catalog_rows rows, std::uint64_t generation)
    : rows_(std::move(rows)), generation_(generation), digest_(digest_of(rows_)) {
    for (const auto& r : rows_.relations) {
        by_oid_.emplace(r.id, &r);
        by_name_[r.name].push_back(&r);
    }
    for (const auto& k : rows_.foreign_keys) {
        keys_[k.parent].referenced_by.push_back(&k);
        if (!has_action(k)) continue;
        keys_[k.parent].action = true;
        keys_[k.child].action = true;
    }
    moment_columns_.insert(rows_.moment_columns.begin(), rows_.moment_columns.end());
    times_of_day_.insert(rows_.times_of_day.begin(), rows_.times_of_day.end());
    for (const auto& t : rows_.types)
        types_[t.name].push_back(&t);
    index_functions();
    index_operators();
}

void catalog::index_functions() {
    for (const auto& f : rows_.functions) {
        if (f.user_made) {
            user_functions_[f.name].push_back(&f);
            if (f.takes_row) row_functions_.insert(f.name);
        } else if (f.schema == "pg_catalog") {
            builtin_functions_.insert(f.name);
        } else if (f.schema == "information_schema") {
            information_schema_functions_.insert(f.name);
        }
    }
}

void catalog::index_operators() {
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

std::optional<bypass_reason> catalog::why_not_readable(const relation_row& relation) const {
    if (relation.schema == "information_schema" || relation.schema.rfind("pg_", 0) == 0) {
        return bypass_reason::system_catalog;
    }
    switch (relation.kind) {
        case 'r':
            break;
        case 'p':
            return bypass_reason::partition;
        case 'v':
            return bypass_reason::view;
        case 'm':
            return bypass_reason::materialized_view;
        case 'f':
            return bypass_reason::foreign_table;
        case 'S':
            return bypass_reason::sequence;
        default:
            return bypass_reason::other_relation;
    }
    if (relation.persistence != 'p' && relation.persistence != 'u') {
        return bypass_reason::temporary_table;
    }
    if (relation.is_partition) return bypass_reason::partition;
    if (relation.has_parents || relation.has_children) return bypass_reason::inheritance;
    if (relation.row_security) return bypass_reason::row_security;
    if (relation.has_triggers) return bypass_reason::trigger;
    if (relation.has_rules) return bypass_reason::rewrite_rule;
    if (const auto keys = keys_.find(relation.id); keys != keys_.end() && keys->second.action) {
        return bypass_reason::foreign_key_action;
    }
    return std::nullopt;
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

bool catalog::is_opaque_target(const relation_row& r) const {
    return r.kind != 'r' || r.persistence == 't' || r.is_partition || r.has_parents ||
           r.has_children || r.row_security || r.has_triggers || r.has_rules || r.runs_functions;
}

write_closure catalog::writes(const std::vector<sql::relation_name>& targets) const {
    constexpr std::size_t most_relations = 256;
    write_closure closure;
    const auto add = [&closure](oid relation) {
        const auto& known = closure.relations;
        if (std::find(known.begin(), known.end(), relation) != known.end()) return false;
        closure.relations.push_back(relation);
        return true;
    };
    for (const auto& target : targets) {
        const auto found = resolve(target);
        if (found.relation == nullptr) return {true, false, {}};
        add(found.relation->id);
    }
    for (std::size_t i = 0; i < closure.relations.size(); ++i) {
        const auto* relation = find(closure.relations[i]);
        if (relation == nullptr || is_opaque_target(*relation) || i == most_relations) {
            return {true, false, {}};
        }
        const auto keys = keys_.find(relation->id);
        if (keys == keys_.end()) continue;
        for (const auto* key : keys->second.referenced_by) {
            if (has_action(*key) && add(key->child)) closure.plain = false;
        }
    }
    return closure;
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
        result.runs_code |= f->runs_code;
        result.impure |= !f->is_pure;
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

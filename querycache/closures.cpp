// What a read stands on and what a write reaches: walks over the links of a catalog. Both take more
// than they must where it costs only a miss (a view's every source counts as written through it),
// and give up where they cannot tell.
#include "querycache/catalog.hpp"
#include "querycache/rules.hpp"
#include "querycache/sql/builtin_functions.hpp"

#include <algorithm>

namespace weir::querycache {

namespace {

/// A walk that gets longer costs more than the entries that it saves.
constexpr std::size_t most_relations = 4096;

bool acts(char type) {
    return type != 'a' && type != 'r';
}

bool has_action(const foreign_key_row& key) {
    return acts(key.on_delete) || acts(key.on_update);
}

bool is_system_schema(std::string_view schema) {
    return schema == "information_schema" || schema.starts_with("pg_");
}

/// PostgreSQL's own that may be triggers: they write nothing but the row.
bool is_harmless_trigger(const trigger_row& trigger) {
    return trigger.schema == "pg_catalog" &&
           (trigger.name == "suppress_redundant_updates_trigger" ||
            trigger.name == "tsvector_update_trigger" ||
            trigger.name == "tsvector_update_trigger_column");
}

/// Relations, each once, in the order in which they were found.
class found_relations {
public:
    explicit found_relations(std::vector<oid>& list) : list_(list) {}
    bool add(oid relation) {
        if (!known_.insert(relation).second) return false;
        list_.push_back(relation);
        return true;
    }

private:
    std::vector<oid>& list_;
    std::unordered_set<oid> known_;
};

}  // namespace

const catalog::relation_links& catalog::links(oid relation) const {
    static const relation_links none;
    const auto found = links_.find(relation);
    return found == links_.end() ? none : found->second;
}

bool catalog::may_write(oid function) const {
    if (const auto found = functions_by_oid_.find(function); found != functions_by_oid_.end()) {
        return found->second->runs_code;
    }
    const auto found = builtins_by_oid_.find(function);
    return found == builtins_by_oid_.end() ||
           !sql::is_non_writing_builtin("pg_catalog", found->second->name);
}

bool catalog::is_harmless(const node_tree& tree) const {
    const auto harmless = [this](oid function) { return !may_write(function); };
    const auto is_harmless_operator = [&](oid id) {
        const auto found = operator_functions_.find(id);
        return found != operator_functions_.end() && harmless(found->second);
    };
    return tree.is_understood &&
           std::all_of(tree.functions.begin(), tree.functions.end(), harmless) &&
           std::all_of(tree.operators.begin(), tree.operators.end(), is_harmless_operator);
}

class catalog::read_walk {
public:
    explicit read_walk(const catalog& of) : of_(of) {}

    read_closure run(const relation_row& first) {
        to_visit_.add(first.id);
        for (std::size_t i = 0; i < visited_.size(); ++i) {
            const auto* const relation = of_.find(visited_[i]);
            if (relation == nullptr) {
                refuse(bypass_reason::unknown_relation);
            } else {
                visit(*relation);
            }
            if (i == most_relations) refuse(bypass_reason::too_complex);
            if (!out_.reasons.empty()) break;
        }
        return std::move(out_);
    }

private:
    void refuse(bypass_reason reason) { out_.reasons.push_back(reason); }

    void visit(const relation_row& relation) {
        if (is_system_schema(relation.schema)) return refuse(bypass_reason::system_catalog);
        if (relation.persistence != 'p' && relation.persistence != 'u') {
            return refuse(bypass_reason::temporary_table);
        }
        if (relation.row_security) visit_policies(relation.id);
        switch (relation.kind) {
            case 'r':
            case 'p':
            case 'm':
                out_.relations.push_back(relation.id);
                return refuse_foreign_parts(relation.id);
            case 'v':
                return visit_view(relation);
            case 'f':
                return refuse(bypass_reason::foreign_table);
            case 'S':
                return refuse(bypass_reason::sequence);
            default:
                return refuse(bypass_reason::other_relation);
        }
    }

    /// Rows of a foreign child change without a write here.
    void refuse_foreign_parts(oid parent) {
        std::vector<oid> parts;
        found_relations found(parts);
        found.add(parent);
        for (std::size_t i = 0; i < parts.size(); ++i) {
            const auto* const part = of_.find(parts[i]);
            if (part != nullptr && part->kind == 'f') return refuse(bypass_reason::foreign_table);
            for (const auto child : of_.links(parts[i]).children)
                found.add(child);
        }
    }

    void visit_view(const relation_row& view) {
        const auto* const query = of_.links(view.id).query;
        if (query == nullptr || !query->tree.is_understood) return refuse(bypass_reason::view);
        if (query->tree.locks) return refuse(bypass_reason::locking);
        if (query->tree.reads_identity) return refuse(bypass_reason::clock_or_identity);
        visit_tree(query->tree, asker::unknown);
    }

    /// Who reads, and what it has set, is in the key of those rules that vouch for policies.
    void visit_policies(oid relation) {
        out_.row_security = true;
        for (const auto* policy : of_.links(relation).policies) {
            if (!policy->condition.is_understood) return refuse(bypass_reason::row_security);
            visit_tree(policy->condition, asker::keyed);
        }
    }

    /// Whether the key tells who asks.
    enum class asker : std::uint8_t { unknown, keyed };

    void visit_tree(const node_tree& tree, asker who) {
        if (tree.reads_moment) return refuse(bypass_reason::clock_or_identity);
        for (const auto function : tree.functions)
            judge(function, who);
        for (const auto id : tree.operators) {
            const auto found = of_.operator_functions_.find(id);
            if (found == of_.operator_functions_.end()) return refuse(bypass_reason::user_operator);
            judge(found->second, who);
        }
        for (const auto source : tree.relations)
            to_visit_.add(source);
    }

    void judge(oid function, asker who) {
        if (const auto own = of_.functions_by_oid_.find(function);
            own != of_.functions_by_oid_.end()) {
            out_.calls_users_code = true;
            if (!own->second->is_pure) call(own->second->schema, own->second->name);
            return;
        }
        const auto found = of_.builtins_by_oid_.find(function);
        if (found == of_.builtins_by_oid_.end()) return refuse(bypass_reason::view);
        const auto& name = found->second->name;
        // The offset of a time's zone is today's.
        const bool reads_day = found->second->takes_time_of_day && name == "timezone";
        const bool asks_session =
            name == "current_setting" || name == "current_user" || name == "session_user";
        const bool is_safe = (who == asker::keyed && asks_session) ||
                             sql::is_cacheable_builtin("pg_catalog", name) ||
                             sql::is_keyed_builtin("pg_catalog", name);
        if (!is_safe || reads_day) call("pg_catalog", name);
    }

    void call(const std::string& schema, const std::string& name) {
        out_.calls.push_back({sql::function_call::kind::function, schema, name, 0});
    }

    const catalog& of_;
    read_closure out_;
    std::vector<oid> visited_;
    found_relations to_visit_{visited_};
};

class catalog::write_walk {
public:
    write_walk(const catalog& of, const declared_writes& declared, cascade keys)
        : of_(of), declared_(declared), keys_(keys) {}

    write_closure run(const std::vector<sql::relation_name>& targets) {
        for (const auto& target : targets)
            name(target);
        for (std::size_t i = 0; i < steps_.size() && !out_.everything; ++i) {
            const auto* const relation = of_.find(steps_[i].relation);
            if (relation == nullptr || i == most_relations) {
                out_.everything = true;
            } else {
                visit(*relation, steps_[i].by);
            }
        }
        if (out_.everything) return {true, out_.catalog, false, {}};
        return std::move(out_);
    }

private:
    /// How the walk came to a relation: it is written as a whole, or rows of it are because they
    /// are in a part of it, or in what it is a part of. A write to a partition is none to its
    /// neighbours.
    enum class way : std::uint8_t { target, from_part, from_whole };
    struct step {
        oid relation;
        way by;
    };

    void go(oid relation, way by) {
        constexpr unsigned bits_of_way = 2;
        const auto place = std::uint64_t{relation} << bits_of_way | static_cast<unsigned>(by);
        if (!gone_.insert(place).second) return;
        steps_.push_back({relation, by});
        found_.add(relation);
    }

    void name(const sql::relation_name& target) {
        const auto found = of_.resolve(target);
        if (found.relation == nullptr) {
            out_.everything = true;
        } else {
            go(found.relation->id, way::target);
        }
    }

    void visit(const relation_row& relation, way by) {
        if (relation.id < first_normal_oid && relation.kind != 'v') {
            out_.everything = out_.catalog = true;
            return;
        }
        if (runs_code(relation)) {
            out_.everything = true;
            return;
        }
        const auto& links = of_.links(relation.id);
        follow_triggers(links);
        // A child may belong to others, too.
        for (const auto parent : links.parents)
            go(parent, way::from_part);
        if (by == way::from_part) return;
        for (const auto child : links.children)
            go(child, way::from_whole);
        follow_keys(links);
        if (by != way::target) return;
        for (const auto* rule : links.rules)
            follow(*rule);
        if (relation.kind == 'v') follow_view(links);
    }

    [[nodiscard]] bool runs_code(const relation_row& relation) const {
        const bool is_known_kind = relation.kind == 'r' || relation.kind == 'p' ||
                                   relation.kind == 'v' || relation.kind == 'm';
        // What REFRESH does, event triggers see.
        const bool is_watched = relation.kind == 'm' && of_.hidden().event_triggers;
        const auto& links = of_.links(relation.id);
        const bool has_unseen = (relation.has_rules && links.rules.empty()) ||
                                (relation.has_triggers && links.triggers.empty());
        return !is_known_kind || is_watched || has_unseen || relation.persistence == 't' ||
               relation.runs_functions || relation.read_runs_code;
    }

    void follow_keys(const relation_links& links) {
        for (const auto* key : links.referenced_by) {
            if (keys_ == cascade::by_actions && !has_action(*key)) continue;
            out_.plain = false;
            go(key->child, way::target);
        }
    }

    void follow_triggers(const relation_links& links) {
        for (const auto* trigger : links.triggers) {
            out_.plain = false;
            if (!of_.is_harmless(trigger->condition)) out_.everything = true;
            if (!is_harmless_trigger(*trigger)) follow(*trigger);
        }
    }

    /// What somebody has declared counts before what the source tells.
    void follow(const trigger_row& trigger) {
        const auto* const declared = declared_ ? declared_(trigger.schema, trigger.name) : nullptr;
        if (declared != nullptr) {
            for (const auto& table : *declared)
                name(parse_relation_name(table));
            return;
        }
        if (!of_.may_write(trigger.function)) return;
        const auto known = of_.known_writes_.find(trigger.function);
        if (known == of_.known_writes_.end()) {
            out_.everything = true;
            return;
        }
        for (const auto& target : known->second->writes)
            name(target);
    }

    /// The tables that it writes are among those that it names.
    void follow(const rewrite_row& stored) {
        out_.plain = false;
        const auto& tree = stored.tree;
        bool is_safe = tree.is_understood;
        for (const auto function : tree.functions)
            is_safe = is_safe && !of_.may_write(function);
        for (const auto id : tree.operators) {
            const auto found = of_.operator_functions_.find(id);
            is_safe =
                is_safe && found != of_.operator_functions_.end() && !of_.may_write(found->second);
        }
        if (!is_safe) {
            out_.everything = true;
            return;
        }
        for (const auto relation : tree.relations)
            go(relation, way::target);
    }

    /// What its query calls runs no code that writes, or the view would run code when read.
    void follow_view(const relation_links& links) {
        out_.plain = false;
        if (links.query == nullptr || !links.query->tree.is_understood) {
            out_.everything = true;
            return;
        }
        for (const auto relation : links.query->tree.relations)
            go(relation, way::target);
    }

    const catalog& of_;
    const declared_writes& declared_;
    cascade keys_;
    write_closure out_;
    found_relations found_{out_.relations};
    std::vector<step> steps_;
    std::unordered_set<std::uint64_t> gone_;
};

read_closure catalog::reads(const relation_row& relation) const {
    return read_walk(*this).run(relation);
}

std::vector<oid> catalog::with_ancestors(const std::vector<oid>& relations) const {
    std::vector<oid> all;
    found_relations found(all);
    for (const auto relation : relations)
        found.add(relation);
    for (std::size_t i = 0; i < all.size(); ++i) {
        for (const auto parent : links(all[i]).parents)
            found.add(parent);
    }
    return all;
}

write_closure catalog::writes(
    const std::vector<sql::relation_name>& targets, const declared_writes& declared, cascade keys
) const {
    return write_walk(*this, declared, keys).run(targets);
}

}  // namespace weir::querycache

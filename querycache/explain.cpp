#include "querycache/cache.hpp"

namespace weir::querycache {

namespace {

std::string full_name(const sql::relation_name& name, const catalog* snapshot) {
    const auto found = snapshot != nullptr ? snapshot->resolve(name) : resolution{};
    if (found.relation != nullptr) return found.relation->schema + "." + found.relation->name;
    return name.schema.empty() ? name.name : name.schema + "." + name.name;
}

}  // namespace

explanation cache::explain(
    const sql::statement& facts, database_state& database, const explain_identity& who
) const {
    const auto set = rules();
    const auto session = set->for_session(who.database_name, who.user, who.application);
    const auto snapshot = database.snapshot();
    const auto v = bind(facts, database, snapshot.get(), *set, session);

    explanation e;
    e.statement_class = to_string(facts.kind);
    e.normalised = facts.normalised;
    e.fingerprint = facts.fingerprint;
    for (const auto& name : facts.reads)
        e.tables_read.push_back(full_name(name, snapshot.get()));
    e.writes_everything = v.writes.everything;
    if (e.writes_everything) {
        for (const auto& name : facts.writes) {
            e.tables_written.push_back(full_name(name, snapshot.get()));
        }
    }
    for (const auto* slot : v.writes.slots) {
        const auto* relation = snapshot ? snapshot->find(slot->relation()) : nullptr;
        if (relation != nullptr)
            e.tables_written.push_back(relation->schema + "." + relation->name);
    }
    for (const auto reason : v.reasons)
        e.reasons.emplace_back(to_string(reason));
    if (v.rule == nullptr) return e;

    const auto& rule = set->at(*v.rule).source;
    e.rule = rule.name;
    e.key_parts = {
        "database " + database.name(),
        rule.share == sharing::user ? "user " + who.user : "any user of the database",
        "settings " + who.settings,
        "text, parameter types, parameters, result formats"};
    return e;
}

}  // namespace weir::querycache

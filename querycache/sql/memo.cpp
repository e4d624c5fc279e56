#include "querycache/sql/memo.hpp"

#include <utility>

namespace weir::querycache::sql {
namespace {

// What a list node, a map node and two control blocks take besides the objects in them.
constexpr std::size_t entry_overhead_bytes = 160;

std::size_t heap_of(const std::string& text) {
    return text.capacity() > std::string{}.capacity() ? text.capacity() + 1 : 0;
}

const std::shared_ptr<const statement> nothing;

}  // namespace

std::size_t charge_of(const statement& facts) {
    std::size_t total = sizeof facts + heap_of(facts.normalised) + heap_of(facts.gid) +
                        facts.steps.capacity() * sizeof(session_step);
    for (const session_step& step : facts.steps) {
        total += heap_of(step.setting.name) + heap_of(step.setting.value_sql) + heap_of(step.name);
    }
    for (const auto* names : {&facts.reads, &facts.writes}) {
        total += names->capacity() * sizeof(relation_name);
        for (const relation_name& relation : *names) {
            total += heap_of(relation.schema) + heap_of(relation.name);
        }
    }
    total += facts.functions.capacity() * sizeof(function_call);
    for (const function_call& call : facts.functions) {
        total += heap_of(call.schema) + heap_of(call.name);
    }
    for (const auto* names :
         {&facts.operators, &facts.attributes, &facts.moment_columns, &facts.taken_out}) {
        total += names->capacity() * sizeof(std::string);
        for (const std::string& name : *names)
            total += heap_of(name);
    }
    return total;
}

statement_memo::statement_memo(std::size_t limit_bytes) : limit_bytes_(limit_bytes) {}

const std::shared_ptr<const statement>& statement_memo::find(
    std::string_view skeleton, hash128 hash
) {
    const auto found = by_hash_.find(hash);
    if (found == by_hash_.end() || found->second->skeleton != skeleton) return nothing;
    if (found->second != by_use_.begin()) by_use_.splice(by_use_.begin(), by_use_, found->second);
    return found->second->facts;
}

void statement_memo::keep(
    std::string_view skeleton, hash128 hash, std::shared_ptr<const statement> facts
) {
    if (!facts || skeleton.size() > skeleton_limit_bytes) return;
    if ((facts->reasons & reason_bit(text_reason::too_complex)) != 0) return;
    if (const auto found = by_hash_.find(hash); found != by_hash_.end()) {
        const entry& old = *found->second;
        if (old.skeleton == skeleton && old.facts->parsed && !facts->parsed) return;
        drop(found->second);
    }
    const std::size_t charge =
        entry_overhead_bytes + sizeof(entry) + skeleton.size() + charge_of(*facts);
    if (charge > limit_bytes_) return;
    while (bytes_ > limit_bytes_ - charge) {
        drop(std::prev(by_use_.end()));
        ++evictions_;
    }
    by_use_.push_front({hash, std::string{skeleton}, std::move(facts), charge});
    by_hash_.emplace(hash, by_use_.begin());
    bytes_ += charge;
}

void statement_memo::clear() {
    by_hash_.clear();
    by_use_.clear();
    bytes_ = 0;
}

void statement_memo::drop(std::list<entry>::iterator victim) {
    bytes_ -= victim->charge;
    by_hash_.erase(victim->hash);
    by_use_.erase(victim);
}

}  // namespace weir::querycache::sql

#include "querycache/catalog_rows.hpp"

#include <xxhash.h>

#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

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

}  // namespace

std::uint64_t catalog_rows::digest() const {
    // A sum, so that the order in which the server returned the rows does not matter.
    std::uint64_t sum = 0;
    for (const auto& r : relations) {
        const auto flags = static_cast<std::uint64_t>(
            r.row_security | r.has_triggers << 1 | r.has_rules << 2 | r.runs_functions << 3 |
            r.read_runs_code << 4
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
    for (const auto& k : foreign_keys) {
        sum += row_digest{}
                   .number(k.child)
                   .number(k.parent)
                   .number(static_cast<unsigned char>(k.on_delete))
                   .number(static_cast<unsigned char>(k.on_update))
                   .value();
    }
    for (const auto& i : inheritance)
        sum += row_digest{}.text("i").number(i.child).number(i.parent).value();
    for (const auto& r : rewrites) {
        sum += row_digest{}
                   .text("w")
                   .number(r.relation)
                   .number(r.is_query ? 1 : 0)
                   .number(r.tree.digest)
                   .value();
    }
    for (const auto& p : policies)
        sum += row_digest{}.text("y").number(p.relation).number(p.condition.digest).value();
    for (const auto& t : triggers) {
        sum += row_digest{}
                   .text("g")
                   .number(t.relation)
                   .number(t.function)
                   .text(t.schema)
                   .text(t.name)
                   .number(t.condition.digest)
                   .value();
    }
    for (const auto& k : known_writes) {
        row_digest digest;
        digest.text("k").number(k.function);
        for (const auto& target : k.writes)
            digest.text(target.schema).text(target.name);
        sum += digest.value();
    }
    for (const auto& o : operator_functions)
        sum += row_digest{}.text("p").number(o.id).number(o.function).value();
    for (const auto& f : functions) {
        sum += row_digest{}
                   .text("f")
                   .number(f.id)
                   .text(f.schema)
                   .text(f.name)
                   .number(f.fewest)
                   .number(f.most)
                   .number(static_cast<std::uint64_t>(
                       f.user_made | f.runs_code << 1 | f.is_pure << 2 | f.takes_one << 3
                   ))
                   .value();
    }
    for (const auto& o : operators)
        sum += row_digest{}.text("o").text(o.name).number(o.runs_code ? 1 : 0).value();
    for (const auto& t : types) {
        sum += row_digest{}
                   .text("t")
                   .text(t.schema)
                   .text(t.name)
                   .number(static_cast<unsigned char>(t.kind))
                   .value();
    }
    sum += row_digest{}.text("looks").text(looks).value();
    for (const auto& c : moment_columns)
        sum += row_digest{}.text("m").text(c).value();
    for (const auto relation : times_of_day)
        sum += row_digest{}.text("d").number(relation).value();
    const auto& h = hidden;
    return sum + static_cast<std::uint64_t>(
                     h.casts | h.impure_casts << 1 | h.event_triggers << 2 |
                     h.may_change_catalog << 3 | has_unsafe_domains << 4 |
                     maintenance_runs_code << 5 | reads_committed << 6 |
                     h.writes_beyond_locks << 7 | h.library_settings << 8
                 );
}

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

void catalog_rows::note(std::vector<known_writes_row> known) {
    std::unordered_set<oid> harmless;
    for (auto& k : known) {
        if (k.writes.empty()) {
            harmless.insert(k.function);
        } else {
            known_writes.push_back(std::move(k));
        }
    }
    for (auto& f : functions) {
        if (f.user_made && harmless.count(f.id) != 0) f.runs_code = false;
    }
}

}  // namespace weir::querycache

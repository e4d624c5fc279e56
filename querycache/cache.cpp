#include "querycache/cache.hpp"

#include <algorithm>

namespace weir::querycache {

namespace {

using namespace std::chrono_literals;

/// How long a lost server's commit is waited for. A backend that still hangs after it is bounded
/// by the entries' ttl.
constexpr auto in_doubt_for = 60s;
/// Shards are no smaller than this many of the largest replies, or large replies would never fit.
constexpr std::size_t replies_per_shard = 4;

std::size_t shard_count(const cache_limits& limits) {
    const std::size_t by_threads = 4 * std::max<std::size_t>(limits.threads, 1);
    const std::size_t least = std::max<std::size_t>(replies_per_shard * limits.max_result, 1);
    std::size_t count = 1;
    while (count < by_threads && limits.memory / (count * 2) >= least)
        count *= 2;
    return count;
}

double ratio(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

constexpr double ns_in_us = 1e3;
constexpr double ns_in_ms = 1e6;

}  // namespace

double cache_row::hit_ratio() const {
    return ratio(totals.hits, totals.hits + totals.misses);
}
double cache_row::avg_hit_us() const {
    return ratio(totals.hit_ns, totals.hits_timed) / ns_in_us;
}
double cache_row::avg_miss_us() const {
    return ratio(totals.miss_ns, totals.misses_timed) / ns_in_us;
}
double cache_row::saved_ms() const {
    return static_cast<double>(totals.saved_ns) / ns_in_ms;
}

std::chrono::seconds cache_row::suspended_for(time_point now) const {
    if (suspended_until <= now) return std::chrono::seconds{0};
    return std::chrono::ceil<std::chrono::seconds>(suspended_until - now);
}

cache::cache(const cache_limits& limits)
    : budget_(limits.capture_memory),
      max_result_(limits.max_result),
      mode_(limits.mode),
      verify_(limits.verify),
      lock_probe_(limits.lock_probe),
      rules_(rule_set::none()),
      store_(limits.memory, shard_count(limits)) {}

cache::~cache() = default;

database_state& cache::database(const database_identity& identity, std::string_view name) {
    const std::lock_guard lock(mutex_);
    for (auto& known : databases_) {
        if (known->identity() == identity) return *known;
    }
    databases_.push_back(std::make_unique<database_state>(identity, std::string(name)));
    return *databases_.back();
}

std::vector<database_state*> cache::databases() const {
    const std::lock_guard lock(mutex_);
    std::vector<database_state*> all;
    all.reserve(databases_.size());
    for (const auto& d : databases_)
        all.push_back(d.get());
    return all;
}

std::vector<version_slot*> cache::neighbours(const database_state& of) const {
    const std::lock_guard lock(mutex_);
    std::vector<version_slot*> slots;
    for (const auto& d : databases_) {
        if (d.get() != &of && d->identity().same_cluster(of.identity())) {
            slots.push_back(d->versions().everything());
        }
    }
    return slots;
}

void cache::set_rules(std::shared_ptr<const rule_set> rules) {
    const std::lock_guard lock(mutex_);
    rules_ = std::move(rules);
    large_.clear();
    rules_serial_.fetch_add(1, std::memory_order_release);
}

std::shared_ptr<const rule_set> cache::rules() const {
    const std::lock_guard lock(mutex_);
    return rules_;
}

void cache::set_limits(const cache_limits& limits) {
    max_result_.store(limits.max_result, std::memory_order_relaxed);
    large_.clear();
    mode_.store(limits.mode, std::memory_order_relaxed);
    verify_.store(limits.verify, std::memory_order_relaxed);
    lock_probe_.store(limits.lock_probe, std::memory_order_relaxed);
    budget_.set_limit(limits.capture_memory);
    store_.set_capacity(limits.memory);
}

std::vector<version_slot*> cache::slots_of(std::string_view table, database_state* database) const {
    std::vector<version_slot*> slots;
    for (auto* d : databases()) {
        if (database != nullptr && d != database) continue;
        const auto snapshot = d->snapshot();
        if (!snapshot) continue;
        for (const auto* relation : snapshot->listed(table)) {
            slots.push_back(d->versions().slot(relation->id));
        }
    }
    return slots;
}

bool cache::knows_table(std::string_view table, database_state* database) const {
    return !slots_of(table, database).empty();
}

bool cache::knows_rule(std::string_view rule) const {
    const auto set = rules();
    return std::any_of(set->rules().begin(), set->rules().end(), [rule](const compiled_rule& r) {
        return r.source.name == rule;
    });
}

std::size_t cache::drop_dependants(version_slot* slot, bump_cause cause) {
    // The bump is what invalidates; the walk only counts and frees. It tells those that were still
    // valid from those that were dead already by the version that the bump ended.
    const auto last_valid = slot->version();
    slot->bump(cause);
    std::size_t valid = 0;
    const auto depends = [&](const entry& e) {
        bool found = false;
        bool current = e.rule().epoch() == e.rule_epoch();
        for (const auto* s = e.stamps_begin(); s != e.stamps_end(); ++s) {
            found |= s->slot == slot;
            current &= s->version == (s->slot == slot ? last_valid : s->slot->version());
        }
        if (found && current) ++valid;
        return found;
    };
    store_.erase_if(depends, eviction::admin);
    return valid;
}

std::size_t cache::invalidate_table(
    std::string_view table, database_state* database, bump_cause cause
) {
    std::size_t valid = 0;
    for (auto* slot : slots_of(table, database))
        valid += drop_dependants(slot, cause);
    return valid;
}

std::size_t cache::invalidate_rule(std::string_view rule) {
    const auto set = rules();
    std::size_t valid = 0;
    for (const auto& r : set->rules()) {
        if (r.source.name != rule) continue;
        const auto* counters = r.counters.get();
        r.counters->next_epoch();
        const auto of_rule = [&](const entry& e) {
            if (&e.rule() != counters) return false;
            if (is_current(e.stamps_begin(), e.stamps_end(), consistency::after_commit)) ++valid;
            return true;
        };
        store_.erase_if(of_rule, eviction::admin);
    }
    return valid;
}

std::size_t cache::invalidate_database(database_state& database) {
    return drop_dependants(database.versions().everything());
}

std::size_t cache::invalidate_all() {
    std::size_t valid = 0;
    for (auto* d : databases())
        valid += invalidate_database(*d);
    return valid;
}

cache::presence cache::look(
    const hash128& hash,
    std::string_view key,
    const rule_set& set,
    const session_rules& session,
    time_point now
) const {
    const auto found = store_.peek(hash, key);
    if (!found) return presence::absent;
    const auto* const rule = session.find(found->lineage());
    const bool is_valid = rule != nullptr && found->is_current(consistency::after_commit) &&
                          found->past(now, set.at(*rule).source.ttl) < duration::zero();
    if (!is_valid) return presence::absent;
    return found->uses() > 0 ? presence::used : presence::unused;
}

void cache::hold_in_doubt(std::vector<version_slot*> marked) {
    const std::lock_guard lock(mutex_);
    in_doubt_.push_back({std::move(marked), std::nullopt});
}

void cache::sweep(time_point now, std::size_t most) {
    {
        const std::lock_guard lock(mutex_);
        const auto is_over = [now](in_doubt& held) {
            if (!held.until) held.until = now + in_doubt_for;
            const bool over = now >= *held.until;
            for (auto* slot : held.slots) {
                slot->bump(bump_cause::lost_server);
                if (over) slot->end_write();
            }
            return over;
        };
        in_doubt_.erase(
            std::remove_if(in_doubt_.begin(), in_doubt_.end(), is_over), in_doubt_.end()
        );
        for (const auto& r : rules_->rules())
            r.counters->review(now);
    }
    store_.sweep(now, most);
}

std::vector<cache_row> cache::show_cache() const {
    const auto set = rules();
    std::vector<cache_row> rows;
    rows.reserve(set->rules().size());
    for (const auto& r : set->rules()) {
        rows.push_back(
            {r.source.name,
             r.counters->entries(),
             r.counters->bytes(),
             r.counters->totals(),
             r.counters->suspended_until()}
        );
    }
    return rows;
}

std::vector<rule_count_row> cache::rule_counts() const {
    const auto set = rules();
    std::vector<rule_count_row> rows;
    for (const auto& r : set->rules())
        rows.push_back({r.source.name, r.counters->totals()});
    for (const auto& [name, counters] : set->former())
        rows.push_back({name, counters->totals()});
    return rows;
}

std::vector<cause_row> cache::bump_counts() const {
    std::vector<cause_row> rows;
    for (std::size_t i = 1; i < bump_causes; ++i)
        rows.push_back({static_cast<bump_cause>(i), 0});
    const auto add = [&rows](const version_slot& slot) {
        for (auto& row : rows)
            row.count += slot.bumps(row.cause);
    };
    for (auto* d : databases()) {
        add(*d->versions().everything());
        add(*d->versions().catalog());
        for (const auto* slot : d->versions().slots())
            add(*slot);
    }
    return rows;
}

std::vector<table_row> cache::show_tables() const {
    std::vector<table_row> rows;
    for (auto* d : databases()) {
        const auto snapshot = d->snapshot();
        const auto add = [&](const version_slot& slot, std::string table) {
            rows.push_back(
                {d->name(),
                 std::move(table),
                 slot.version(),
                 slot.pending(),
                 slot.dependants(),
                 slot.bumps(),
                 to_string(slot.last_cause())}
            );
        };
        add(*d->versions().everything(), "(all)");
        add(*d->versions().catalog(), "(catalog)");
        const auto first = static_cast<std::ptrdiff_t>(rows.size());
        for (const auto* slot : d->versions().slots()) {
            const auto* relation = snapshot ? snapshot->find(slot->relation()) : nullptr;
            add(*slot,
                relation != nullptr ? relation->schema + "." + relation->name
                                    : std::to_string(slot->relation()));
        }
        std::sort(rows.begin() + first, rows.end(), [](const table_row& a, const table_row& b) {
            return a.table < b.table;
        });
    }
    return rows;
}

}  // namespace weir::querycache

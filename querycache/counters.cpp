#include "querycache/counters.hpp"

#include <algorithm>

namespace weir::querycache {

namespace {

void add(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) {
    counter.fetch_add(by, std::memory_order_relaxed);
}

std::uint64_t nanoseconds(std::chrono::nanoseconds time) {
    return time.count() < 0 ? 0 : static_cast<std::uint64_t>(time.count());
}

}  // namespace

std::size_t counter_shard() {
    static std::atomic<std::size_t> next{0};
    thread_local const std::size_t mine =
        next.fetch_add(1, std::memory_order_relaxed) % counter_shards;
    return mine;
}

void rule_counters::count_hit(std::chrono::nanoseconds saved) {
    auto& s = shards_[counter_shard()];
    add(s.hits);
    add(s.saved_ns, nanoseconds(saved));
}

void rule_counters::count_hit_time(std::chrono::nanoseconds elapsed) {
    auto& s = shards_[counter_shard()];
    add(s.hits_timed);
    add(s.hit_ns, nanoseconds(elapsed));
}

std::chrono::nanoseconds rule_counters::hit_cost() const {
    constexpr std::uint64_t fewest = 64;
    constexpr std::chrono::nanoseconds most = std::chrono::microseconds{20};
    const auto& s = shards_[counter_shard()];
    const auto timed = s.hits_timed.load(std::memory_order_relaxed);
    if (timed < fewest) return {};
    const auto mean = s.hit_ns.load(std::memory_order_relaxed) / timed;
    return std::min(std::chrono::nanoseconds(mean), most);
}

void rule_counters::review(time_point now) {
    const auto sums = totals();
    suspension_.review({sums.stores, sums.hits, sums.invalidations}, now);
}

void rule_counters::count_miss() {
    add(shards_[counter_shard()].misses);
}

void rule_counters::count_miss_time(std::chrono::nanoseconds elapsed) {
    auto& s = shards_[counter_shard()];
    add(s.misses_timed);
    add(s.miss_ns, nanoseconds(elapsed));
}

void rule_counters::count_bypass() {
    add(shards_[counter_shard()].bypasses);
}

void rule_counters::count_store() {
    add(shards_[counter_shard()].stores);
}

void rule_counters::count_warmed() {
    add(shards_[counter_shard()].warmed);
}

void rule_counters::count_invalidation() {
    add(shards_[counter_shard()].invalidations);
}

rule_totals rule_counters::totals() const {
    rule_totals sum;
    for (const auto& s : shards_) {
        sum.hits += s.hits.load(std::memory_order_relaxed);
        sum.misses += s.misses.load(std::memory_order_relaxed);
        sum.bypasses += s.bypasses.load(std::memory_order_relaxed);
        sum.stores += s.stores.load(std::memory_order_relaxed);
        sum.invalidations += s.invalidations.load(std::memory_order_relaxed);
        sum.hit_ns += s.hit_ns.load(std::memory_order_relaxed);
        sum.hits_timed += s.hits_timed.load(std::memory_order_relaxed);
        sum.miss_ns += s.miss_ns.load(std::memory_order_relaxed);
        sum.misses_timed += s.misses_timed.load(std::memory_order_relaxed);
        sum.saved_ns += s.saved_ns.load(std::memory_order_relaxed);
        sum.warmed += s.warmed.load(std::memory_order_relaxed);
    }
    return sum;
}

void reason_counters::count(bypass_reason reason, std::string_view normalised, time_point now) {
    // Longer texts would make a counter a memory hog, and the admin needs to recognise them only.
    constexpr std::size_t longest_text = 512;
    auto& s = shards_[counter_shard()];
    auto& c = s.cells[static_cast<std::size_t>(reason)];
    add(c.count);
    if (normalised.empty()) return;
    normalised = normalised.substr(0, longest_text);
    const std::lock_guard lock(s.mutex);
    c.last = now;
    if (c.last_query != normalised) c.last_query.assign(normalised);
}

std::uint64_t reason_counters::total(bypass_reason reason) const {
    std::uint64_t sum = 0;
    for (const auto& s : shards_) {
        sum += s.cells[static_cast<std::size_t>(reason)].count.load(std::memory_order_relaxed);
    }
    return sum;
}

std::vector<reason_row> reason_counters::rows() const {
    std::vector<reason_row> rows;
    for (std::size_t i = 0; i < bypass_reasons; ++i) {
        reason_row row;
        row.reason = static_cast<bypass_reason>(i);
        row.count = total(row.reason);
        if (row.count == 0) continue;
        time_point newest = time_point::min();
        for (const auto& s : shards_) {
            const std::lock_guard lock(s.mutex);
            const auto& c = s.cells[i];
            if (c.last_query.empty() || c.last < newest) continue;
            newest = c.last;
            row.last_query = c.last_query;
        }
        rows.push_back(std::move(row));
    }
    std::stable_sort(rows.begin(), rows.end(), [](const reason_row& a, const reason_row& b) {
        return a.count > b.count;
    });
    return rows;
}

}  // namespace weir::querycache

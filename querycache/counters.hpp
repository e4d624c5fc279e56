// The cache's counters: a set a rule, and a count with the last statement a bypass reason. Written
// on the hot path, so each is split over shards that threads take turns in, without a lock that all
// share; read by adding the shards up. Thread-safe.
#pragma once

#include "querycache/reasons.hpp"
#include "querycache/suspension.hpp"
#include "querycache/versions.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace weir::querycache {

inline constexpr std::size_t counter_shards = 16;

/// The calling thread's shard, 0..counter_shards-1; given out in turn at a thread's first call.
std::size_t counter_shard();

/// The sums of one rule. Times in nanoseconds.
struct rule_totals {
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;    ///< the rule admitted it and no valid entry was there
    std::uint64_t bypasses = 0;  ///< the rule admitted it and something else forbade it
    std::uint64_t stores = 0;
    std::uint64_t invalidations = 0;  ///< entries found out of date and dropped
    std::uint64_t hit_ns = 0;         ///< as reported by count_hit_time
    std::uint64_t hits_timed = 0;
    std::uint64_t miss_ns = 0;  ///< from the send to ReadyForQuery, of the replies captured
    std::uint64_t misses_timed = 0;
    std::uint64_t saved_ns = 0;  ///< server time that hits did not cost
    std::uint64_t warmed = 0;    ///< stored before anybody had asked; not among misses and stores
};

/// Of one rule name; lives as long as an entry or a rule set names it.
class rule_counters {
public:
    explicit rule_counters(std::string name) : name_(std::move(name)) {}
    [[nodiscard]] const std::string& name() const { return name_; }

    void count_hit(std::chrono::nanoseconds saved);
    /// How long a hit took from the request's last byte to the reply's first; the caller measures.
    void count_hit_time(std::chrono::nanoseconds elapsed);
    /// What a hit costs by the hits that the calling thread has timed; 0 while they are too few. No
    /// more than 20 us: when it looks like more, the thread was busy, and would have been so for a
    /// miss.
    [[nodiscard]] std::chrono::nanoseconds hit_cost() const;
    void count_miss();
    void count_miss_time(std::chrono::nanoseconds elapsed);
    void count_bypass();
    void count_store();
    void count_warmed();
    void count_invalidation();
    [[nodiscard]] rule_totals totals() const;

    /// Entries of the rule in the store, and their charge.
    void add_entry(std::int64_t bytes) {
        entries_.fetch_add(1, std::memory_order_relaxed);
        bytes_.fetch_add(bytes, std::memory_order_relaxed);
    }
    void remove_entry(std::int64_t bytes) {
        entries_.fetch_sub(1, std::memory_order_relaxed);
        bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    }
    [[nodiscard]] std::int64_t entries() const { return entries_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::int64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

    /// Judges whether the rule stores in vain (suspension.hpp). One thread at a time.
    void review(time_point now);
    [[nodiscard]] bool is_suspended(time_point now) const { return suspension_.is_on(now); }
    [[nodiscard]] time_point suspended_until() const { return suspension_.until(); }

    /// How much longer entries of the rule are of use past their time.
    [[nodiscard]] std::chrono::nanoseconds grace() const {
        return std::chrono::nanoseconds(grace_ns_.load(std::memory_order_relaxed));
    }
    void set_grace(std::chrono::nanoseconds grace) {
        grace_ns_.store(grace.count(), std::memory_order_relaxed);
    }

    /// INVALIDATE RULE: entries of an older epoch are out of date.
    [[nodiscard]] std::uint32_t epoch() const { return epoch_.load(); }
    void next_epoch() { epoch_.fetch_add(1); }

private:
    struct alignas(64) shard {
        std::atomic<std::uint64_t> hits{0}, misses{0}, bypasses{0}, stores{0}, invalidations{0};
        std::atomic<std::uint64_t> hit_ns{0}, hits_timed{0}, miss_ns{0}, misses_timed{0};
        std::atomic<std::uint64_t> saved_ns{0}, warmed{0};
    };
    std::array<shard, counter_shards> shards_;
    std::atomic<std::int64_t> entries_{0};
    std::atomic<std::int64_t> bytes_{0};
    std::atomic<std::uint32_t> epoch_{0};
    std::atomic<std::int64_t> grace_ns_{0};
    suspension suspension_;
    std::string name_;
};

/// A row of SHOW CACHE REASONS.
struct reason_row {
    bypass_reason reason = bypass_reason::not_a_read;
    std::uint64_t count = 0;
    std::string last_query;  ///< normalised; "" when the text was not understood
};

/// A count and the last normalised text a reason.
class reason_counters {
public:
    void count(bypass_reason reason, std::string_view normalised, time_point now);
    [[nodiscard]] std::uint64_t total(bypass_reason reason) const;
    /// Reasons that occurred, the most frequent first.
    [[nodiscard]] std::vector<reason_row> rows() const;

private:
    struct cell {
        std::atomic<std::uint64_t> count{0};
        std::string last_query;
        time_point last{};
    };
    struct alignas(64) shard {
        mutable std::mutex mutex;  ///< guards last_query and last; in effect one thread's own
        std::array<cell, bypass_reasons> cells;
    };
    std::array<shard, counter_shards> shards_;
};

}  // namespace weir::querycache

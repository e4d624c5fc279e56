// A counter and a histogram of durations with one writer and any number of readers. The writer is
// the event loop that owns the object: an update is a relaxed load and a relaxed store, no locked
// instruction. Readers (the scrape thread) copy; what they see is never torn, never goes back, and
// may be a few updates old. Not for counts that several threads write: use `shared_tally`.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace weir::daemon::insight {

/// One writer thread, many readers.
class tally {
public:
    void add(std::uint64_t n = 1) {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    /// For one whose owner gives it to another use; counters that are shown never fall.
    void clear() { value_.store(0, std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t read() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

/// Thread-safe. For rare events that any thread may count.
class shared_tally {
public:
    void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t read() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

/// Upper bounds are 4 us * 2^i, inclusive, up to 33.6 s; the last bucket holds what is longer.
/// Powers of two make the bucket one bit scan, and a factor of two is as fine as a percentile over
/// milliseconds needs.
struct duration_buckets {
    static constexpr std::size_t bounded = 24;
    static constexpr std::size_t count = bounded + 1;

    /// Inclusive upper bound of bucket `i` < bounded.
    static constexpr std::chrono::microseconds upper_bound(std::size_t i) {
        return std::chrono::microseconds{std::int64_t{4} << i};
    }

    /// Negative durations (a clock read on another core) count as zero.
    static constexpr std::size_t index_of(std::chrono::nanoseconds duration) {
        if (duration.count() <= 4000) return 0;
        const auto us = (static_cast<std::uint64_t>(duration.count()) + 999) / 1000;
        return std::min(static_cast<std::size_t>(std::bit_width(us - 1)) - 2, bounded);
    }
};

/// A copy of one histogram, or the sum of several. Plain data.
struct histogram_totals {
    std::array<std::uint64_t, duration_buckets::count> buckets{};
    std::chrono::nanoseconds sum{0};

    [[nodiscard]] std::uint64_t count() const;
    /// The duration under which the share `q` (0..1) of all observations lies, interpolated
    /// inside its bucket; zero when nothing was observed, the last finite bound when it is beyond.
    [[nodiscard]] std::chrono::nanoseconds quantile(double q) const;
    histogram_totals& operator+=(const histogram_totals& other);
};

/// One writer thread, many readers. `observe` costs two adds and a bit scan.
class duration_histogram {
public:
    void observe(std::chrono::nanoseconds duration) {
        buckets_[duration_buckets::index_of(duration)].add();
        if (duration.count() > 0) sum_.add(static_cast<std::uint64_t>(duration.count()));
    }
    [[nodiscard]] histogram_totals read() const;

private:
    std::array<tally, duration_buckets::count> buckets_;
    tally sum_;  // nanoseconds
};

}  // namespace weir::daemon::insight

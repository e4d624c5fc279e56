// A histogram of durations that is fine enough for percentiles of one statement and small enough to
// keep thousands of: four buckets an octave from 4 us to 68 s, 32 bits each. One writer, many
// readers, as `tally`.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace weir::daemon::insight {

/// Bucket 0 holds what is shorter than 4.1 us, the last one what is longer than 68 s.
struct latency_buckets {
    static constexpr std::size_t octaves = 24;
    static constexpr std::size_t count = 1 + octaves * 4 + 1;
    static constexpr unsigned first_bit = 12;  // 2^12 ns

    static constexpr std::size_t index_of(std::chrono::nanoseconds duration) {
        if (duration.count() < (std::int64_t{1} << first_bit)) return 0;
        const auto ns = static_cast<std::uint64_t>(duration.count());
        const auto octave = static_cast<std::size_t>(std::bit_width(ns)) - 1 - first_bit;
        if (octave >= octaves) return count - 1;
        const std::size_t quarter = (ns >> (octave + first_bit - 2)) & 3U;
        return 1 + octave * 4 + quarter;
    }
    /// Of bucket `i` < count, inclusive.
    static constexpr std::chrono::nanoseconds lower_bound(std::size_t i) {
        if (i == 0) return std::chrono::nanoseconds{0};
        const std::size_t octave = (i - 1) / 4;
        const auto quarter = static_cast<std::int64_t>((i - 1) % 4);
        return std::chrono::nanoseconds{(4 + quarter) << (octave + first_bit - 2)};
    }
};

/// A copy of one sketch, or the sum of several. Plain data.
struct latency_totals {
    std::array<std::uint64_t, latency_buckets::count> buckets{};
    /// Of all observations; meaningless when there was none.
    std::chrono::nanoseconds shortest = std::chrono::nanoseconds::max();
    std::chrono::nanoseconds longest{0};

    /// The duration under which the share `q` (0..1) of all observations lies: within a tenth of
    /// the true one, and never beyond the shortest or the longest. Zero when nothing was observed.
    [[nodiscard]] std::chrono::nanoseconds quantile(double q) const;
    latency_totals& operator+=(const latency_totals& other);
};

/// One writer thread, many readers. After 2^31 observations in one bucket all are halved: the
/// shares stay.
class latency_sketch {
public:
    void observe(std::chrono::nanoseconds duration) {
        auto& bucket = buckets_[latency_buckets::index_of(duration)];
        const auto now = bucket.load(std::memory_order_relaxed) + 1;
        bucket.store(now, std::memory_order_relaxed);
        if (now >= most) [[unlikely]]
            halve();
        const auto ns = std::max<std::int64_t>(duration.count(), 0);
        if (ns < shortest_.load(std::memory_order_relaxed))
            shortest_.store(ns, std::memory_order_relaxed);
        if (ns > longest_.load(std::memory_order_relaxed))
            longest_.store(ns, std::memory_order_relaxed);
    }
    /// Of the writer.
    void clear();
    [[nodiscard]] latency_totals read() const;

private:
    static constexpr std::uint32_t most = std::uint32_t{1} << 31U;

    void halve();

    std::array<std::atomic<std::uint32_t>, latency_buckets::count> buckets_{};
    std::atomic<std::int64_t> shortest_{std::chrono::nanoseconds::max().count()};
    std::atomic<std::int64_t> longest_{0};
};

}  // namespace weir::daemon::insight

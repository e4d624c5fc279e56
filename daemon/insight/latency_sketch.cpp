#include "daemon/insight/latency_sketch.hpp"

#include <numeric>

namespace weir::daemon::insight {

using std::chrono::nanoseconds;

nanoseconds latency_totals::quantile(double q) const {
    const auto all = std::accumulate(buckets.begin(), buckets.end(), std::uint64_t{0});
    if (all == 0) return nanoseconds{0};
    const double wanted = q * static_cast<double>(all);
    double seen = 0;
    for (std::size_t i = 0; i < latency_buckets::count; ++i) {
        const auto here = static_cast<double>(buckets[i]);
        if (here == 0 || seen + here < wanted) {
            seen += here;
            continue;
        }
        const nanoseconds low = latency_buckets::lower_bound(i);
        const bool is_last = i + 1 == latency_buckets::count;
        const nanoseconds high = is_last ? longest : latency_buckets::lower_bound(i + 1);
        const double part = std::clamp((wanted - seen) / here, 0.0, 1.0);
        const auto width = static_cast<double>((high - low).count());
        const nanoseconds found = low + nanoseconds{static_cast<std::int64_t>(width * part)};
        return std::clamp(found, std::min(shortest, longest), longest);
    }
    return longest;
}

latency_totals& latency_totals::operator+=(const latency_totals& other) {
    for (std::size_t i = 0; i < buckets.size(); ++i)
        buckets[i] += other.buckets[i];
    shortest = std::min(shortest, other.shortest);
    longest = std::max(longest, other.longest);
    return *this;
}

void latency_sketch::clear() {
    for (auto& bucket : buckets_)
        bucket.store(0, std::memory_order_relaxed);
    shortest_.store(nanoseconds::max().count(), std::memory_order_relaxed);
    longest_.store(0, std::memory_order_relaxed);
}

latency_totals latency_sketch::read() const {
    latency_totals totals;
    for (std::size_t i = 0; i < totals.buckets.size(); ++i)
        totals.buckets[i] = buckets_[i].load(std::memory_order_relaxed);
    totals.shortest = nanoseconds{shortest_.load(std::memory_order_relaxed)};
    totals.longest = nanoseconds{longest_.load(std::memory_order_relaxed)};
    return totals;
}

void latency_sketch::halve() {
    for (auto& bucket : buckets_) {
        bucket.store(bucket.load(std::memory_order_relaxed) / 2, std::memory_order_relaxed);
    }
}

}  // namespace weir::daemon::insight

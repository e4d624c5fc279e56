#include "daemon/insight/tally.hpp"

#include <numeric>

namespace weir::daemon::insight {

std::uint64_t histogram_totals::count() const {
    return std::accumulate(buckets.begin(), buckets.end(), std::uint64_t{0});
}

std::chrono::nanoseconds histogram_totals::quantile(double q) const {
    using nanoseconds = std::chrono::nanoseconds;
    const auto wanted = q * static_cast<double>(count());
    double seen = 0;
    for (std::size_t i = 0; i < duration_buckets::bounded; ++i) {
        const auto here = static_cast<double>(buckets[i]);
        if (here > 0 && seen + here >= wanted) {
            const nanoseconds low =
                i == 0 ? nanoseconds{0} : nanoseconds{duration_buckets::upper_bound(i - 1)};
            const nanoseconds high = duration_buckets::upper_bound(i);
            const double part = std::clamp((wanted - seen) / here, 0.0, 1.0);
            const auto width = static_cast<double>((high - low).count());
            return low + nanoseconds{static_cast<std::int64_t>(width * part)};
        }
        seen += here;
    }
    return buckets.back() > 0 ? duration_buckets::upper_bound(duration_buckets::bounded - 1)
                              : nanoseconds{0};
}

histogram_totals& histogram_totals::operator+=(const histogram_totals& other) {
    for (std::size_t i = 0; i < buckets.size(); ++i)
        buckets[i] += other.buckets[i];
    sum += other.sum;
    return *this;
}

histogram_totals duration_histogram::read() const {
    histogram_totals totals;
    for (std::size_t i = 0; i < buckets_.size(); ++i)
        totals.buckets[i] = buckets_[i].read();
    totals.sum = std::chrono::nanoseconds{static_cast<std::int64_t>(sum_.read())};
    return totals;
}

}  // namespace weir::daemon::insight

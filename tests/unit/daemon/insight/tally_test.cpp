#include "daemon/insight/tally.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace weir::daemon::insight {
namespace {

using namespace std::chrono_literals;

TEST(DurationBuckets, UpperBoundsAreInclusive) {
    EXPECT_EQ(duration_buckets::index_of(-5ns), 0U);
    EXPECT_EQ(duration_buckets::index_of(0ns), 0U);
    EXPECT_EQ(duration_buckets::index_of(4us), 0U);
    EXPECT_EQ(duration_buckets::index_of(4us + 1ns), 1U);
    for (std::size_t i = 0; i < duration_buckets::bounded; ++i) {
        const std::chrono::nanoseconds bound = duration_buckets::upper_bound(i);
        EXPECT_EQ(duration_buckets::index_of(bound), i) << bound.count();
        EXPECT_EQ(duration_buckets::index_of(bound - 1ns), i) << bound.count();
        EXPECT_EQ(duration_buckets::index_of(bound + 1ns), i + 1) << bound.count();
    }
}

TEST(DurationBuckets, LongestDurationFallsIntoTheLast) {
    EXPECT_EQ(
        duration_buckets::index_of(std::chrono::nanoseconds::max()), duration_buckets::count - 1
    );
}

TEST(DurationHistogram, SumsAndCounts) {
    duration_histogram histogram;
    histogram.observe(3us);
    histogram.observe(10ms);
    histogram.observe(1h);
    histogram.observe(-1ms);
    const auto totals = histogram.read();
    EXPECT_EQ(totals.count(), 4U);
    EXPECT_EQ(totals.sum, 3us + 10ms + 1h);
    EXPECT_EQ(totals.buckets.front(), 2U);
    EXPECT_EQ(totals.buckets.back(), 1U);
}

TEST(HistogramTotals, QuantileLiesInItsBucket) {
    duration_histogram histogram;
    EXPECT_EQ(histogram.read().quantile(0.5), 0ns);
    for (int i = 0; i < 98; ++i)
        histogram.observe(100us);
    histogram.observe(50ms);
    histogram.observe(1h);
    const auto totals = histogram.read();
    EXPECT_GT(totals.quantile(0.5), 64us);
    EXPECT_LE(totals.quantile(0.5), 128us);
    EXPECT_GT(totals.quantile(0.985), 32768us);
    EXPECT_LE(totals.quantile(0.985), 65536us);
    EXPECT_EQ(totals.quantile(1.0), duration_buckets::upper_bound(duration_buckets::bounded - 1));
}

TEST(Tally, ReaderOfARunningWriterNeverSeesItGoBack) {
    constexpr std::uint64_t last = 200'000;
    tally counted;
    std::thread writer{[&] {
        for (std::uint64_t i = 0; i < last; ++i)
            counted.add();
    }};
    std::uint64_t seen = 0;
    bool monotone = true;
    while (seen < last) {
        const auto now = counted.read();
        monotone = monotone && now >= seen;
        seen = now;
    }
    writer.join();
    EXPECT_TRUE(monotone);
    EXPECT_EQ(counted.read(), last);
}

}  // namespace
}  // namespace weir::daemon::insight

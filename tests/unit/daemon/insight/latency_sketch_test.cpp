#include "daemon/insight/latency_sketch.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::insight {
namespace {

using namespace std::chrono_literals;

TEST(LatencyBuckets, EachDurationIsAboveItsLowerBound) {
    for (std::int64_t ns = 1; ns < 200'000'000'000; ns += ns / 7 + 1) {
        const std::chrono::nanoseconds duration{ns};
        const auto i = latency_buckets::index_of(duration);
        ASSERT_LT(i, latency_buckets::count);
        EXPECT_GE(duration, latency_buckets::lower_bound(i)) << ns;
        if (i + 1 < latency_buckets::count) {
            EXPECT_LT(duration, latency_buckets::lower_bound(i + 1)) << ns;
        }
    }
    EXPECT_EQ(latency_buckets::index_of(-5s), 0U);
    EXPECT_EQ(latency_buckets::index_of(1000h), latency_buckets::count - 1);
}

TEST(LatencySketch, HasNoQuantileOfNothing) {
    EXPECT_EQ(latency_totals{}.quantile(0.5), 0ns);
}

TEST(LatencySketch, IsExactForEqualDurations) {
    latency_sketch sketch;
    for (int i = 0; i < 10; ++i)
        sketch.observe(100ms);
    for (const double q : {0.0, 0.5, 0.95, 0.99, 1.0})
        EXPECT_EQ(sketch.read().quantile(q), 100ms);
}

TEST(LatencySketch, IsWithinATenth) {
    latency_sketch sketch;
    for (int i = 1; i <= 10'000; ++i)
        sketch.observe(i * 10us);
    const auto totals = sketch.read();
    for (const double q : {0.01, 0.10, 0.50, 0.90, 0.95, 0.99}) {
        const double truth = q * 100'000;  // us
        const double found = static_cast<double>(totals.quantile(q).count()) / 1000;
        EXPECT_NEAR(found, truth, truth / 10) << q;
    }
    EXPECT_EQ(totals.quantile(1.0), 100ms);
    EXPECT_EQ(totals.longest, 100ms);
    EXPECT_EQ(totals.shortest, 10us);
}

TEST(LatencySketch, CoversWhatIsBeyondItsBuckets) {
    latency_sketch sketch;
    sketch.observe(10min);
    EXPECT_EQ(sketch.read().quantile(0.5), 10min);
}

TEST(LatencySketch, AddsUp) {
    latency_sketch one;
    latency_sketch two;
    one.observe(1ms);
    two.observe(9ms);
    auto sum = one.read();
    sum += two.read();
    EXPECT_EQ(sum.shortest, 1ms);
    EXPECT_EQ(sum.longest, 9ms);
    EXPECT_EQ(sum.quantile(1.0), 9ms);
    one.clear();
    EXPECT_EQ(one.read().quantile(1.0), 0ns);
}

}  // namespace
}  // namespace weir::daemon::insight

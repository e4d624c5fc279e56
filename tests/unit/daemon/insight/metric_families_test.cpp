#include "daemon/insight/metric_families.hpp"

#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <sstream>
#include <vector>

namespace weir::daemon::insight {
namespace {

using namespace std::chrono_literals;

const std::string nasty = "a\"b\\c\nd,e={f} \xC3\xA9";

std::string by_prometheus_cpp(const std::vector<prometheus::MetricFamily>& families) {
    std::ostringstream out;
    prometheus::TextSerializer{}.Serialize(out, families);
    return out.str();
}

prometheus::MetricFamily family(prometheus::MetricType type, const std::string& name) {
    return {name, "What it is.", type, {}};
}

TEST(MetricFamilies, WriteCountersAndGaugesAsPrometheusCppDoes) {
    auto counter = family(prometheus::MetricType::Counter, "seen_total");
    auto gauge = family(prometheus::MetricType::Gauge, "level");
    metric_families ours;
    ours.counter("seen_total", "What it is.");
    for (const std::uint64_t value : {0ULL, 7ULL, 123456789012345ULL}) {
        auto& sample = counter.metric.emplace_back();
        sample.label = {{"name", nasty}, {"kind", std::to_string(value)}};
        sample.counter.value = static_cast<double>(value);
        ours.add({{"name", nasty}, {"kind", std::to_string(value)}}, value);
    }
    ours.gauge("level", "What it is.");
    for (const double value : {0.0, 1.0, 0.5, 1.25e-7, -3.75, 1764589190.25}) {
        gauge.metric.emplace_back().gauge.value = value;
        ours.add({}, value);
    }
    EXPECT_EQ(ours.text(), by_prometheus_cpp({counter, gauge}));
}

// With labels of its own and without, in which case `le` stands alone.
TEST(MetricFamilies, WriteHistogramsAsPrometheusCppDoes) {
    auto theirs = family(prometheus::MetricType::Histogram, "took_seconds");
    metric_families ours;
    ours.histogram("took_seconds", "What it is.");
    duration_histogram observed;
    for (const auto duration : {3us, 4us, 5us, 1500us, 1500us, 250'000us, 3'600'000'000us})
        observed.observe(duration);
    const auto totals = observed.read();
    for (const bool has_label : {false, true}) {
        auto& sample = theirs.metric.emplace_back();
        if (has_label) sample.label = {{"name", nasty}};
        std::uint64_t cumulative = 0;
        for (std::size_t i = 0; i < duration_buckets::bounded; ++i) {
            cumulative += totals.buckets[i];
            const std::chrono::duration<double> bound = duration_buckets::upper_bound(i);
            sample.histogram.bucket.push_back({cumulative, bound.count()});
        }
        sample.histogram.sample_count = 7;
        sample.histogram.sample_sum = std::chrono::duration<double>(totals.sum).count();
        if (has_label)
            ours.add({{"name", nasty}}, totals);
        else
            ours.add({}, totals);
    }
    EXPECT_EQ(ours.text(), by_prometheus_cpp({theirs}));
}

// A counter of bytes passes 2^53 in a few years; as a double it would stand still.
TEST(MetricFamilies, WriteLargeCountersExactly) {
    metric_families ours;
    ours.counter("seen_total", "What it is.");
    ours.add({}, std::uint64_t{9'007'199'254'740'993});
    EXPECT_NE(ours.text().find("\nseen_total 9007199254740993\n"), std::string::npos);
}

TEST(MetricFamilies, LeaveOutFamiliesWithoutSamples) {
    metric_families ours;
    ours.counter("empty_total", "Not there.");
    ours.gauge("full", "There.");
    ours.add({}, 1.0);
    ours.histogram("empty_seconds", "Not there.");
    EXPECT_EQ(ours.text(), "# HELP full There.\n# TYPE full gauge\nfull 1\n");
}

TEST(MetricFamilies, MakeLabelValuesUtf8AndBoundThem) {
    metric_families ours;
    ours.gauge("g", "G.");
    ours.add({{"name", "\xFF\xC3 \xED\xA0\x80"}}, 1.0);
    ours.add({{"name", std::string(10'000, 'x')}}, 1.0);
    const auto text = ours.text();
    EXPECT_EQ(text.find('\xFF'), std::string::npos);
    EXPECT_EQ(text.find("\xED\xA0"), std::string::npos);
    EXPECT_NE(text.find("\xEF\xBF\xBD"), std::string::npos);
    EXPECT_LT(text.size(), 400U);
}

}  // namespace
}  // namespace weir::daemon::insight

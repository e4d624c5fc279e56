#include "daemon/insight/metric_families.hpp"

#include "daemon/insight/query_text.hpp"

#include <prometheus/text_serializer.h>

#include <sstream>

namespace weir::daemon::insight {
namespace {

// A database's or user's name has at most 63 bytes in PostgreSQL; rule names are the file's.
constexpr std::size_t longest_label = 256;

double seconds(std::chrono::nanoseconds duration) {
    return std::chrono::duration<double>(duration).count();
}

}  // namespace

void metric_families::open(
    prometheus::MetricType type, std::string_view name, std::string_view help
) {
    auto& family = families_.emplace_back();
    family.type = type;
    family.name = name;
    family.help = help;
}

void metric_families::counter(std::string_view name, std::string_view help) {
    open(prometheus::MetricType::Counter, name, help);
}

void metric_families::gauge(std::string_view name, std::string_view help) {
    open(prometheus::MetricType::Gauge, name, help);
}

void metric_families::histogram(std::string_view name, std::string_view help) {
    open(prometheus::MetricType::Histogram, name, help);
}

prometheus::ClientMetric& metric_families::sample(labels names) {
    auto& metric = families_.back().metric.emplace_back();
    metric.label.reserve(names.size());
    for (const auto& [name, value] : names) {
        metric.label.push_back({std::string{name}, printable_text(value, longest_label)});
    }
    return metric;
}

void metric_families::add(labels names, double value) {
    auto& metric = sample(names);
    (families_.back().type == prometheus::MetricType::Counter ? metric.counter.value
                                                              : metric.gauge.value) = value;
}

void metric_families::add(labels names, const histogram_totals& totals) {
    auto& histogram = sample(names).histogram;
    histogram.bucket.reserve(duration_buckets::bounded);
    std::uint64_t cumulative = 0;
    for (std::size_t i = 0; i < duration_buckets::bounded; ++i) {
        cumulative += totals.buckets[i];
        histogram.bucket.push_back({cumulative, seconds(duration_buckets::upper_bound(i))});
    }
    histogram.sample_count = cumulative + totals.buckets.back();
    histogram.sample_sum = seconds(totals.sum);
}

std::string metric_families::text() {
    std::erase_if(families_, [](const auto& family) { return family.metric.empty(); });
    std::ostringstream out;
    prometheus::TextSerializer{}.Serialize(out, families_);
    return out.str();
}

}  // namespace weir::daemon::insight

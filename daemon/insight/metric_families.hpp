// A list of Prometheus families while it is being filled. Knows prometheus-cpp's structures and the
// rule that a label value is valid UTF-8; knows no metric's name. One thread.
#pragma once

#include "daemon/insight/tally.hpp"

#include <prometheus/metric_family.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::daemon::insight {

class metric_families {
public:
    using labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

    /// Opens a family; the calls of `add` and `observe` up to the next one belong to it. A family
    /// without samples is left out of the text.
    void counter(std::string_view name, std::string_view help);
    void gauge(std::string_view name, std::string_view help);
    void histogram(std::string_view name, std::string_view help);

    void add(labels names, double value);
    void add(labels names, std::uint64_t value) { add(names, static_cast<double>(value)); }
    void add(labels names, const histogram_totals& totals);

    [[nodiscard]] std::string text();

private:
    void open(prometheus::MetricType type, std::string_view name, std::string_view help);
    prometheus::ClientMetric& sample(labels names);

    std::vector<prometheus::MetricFamily> families_;
};

}  // namespace weir::daemon::insight

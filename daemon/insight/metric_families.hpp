// Prometheus' text format 0.0.4 while it is being written. Knows its grammar and the rule that a
// label value is valid UTF-8; knows no metric's name. Not by prometheus-cpp, whose streams need
// 0.8 us a line: a thousand databases have 100,000 lines, and a scrape 50 ms. The tests hold every
// line against its serializer. One thread.
#pragma once

#include "daemon/insight/tally.hpp"

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace weir::daemon::insight {

class metric_families {
public:
    using labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

    /// Opens a family; the calls of `add` up to the next one belong to it. A family without samples
    /// is left out of the text. The names must outlive this; they are not escaped.
    void counter(std::string_view name, std::string_view help) { open("counter", name, help); }
    void gauge(std::string_view name, std::string_view help) { open("gauge", name, help); }
    void histogram(std::string_view name, std::string_view help) { open("histogram", name, help); }

    void add(labels names, double value);
    void add(labels names, std::uint64_t value);
    void add(labels names, const histogram_totals& totals);

    /// What was added, all of it; nothing may be added after.
    [[nodiscard]] std::string text() { return std::move(text_); }

private:
    void open(std::string_view type, std::string_view name, std::string_view help);
    void begin_line(std::string_view suffix, std::string_view written_labels);
    template<class Number>
    void end_line(Number value);
    std::string_view written(labels names);

    std::string_view type_, name_, help_;  // of the family that is open
    bool has_samples_ = false;             // of that family
    std::string labels_;                   // of the sample that is being added, without braces
    std::string text_;
};

}  // namespace weir::daemon::insight

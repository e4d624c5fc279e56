#include "daemon/insight/metric_families.hpp"

#include "daemon/insight/query_text.hpp"

#include <array>
#include <charconv>

namespace weir::daemon::insight {
namespace {

// A database's or user's name has at most 63 bytes in PostgreSQL; rule names are the file's.
constexpr std::size_t longest_label = 256;

double seconds(std::chrono::nanoseconds duration) {
    return std::chrono::duration<double>(duration).count();
}

// The shortest text that reads back as the same number. No infinity and no NaN come here.
template<class Number>
void append_number(std::string& out, Number value) {
    std::array<char, 32> digits;
    const auto end = std::to_chars(digits.begin(), digits.end(), value).ptr;
    out.append(digits.data(), end);
}

void append_escaped(std::string& out, std::string_view value) {
    for (const char c : value) {
        if (c == '\n') {
            out += "\\n";
            continue;
        }
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
}

/// The label `le` of each bounded bucket: `le="4e-06"` ...
const std::array<std::string, duration_buckets::bounded>& bucket_labels() {
    static const auto made = [] {
        std::array<std::string, duration_buckets::bounded> all;
        for (std::size_t i = 0; i < all.size(); ++i) {
            all[i] = "le=\"";
            append_number(all[i], seconds(duration_buckets::upper_bound(i)));
            all[i] += '"';
        }
        return all;
    }();
    return made;
}

}  // namespace

void metric_families::open(std::string_view type, std::string_view name, std::string_view help) {
    type_ = type;
    name_ = name;
    help_ = help;
    has_samples_ = false;
}

std::string_view metric_families::written(labels names) {
    labels_.clear();
    for (const auto& [name, value] : names) {
        if (!labels_.empty()) labels_ += ',';
        labels_ += name;
        labels_ += "=\"";
        append_escaped(labels_, printable_text(value, longest_label));
        labels_ += '"';
    }
    return labels_;
}

void metric_families::begin_line(std::string_view suffix, std::string_view written_labels) {
    if (!std::exchange(has_samples_, true)) {
        for (const auto& [keyword, said] : {std::pair{"HELP", help_}, std::pair{"TYPE", type_}}) {
            text_ += "# ";
            text_ += keyword;
            text_ += ' ';
            text_ += name_;
            text_ += ' ';
            text_ += said;
            text_ += '\n';
        }
    }
    text_ += name_;
    text_ += suffix;
    if (written_labels.empty()) return;
    text_ += '{';
    text_ += written_labels;
    text_ += '}';
}

template<class Number>
void metric_families::end_line(Number value) {
    text_ += ' ';
    append_number(text_, value);
    text_ += '\n';
}

void metric_families::add(labels names, double value) {
    begin_line({}, written(names));
    end_line(value);
}

void metric_families::add(labels names, std::uint64_t value) {
    begin_line({}, written(names));
    end_line(value);
}

void metric_families::add(labels names, const histogram_totals& totals) {
    const auto own = written(names);
    begin_line("_count", own);
    end_line(totals.count());
    begin_line("_sum", own);
    end_line(seconds(totals.sum));
    if (!labels_.empty()) labels_ += ',';
    const std::size_t behind_own = labels_.size();
    std::uint64_t cumulative = 0;
    const auto bucket = [&](std::string_view bound, std::uint64_t here) {
        labels_.resize(behind_own);
        labels_ += bound;
        begin_line("_bucket", labels_);
        end_line(cumulative += here);
    };
    for (std::size_t i = 0; i < duration_buckets::bounded; ++i)
        bucket(bucket_labels()[i], totals.buckets[i]);
    bucket("le=\"+Inf\"", totals.buckets.back());
}

}  // namespace weir::daemon::insight

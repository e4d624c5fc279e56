#include "daemon/insight/json_writer.hpp"

#include "daemon/insight/query_text.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

namespace weir::daemon::insight {
namespace {

void append_escaped(std::string& out, std::string_view text) {
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (byte < 0x20 || byte == 0x7F) {
            fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
        } else {
            out += c;
        }
    }
}

}  // namespace

void json_writer::separate() {
    if (needs_comma_) out_ += ',';
    needs_comma_ = true;
}

json_writer& json_writer::open(char bracket) {
    separate();
    out_ += bracket;
    needs_comma_ = false;
    return *this;
}

json_writer& json_writer::close(char bracket) {
    out_ += bracket;
    needs_comma_ = true;
    return *this;
}

json_writer& json_writer::key(std::string_view name) {
    text(name);
    out_ += ':';
    needs_comma_ = false;
    return *this;
}

json_writer& json_writer::text(std::string_view value) {
    separate();
    out_ += '"';
    append_escaped(out_, printable_text(value, std::numeric_limits<std::size_t>::max()));
    out_ += '"';
    return *this;
}

json_writer& json_writer::number(std::uint64_t value) {
    separate();
    fmt::format_to(std::back_inserter(out_), "{}", value);
    return *this;
}

json_writer& json_writer::decimal(double value, int decimals) {
    if (!std::isfinite(value)) return raw("null");
    separate();
    fmt::format_to(std::back_inserter(out_), "{:.{}f}", value, decimals);
    return *this;
}

json_writer& json_writer::milliseconds(std::chrono::nanoseconds value) {
    separate();
    const auto us = value.count() > 0 ? value.count() / 1000 : 0;
    fmt::format_to(std::back_inserter(out_), "{}.{:03}", us / 1000, us % 1000);
    return *this;
}

json_writer& json_writer::boolean(bool value) {
    return raw(value ? "true" : "false");
}

json_writer& json_writer::raw(std::string_view json) {
    separate();
    out_ += json;
    return *this;
}

std::string json_writer::take() {
    needs_comma_ = false;
    return std::exchange(out_, {});
}

std::string rfc3339(std::chrono::system_clock::time_point time) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time - seconds).count();
    return fmt::format(
        "{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
        fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
        ms
    );
}

}  // namespace weir::daemon::insight

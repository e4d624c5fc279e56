#include "daemon/config/pgbouncer_value.hpp"

#include "protocol/ascii.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>

namespace weir::daemon::config {
namespace {

converted_value plain(std::string text) {
    return {std::move(text), {}, false};
}

converted_value expected(std::string_view what) {
    return {std::nullopt, what, false};
}

converted_value zero_of(const pgbouncer_setting& setting) {
    if (setting.zero.empty()) return plain("0");
    return {std::string(setting.zero), {}, true};
}

bool is_all_zero(std::string_view digits) {
    return digits.find_first_not_of('0') == std::string_view::npos;
}

converted_value convert_seconds(const pgbouncer_setting& setting, std::string_view text) {
    double seconds = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, seconds);
    constexpr double longest = 1e9;
    if (error != std::errc{} || stop != end || !std::isfinite(seconds) || seconds < 0 ||
        seconds > longest) {
        return expected("seconds, such as 30 or 0.5");
    }
    if (seconds == 0) return zero_of(setting);
    const std::chrono::milliseconds time{std::llround(std::ceil(seconds * 1000))};
    return plain(canonical(*find_option("pool.wait_timeout"), time));
}

}  // namespace

converted_value convert_value(const pgbouncer_setting& setting, std::string_view text) {
    const bool is_number =
        !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
    switch (setting.value) {
        case pgbouncer_value::text:
        case pgbouncer_value::names:
            return plain(std::string(text));
        case pgbouncer_value::word:
            return plain(protocol::ascii_lower(text));
        case pgbouncer_value::number:
        case pgbouncer_value::whole_milliseconds:
            if (!is_number) return expected("a whole number");
            if (is_all_zero(text)) return zero_of(setting);
            return plain(std::string(text.substr(text.find_first_not_of('0'))));
        case pgbouncer_value::flag:
            if (!is_number) return expected("0 or 1");
            return plain(is_all_zero(text) ? "0" : "1");
        case pgbouncer_value::seconds:
            return convert_seconds(setting, text);
    }
    return expected("a value");
}

bool is_pgbouncers_default(const pgbouncer_setting& setting, std::string_view converted) {
    if (setting.default_text.empty()) return converted.empty() || converted == "0";
    return convert_value(setting, setting.default_text).text == converted;
}

std::vector<placed_text> split_names(std::string_view text, place at) {
    std::vector<placed_text> names;
    std::size_t begin = 0;
    while (begin <= text.size()) {
        const std::size_t end = std::min(text.find(',', begin), text.size());
        const std::string_view part = text.substr(begin, end - begin);
        const std::size_t front = part.find_first_not_of(" \t");
        if (front != std::string_view::npos) {
            const std::size_t length = part.find_last_not_of(" \t") + 1 - front;
            names.push_back(
                {std::string(part.substr(front, length)),
                 {at.line, at.column + static_cast<int>(begin + front)}}
            );
        }
        begin = end + 1;
    }
    return names;
}

std::string conninfo_value(std::string_view text) {
    const bool is_plain = !text.empty() && text.find_first_of(" '\\\t") == std::string_view::npos;
    if (is_plain) return std::string(text);
    std::string quoted = "'";
    for (const char c : text) {
        if (c == '\'' || c == '\\') quoted += '\\';
        quoted += c;
    }
    return quoted + "'";
}

std::string option_argument(std::string_view text) {
    std::string escaped;
    for (const char c : text) {
        if (c == ' ' || c == '\\' || c == '\t') escaped += '\\';
        escaped += c;
    }
    return escaped;
}

}  // namespace weir::daemon::config

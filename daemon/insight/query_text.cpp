#include "daemon/insight/query_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace weir::daemon::insight {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

struct utf8_step {
    std::size_t length;  ///< bytes to move on, at least 1
    bool valid;
};

// Table 3-7 of the Unicode standard: the second byte's range depends on the first, which rules out
// overlong forms, surrogates and what lies beyond U+10FFFF. A wrong piece ends before the byte that
// broke it.
utf8_step next_character(std::string_view bytes) {
    const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
    const std::uint8_t first = at(0);
    if (first < 0x80) return {1, true};
    if (first < 0xC2 || first > 0xF4) return {1, false};
    const std::size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    std::uint8_t low = 0x80;
    std::uint8_t high = 0xBF;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
    for (std::size_t i = 1; i < length; ++i) {
        if (i >= bytes.size() || at(i) < low || at(i) > high) return {i, false};
        low = 0x80;
        high = 0xBF;
    }
    return {length, true};
}

constexpr std::size_t longest_id = 128;

bool is_id_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view{"._:/+=-%"}.find(c) != std::string_view::npos;
}

bool is_lower_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

std::string_view valid_request_id(std::string_view value) {
    return value.size() <= longest_id && std::all_of(value.begin(), value.end(), is_id_character)
               ? value
               : std::string_view{};
}

// version "-" 32 hex "-" 16 hex "-" 2 hex
std::string_view valid_trace_id(std::string_view traceparent) {
    if (traceparent.size() < 55 || traceparent[2] != '-' || traceparent[35] != '-' ||
        traceparent[52] != '-') {
        return {};
    }
    const auto id = traceparent.substr(3, 32);
    const bool is_null = id.find_first_not_of('0') == std::string_view::npos;
    return !is_null && std::all_of(id.begin(), id.end(), is_lower_hex) ? id : std::string_view{};
}

}  // namespace

std::string printable_text(std::string_view bytes, std::size_t limit) {
    const bool cut = bytes.size() > limit;
    std::string out;
    out.reserve(std::min(bytes.size(), limit) + 3);
    std::size_t at = 0;
    while (at < bytes.size()) {
        const auto step = next_character(bytes.substr(at, 4));
        if (step.length > limit - at) break;
        out += step.valid ? bytes.substr(at, step.length) : replacement;
        at += step.length;
    }
    if (cut) out += "...";
    return out;
}

void append_on_one_line(std::string& out, std::string_view text) {
    for (const char c : text) {
        const auto byte = static_cast<std::uint8_t>(c);
        if (c == '\n') {
            out += "\\n";
        } else if (c == '\r') {
            out += "\\r";
        } else if (c == '\t') {
            out += "\\t";
        } else if (byte < 0x20 || byte == 0x7F) {
            fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
        } else {
            out += c;
        }
    }
}

trace_tags make_trace_tags(std::string_view request_id, std::string_view traceparent) {
    return {std::string{valid_request_id(request_id)}, std::string{valid_trace_id(traceparent)}};
}

}  // namespace weir::daemon::insight

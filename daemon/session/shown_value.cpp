#include "daemon/session/shown_value.hpp"

#include "protocol/ascii.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>

namespace weir::daemon {

namespace {

struct known_unit {
    std::string_view name;  // PostgreSQL's, with case
    double size;            // in bytes, or in microseconds
};

constexpr std::array known_units{
    known_unit{"B", 1.0},
    known_unit{"kB", 1024.0},
    known_unit{"8kB", 8192.0},
    known_unit{"MB", 1024.0 * 1024},
    known_unit{"GB", 1024.0 * 1024 * 1024},
    known_unit{"TB", 1024.0 * 1024 * 1024 * 1024},
    known_unit{"us", 1.0},
    known_unit{"ms", 1e3},
    known_unit{"s", 1e6},
    known_unit{"min", 60e6},
    known_unit{"h", 3600e6},
    known_unit{"d", 86400e6},
};

// Without quotes, blanks and case.
std::string folded(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c != '\'' && c != '"' && c != ' ') out.push_back(protocol::ascii_lower(c));
    }
    return out;
}

std::optional<bool> truth(std::string_view word) {
    for (const auto* const yes : {"on", "true", "yes", "1", "t", "y"}) {
        if (word == yes) return true;
    }
    for (const auto* const no : {"off", "false", "no", "0", "f", "n"}) {
        if (word == no) return false;
    }
    return std::nullopt;
}

// In the size of `unit` when the text names none.
std::optional<double> quantity(std::string_view text, std::string_view unit) {
    double number = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    if (read.ec != std::errc{}) return std::nullopt;
    const std::string_view named{
        read.ptr, static_cast<std::size_t>(text.data() + text.size() - read.ptr)};
    const std::string_view wanted = named.empty() ? unit : named;
    if (wanted.empty()) return number;
    const auto known =
        std::find_if(known_units.begin(), known_units.end(), [&](const known_unit& one) {
            return one.name == wanted;
        });
    if (known == known_units.end()) return std::nullopt;
    return number * known->size;
}

}  // namespace

bool is_same_value(std::string_view written, std::string_view shown, std::string_view unit) {
    const std::string ours = folded(written);
    const std::string theirs = folded(shown);
    if (ours == theirs) return true;
    if (const auto mine = truth(ours); mine && (theirs == "on" || theirs == "off")) {
        return *mine == (theirs == "on");
    }
    std::string bare;
    std::copy_if(written.begin(), written.end(), std::back_inserter(bare), [](char c) {
        return c != '\'' && c != ' ';
    });
    const auto mine = quantity(bare, unit);
    const auto real = quantity(shown, unit);
    return mine && real && std::abs(*mine - *real) <= std::abs(*real) * 1e-9;
}

std::string shown_role(std::string_view written) {
    const auto is_in_word = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_';
    };
    if (std::all_of(written.begin(), written.end(), is_in_word)) {
        return protocol::ascii_lower(written);
    }
    const char quote = written.front();
    if (written.size() < 2 || (quote != '"' && quote != '\'') || written.back() != quote) return {};
    const std::string_view inner = written.substr(1, written.size() - 2);
    const bool is_simple = inner.find_first_of("\"'\\") == std::string_view::npos;
    return std::string{is_simple ? inner : std::string_view{}};
}

}  // namespace weir::daemon

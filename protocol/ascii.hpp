// Letters of ASCII without a locale, as PostgreSQL folds keywords, the names of settings and
// identifiers without quotes. Other bytes stay as they are. Pure.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace weir::protocol {

[[nodiscard]] constexpr char ascii_lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

[[nodiscard]] inline std::string ascii_lower(std::string_view text) {
    std::string result{text};
    for (char& c : result)
        c = ascii_lower(c);
    return result;
}

/// Whether the two differ in the case of letters at the most.
[[nodiscard]] constexpr bool same_letters(std::string_view one, std::string_view other) noexcept {
    return std::equal(one.begin(), one.end(), other.begin(), other.end(), [](char a, char b) {
        return ascii_lower(a) == ascii_lower(b);
    });
}

}  // namespace weir::protocol

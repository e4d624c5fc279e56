#include "querycache/sql/clock_words.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace weir::querycache::sql {
namespace {

/// Longer words are none of those that follow.
constexpr std::size_t longest_word = 9;
/// Of what may be the abbreviation of a time zone: PostgreSQL's own have no more letters.
constexpr std::size_t longest_abbreviation = 5;

bool is_letter(char c) {
    const auto folded = static_cast<unsigned char>(c | 0x20);
    return folded >= 'a' && folded <= 'z';
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_clock_word(std::string_view lower) {
    return lower == "now" || lower == "today" || lower == "tomorrow" || lower == "yesterday" ||
           lower == "allballs";
}

/// Words of date and time input, and the names of time zones that are one long word.
bool is_date_word(std::string_view lower) {
    // clang-format off
    constexpr auto words = std::to_array<std::string_view>({
        "april", "august", "december", "february", "january", "july", "june", "march", "november",
        "october", "september", "apr", "aug", "dec", "feb", "jan", "jul", "jun", "mar", "may",
        "nov", "oct", "sep", "sept", "friday", "monday", "saturday", "sunday", "thursday",
        "tuesday", "wednesday", "fri", "mon", "sat", "sun", "thu", "thur", "thurs", "tue", "tues",
        "wed", "weds", "current", "dst", "epoch", "infinity", "invalid", "julian", "undefined",
        "greenwich", "hongkong", "iceland", "israel", "jamaica", "kwajalein", "navajo", "poland",
        "portugal", "singapore", "turkey", "universal"});
    // clang-format on
    return std::find(words.begin(), words.end(), lower) != words.end();
}

/// Whether date input may take the piece for the present moment: it holds a word of the clock, and
/// no other word that only prose has. One word may be a time zone.
bool is_moment_of_clock(std::string_view piece) {
    bool found = false;
    bool has_zone = false;
    for (std::size_t at = 0; at < piece.size();) {
        if (static_cast<unsigned char>(piece[at]) >= 0x80) return false;
        if (!is_letter(piece[at])) {
            ++at;
            continue;
        }
        const std::size_t first = at;
        while (at < piece.size() && is_letter(piece[at]))
            ++at;
        const std::size_t size = at - first;
        char folded[longest_word] = {};
        for (std::size_t i = 0; i < std::min(size, longest_word); ++i)
            folded[i] = static_cast<char>(piece[first + i] | 0x20);
        const std::string_view lower{folded, std::min(size, longest_word)};
        if (size <= longest_word && is_clock_word(lower)) {
            found = true;
            continue;
        }
        if (size <= longest_word && is_date_word(lower)) continue;
        if (size <= 2) continue;  // am, pm, T, z, of, ...
        // America/New_York, Etc/GMT+1, XYZ-3
        const auto joins = [&](std::size_t place) {
            return place < piece.size() &&
                   (piece[place] == '/' || piece[place] == '_' || piece[place] == '+' ||
                    piece[place] == '-' || is_digit(piece[place]));
        };
        if (joins(at) || (first > 0 && joins(first - 1))) continue;
        if (size > longest_abbreviation || has_zone) return false;
        has_zone = true;
    }
    return found;
}

}  // namespace

bool has_clock_word(std::string_view text) {
    // An array or a range holds its moments in pieces.
    const auto first = text.find_first_not_of(" \t\r\n\f\v");
    if (first == std::string_view::npos) return false;
    constexpr std::string_view brackets = "[]{}()";
    if (brackets.find(text[first]) == std::string_view::npos) return is_moment_of_clock(text);
    while (!text.empty()) {
        const auto end = text.find_first_of("[]{}(),\"");
        if (is_moment_of_clock(text.substr(0, end))) return true;
        if (end == std::string_view::npos) break;
        text.remove_prefix(end + 1);
    }
    return false;
}

}  // namespace weir::querycache::sql

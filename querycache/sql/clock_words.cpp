#include "querycache/sql/clock_words.hpp"

#include <cstddef>
#include <cstdint>

namespace weir::querycache::sql {
namespace {

bool is_letter(char c) {
    const auto folded = static_cast<unsigned char>(c | 0x20);
    return folded >= 'a' && folded <= 'z';
}

bool is_clock_word(std::string_view word) {
    if (word.size() < 3 || word.size() > 9) return false;
    char folded[9];
    for (std::size_t i = 0; i < word.size(); ++i) {
        folded[i] = static_cast<char>(word[i] | 0x20);
    }
    const std::string_view lower{folded, word.size()};
    return lower == "now" || lower == "today" || lower == "tomorrow" || lower == "yesterday" ||
           lower == "allballs";
}

}  // namespace

bool has_clock_word(std::string_view text) {
    std::size_t at = 0;
    while (text.size() - at >= 3) {
        if (!is_letter(text[at])) {
            ++at;
            continue;
        }
        const std::size_t first = at;
        while (at < text.size() && is_letter(text[at])) {
            ++at;
        }
        if (is_clock_word(text.substr(first, at - first))) return true;
    }
    return false;
}

}  // namespace weir::querycache::sql

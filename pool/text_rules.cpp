#include "pool/text_rules.hpp"

#include "protocol/ascii.hpp"

#include <algorithm>

namespace weir::pool {
namespace {

bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/// As pg_char_to_encoding() sees a name: letters and digits alone count.
std::string clean_encoding(std::string_view name) {
    std::string result = protocol::ascii_lower(name);
    result.erase(
        std::remove_if(result.begin(), result.end(), [](char c) { return !is_letter_or_digit(c); }),
        result.end()
    );
    return result;
}

bool is_utf8_name(std::string_view name) {
    const std::string clean = clean_encoding(name);
    return clean == "utf8" || clean == "unicode";
}

/// As parse_bool() does: 1, or `on`, or how `true` or `yes` begins.
bool is_true(std::string_view value) {
    const std::string word = protocol::ascii_lower(value);
    if (word == "1" || word == "on") return true;
    constexpr std::string_view words[] = {"true", "yes"};
    return !word.empty() && std::any_of(std::begin(words), std::end(words), [&](auto whole) {
        return whole.starts_with(word);
    });
}

bool is_false(std::string_view value) {
    const std::string word = protocol::ascii_lower(value);
    if (word == "0" || word == "off" || word == "of") return true;
    constexpr std::string_view words[] = {"false", "no"};
    return !word.empty() && std::any_of(std::begin(words), std::end(words), [&](auto whole) {
        return whole.starts_with(word);
    });
}

/// The constant that the SQL text is; `sql` itself when it is more than one.
std::string_view constant_in(std::string_view sql) {
    constexpr std::string_view blank = " \t\r\n";
    const auto first = sql.find_first_not_of(blank);
    if (first == std::string_view::npos) return sql;
    const std::string_view trimmed = sql.substr(first, sql.find_last_not_of(blank) - first + 1);
    const char quote = trimmed.front();
    if (quote != '\'' && quote != '"') return trimmed;
    if (trimmed.size() < 2 || trimmed.back() != quote) return sql;
    const std::string_view inner = trimmed.substr(1, trimmed.size() - 2);
    return inner.find_first_of("'\"\\") == std::string_view::npos ? inner : sql;
}

}  // namespace

std::string as_reported(const setting& one) {
    const std::string_view value =
        one.form == value_form::raw ? std::string_view{one.value} : constant_in(one.value);
    if (one.name == "client_encoding" && is_utf8_name(value)) return "UTF8";
    if (one.name == "standard_conforming_strings") {
        if (is_true(value)) return "on";
        if (is_false(value)) return "off";
    }
    return std::string{value};
}

text_rules rules_of(
    std::string_view standard_conforming_strings, std::string_view client_encoding
) {
    if (standard_conforming_strings != "on") return text_rules::other;
    return client_encoding == "UTF8" ? text_rules::plain : text_rules::plain_if_ascii;
}

text_rules rules_of(const settings& wanted) {
    const auto* const strings = wanted.find("standard_conforming_strings");
    const auto* const encoding = wanted.find("client_encoding");
    return rules_of(
        strings == nullptr ? "on" : as_reported(*strings),
        encoding == nullptr ? "UTF8" : as_reported(*encoding)
    );
}

}  // namespace weir::pool

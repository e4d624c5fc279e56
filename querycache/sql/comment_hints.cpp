#include "querycache/sql/comment_hints.hpp"

#include "protocol/ascii.hpp"

#include <charconv>
#include <optional>
#include <string>

namespace weir::querycache::sql {
namespace {

constexpr std::string_view blanks = " \t\r\n\f";

std::string_view trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

// Longest ttl that is taken: beyond it the number is surely a mistake, and milliseconds would
// overflow.
constexpr std::int64_t longest_ttl_ms = std::int64_t{365} * 24 * 3600 * 1000;

std::optional<std::chrono::milliseconds> read_duration(std::string_view text) {
    std::int64_t amount = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), amount);
    if (error != std::errc{} || amount < 0) return std::nullopt;
    const std::string_view unit{rest, static_cast<std::size_t>(text.data() + text.size() - rest)};
    std::int64_t factor = 0;
    if (unit == "ms") factor = 1;
    if (unit == "s") factor = 1000;
    if (unit == "m" || unit == "min") factor = 60 * 1000;
    if (unit == "h") factor = 3600 * 1000;
    if (unit == "d") factor = 24 * 3600 * 1000;
    if (factor == 0 || amount > longest_ttl_ms / factor) return std::nullopt;
    return std::chrono::milliseconds{amount * factor};
}

void read_hints(std::string_view words, lexed& facts) {
    constexpr std::string_view separators = " \t\r\n\f,;";
    while (true) {
        const std::size_t first = words.find_first_not_of(separators);
        if (first == std::string_view::npos) return;
        words.remove_prefix(first);
        const auto word = protocol::ascii_lower(words.substr(0, words.find_first_of(separators)));
        words.remove_prefix(word.size());
        if (word == "nocache") {
            facts.hint_nocache = true;
            continue;
        }
        const auto ttl = word.starts_with("ttl=") ? read_duration(std::string_view{word}.substr(4))
                                                  : std::nullopt;
        if (ttl) {
            facts.hint_ttl = *ttl;
        } else {
            facts.hint_invalid = true;
        }
    }
}

// The quoted value of `key` where the key begins a field, else empty.
std::string_view commenter_value(std::string_view comment, std::string_view key) {
    for (std::size_t at = comment.find(key); at != std::string_view::npos;
         at = comment.find(key, at + key.size())) {
        const std::string_view before = trimmed(comment.substr(0, at));
        if (!before.empty() && before.back() != ',') continue;
        const std::string_view rest = comment.substr(at + key.size());
        if (!rest.starts_with("='")) continue;
        const std::size_t close = rest.find('\'', 2);
        if (close == std::string_view::npos) return {};
        return rest.substr(2, close - 2);
    }
    return {};
}

}  // namespace

void read_comment(std::string_view comment, lexed& facts) {
    comment = trimmed(comment);
    constexpr std::string_view name = "pgweir";
    if (protocol::same_letters(comment.substr(0, name.size()), name)) {
        const std::string_view rest = comment.substr(name.size());
        if (rest.starts_with(':')) return read_hints(rest.substr(1), facts);
        facts.hint_invalid = true;
        return;
    }
    if (const auto value = commenter_value(comment, "traceparent"); !value.empty()) {
        facts.traceparent = value;
    }
    if (const auto value = commenter_value(comment, "request_id"); !value.empty()) {
        facts.request_id = value;
    }
}

}  // namespace weir::querycache::sql

#include "daemon/session/settable_names.hpp"

#include "protocol/ascii.hpp"

#include <algorithm>
#include <utility>

namespace weir::daemon {

namespace {

constexpr std::string_view blank = " \t\r\n\f\v";

bool is_in_part(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || c == '-';
}

bool is_in_name(char c) {
    return is_in_part(c) || c == '.' || c == '"';
}

bool begins_part(char c) {
    return is_in_part(c) && c != '$' && c != '-' && (c < '0' || c > '9');
}

// `before` ends with SET or SET SESSION and a blank.
bool ends_with_set(std::string_view before) {
    const auto end = before.find_last_not_of(blank);
    if (end == std::string_view::npos || end + 1 == before.size()) return false;
    before = before.substr(0, end + 1);
    auto begin = before.size();
    while (begin > 0 && is_in_part(before[begin - 1]))
        --begin;
    const std::string word = protocol::ascii_lower(before.substr(begin));
    return word == "set" || word == "session";
}

}  // namespace

bool is_settable_name(std::string_view name) {
    if (name.size() > max_settable_name) return false;
    bool at_begin = true;
    bool has_prefix = false;
    for (const char c : name) {
        if (c == '.') {
            if (at_begin) return false;
            at_begin = has_prefix = true;
            continue;
        }
        if (at_begin ? !begins_part(c) : !is_in_part(c)) return false;
        at_begin = false;
    }
    return has_prefix && !at_begin;
}

void add_settable_names(std::string_view text, std::vector<std::string>& out) {
    std::size_t done = 0;
    for (auto at = text.find('.'); at != std::string_view::npos; at = text.find('.', done)) {
        auto begin = at;
        while (begin > done && is_in_name(text[begin - 1]))
            --begin;
        auto end = at + 1;
        while (end < text.size() && is_in_name(text[end]))
            ++end;
        done = end;
        const bool is_literal =
            begin > 0 && text[begin - 1] == '\'' && end < text.size() && text[end] == '\'';
        if (!is_literal && !ends_with_set(text.substr(0, begin))) continue;
        std::string name = protocol::ascii_lower(text.substr(begin, end - begin));
        std::erase(name, '"');
        if (!is_settable_name(name) || std::find(out.begin(), out.end(), name) != out.end())
            continue;
        if (out.size() >= max_settable_names) return;
        out.push_back(std::move(name));
    }
}

}  // namespace weir::daemon

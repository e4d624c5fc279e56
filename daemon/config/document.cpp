#include "daemon/config/document.hpp"

#include <algorithm>

namespace weir::daemon::config {

const given_value* document::find(const std::string& key) const {
    const auto found = values.find(key);
    return found == values.end() ? nullptr : &found->second;
}

place document::place_of(std::string_view key) const {
    std::string left(key);
    if (const auto* given = find(left)) return given->at;
    while (!left.empty()) {
        if (const auto found = sections.find(left); found != sections.end()) return found->second;
        const std::size_t cut = left.find_last_of(".[");
        if (cut == std::string::npos) break;
        left.resize(cut);
    }
    return {1, 1};
}

std::string key_step(std::string_view name) {
    const auto is_plain = [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-' || c == '*';
    };
    if (!name.empty() && std::ranges::all_of(name, is_plain)) return std::string(name);
    std::string quoted = "\"";
    for (const char c : name) {
        if (c == '"') quoted += '"';
        quoted += c;
    }
    return quoted + '"';
}

}  // namespace weir::daemon::config

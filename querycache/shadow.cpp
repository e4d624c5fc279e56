#include "querycache/shadow.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <vector>

namespace weir::querycache {

namespace {

/// The messages of a reply: the rows sorted, and all others as they stand. Nothing when the bytes
/// are no messages.
struct messages {
    std::vector<std::string_view> rows;
    std::vector<std::string_view> others;
    friend bool operator==(const messages&, const messages&) = default;
};

std::optional<messages> read_messages(std::string_view bytes) {
    constexpr std::size_t header = 5;
    messages found;
    while (!bytes.empty()) {
        if (bytes.size() < header) return std::nullopt;
        std::size_t size = 1;
        std::size_t length = 0;
        for (std::size_t i = 1; i < header; ++i)
            length = length << 8U | static_cast<unsigned char>(bytes[i]);
        size += length;
        if (size < header || size > bytes.size()) return std::nullopt;
        (bytes[0] == 'D' ? found.rows : found.others).push_back(bytes.substr(0, size));
        bytes.remove_prefix(size);
    }
    std::sort(found.rows.begin(), found.rows.end());
    return found;
}

}  // namespace

std::string_view to_string(shadow_result result) {
    switch (result) {
        case shadow_result::equal:
            return "equal";
        case shadow_result::different:
            return "different";
        case shadow_result::unclear:
            return "unclear";
    }
    return "";
}

bool is_same_reply(std::string_view one, std::string_view other) {
    if (one == other) return true;
    const auto a = read_messages(one);
    const auto b = read_messages(other);
    return a && b && *a == *b;
}

}  // namespace weir::querycache

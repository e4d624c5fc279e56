// What one column of our own questions to PostgreSQL holds: pieces, each with a character behind it
// or the end. Pure.
#pragma once

#include "protocol/ascii.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon {

/// Takes the piece in front of the first `end`, and both off `rest`.
inline std::string_view take_piece(std::string_view& rest, char end) {
    const std::string_view piece = rest.substr(0, rest.find(end));
    rest.remove_prefix(std::min(rest.size(), piece.size() + 1));
    return piece;
}

/// In lower case; blanks part them.
inline std::vector<std::string> take_names(std::string_view list) {
    std::vector<std::string> names;
    while (!list.empty())
        names.push_back(protocol::ascii_lower(take_piece(list, ' ')));
    return names;
}

}  // namespace weir::daemon

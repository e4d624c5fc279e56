// Finds what a person probably meant: the known word nearest to an unknown one.
// Thread rule: pure functions.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace weir::daemon::config {

/// Edits (insert, delete, replace, swap of neighbours) that turn one word into the other. Case and
/// '-' against '_' are free. Both words are cut at 64 bytes, which bounds the work.
std::size_t edit_distance(std::string_view one, std::string_view other);

/// The nearest of `known`, or "" when none is near: at most a third of the longer word may differ.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& known);

}  // namespace weir::daemon::config

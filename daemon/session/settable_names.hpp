// Names of settings with a prefix (app.user) in texts: what code that stands in a text may set.
// No I/O, no state.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon {

/// Longer names are none.
inline constexpr std::size_t max_settable_name = 128;
/// What add_settable_names() finds at most.
inline constexpr std::size_t max_settable_names = 64;

/// Parts with dots between them, of ASCII only: other letters are other bytes in the encoding of
/// the next client. Such a name needs no quotes in a literal.
[[nodiscard]] bool is_settable_name(std::string_view name);

/// Appends, in lower case and once, names that `text` gives as a literal ('app.user') or behind
/// SET, also in code that stands in a literal itself. Not what follows SET LOCAL. `out` grows to
/// max_settable_names at most.
void add_settable_names(std::string_view text, std::vector<std::string>& out);

}  // namespace weir::daemon

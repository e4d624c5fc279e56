// Shadow verification: one hit in so many is not served but run again, and PostgreSQL's answer
// compared with what memory would have given. Where no table has moved in between, and none was
// being written, the two must hold the same rows. Pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace weir::querycache {

/// What a comparison has shown.
enum class shadow_result : std::uint8_t {
    equal,
    different,  ///< never, or the promise of the cache is broken
    unclear,    ///< something was written meanwhile, or the reply could not be kept
};
inline constexpr std::size_t shadow_results = 3;

/// The word that metrics print.
std::string_view to_string(shadow_result result);

/// Whether two replies, as entries hold them, have the same messages; rows in any order, since a
/// query without ORDER BY promises none.
[[nodiscard]] bool is_same_reply(std::string_view one, std::string_view other);

}  // namespace weir::querycache

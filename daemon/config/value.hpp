// One scalar of the file and its C++ value: text to value with bounds, value back to its one
// canonical text. Thread rule: pure functions.
#pragma once

#include "daemon/config/options.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace weir::daemon::config {

/// integer, size, choice (the index) and auto (0) are int64; durations milliseconds; lists a
/// vector.
using option_value = std::
    variant<std::int64_t, double, std::chrono::milliseconds, std::string, std::vector<std::string>>;

/// Either a value or why there is none. `error` continues "pool.size: " and quotes the text only
/// when `may_quote`.
struct parsed_value {
    std::optional<option_value> result;
    std::string error;
};

/// Parses one scalar. A text_list gives a list of one; "" gives the empty list.
/// Errors: wrong type, out of bounds, not one of the choices; each with a suggestion where there is
/// one.
parsed_value parse_value(const option& row, std::string_view text, bool may_quote = true);

/// The one way to write a value: "10m", "256MiB", "transaction", "a, b". parse_value(canonical(x))
/// == x for scalars.
std::string canonical(const option& row, const option_value& held);

/// The row's default. A default that does not parse is a fault of the table, caught by a test.
option_value default_value(const option& row);

/// "a|b|c" cut at its bars.
std::vector<std::string_view> words(std::string_view joined);

}  // namespace weir::daemon::config

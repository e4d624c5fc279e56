// Values of PgBouncer's settings, from its units and words to ours. Thread rule: pure functions.
#pragma once

#include "daemon/config/pgbouncer_settings.hpp"
#include "daemon/config/value_keeper.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon::config {

/// A value as our file would say it ("2m" for 120 seconds), or what was expected.
struct converted_value {
    std::optional<std::string> text;
    std::string_view expected;  // "a whole number", when there is no text
    bool is_zero = false;       // pgbouncer_setting::zero was used
};
converted_value convert_value(const pgbouncer_setting& setting, std::string_view text);

/// Compared as values: 0030 is 30. `converted`: what convert_value() made.
bool is_pgbouncers_default(const pgbouncer_setting& setting, std::string_view converted);

/// The elements of "a, b", each with its place; empty ones are left out.
std::vector<placed_text> split_names(std::string_view text, place at);

/// As a value in a libpq connection string, quoted if need be.
std::string conninfo_value(std::string_view text);

/// As a value inside the start-up parameter `options`, where blanks and backslashes are escaped.
std::string option_argument(std::string_view text);

}  // namespace weir::daemon::config

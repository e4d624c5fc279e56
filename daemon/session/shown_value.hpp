// Whether a setting as a client has written it and as PostgreSQL shows it are the same: `30s` and
// 30000 (ms), `true` and on, `"$user", public` in any spacing. A wrong "no" costs a look too many.
// Pure.
#pragma once

#include <string>
#include <string_view>

namespace weir::daemon {

/// `shown` and `unit` as in pg_settings; `written` as behind SET .. TO, or the string itself.
[[nodiscard]] bool is_same_value(
    std::string_view written, std::string_view shown, std::string_view unit
);

/// The role that SET ROLE `written` leads to: a word, or a name in quotes. Empty for all that takes
/// more than that to be read.
[[nodiscard]] std::string shown_role(std::string_view written);

}  // namespace weir::daemon

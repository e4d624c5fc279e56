// The users file: PgBouncer's userlist.txt, lines of `"name" "secret"`.
// Thread rule: pure functions.
#pragma once

#include "daemon/config/config.hpp"
#include "daemon/config/problem.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon::config {

/// A larger users file is refused before it is kept in memory.
constexpr std::size_t largest_users_file = 16U << 20U;

/// Parses the file's text. A line is empty, a comment (`;` or `#`), or a quoted name and a quoted
/// secret; "" inside quotes is one quote; what follows the secret is ignored, as PgBouncer does. A
/// name given twice counts as its last line says, with a warning. Errors: into `problems` with line
/// and column, never with the secret. Source: PgBouncer, doc/config.md, "Authentication file
/// format".
user_secrets parse_users_file(
    std::string_view text, const std::string& file_name, std::vector<problem>& problems
);

/// What a stored secret is. nullopt for text that begins like a SCRAM secret and is none that the
/// daemon can work with.
std::optional<secret_kind> classify_secret(std::string_view secret);

/// It would be a SCRAM secret, but for more than protocol::max_scram_iterations.
bool has_too_many_iterations(std::string_view secret);

}  // namespace weir::daemon::config

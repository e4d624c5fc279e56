// What a look asks the catalog about the code of a database: parts of its SQL, and what became of
// them. Every name and operator is qualified, as sessions may have others in front, and there is no
// backslash, which sessions read differently. No I/O.
#pragma once

#include "daemon/session/database_code.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon {

/// In front of the question. It may take seconds where there are thousands of functions, which is
/// not the client's to limit: 0 ends its time, which runs for a whole text. Compiling the question
/// would take the most of ours. See database_code::longest_reading.
inline constexpr std::string_view before_code_question =
    "SET LOCAL statement_timeout TO 0; SET LOCAL jit TO off; "
    "SET LOCAL statement_timeout TO '5s'; ";

/// Items of a select list whose FROM has append_code_source().
inline constexpr std::size_t code_columns = 4;
/// Each begins with a comma. Where the digest is still `digest`, sources are not read.
/// `has_sql_bodies`: of PostgreSQL 14 and later, whose functions may have a body besides a text.
void append_code_columns(std::string& sql, std::string_view digest, bool has_sql_bodies);
/// Begins with a comma, too.
void append_code_source(std::string& sql);

/// `values`: of those columns, from `first` on.
[[nodiscard]] code_reading read_code(
    const std::vector<std::optional<std::string_view>>& values, std::size_t first
);

}  // namespace weir::daemon

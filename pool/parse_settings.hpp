// Which settings decide what a prepared statement means. PostgreSQL turns the literals of a text
// into values, and its names into relations, when the statement is parsed or analysed again, and
// folds constants when it is planned; two sessions may share a prepared statement only when they
// agree in every setting that matters there. Pure.
#pragma once

#include <string_view>

namespace weir::pool {

/// False for the names of which it is known that they change neither what a text means nor what a
/// constant in it becomes: limits, costs, logging, and an application's own names with a dot. Any
/// other matters, also one that only a later PostgreSQL knows. `name` in lower case.
[[nodiscard]] bool matters_to_parse(std::string_view name) noexcept;

}  // namespace weir::pool

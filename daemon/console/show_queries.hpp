// The rows of SHOW QUERIES and SHOW SLOW. Values in, rows out.
#pragma once

#include "daemon/console/result.hpp"
#include "daemon/insight/slow_statement.hpp"
#include "daemon/insight/statement_statistics.hpp"

#include <vector>

namespace weir::daemon::console {

/// A row a statement, in the report's order.
[[nodiscard]] std::vector<row> query_rows(const insight::statement_report& report);

/// A row a slow statement, in their order, with what `report` knows of all its calls; NULL where it
/// knows nothing.
[[nodiscard]] std::vector<row> slow_rows(
    const std::vector<insight::slow_statement>& slow, const insight::statement_report& report
);

}  // namespace weir::daemon::console

// SHOW ADVICE: advice of all kinds as rows. Pure but for advice_everywhere(), which waits for
// the loops and must not be called on one.
#pragma once

#include "daemon/console/result.hpp"
#include "daemon/insight/advice_row.hpp"

#include <vector>

namespace weir::daemon {
class worker;
}

namespace weir::daemon::console {

[[nodiscard]] std::vector<row> advice_rows(const std::vector<insight::advice_row>& all);

/// The sum over all loops; without those that do not answer within a second.
[[nodiscard]] insight::advice_book advice_everywhere(const std::vector<worker*>& workers);

}  // namespace weir::daemon::console

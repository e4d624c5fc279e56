// SHOW ADVICE: the books of all loops as rows. Pure but for advice_everywhere(), which waits for
// the loops and must not be called on one.
#pragma once

#include "daemon/console/result.hpp"
#include "daemon/insight/advice.hpp"

#include <vector>

namespace weir::daemon {
class worker;
}

namespace weir::daemon::console {

[[nodiscard]] std::vector<row> advice_rows(const insight::advice_book& all);

/// The sum over all loops; without those that do not answer within a second.
[[nodiscard]] insight::advice_book advice_everywhere(const std::vector<worker*>& workers);

}  // namespace weir::daemon::console

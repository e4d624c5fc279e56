// What SET does in the console: nothing for the names that drivers set on every connection, and for
// the daemon's own options an error that tells where they are changed. Pure; any thread.
#pragma once

#include "daemon/config/config.hpp"
#include "daemon/console/result.hpp"
#include "daemon/console/words.hpp"

#include <vector>

namespace weir::daemon::console {

/// `arguments`: the words after SET. Errors: 55P02 for an option of the configuration, 42704 for a
/// name that nobody knows, with the nearest option.
[[nodiscard]] result answer_set(
    const std::vector<word>& arguments, const config::config& configuration
);

}  // namespace weir::daemon::console

// What of a configuration that was read anew may be put in force while the daemon runs. Thread
// rule: pure.
#pragma once

#include "daemon/config/config.hpp"

namespace weir::daemon::config {

/// `next` with the values of `running` for every option that needs a restart. So the snapshot says
/// what is in force (SHOW CONFIG), and each reload tells again what still waits for a restart.
config_ptr without_restart(const config& running, const config& next);

}  // namespace weir::daemon::config

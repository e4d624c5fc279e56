// What is wrong with cache.events as a whole: events that do nothing, and names that lead nowhere.
// Thread rule: one thread, for the time of one load.
#pragma once

#include "daemon/config/config.hpp"
#include "daemon/config/document.hpp"
#include "daemon/config/report.hpp"

namespace weir::daemon::config {

void check_events(const config& built, const document& from, report& to);

}  // namespace weir::daemon::config

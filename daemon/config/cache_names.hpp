// What is wrong with the named parts of cache as a whole: events that do nothing, and names that
// lead nowhere or are none.
// Thread rule: one thread, for the time of one load.
#pragma once

#include "daemon/config/config.hpp"
#include "daemon/config/document.hpp"
#include "daemon/config/report.hpp"

namespace weir::daemon::config {

void check_events(const config& built, const document& from, report& to);
void check_functions(const config& built, const document& from, report& to);

}  // namespace weir::daemon::config

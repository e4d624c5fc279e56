// What is wrong with the warm queries of cache.rules: texts that no reply can be kept of, or that
// their rule does not admit. Without a catalog, so the rest shows when they are run.
// Thread rule: one thread, for the time of one load.
#pragma once

#include "daemon/config/config.hpp"
#include "daemon/config/document.hpp"
#include "daemon/config/report.hpp"

namespace weir::daemon::config {

void check_warm_queries(const config& built, const document& from, report& to);

}  // namespace weir::daemon::config

// What a configuration must hold as a whole: rules that no single option can break alone.
// Thread rule: one thread; asks the file system whether folders exist.
#pragma once

#include "daemon/config/config.hpp"
#include "daemon/config/document.hpp"
#include "daemon/config/report.hpp"

namespace weir::daemon::config {

/// Reports every relation that does not hold, each at the value that a person would change.
void check_relations(const config& built, const document& from, report& to);

}  // namespace weir::daemon::config

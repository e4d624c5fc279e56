// From the values of a document to the structs of a snapshot, with the errors that only show when a
// value is taken apart: addresses, connection strings, patterns, the users file. Thread rule: one
// thread; reads the users file and may block.
#pragma once

#include "daemon/config/config.hpp"
#include "daemon/config/document.hpp"
#include "daemon/config/report.hpp"
#include "daemon/config/resolve_text.hpp"

namespace weir::daemon::config {

/// Fills every field from the file or from the table's default. Never throws for what the file
/// says.
config build_config(const document& from, report& to, const environment_lookup& environment);

}  // namespace weir::daemon::config

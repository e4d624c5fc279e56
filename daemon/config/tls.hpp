// The part of a load that reads certificates and keys: makes the contexts of TLS, one for all that
// say the same, and tells what is missing or wrong at the place that names it.
// Thread rule: one thread, for the time of one load; blocks on files.
#pragma once

#include "daemon/config/config.hpp"
#include "daemon/config/document.hpp"
#include "daemon/config/report.hpp"

namespace weir::daemon::config {

/// Fills tls.context of `built.listen` and of every database.
void make_tls_contexts(config& built, const document& from, report& to);

}  // namespace weir::daemon::config

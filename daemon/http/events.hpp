// The body of /events. Pure.
#pragma once

#include "daemon/insight/log.hpp"

#include <string>
#include <vector>

namespace weir::daemon::http {

/// {"events": [{ts, level, message}, ...]} in the given order.
std::string events_json(const std::vector<log_event>& events);

}  // namespace weir::daemon::http

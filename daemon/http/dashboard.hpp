// The page at /: one file without anything from elsewhere, put together from dashboard/ when the
// daemon is built. It holds no figure of its own; its script asks the JSON paths.
#pragma once

#include "daemon/http/server.hpp"

#include <string>
#include <string_view>

namespace weir::daemon::http {

/// The page's text. Static storage.
std::string_view dashboard_page();

/// What lets a browser run exactly the style and the script that stand in `page`, by their hashes,
/// and talk to this daemon only.
std::string policy_of_page(std::string_view page);

/// The page as a response; made once, copied for each request.
response dashboard_response();

}  // namespace weir::daemon::http

// From method and path to a response: the route table's rules, without sockets. Pure apart from the
// handler it calls.
#pragma once

#include "daemon/http/server.hpp"

#include <string>
#include <string_view>

namespace weir::daemon::http {

enum class method : std::uint8_t { get, head, post, other };

struct answer {
    response body;
    std::string allow;  ///< the Allow header of a 405, else empty
};

/// `target` as in the request line; the query string is ignored. What a route refuses is told
/// before anything else of it. A handler's exception is logged and becomes a 500 that does not
/// quote it.
answer answer_request(
    const route_table& routes,
    method asked,
    std::string_view target,
    const request_details& details = {}
);

}  // namespace weir::daemon::http

// Bearer tokens: who may look and who may change. Pure.
#pragma once

#include "daemon/http/server.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace weir::daemon::http {

/// {"error": ..., "hint": ...}
response failed(unsigned status, std::string_view what, std::string_view instead);

/// The tokens in force, asked for at each request: a reload may change them.
struct access_tokens {
    std::function<std::string()> change;  ///< http.token; empty: nobody may change anything
    std::function<std::string()> view;    ///< http.view_token; empty: anybody may look
};

/// Nothing when a request with this Authorization header may look; else what it is told.
std::optional<response> refused_to_look(
    const access_tokens& tokens, std::string_view authorization
);
/// The same for one that changes something.
std::optional<response> refused_to_change(
    const access_tokens& tokens, std::string_view authorization
);

}  // namespace weir::daemon::http

#include "daemon/http/answer.hpp"

#include "daemon/insight/log.hpp"

#include <fmt/format.h>

#include <exception>
#include <utility>

namespace weir::daemon::http {
namespace {

response not_found(const route_table& routes) {
    response out;
    out.status = 404;
    out.body = "nothing here; try";
    for (const auto& [path, unused] : routes)
        out.body += " " + path;
    out.body += "\n";
    return out;
}

std::string allowed_methods(const route& found) {
    if (!found.get) return "POST";
    return found.post ? "GET, HEAD, POST" : "GET, HEAD";
}

answer method_not_allowed(const route& found) {
    answer out;
    out.allow = allowed_methods(found);
    out.body.status = 405;
    out.body.body = fmt::format("this path answers {}", out.allow);
    if (!found.hint.empty()) out.body.body += "; " + found.hint;
    out.body.body += "\n";
    return out;
}

template<class Handler, class... Request>
response call(std::string_view path, const Handler& asked, const Request&... request) {
    try {
        return asked(request...);
    } catch (const std::exception& problem) {
        log_error("http: {} failed: {}", path, problem.what());
    }
    response out;
    out.status = 500;
    out.body = "internal error, see the log\n";
    return out;
}

}  // namespace

answer answer_request(
    const route_table& routes, method asked, std::string_view target, const request_details& details
) {
    const auto path = target.substr(0, target.find('?'));
    const auto found = routes.find(path);
    if (found == routes.end()) return {not_found(routes), {}};
    if (const auto& refusal = found->second.refusal) {
        if (auto refused = refusal(details)) return {std::move(*refused), {}};
    }
    switch (asked) {
        case method::get:
        case method::head:
            if (found->second.get) return {call(path, found->second.get), {}};
            break;
        case method::post:
            if (found->second.post) return {call(path, found->second.post, details), {}};
            break;
        case method::other:
            break;
    }
    return method_not_allowed(found->second);
}

}  // namespace weir::daemon::http

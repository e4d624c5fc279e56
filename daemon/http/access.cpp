#include "daemon/http/access.hpp"

#include "daemon/insight/json_writer.hpp"
#include "daemon/insight/log.hpp"
#include "protocol/ascii.hpp"
#include "protocol/crypto.hpp"

namespace weir::daemon::http {
namespace {

/// What an Authorization header holds behind its scheme, in any case; empty when it is another.
std::string_view bearer_token(std::string_view authorization) {
    constexpr std::string_view scheme = "bearer ";
    if (!protocol::same_letters(authorization.substr(0, scheme.size()), scheme)) return {};
    authorization.remove_prefix(scheme.size());
    while (authorization.starts_with(' '))
        authorization.remove_prefix(1);
    return authorization;
}

bool is_token(std::string_view given, const std::string& wanted) {
    return !wanted.empty() && protocol::constant_time_equal(given, wanted);
}

response token_needed(std::string_view given, std::string_view remedy) {
    response refused = failed(
        401, given.empty() ? "a bearer token is needed" : "the bearer token is wrong", remedy
    );
    refused.challenge = "Bearer realm=\"pgweir\"";
    return refused;
}

}  // namespace

response failed(unsigned status, std::string_view what, std::string_view instead) {
    insight::json_writer json;
    json.begin_object();
    json.key("error").text(what);
    json.key("hint").text(instead);
    json.end_object();
    return {status, "application/json", json.take() + '\n'};
}

std::optional<response> refused_to_look(
    const access_tokens& tokens, std::string_view authorization
) {
    const std::string wanted = tokens.view();
    if (wanted.empty()) return std::nullopt;
    const auto given = bearer_token(authorization);
    // Both, whatever the first says: how long it takes tells nothing.
    const bool may_look = is_token(given, wanted);
    const bool may_change = is_token(given, tokens.change());
    if (may_look || may_change) return std::nullopt;
    if (!given.empty()) log_warning("http: a GET with a wrong bearer token was refused");
    return token_needed(
        given,
        "send the header Authorization: Bearer TOKEN with the value of http.view_token or "
        "http.token; /health and /ready need none"
    );
}

std::optional<response> refused_to_change(
    const access_tokens& tokens, std::string_view authorization
) {
    const std::string wanted = tokens.change();
    if (wanted.empty()) {
        return failed(
            403,
            "POST is refused: http.token is not set",
            "set http.token in the configuration and reload it with SIGHUP"
        );
    }
    const auto given = bearer_token(authorization);
    if (is_token(given, wanted)) return std::nullopt;
    if (!given.empty()) log_warning("http: a POST with a wrong bearer token was refused");
    return token_needed(
        given, "send the header Authorization: Bearer TOKEN with the value of http.token"
    );
}

}  // namespace weir::daemon::http

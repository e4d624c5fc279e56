#include "daemon/http/endpoints.hpp"

#include "daemon/insight/json_writer.hpp"
#include "daemon/insight/log.hpp"
#include "daemon/insight/metrics.hpp"
#include "protocol/ascii.hpp"
#include "protocol/crypto.hpp"

#include <boost/json.hpp>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace weir::daemon::http {
namespace {

response json_response(unsigned status, std::string body) {
    body += '\n';
    return {status, "application/json", std::move(body)};
}

response ready_response(const readiness& found) {
    const bool is_ready = found.reasons.empty();
    insight::json_writer json;
    const auto list = [&json](const std::vector<std::string>& lines) {
        json.begin_array();
        for (const auto& line : lines)
            json.text(line);
        json.end_array();
    };
    json.begin_object().key("ready").boolean(is_ready).key("reasons");
    list(found.reasons);
    json.key("degraded");
    list(found.degraded);
    json.end_object();
    return json_response(is_ready ? 200 : 503, json.take());
}

response failed(unsigned status, std::string_view what, std::string_view instead) {
    insight::json_writer json;
    json.begin_object();
    json.key("error").text(what);
    json.key("hint").text(instead);
    json.end_object();
    return json_response(status, json.take());
}

std::string escaped_html(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '<') {
            out += "&lt;";
        } else if (c == '&') {
            out += "&amp;";
        } else {
            out += c;
        }
    }
    return out;
}

response front_page(const std::string& version) {
    std::string page =
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width\"><title>pgweir</title>"
        "<style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;"
        "margin:2rem auto;max-width:40rem;padding:0 1rem}</style></head>\n"
        "<body><h1>pgweir ";
    page += escaped_html(version);
    page +=
        "</h1>\n<p>This version has no dashboard yet. The same figures are here:</p>\n<ul>\n"
        "<li><a href=\"/metrics\">/metrics</a> for Prometheus</li>\n"
        "<li><a href=\"/health\">/health</a>: the process is alive</li>\n"
        "<li><a href=\"/ready\">/ready</a>: a client could be served</li>\n"
        "<li><a href=\"/stats.json\">/stats.json</a>: clients, pools, databases, cache</li>\n"
        "<li><a href=\"/cache/stats\">/cache/stats</a>: the cache by rule</li>\n"
        "<li><a href=\"/slow\">/slow</a>: the last slow statements</li>\n"
        "<li><a href=\"/circuit-breakers\">/circuit-breakers</a>: the hosts of PostgreSQL</li>\n"
        "</ul>\n<p>The admin console is database <code>pgweir</code> on the SQL port.</p>"
        "</body></html>\n";
    return {200, "text/html; charset=utf-8", std::move(page)};
}

route get_only(handler get) {
    return {std::move(get), {}, "nothing can be changed here"};
}

// --- POST ---

/// What an Authorization header holds behind its scheme, in any case; empty when it is another.
std::string_view bearer_token(std::string_view authorization) {
    constexpr std::string_view scheme = "bearer ";
    if (!protocol::same_letters(authorization.substr(0, scheme.size()), scheme)) return {};
    authorization.remove_prefix(scheme.size());
    while (authorization.starts_with(' '))
        authorization.remove_prefix(1);
    return authorization;
}

/// A path that only takes POST, and that only with the token; GET explains itself through the 405's
/// hint.
route post_with_token(std::string hint, std::function<std::string()> token, post_handler answer) {
    route out;
    out.hint = std::move(hint);
    out.post = [token = std::move(token),
                answer = std::move(answer)](const post_request& request) -> response {
        const std::string wanted = token();
        if (wanted.empty()) {
            return failed(
                403,
                "POST is refused: http.token is not set",
                "set http.token in the configuration and reload it with SIGHUP"
            );
        }
        const auto given = bearer_token(request.authorization);
        if (!protocol::constant_time_equal(given, wanted)) {
            if (!given.empty()) log_warning("http: a POST with a wrong bearer token was refused");
            response refused = failed(
                401,
                given.empty() ? "a bearer token is needed" : "the bearer token is wrong",
                "send the header Authorization: Bearer TOKEN with the value of http.token"
            );
            refused.challenge = "Bearer realm=\"pgweir\"";
            return refused;
        }
        return answer(request);
    };
    return out;
}

constexpr std::string_view invalidate_form =
    "{\"table\": \"NAME\"}, {\"rule\": \"NAME\"}, {\"event\": \"NAME\"}, {\"database\": \"NAME\"} "
    "or "
    "{\"all\": true}";

constexpr std::array<std::pair<std::string_view, invalidation_scope>, 4> named_scopes{{
    {"table", invalidation_scope::table},
    {"rule", invalidation_scope::rule},
    {"event", invalidation_scope::event},
    {"database", invalidation_scope::database},
}};

/// A body of one of the forms above; nothing when it is anything else.
std::optional<invalidation_request> parse_invalidate(std::string_view body) {
    boost::system::error_code error;
    const auto parsed = boost::json::parse({body.data(), body.size()}, error);
    if (error || !parsed.is_object() || parsed.get_object().size() != 1) return std::nullopt;
    const auto& [key, value] = *parsed.get_object().begin();
    if (key == "all") {
        if (!value.is_bool() || !value.get_bool()) return std::nullopt;
        return invalidation_request{};
    }
    for (const auto& [word, scope] : named_scopes) {
        if (std::string_view(key.data(), key.size()) != word) continue;
        if (!value.is_string() || value.get_string().empty()) return std::nullopt;
        const auto& name = value.get_string();
        return invalidation_request{scope, std::string(name.data(), name.size())};
    }
    return std::nullopt;
}

response invalidate_response(
    const post_request& request,
    const std::function<invalidation(const invalidation_request&)>& invalidate
) {
    const auto wanted = parse_invalidate(request.body);
    if (!wanted) {
        return failed(
            400,
            "the body is not JSON of the right form",
            "send " + std::string(invalidate_form) +
                "; a table is t or schema.t as in PostgreSQL's catalog"
        );
    }
    const auto done = invalidate(*wanted);
    if (!done.problem.empty()) return failed(404, done.problem, done.hint);
    if (wanted->scope == invalidation_scope::table && !done.unknown_tables.empty()) {
        return failed(
            404,
            "no database known to the cache has a table \"" + wanted->name + "\"",
            "no entry depends on it; SHOW CACHE TABLES in the admin console lists the tables, "
            "names are in lower case unless they were quoted"
        );
    }
    insight::json_writer json;
    json.begin_object();
    for (const auto& [word, scope] : named_scopes) {
        if (scope == wanted->scope) json.key(word).text(wanted->name);
    }
    if (wanted->scope == invalidation_scope::all) json.key("all").boolean(true);
    json.key("entries").number(done.entries);
    if (!done.unknown_tables.empty()) {
        json.key("unknown_tables").begin_array();
        for (const auto& table : done.unknown_tables)
            json.text(table);
        json.end_array();
    }
    json.end_object();
    return json_response(200, json.take());
}

response reload_response(const reload_outcome& outcome) {
    switch (outcome.end) {
        case reload_end::applied:
            return json_response(200, R"({"reloaded":true})");
        case reload_end::unfinished:
            return failed(504, "the reload has not ended yet", "the log tells how it ends");
        case reload_end::refused:
            break;
    }
    return failed(
        422,
        "the configuration was not applied, everything runs as before",
        outcome.problems.empty() ? "see the log" : outcome.problems
    );
}

}  // namespace

route_table make_routes(endpoint_sources sources) {
    route_table routes;
    routes["/"] = get_only([version = sources.version] { return front_page(version); });
    routes["/health"] = get_only([] { return json_response(200, R"({"alive":true})"); });
    routes["/ready"] =
        get_only([ready = std::move(sources.ready)] { return ready_response(ready()); });
    routes["/metrics"] = get_only([metrics = std::move(sources.metrics)] {
        return response{200, insight::metrics_content_type, metrics()};
    });
    routes["/stats.json"] =
        get_only([stats = std::move(sources.stats)] { return json_response(200, stats()); });
    routes["/cache/stats"] =
        get_only([stats = std::move(sources.cache_stats)] { return json_response(200, stats()); });
    routes["/slow"] =
        get_only([slow = std::move(sources.slow)] { return json_response(200, slow()); });
    routes["/circuit-breakers"] = get_only([breakers = std::move(sources.breakers)] {
        return json_response(200, breakers());
    });
    routes["/invalidate"] = post_with_token(
        "POST " + std::string(invalidate_form) + " with the bearer token of http.token",
        sources.token,
        [invalidate = std::move(sources.invalidate)](const post_request& request) {
            return invalidate_response(request, invalidate);
        }
    );
    routes["/reload"] = post_with_token(
        "POST with the bearer token of http.token",
        sources.token,
        [reload = std::move(sources.reload)](const post_request&) {
            return reload_response(reload());
        }
    );
    return routes;
}

}  // namespace weir::daemon::http

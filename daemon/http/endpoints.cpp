#include "daemon/http/endpoints.hpp"

#include "daemon/http/dashboard.hpp"
#include "daemon/insight/json_writer.hpp"
#include "daemon/insight/metrics.hpp"

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

// The path of GET alone, for those who may look.
route viewed(const access_tokens& tokens, handler get) {
    return {std::move(get), {}, "nothing can be changed here", [tokens](const auto& request) {
                return refused_to_look(tokens, request.authorization);
            }};
}

// Who has no token yet is given the page all the same: it holds no figure, and its script asks for
// the token when the JSON paths want one. 401 tells programs that here is nothing to scrape.
route front_page(const access_tokens& tokens) {
    const auto page = dashboard_response();
    auto out = viewed(tokens, [page] { return page; });
    out.refusal = [page, tokens](const request_details& request) -> std::optional<response> {
        const auto refused = refused_to_look(tokens, request.authorization);
        if (!refused) return std::nullopt;
        response asking = page;
        asking.status = refused->status;
        asking.challenge = refused->challenge;
        return asking;
    };
    return out;
}

// For programs that ask whether the daemon lives; load balancers have no token.
route get_only(handler get) {
    return {std::move(get), {}, "nothing can be changed here"};
}

// --- POST ---

/// A path that only takes POST, and that only with the token; GET explains itself through the 405's
/// hint.
route post_with_token(std::string hint, const access_tokens& tokens, post_handler answer) {
    route out;
    out.hint = std::move(hint);
    out.post = [tokens, answer = std::move(answer)](const request_details& request) {
        auto refused = refused_to_change(tokens, request.authorization);
        return refused ? std::move(*refused) : answer(request);
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
    const request_details& request,
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
    const auto& tokens = sources.tokens;
    const auto json = [&tokens](std::function<std::string()> source) {
        return viewed(tokens, [source = std::move(source)] {
            return json_response(200, source());
        });
    };
    route_table routes;
    routes["/"] = front_page(tokens);
    routes["/health"] = get_only([] { return json_response(200, R"({"alive":true})"); });
    routes["/ready"] =
        get_only([ready = std::move(sources.ready)] { return ready_response(ready()); });
    routes["/metrics"] = viewed(tokens, [metrics = std::move(sources.metrics)] {
        return response{200, insight::metrics_content_type, metrics()};
    });
    routes["/stats.json"] = json(std::move(sources.stats));
    routes["/cache/stats"] = json(std::move(sources.cache_stats));
    routes["/slow"] = json(std::move(sources.slow));
    routes["/circuit-breakers"] = json(std::move(sources.breakers));
    routes["/advice"] = json(std::move(sources.advice));
    routes["/events"] = json(std::move(sources.events));
    routes["/compression/stats"] = json(std::move(sources.compression));
    routes["/invalidate"] = post_with_token(
        "POST " + std::string(invalidate_form) + " with the bearer token of http.token",
        tokens,
        [invalidate = std::move(sources.invalidate)](const request_details& request) {
            return invalidate_response(request, invalidate);
        }
    );
    routes["/reload"] = post_with_token(
        "POST with the bearer token of http.token",
        tokens,
        [reload = std::move(sources.reload)](const request_details&) {
            return reload_response(reload());
        }
    );
    return routes;
}

}  // namespace weir::daemon::http

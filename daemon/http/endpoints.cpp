#include "daemon/http/endpoints.hpp"

#include "daemon/insight/json_writer.hpp"
#include "daemon/insight/metrics.hpp"

#include <string_view>
#include <utility>

namespace weir::daemon::http {
namespace {

response json_response(unsigned status, std::string body) {
    body += '\n';
    return {status, "application/json", std::move(body)};
}

response ready_response(const readiness& reasons) {
    insight::json_writer json;
    json.begin_object().key("ready").boolean(reasons.empty()).key("reasons").begin_array();
    for (const auto& reason : reasons)
        json.text(reason);
    json.end_array().end_object();
    return json_response(reasons.empty() ? 200 : 503, json.take());
}

response not_offered(std::string_view what, std::string_view instead) {
    insight::json_writer json;
    json.begin_object();
    json.key("error").text(what);
    json.key("hint").text(instead);
    json.end_object();
    return json_response(501, json.take());
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
        "</ul>\n<p>The admin console is database <code>pgweir</code> on the SQL port.</p>"
        "</body></html>\n";
    return {200, "text/html; charset=utf-8", std::move(page)};
}

route get_only(handler get) {
    return {std::move(get), {}, "nothing can be changed here"};
}

// GET of a path that only takes POST explains itself through the 405's hint.
route post_not_offered(std::string_view what, std::string instead) {
    route out;
    out.hint = instead;
    out.post = [what, instead = std::move(instead)] { return not_offered(what, instead); };
    return out;
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
    routes["/circuit-breakers"] = get_only([] {
        return not_offered(
            "circuit breakers are not part of this version",
            "pgweir_server_connect_failures_total in /metrics counts failed connects by reason"
        );
    });
    routes["/invalidate"] = post_not_offered(
        "invalidation over HTTP is not part of this version",
        "use INVALIDATE in the admin console (database pgweir on the SQL port)"
    );
    routes["/reload"] = post_not_offered(
        "reload over HTTP is not part of this version",
        "use RELOAD in the admin console (database pgweir on the SQL port) or send SIGHUP"
    );
    return routes;
}

}  // namespace weir::daemon::http

#include "daemon/http/endpoints.hpp"

#include "daemon/http/answer.hpp"
#include "daemon/http/kept_body.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::http {
namespace {

struct endpoint_routes : testing::Test {
    readiness found;
    std::string token = "s3cret";
    std::string view_token;
    reload_outcome reloaded;
    int reloads = 0;
    std::string invalidated;
    invalidation_scope scope = invalidation_scope::all;
    int invalidations = 0;
    invalidation invalidation_answer{3};
    route_table routes = make_routes({
        [] { return std::string{"metrics\n"}; },
        [this] { return found; },
        [] { return std::string{"{\"s\":1}"}; },
        [] { return std::string{"{\"c\":1}"}; },
        [] { return std::string{"{\"l\":1}"}; },
        [] { return std::string{"{\"b\":1}"}; },
        [] { return std::string{"{\"a\":1}"}; },
        [] { return std::string{"{\"e\":1}"}; },
        [] { return std::string{"{\"z\":1}"}; },
        {[this] { return token; }, [this] { return view_token; }},
        [this] {
            ++reloads;
            return reloaded;
        },
        [this](const invalidation_request& asked) {
            invalidated = asked.name;
            scope = asked.scope;
            ++invalidations;
            return invalidation_answer;
        },
    });

    response post(
        std::string_view path, std::string_view authorization, std::string_view body = {}
    ) {
        return answer_request(routes, method::post, path, {authorization, body}).body;
    }

    response get(std::string_view path, std::string_view authorization = {}) {
        return answer_request(routes, method::get, path, {authorization, {}}).body;
    }
};

TEST_F(endpoint_routes, AnswerTheirSources) {
    EXPECT_EQ(get("/metrics").body, "metrics\n");
    EXPECT_EQ(get("/metrics").content_type, "text/plain; version=0.0.4; charset=utf-8");
    EXPECT_EQ(get("/stats.json").body, "{\"s\":1}\n");
    EXPECT_EQ(get("/cache/stats").body, "{\"c\":1}\n");
    EXPECT_EQ(get("/slow").body, "{\"l\":1}\n");
    EXPECT_EQ(get("/slow").content_type, "application/json");
    EXPECT_EQ(get("/circuit-breakers").body, "{\"b\":1}\n");
    EXPECT_EQ(get("/advice").body, "{\"a\":1}\n");
    EXPECT_EQ(get("/events").body, "{\"e\":1}\n");
    EXPECT_EQ(get("/compression/stats").body, "{\"z\":1}\n");
    EXPECT_EQ(get("/health").status, 200U);
}

TEST_F(endpoint_routes, ReadyTellsWhyNot) {
    EXPECT_EQ(get("/ready").status, 200U);
    EXPECT_EQ(get("/ready").body, "{\"ready\":true,\"reasons\":[],\"degraded\":[]}\n");
    found.degraded = {"pool a/b is paused"};
    EXPECT_EQ(get("/ready").status, 200U);
    EXPECT_NE(get("/ready").body.find("[\"pool a/b is paused\"]"), std::string::npos);
    found = {{"draining", "host \"db1\" refuses"}, {}, {}};
    EXPECT_EQ(get("/ready").status, 503U);
    EXPECT_EQ(
        get("/ready").body,
        "{\"ready\":false,\"reasons\":[\"draining\",\"host \\\"db1\\\" "
        "refuses\"],\"degraded\":[]}\n"
    );
}

TEST_F(endpoint_routes, FrontPageLinksToThemAll) {
    const auto page = get("/");
    EXPECT_EQ(page.status, 200U);
    EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
    ASSERT_NE(page.kept, nullptr);
    for (const auto& [path, entry] : routes) {
        const bool is_offered = entry.get && path != "/";
        const auto link = "href=\"" + path + "\"";
        EXPECT_EQ(page.kept->plain().find(link) != std::string::npos, is_offered) << path;
    }
}

const std::vector<std::string> paths_with_figures = {
    "/metrics",
    "/stats.json",
    "/cache/stats",
    "/slow",
    "/circuit-breakers",
    "/advice",
    "/events",
    "/compression/stats"};

TEST_F(endpoint_routes, LookingNeedsTheViewTokenWhenThereIsOne) {
    for (const auto& path : paths_with_figures)
        EXPECT_EQ(get(path).status, 200U) << path;
    view_token = "l00k";
    for (const auto& path : paths_with_figures) {
        for (const auto* authorization :
             {"", "l00k", "Bearer", "Bearer l00", "Bearer l00ks", "Basic l00k", "Bearer l00k x"}) {
            const auto refused = get(path, authorization);
            EXPECT_EQ(refused.status, 401U) << path << " " << authorization;
            EXPECT_EQ(refused.content_type, "application/json");
            EXPECT_EQ(refused.challenge, "Bearer realm=\"pgweir\"");
            EXPECT_NE(refused.body.find("http.view_token"), std::string::npos);
            EXPECT_EQ(refused.body.find("l00k"), std::string::npos);
        }
        EXPECT_EQ(get(path, "Bearer l00k").status, 200U) << path;
        EXPECT_EQ(get(path, "bearer s3cret").status, 200U) << path;
    }
    EXPECT_EQ(get("/health").status, 200U);
    EXPECT_EQ(get("/ready").status, 200U);
    EXPECT_EQ(post("/reload", "Bearer l00k").status, 401U);
    EXPECT_EQ(reloads, 0);
}

TEST_F(endpoint_routes, EmptyTokensNeverMatch) {
    view_token = "l00k";
    token = "";
    EXPECT_EQ(get("/slow", "Bearer ").status, 401U);
    EXPECT_EQ(get("/slow", "").status, 401U);
    EXPECT_EQ(post("/reload", "Bearer l00k").status, 403U);
}

TEST_F(endpoint_routes, FrontPageAsksForTheTokenByItself) {
    const auto open = get("/");
    view_token = "l00k";
    const auto asking = get("/");
    EXPECT_EQ(asking.status, 401U);
    EXPECT_EQ(asking.challenge, "Bearer realm=\"pgweir\"");
    EXPECT_EQ(asking.kept, open.kept);
    EXPECT_EQ(asking.content_security_policy, open.content_security_policy);
    EXPECT_EQ(get("/", "Bearer l00k").status, 200U);
}

TEST_F(endpoint_routes, PostNeedsTheToken) {
    for (const auto* path : {"/invalidate", "/reload"}) {
        for (const auto* authorization :
             {"",
              "s3cret",
              "Bearer",
              "Bearer ",
              "Bearer s3cre",
              "Bearer s3crets",
              "Bearer S3CRET",
              "Basic s3cret",
              "Bearer s3cret extra"}) {
            const auto given = post(path, authorization, R"({"table":"t"})");
            EXPECT_EQ(given.status, 401U) << path << " " << authorization;
            EXPECT_EQ(given.challenge, "Bearer realm=\"pgweir\"");
            EXPECT_EQ(given.body.find("s3cret"), std::string::npos);
        }
        EXPECT_EQ(get(path).status, 405U) << path;
        EXPECT_NE(get(path).body.find("http.token"), std::string::npos) << path;
    }
    EXPECT_EQ(reloads, 0);
    EXPECT_EQ(invalidated, "");
    EXPECT_EQ(post("/reload", "bearer  s3cret").status, 200U);
}

TEST_F(endpoint_routes, PostIsRefusedWithoutATokenInTheConfiguration) {
    token = "";
    for (const auto* authorization : {"", "Bearer ", "Bearer x"}) {
        const auto given = post("/reload", authorization);
        EXPECT_EQ(given.status, 403U) << authorization;
        EXPECT_NE(given.body.find("http.token"), std::string::npos);
    }
    EXPECT_EQ(reloads, 0);
}

TEST_F(endpoint_routes, InvalidateTellsTheEntries) {
    const auto given = post("/invalidate", "Bearer s3cret", R"({"table": "public.orders"})");
    EXPECT_EQ(given.status, 200U);
    EXPECT_EQ(given.body, "{\"table\":\"public.orders\",\"entries\":3}\n");
    EXPECT_EQ(invalidated, "public.orders");
    EXPECT_EQ(scope, invalidation_scope::table);
    invalidation_answer = {0, {}, {}, {"no_such"}};
    const auto unknown = post("/invalidate", "Bearer s3cret", R"({"table": "no_such"})");
    EXPECT_EQ(unknown.status, 404U);
    EXPECT_NE(unknown.body.find("no_such"), std::string::npos);
}

TEST_F(endpoint_routes, InvalidateKnowsAllThatTheConsoleKnows) {
    const std::vector<std::pair<std::string, invalidation_scope>> scopes = {
        {"table", invalidation_scope::table},
        {"rule", invalidation_scope::rule},
        {"event", invalidation_scope::event},
        {"database", invalidation_scope::database}};
    for (const auto& [word, wanted] : scopes) {
        invalidation_answer = invalidation{3};
        const auto body = "{\"" + word + "\":\"a.b\"}";
        const auto given = post("/invalidate", "Bearer s3cret", body);
        EXPECT_EQ(given.status, 200U) << word;
        EXPECT_EQ(given.body, "{\"" + word + "\":\"a.b\",\"entries\":3}\n");
        EXPECT_EQ(invalidated, "a.b");
        EXPECT_EQ(scope, wanted) << word;
        invalidation_answer = {0, "no such thing", "Did you mean a.c?"};
        const auto unknown = post("/invalidate", "Bearer s3cret", body);
        EXPECT_EQ(unknown.status, 404U) << word;
        EXPECT_EQ(unknown.body, "{\"error\":\"no such thing\",\"hint\":\"Did you mean a.c?\"}\n");
    }
    invalidation_answer = {7, {}, {}, {"t"}};
    EXPECT_EQ(
        post("/invalidate", "Bearer s3cret", R"({"event": "e"})").body,
        "{\"event\":\"e\",\"entries\":7,\"unknown_tables\":[\"t\"]}\n"
    );
    invalidation_answer = invalidation{7};
    EXPECT_EQ(
        post("/invalidate", "Bearer s3cret", R"({"all": true})").body,
        "{\"all\":true,\"entries\":7}\n"
    );
    EXPECT_EQ(scope, invalidation_scope::all);
}

TEST_F(endpoint_routes, InvalidateTakesNoOtherBody) {
    for (const auto* body :
         {"",
          "orders",
          "{",
          "{}",
          "[]",
          "null",
          R"("orders")",
          R"({"table": 7})",
          R"({"table": ""})",
          R"({"table": null})",
          R"({"tabel": "orders"})",
          R"({"table": "orders", "rule": "r"})",
          R"({"all": false})",
          R"({"all": "true"})",
          R"({"all": true, "table": "t"})",
          R"({"event": ["a"]})",
          R"({"rule": ""})",
          R"({"table": "orders"} x)"}) {
        const auto given = post("/invalidate", "Bearer s3cret", body);
        EXPECT_EQ(given.status, 400U) << body;
        EXPECT_NE(given.body.find("table"), std::string::npos) << body;
    }
    EXPECT_EQ(post("/invalidate", "Bearer s3cret", std::string(60'000, '[')).status, 400U);
    EXPECT_EQ(invalidations, 0);
    EXPECT_EQ(invalidated, "");
}

TEST_F(endpoint_routes, ReloadTellsHowItEnded) {
    EXPECT_EQ(post("/reload", "Bearer s3cret").body, "{\"reloaded\":true}\n");
    reloaded = {reload_end::refused, "f.yaml:1:2: no\n"};
    EXPECT_EQ(post("/reload", "Bearer s3cret").status, 422U);
    EXPECT_NE(post("/reload", "Bearer s3cret").body.find("f.yaml:1:2: no"), std::string::npos);
    reloaded = {reload_end::unfinished, ""};
    EXPECT_EQ(post("/reload", "Bearer s3cret").status, 504U);
}

}  // namespace
}  // namespace weir::daemon::http

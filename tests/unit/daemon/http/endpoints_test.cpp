#include "daemon/http/endpoints.hpp"

#include "daemon/http/answer.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::http {
namespace {

struct endpoint_routes : testing::Test {
    readiness reasons;
    route_table routes = make_routes({
        [] { return std::string{"metrics\n"}; },
        [this] { return reasons; },
        [] { return std::string{"{\"s\":1}"}; },
        [] { return std::string{"{\"c\":1}"}; },
        [] { return std::string{"{\"l\":1}"}; },
        "1.0<x>",
    });

    response get(std::string_view path) { return answer_request(routes, method::get, path).body; }
};

TEST_F(endpoint_routes, AnswerTheirSources) {
    EXPECT_EQ(get("/metrics").body, "metrics\n");
    EXPECT_EQ(get("/metrics").content_type, "text/plain; version=0.0.4; charset=utf-8");
    EXPECT_EQ(get("/stats.json").body, "{\"s\":1}\n");
    EXPECT_EQ(get("/cache/stats").body, "{\"c\":1}\n");
    EXPECT_EQ(get("/slow").body, "{\"l\":1}\n");
    EXPECT_EQ(get("/slow").content_type, "application/json");
    EXPECT_EQ(get("/health").status, 200U);
}

TEST_F(endpoint_routes, ReadyTellsWhyNot) {
    EXPECT_EQ(get("/ready").status, 200U);
    EXPECT_EQ(get("/ready").body, "{\"ready\":true,\"reasons\":[]}\n");
    reasons = {"draining", "host \"db1\" refuses"};
    EXPECT_EQ(get("/ready").status, 503U);
    EXPECT_EQ(
        get("/ready").body,
        "{\"ready\":false,\"reasons\":[\"draining\",\"host \\\"db1\\\" refuses\"]}\n"
    );
}

TEST_F(endpoint_routes, FrontPageLinksAndSaysWhatIsMissing) {
    const auto page = get("/");
    EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
    EXPECT_NE(page.body.find("no dashboard yet"), std::string::npos);
    EXPECT_NE(page.body.find("1.0&lt;x>"), std::string::npos);
    for (const auto& [path, entry] : routes) {
        const bool is_offered = entry.get && entry.get().status != 501 && path != "/";
        EXPECT_EQ(page.body.find("href=\"" + path + "\"") != std::string::npos, is_offered) << path;
    }
}

TEST_F(endpoint_routes, WhatIsNotOfferedSaysWhatToUse) {
    EXPECT_EQ(get("/circuit-breakers").status, 501U);
    for (const auto* path : {"/invalidate", "/reload"}) {
        const auto given = answer_request(routes, method::post, path).body;
        EXPECT_EQ(given.status, 501U) << path;
        EXPECT_NE(given.body.find("console"), std::string::npos) << path;
        EXPECT_EQ(get(path).status, 405U) << path;
    }
}

}  // namespace
}  // namespace weir::daemon::http

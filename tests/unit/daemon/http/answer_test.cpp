#include "daemon/http/answer.hpp"

#include "daemon/insight/log.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace weir::daemon::http {
namespace {

route_table sample_routes() {
    route_table routes;
    routes["/a"] = {[] { return response{200, "text/plain", "A"}; }, {}, "only look"};
    routes["/p"] = {
        {},
        [](const request_details& request) {
            return response{202, "text/plain", "P" + std::string{request.body}};
        },
        "use POST"};
    routes["/bad"] = {[]() -> response { throw std::runtime_error("secret detail"); }, {}, ""};
    return routes;
}

TEST(Answer, CallsTheHandlerOfThePath) {
    const auto routes = sample_routes();
    EXPECT_EQ(answer_request(routes, method::get, "/a").body.body, "A");
    EXPECT_EQ(answer_request(routes, method::head, "/a").body.body, "A");
    EXPECT_EQ(answer_request(routes, method::get, "/a?x=1&y=/p").body.body, "A");
    EXPECT_EQ(answer_request(routes, method::post, "/p").body.status, 202U);
    EXPECT_EQ(answer_request(routes, method::post, "/p", {"", "!"}).body.body, "P!");
}

TEST(Answer, UnknownPathNamesTheKnownOnes) {
    const auto given = answer_request(sample_routes(), method::get, "/../etc/passwd");
    EXPECT_EQ(given.body.status, 404U);
    EXPECT_NE(given.body.body.find(" /a"), std::string::npos);
    EXPECT_EQ(answer_request(sample_routes(), method::get, "").body.status, 404U);
    EXPECT_EQ(answer_request(sample_routes(), method::post, "?").body.status, 404U);
}

TEST(Answer, WrongMethodIsHinted) {
    const auto post = answer_request(sample_routes(), method::post, "/a");
    EXPECT_EQ(post.body.status, 405U);
    EXPECT_EQ(post.allow, "GET, HEAD");
    EXPECT_NE(post.body.body.find("only look"), std::string::npos);
    const auto get = answer_request(sample_routes(), method::get, "/p");
    EXPECT_EQ(get.body.status, 405U);
    EXPECT_EQ(get.allow, "POST");
    EXPECT_EQ(answer_request(sample_routes(), method::other, "/a").body.status, 405U);
}

TEST(Answer, RefusalComesBeforeTheHandlersAndTheMethods) {
    route_table routes;
    routes["/a"] = {
        [] {
            return response{200, "text/plain", "A"};
        },
        {},
        "only look",
        [](const request_details& request) -> std::optional<response> {
            if (request.authorization == "me") return std::nullopt;
            return response{401, "text/plain", "who?"};
        }};
    EXPECT_EQ(answer_request(routes, method::get, "/a", {"me", ""}).body.body, "A");
    EXPECT_EQ(answer_request(routes, method::get, "/a", {"you", ""}).body.body, "who?");
    EXPECT_EQ(answer_request(routes, method::post, "/a").body.status, 401U);
    EXPECT_EQ(answer_request(routes, method::post, "/a", {"me", ""}).body.status, 405U);
}

TEST(Answer, HandlersExceptionIsNotQuoted) {
    ASSERT_EQ(set_up_log({log_level::error, log_format::text, "/dev/null"}), std::nullopt);
    const auto given = answer_request(sample_routes(), method::get, "/bad");
    ASSERT_EQ(set_up_log({}), std::nullopt);
    EXPECT_EQ(given.body.status, 500U);
    EXPECT_EQ(given.body.body.find("secret"), std::string::npos);
}

}  // namespace
}  // namespace weir::daemon::http

#include "tests/unit/daemon/config/config_text.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::config {
namespace {

TEST(CacheEvents, AreReadByTheirNames) {
    const auto result = parse_with_database(
        "cache:\n"
        "  rules: [{name: dashboards, tables: [orders]}]\n"
        "  events:\n"
        "    order.created: {tables: [orders, public.lines], rules: [dashboards]}\n"
        "    \"Stock moved\": {tables: stock}\n"
        "    wipe: {rules: dashboards}\n"
    );
    ASSERT_TRUE(result.value) << joined(errors_of(result));
    const auto& events = result.value->cache.events;
    ASSERT_EQ(events.size(), 3U);
    const cache_event created{{"orders", "public.lines"}, {"dashboards"}};
    EXPECT_EQ(events.at("order.created"), created);
    EXPECT_EQ(events.at("Stock moved"), (cache_event{{"stock"}, {}}));
    EXPECT_EQ(events.at("wipe"), (cache_event{{}, {"dashboards"}}));
}

TEST(CacheEvents, OfATableThatNobodyKnowsArePassed) {
    const auto result = parse_with_database("cache: {events: {a: {tables: [no.such]}}}");
    EXPECT_EQ(joined(errors_of(result)), "");
}

TEST(CacheFunctions, AreReadByTheirNames) {
    const auto result = parse_with_database(
        "cache: {functions: {audit: {writes: [logins, public.log]}, s.price: {writes: []}}}"
    );
    ASSERT_TRUE(result.value) << joined(errors_of(result));
    const auto& functions = result.value->cache.functions;
    ASSERT_EQ(functions.size(), 2U);
    EXPECT_EQ(functions.at("audit").writes, (std::vector<std::string>{"logins", "public.log"}));
    EXPECT_TRUE(functions.at("s.price").writes.empty());
}

TEST(CacheFunctions, SayWhatTheyWriteAndHaveNames) {
    const auto error = [](const char* functions) {
        return joined(
            errors_of(parse_with_database("cache: {functions: " + std::string(functions) + "}"))
        );
    };
    EXPECT_NE(error("{f: {}}").find("cache.functions.f: says nothing"), std::string::npos);
    EXPECT_NE(error("{a.b.c: {writes: []}}").find("not a name"), std::string::npos);
    EXPECT_NE(error("{f: {writes: [a.b.c]}}").find("not a name: \"a.b.c\""), std::string::npos);
}

}  // namespace
}  // namespace weir::daemon::config

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

}  // namespace
}  // namespace weir::daemon::config

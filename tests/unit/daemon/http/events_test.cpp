#include "daemon/http/events.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace weir::daemon::http {
namespace {

TEST(EventsJson, HoldsAnyBytes) {
    log_event event;
    event.at = std::chrono::system_clock::time_point{std::chrono::milliseconds{1'767'323'045'678}};
    event.level = log_level::warning;
    event.message = "user \"<b>\"\n\xFF";
    const auto parsed = boost::json::parse(events_json({event, {}}));
    ASSERT_EQ(parsed.at("events").as_array().size(), 2U);
    EXPECT_EQ(parsed.at("events").at(0).at("ts").as_string(), "2026-01-02T03:04:05.678Z");
    EXPECT_EQ(parsed.at("events").at(0).at("level").as_string(), "warning");
    EXPECT_EQ(parsed.at("events").at(0).at("message").as_string(), "user \"<b>\"\n\xEF\xBF\xBD");
    EXPECT_EQ(parsed.at("events").at(1).at("level").as_string(), "info");
}

TEST(EventsJson, OfNothingIsAnEmptyList) {
    EXPECT_EQ(events_json({}), R"({"events":[]})");
}

}  // namespace
}  // namespace weir::daemon::http

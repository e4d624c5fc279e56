#include "daemon/config/value.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::config {
namespace {

using std::chrono::milliseconds;
using enum option_type;

option row_of(option_type type, std::int64_t least = 0, std::int64_t most = 1'000'000'000) {
    option row{.path = "x"};
    row.type = type;
    row.least = least;
    row.most = most;
    row.choices = "session|transaction|statement";
    return row;
}

struct good_value {
    option_type type;
    const char* text;
    option_value expected;
    const char* canonical_text;
};

TEST(Value, ParsesAndPrintsEveryType) {
    const std::vector<good_value> cases = {
        {integer, "0", std::int64_t{0}, "0"},
        {integer, "007", std::int64_t{7}, "7"},
        {integer, "1000000000", std::int64_t{1'000'000'000}, "1000000000"},
        {auto_or_integer, "auto", std::int64_t{0}, "auto"},
        {auto_or_integer, "4", std::int64_t{4}, "4"},
        {real, "0.25", 0.25, "0.25"},
        {real, "1", 1.0, "1"},
        {duration, "0", milliseconds{0}, "0"},
        {duration, "0s", milliseconds{0}, "0"},
        {duration, "250ms", milliseconds{250}, "250ms"},
        {duration, "30s", milliseconds{30'000}, "30s"},
        {duration, "60s", milliseconds{60'000}, "1m"},
        {duration, "90s", milliseconds{90'000}, "90s"},
        {duration, "5m", milliseconds{300'000}, "5m"},
        {duration, "1h", milliseconds{3'600'000}, "1h"},
        {duration_or_off, "-1", milliseconds{-1}, "-1"},
        {duration_or_off, "500ms", milliseconds{500}, "500ms"},
        {size, "0", std::int64_t{0}, "0"},
        {size, "1000", std::int64_t{1000}, "1000"},
        {size, "1024", std::int64_t{1024}, "1KiB"},
        {size, "64KiB", std::int64_t{65536}, "64KiB"},
        {size, "256MiB", std::int64_t{268435456}, "256MiB"},
        {choice, "session", std::int64_t{0}, "session"},
        {choice, "statement", std::int64_t{2}, "statement"},
        {text, "", std::string(), ""},
        {text, "a b", std::string("a b"), "a b"},
        {text_list, "", std::vector<std::string>{}, ""},
        {text_list, "a", std::vector<std::string>{"a"}, "a"},
    };
    for (const good_value& each : cases) {
        const option row = row_of(each.type);
        const parsed_value parsed = parse_value(row, each.text);
        ASSERT_TRUE(parsed.result) << each.text << ": " << parsed.error;
        EXPECT_EQ(*parsed.result, each.expected) << each.text;
        EXPECT_EQ(canonical(row, *parsed.result), each.canonical_text);
        EXPECT_EQ(parse_value(row, each.canonical_text).result, parsed.result)
            << each.canonical_text;
    }
}

struct bad_value {
    option_type type;
    const char* text;
    const char* message;
};

TEST(Value, SaysWhatIsWrongAndWhatWasMeant) {
    const std::vector<bad_value> cases = {
        {integer, "ten", "expected a whole number, found \"ten\""},
        {integer, "", "expected a whole number, found \"\""},
        {integer, "1.5", "expected a whole number, found \"1.5\""},
        {integer, "0x10", "expected a whole number, found \"0x10\""},
        {integer, " 1", "expected a whole number, found \" 1\""},
        {integer, "+1", "expected a whole number, found \"+1\""},
        {integer, "-1", "\"-1\" is below the least allowed, 0"},
        {integer, "1000000001", "\"1000000001\" is above the greatest allowed, 1000000000"},
        {integer,
         "99999999999999999999999",
         "\"99999999999999999999999\" is above the greatest allowed, 1000000000"},
        {auto_or_integer, "many", "expected \"auto\" or a whole number, found \"many\""},
        {real, "half", "expected a number, found \"half\""},
        {real, "nan", "expected a number, found \"nan\""},
        {real, "inf", "expected a number, found \"inf\""},
        {real, "-0.1", "\"-0.1\" is below the least allowed, 0"},
        {duration,
         "30",
         "expected a duration such as 250ms, 30s, 5m, 1h or 0, found \"30\"; did you mean 30s?"},
        {duration,
         "30sec",
         "expected a duration such as 250ms, 30s, 5m, 1h or 0, found \"30sec\"; did you mean 30s?"},
        {duration,
         "5min",
         "expected a duration such as 250ms, 30s, 5m, 1h or 0, found \"5min\"; did you mean 5m?"},
        {duration,
         "2d",
         "expected a duration such as 250ms, 30s, 5m, 1h or 0, found \"2d\"; did you mean 48h?"},
        {duration, "soon", "expected a duration such as 250ms, 30s, 5m, 1h or 0, found \"soon\""},
        {duration, "-5s", "expected a duration such as 250ms, 30s, 5m, 1h or 0, found \"-5s\""},
        {duration, "-1", "expected a duration such as 250ms, 30s, 5m, 1h or 0, found \"-1\""},
        {duration, "1.5s", "expected a duration such as 250ms, 30s, 5m, 1h or 0, found \"1.5s\""},
        {duration,
         "9223372036854775807h",
         "\"9223372036854775807h\" is above the greatest allowed, 1000000s"},
        {duration_or_off,
         "-2",
         "expected a duration such as 250ms, 30s, 5m, 1h or 0, or -1, found \"-2\""},
        {size,
         "256MB",
         "expected a size such as 64KiB, 256MiB or plain bytes, found \"256MB\"; did you mean "
         "256MiB?"},
        {size,
         "64k",
         "expected a size such as 64KiB, 256MiB or plain bytes, found \"64k\"; did you mean "
         "64KiB?"},
        {size, "big", "expected a size such as 64KiB, 256MiB or plain bytes, found \"big\""},
        {size,
         "9223372036854775807TiB",
         "\"9223372036854775807TiB\" is above the greatest allowed, 1000000000"},
        {choice,
         "transation",
         "\"transation\" is not one of session, transaction, statement; did you mean transaction?"},
        {choice,
         "Session",
         "\"Session\" is not one of session, transaction, statement; did you mean session?"},
        {choice, "banana", "\"banana\" is not one of session, transaction, statement"},
    };
    for (const bad_value& each : cases) {
        const parsed_value parsed = parse_value(row_of(each.type), each.text);
        EXPECT_FALSE(parsed.result) << each.text;
        EXPECT_EQ(parsed.error, each.message);
    }
}

TEST(Value, DoesNotQuoteWhatMayBeSecret) {
    for (const option_type type :
         {integer, auto_or_integer, real, duration, duration_or_off, size, choice}) {
        for (const char* text : {"hunter2", "99999999999999999999999", "30sec", "77777777777"}) {
            const parsed_value parsed = parse_value(row_of(type, 0, 5), text, false);
            EXPECT_FALSE(parsed.result);
            EXPECT_EQ(parsed.error.find(text), std::string::npos) << parsed.error;
            EXPECT_EQ(parsed.error.find("did you mean"), std::string::npos) << parsed.error;
        }
    }
}

TEST(Value, CutsLongTextInMessages) {
    EXPECT_LT(parse_value(row_of(integer), std::string(100'000, 'x')).error.size(), 200U);
}

TEST(Words, AreCutAtBars) {
    EXPECT_EQ(words("a|b|c").size(), 3U);
    EXPECT_EQ(words("a|b|c")[2], "c");
    EXPECT_TRUE(words("").empty());
}

}  // namespace
}  // namespace weir::daemon::config

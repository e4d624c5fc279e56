#include "daemon/session/shown_value.hpp"

#include <gtest/gtest.h>

#include <string_view>

namespace weir::daemon {
namespace {

struct spelling {
    std::string_view written, shown, unit;
};

TEST(ShownValue, IsTheSameHoweverItIsWritten) {
    for (const auto& [written, shown, unit] : {
             spelling{"64", "64", "kB"},
             {"'64kB'", "64", "kB"},
             {"64MB", "65536", "kB"},
             {"'1 GB'", "1048576", "kB"},
             {"30s", "30000", "ms"},
             {"'0.5min'", "30000", "ms"},
             {"1h", "3600", "s"},
             {"128kB", "16", "8kB"},
             {"true", "on", ""},
             {"'NO'", "off", ""},
             {"1", "on", ""},
             {"Serializable", "serializable", ""},
             {"\"$user\",public", "\"$user\", public", ""},
             {"a, 'b c'", "a, \"b c\"", ""},
             {"0.50", "0.5", ""},
             {"-1", "-1", "ms"},
             {"''", "", ""},
         }) {
        EXPECT_TRUE(is_same_value(written, shown, unit)) << written << " is " << shown << unit;
    }
}

TEST(ShownValue, IsAnother) {
    for (const auto& [written, shown, unit] : {
             spelling{"64", "65", "kB"},
             {"64MB", "64", "kB"},
             {"30s", "30", "ms"},
             {"30x", "30", "ms"},
             {"true", "off", ""},
             {"tenant1", "tenant2", ""},
             {"", "x", ""},
             {"1e999", "1", ""},
         }) {
        EXPECT_FALSE(is_same_value(written, shown, unit)) << written << " is " << shown << unit;
    }
}

TEST(ShownRole, IsAWordOrANameInQuotes) {
    EXPECT_EQ(shown_role("Report"), "report");
    EXPECT_EQ(shown_role("\"Report\""), "Report");
    EXPECT_EQ(shown_role("'Report x'"), "Report x");
    for (const auto* const other :
         {"", "'", "'a''b'", "\"a\"\"b\"", "U&\"a\"", "E'a'", "'a\\b'", "a.b"})
        EXPECT_EQ(shown_role(other), "") << other;
}

}  // namespace
}  // namespace weir::daemon

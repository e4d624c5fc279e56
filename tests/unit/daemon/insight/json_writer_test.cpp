#include "daemon/insight/json_writer.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <limits>

namespace weir::daemon::insight {
namespace {

using namespace std::chrono_literals;

TEST(JsonWriter, SeparatesAndNests) {
    json_writer json;
    json.begin_object().key("a").number(1).key("b").begin_array().number(2).text("x").begin_object(
    );
    json.end_object().end_array().key("c").boolean(false).key("d").begin_array().end_array();
    json.end_object();
    EXPECT_EQ(json.take(), R"({"a":1,"b":[2,"x",{}],"c":false,"d":[]})");
    EXPECT_EQ(json.begin_array().end_array().take(), "[]");
}

TEST(JsonWriter, EveryByteParsesBack) {
    for (int byte = 0; byte < 256; ++byte) {
        const std::string text{'a', static_cast<char>(byte), 'z'};
        json_writer json;
        const auto line = json.begin_array().text(text).end_array().take();
        EXPECT_EQ(line.find('\n'), std::string::npos);
        const auto parsed = boost::json::parse(line);
        const std::string expected = byte < 0x80 ? text : "a\xEF\xBF\xBDz";
        EXPECT_EQ(parsed.at(0).as_string(), expected) << byte;
    }
}

TEST(JsonWriter, WritesNumbersAsPeopleReadThem) {
    json_writer json;
    json.begin_array().milliseconds(1512345us).milliseconds(999ns).milliseconds(-5ms);
    json.decimal(0.5, 4).decimal(std::numeric_limits<double>::quiet_NaN(), 2);
    json.number(std::numeric_limits<std::uint64_t>::max()).end_array();
    EXPECT_EQ(json.take(), "[1512.345,0.000,0.000,0.5000,null,18446744073709551615]");
}

TEST(Rfc3339, IsUtcWithMilliseconds) {
    const std::chrono::system_clock::time_point epoch{};
    EXPECT_EQ(rfc3339(epoch), "1970-01-01T00:00:00.000Z");
    EXPECT_EQ(rfc3339(epoch + 1'767'323'045'007ms), "2026-01-02T03:04:05.007Z");
    EXPECT_EQ(rfc3339(epoch - 1ms), "1969-12-31T23:59:59.999Z");
}

}  // namespace
}  // namespace weir::daemon::insight

#include "daemon/insight/query_text.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace weir::daemon::insight {
namespace {

std::string repaired(std::string_view bytes) {
    return printable_text(bytes, 1000);
}

TEST(PrintableText, PassesValidTextOn) {
    const std::string all{
        "a\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x90\x98 \xEF\xBF\xBD \xF4\x8F\xBF\xBF \n"};
    EXPECT_EQ(repaired(all), all);
    EXPECT_EQ(repaired(""), "");
    EXPECT_EQ(repaired(std::string_view{"a\0b", 3}), (std::string_view{"a\0b", 3}));
}

TEST(PrintableText, ReplacesEachWrongPiece) {
    const std::string bad = "\xEF\xBF\xBD";
    EXPECT_EQ(repaired("\x80"), bad);
    EXPECT_EQ(repaired("a\xFFz"), "a" + bad + "z");
    EXPECT_EQ(repaired("\xC0\xAF"), bad + bad);                      // overlong slash
    EXPECT_EQ(repaired("\xE0\x80\xAF"), bad + bad + bad);            // overlong
    EXPECT_EQ(repaired("\xED\xA0\x80"), bad + bad + bad);            // surrogate
    EXPECT_EQ(repaired("\xF4\x90\x80\x80"), bad + bad + bad + bad);  // beyond U+10FFFF
    EXPECT_EQ(repaired("\xE2\x82"), bad);                            // ends early
    EXPECT_EQ(repaired("\xE2\x82x"), bad + "x");                     // broken by what follows
    EXPECT_EQ(repaired("\xF0\x9F\x90"), bad);
}

TEST(PrintableText, CutsAtACharacter) {
    EXPECT_EQ(printable_text("abcdef", 6), "abcdef");
    EXPECT_EQ(printable_text("abcdefg", 6), "abcdef...");
    EXPECT_EQ(printable_text("ab\xE2\x82\xAC", 5), "ab\xE2\x82\xAC");
    EXPECT_EQ(printable_text("ab\xE2\x82\xAC", 4), "ab...");
    EXPECT_EQ(printable_text("ab\xE2\x82\xAC", 3), "ab...");
    EXPECT_EQ(printable_text("abc", 0), "...");
}

TEST(OnOneLine, ShowsControlCharacters) {
    std::string out = "x ";
    append_on_one_line(out, std::string_view{"a\nb\r\t\x1b[31m\x7f\0é", 14});
    EXPECT_EQ(out, "x a\\nb\\r\\t\\x1b[31m\\x7f\\x00é");
}

TEST(TraceTags, AreTheRequestAndTheTraceWithoutItsSpan) {
    const auto tags =
        make_trace_tags("req-7", "00-5bd66ef5095369c7b0d1f8f4bd33716a-c532cb4098ac3dd2-01");
    EXPECT_EQ(tags.request_id, "req-7");
    EXPECT_EQ(tags.trace_id, "5bd66ef5095369c7b0d1f8f4bd33716a");
}

TEST(TraceTags, MalformedRequestsAreLeftOut) {
    for (const std::string& id :
         {std::string{}, std::string{"a b"}, std::string{"\xFF"}, std::string(129, 'x')}) {
        EXPECT_EQ(make_trace_tags(id, "").request_id, "") << id;
    }
    EXPECT_EQ(make_trace_tags(std::string(128, 'x'), "").request_id, std::string(128, 'x'));
}

TEST(TraceTags, MalformedTracesAreLeftOut) {
    for (const std::string_view parent :
         {"",
          "00-xyz-1-01",
          "00-5bd66ef5095369c7b0d1f8f4bd33716a-c532cb4098ac3dd2",
          "00-5BD66EF5095369C7B0D1F8F4BD33716A-c532cb4098ac3dd2-01",
          "00-00000000000000000000000000000000-c532cb4098ac3dd2-01"}) {
        EXPECT_EQ(make_trace_tags("", parent).trace_id, "") << parent;
    }
}

}  // namespace
}  // namespace weir::daemon::insight

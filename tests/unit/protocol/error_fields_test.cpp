#include "protocol/error_fields.hpp"

#include "tests/unit/protocol/messages.hpp"

#include <gtest/gtest.h>

namespace weir::protocol {
namespace {

const std::string& full_error() {
    static const auto body = raw(
        "SFEHLER\0VERROR\0C42P01\0Mrelation \"x\" does not exist\0DDetail.\0HHint.\0P15\0Fparse.c\0"
        "L1392\0Rparse_it\0\0"
    );
    return body;
}

TEST(ErrorResponse, ReadsAllFields) {
    error_fields fields;
    EXPECT_FALSE(decode(full_error(), fields));
    EXPECT_EQ(fields.severity, "ERROR");
    EXPECT_EQ(fields.localized_severity, "FEHLER");
    EXPECT_EQ(fields.code, "42P01");
    EXPECT_EQ(fields.message, "relation \"x\" does not exist");
    EXPECT_EQ(fields.detail, "Detail.");
    EXPECT_EQ(fields.hint, "Hint.");
    const std::vector<std::pair<char, std::string>> others{
        {'P', "15"}, {'F', "parse.c"}, {'L', "1392"}, {'R', "parse_it"}};
    EXPECT_EQ(fields.others, others);
    EXPECT_FALSE(fields.is_fatal());
}

TEST(ErrorResponse, IsWrittenAsItWasRead) {
    error_fields fields;
    EXPECT_FALSE(decode(full_error(), fields));
    std::string out;
    write_error_response(out, fields);
    EXPECT_EQ(body_of(out, 'E'), full_error());
}

TEST(ErrorResponse, KeepsTheFieldsBeforeACut) {
    for (std::size_t size = 0; size < full_error().size(); ++size) {
        error_fields fields;
        const auto prefix = full_error().substr(0, size);
        EXPECT_TRUE(decode(prefix, fields)) << size;
        EXPECT_EQ(fields.code, size > 21 ? "42P01" : "") << size;
    }
    error_fields fields;
    EXPECT_EQ(decode(full_error() + "x", fields), errc::extra_bytes);
    EXPECT_EQ(fields.code, "42P01");
}

TEST(ErrorResponse, LivesWithoutSeverityCodeAndMessage) {
    error_fields fields;
    EXPECT_FALSE(decode(raw("Dno code here\0\0"), fields));
    EXPECT_EQ(fields.code, "");
    EXPECT_EQ(fields.message, "");
    EXPECT_EQ(fields.severity, "");
    EXPECT_EQ(fields.detail, "no code here");
    EXPECT_FALSE(decode(raw("\0"), fields));
    EXPECT_EQ(fields.detail, "");
}

TEST(ErrorResponse, GivesClientsSeverityAndCodeInAnyCase) {
    std::string out;
    write_error_response(out, {});
    EXPECT_EQ(body_of(out, 'E'), raw("SERROR\0VERROR\0CXX000\0M\0\0"));
    out.clear();
    write_notice_response(out, {});
    EXPECT_EQ(body_of(out, 'N'), raw("SNOTICE\0VNOTICE\0C00000\0M\0\0"));
}

TEST(ErrorResponse, TakesTheSeverityOfOldServers) {
    error_fields fields;
    EXPECT_FALSE(decode(raw("SFATAL\0C57P01\0Mgone\0\0"), fields));
    EXPECT_EQ(fields.severity, "FATAL");
    EXPECT_EQ(fields.localized_severity, "");
    EXPECT_TRUE(fields.is_fatal());
}

TEST(ErrorResponse, KeepsBytesThatAreNotUtf8AndHugeTexts) {
    const std::string huge(1 << 20, '\xff');
    error_fields fields;
    EXPECT_FALSE(decode("M" + huge + raw("\0\0"), fields));
    EXPECT_EQ(fields.message, huge);
}

TEST(ErrorResponse, LetsTheFirstOfARepeatedFieldCount) {
    error_fields fields;
    EXPECT_FALSE(decode(raw("Cone\0Ctwo\0\0"), fields));
    EXPECT_EQ(fields.code, "one");
    ASSERT_EQ(fields.others.size(), 1U);
    EXPECT_EQ(fields.others[0].second, "two");
}

TEST(ErrorResponse, CannotBeCutShortByANulInAText) {
    error_fields fields;
    fields.message = raw("a\0\0b");
    fields.others.emplace_back('\0', "x");
    fields.others.emplace_back('W', "where");
    std::string out;
    write_error_response(out, fields);
    EXPECT_EQ(body_of(out, 'E'), raw("SERROR\0VERROR\0CXX000\0Ma\0Wwhere\0\0"));
}

TEST(IsFatalError, GoesByTheUntranslatedSeverity) {
    EXPECT_TRUE(is_fatal_error(raw("SFATAL\0VFATAL\0")));
    EXPECT_TRUE(is_fatal_error(raw("SSCHWERWIEGEND\0VFATAL\0C")));
    EXPECT_TRUE(is_fatal_error(raw("VPANIC\0")));
    EXPECT_TRUE(is_fatal_error(raw("SFATAL\0C57P01\0")));
    EXPECT_FALSE(is_fatal_error(full_error()));
    EXPECT_FALSE(is_fatal_error(""));
    EXPECT_FALSE(is_fatal_error("VFATA"));
    EXPECT_FALSE(is_fatal_error(raw("VERROR\0MFATAL\0\0")));
}

TEST(FindSqlstate, WorksOnAPrefix) {
    EXPECT_EQ(find_sqlstate(full_error()), "42P01");
    EXPECT_EQ(find_sqlstate(std::string_view(full_error()).substr(0, 24)), "42P01");
    EXPECT_EQ(find_sqlstate(std::string_view(full_error()).substr(0, 21)), "");
    EXPECT_EQ(find_sqlstate(raw("Mno code\0\0")), "");
    EXPECT_EQ(find_sqlstate(""), "");
}

}  // namespace
}  // namespace weir::protocol

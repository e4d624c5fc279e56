#include "protocol/copy.hpp"

#include "tests/unit/protocol/messages.hpp"

#include <gtest/gtest.h>

namespace weir::protocol {
namespace {

TEST(CopyResponse, RoundTripsForAllThreeTypes) {
    for (const char type : {'G', 'H', 'W'}) {
        const std::vector<std::int16_t> formats{0, 1, 0};
        std::string out;
        write_copy_response(out, type, 1, formats);
        const auto body = body_of(out, type);
        copy_response message;
        EXPECT_FALSE(decode(body, message));
        EXPECT_EQ(message.format, 1);
        EXPECT_EQ(message.column_formats, formats);
        expect_exact<copy_response>(body);
    }
}

TEST(CopyResponse, TakesNoColumns) {
    copy_response message;
    EXPECT_FALSE(decode(raw("\0\0\0"), message));
    EXPECT_TRUE(message.column_formats.empty());
}

TEST(CopyResponse, RejectsUnknownFormats) {
    copy_response message;
    EXPECT_EQ(decode(raw("\2\0\0"), message), errc::invalid_value);
    EXPECT_EQ(decode(raw("\0\0\1\0\2"), message), errc::invalid_value);
}

TEST(CopyResponse, ChecksTheCountBeforeItAllocates) {
    copy_response message;
    EXPECT_EQ(decode(raw("\0\xff\xff\0\0"), message), errc::incomplete_message);
    EXPECT_LT(message.column_formats.capacity(), 100U);
}

TEST(CopyFail, RoundTrips) {
    std::string out;
    write_copy_fail(out, "no more");
    const auto body = body_of(out, 'f');
    copy_fail message;
    EXPECT_FALSE(decode(body, message));
    EXPECT_EQ(message.message, "no more");
    expect_exact<copy_fail>(body);
}

TEST(CopyData, KeepsNulBytes) {
    std::string out;
    write_copy_data(out, raw("a\0b"));
    EXPECT_EQ(body_of(out, 'd'), raw("a\0b"));
}

TEST(CopyDone, HasNoBody) {
    std::string out;
    write_copy_done(out);
    EXPECT_EQ(body_of(out, 'c'), "");
}

}  // namespace
}  // namespace weir::protocol

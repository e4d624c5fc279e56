#include "protocol/frame.hpp"

#include "tests/unit/protocol/messages.hpp"

#include <gtest/gtest.h>

namespace weir::protocol {
namespace {

std::string header_of(char type, std::uint32_t length) {
    std::string out(1, type);
    for (int shift = 24; shift >= 0; shift -= 8) {
        out.push_back(static_cast<char>(length >> shift));
    }
    return out;
}

TEST(FrameHeader, IsIncompleteUpToFourBytes) {
    const auto bytes = header_of('Q', 10);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        frame_header header;
        const std::string prefix = bytes.substr(0, size);
        EXPECT_EQ(parse_frame_header(prefix, 100, header), header_result::incomplete);
        EXPECT_EQ(parse_frontend_header(prefix, false, header), header_result::incomplete);
        EXPECT_EQ(parse_backend_header(prefix, header), header_result::incomplete);
    }
    frame_header header;
    EXPECT_EQ(parse_frame_header(bytes, 100, header), header_result::complete);
    EXPECT_EQ(header.type, 'Q');
    EXPECT_EQ(header.size(), 11U);
    EXPECT_EQ(header.body_size(), 6U);
}

TEST(FrameHeader, RefusesLengthsThatCannotBe) {
    frame_header header;
    for (const std::uint32_t length : {0U, 1U, 2U, 3U, 0x80000000U, 0xffffffffU, 101U}) {
        EXPECT_EQ(parse_frame_header(header_of('Q', length), 100, header), header_result::malformed)
            << length;
        EXPECT_EQ(header.length, length);
    }
    EXPECT_EQ(parse_frame_header(header_of('Q', 4), 100, header), header_result::complete);
    EXPECT_EQ(parse_frame_header(header_of('Q', 100), 100, header), header_result::complete);
}

TEST(FrameHeader, HasRoomForTheGreatestMessage) {
    frame_header header;
    EXPECT_EQ(
        parse_frontend_header(header_of('Q', large_message_limit), false, header),
        header_result::complete
    );
    EXPECT_EQ(header.size(), std::size_t{large_message_limit} + 1);
    EXPECT_EQ(
        parse_frontend_header(header_of('Q', large_message_limit + 1), false, header),
        header_result::malformed
    );
    EXPECT_EQ(
        parse_frontend_header(header_of('Q', 0x7fffffff), false, header), header_result::malformed
    );
}

TEST(FrontendMessageLimit, KnowsEveryTypeAndNoOther) {
    const std::string_view known = "QPBFdCDEfSHXc";
    for (int c = 0; c < 256; ++c) {
        const char type = static_cast<char>(c);
        EXPECT_EQ(
            frontend_message_limit(type, false) != 0, known.find(type) != std::string_view::npos
        ) << c;
        EXPECT_EQ(frontend_message_limit(type, true) != 0, type == 'p' || type == 'X') << c;
    }
}

TEST(FrontendMessageLimit, IsExactForMessagesWithoutBody) {
    frame_header header;
    for (const char type : {'S', 'H', 'X', 'c'}) {
        EXPECT_EQ(
            parse_frontend_header(header_of(type, 4), false, header), header_result::complete
        );
        EXPECT_EQ(
            parse_frontend_header(header_of(type, 5), false, header), header_result::malformed
        );
    }
}

TEST(FrontendMessageLimit, BoundsNamesAndPasswords) {
    frame_header header;
    EXPECT_EQ(
        parse_frontend_header(header_of('D', 10'001), false, header), header_result::malformed
    );
    EXPECT_EQ(parse_frontend_header(header_of('p', 65'539), true, header), header_result::complete);
    EXPECT_EQ(
        parse_frontend_header(header_of('p', 65'540), true, header), header_result::malformed
    );
    EXPECT_EQ(parse_frontend_header(header_of('Q', 10), true, header), header_result::malformed);
    EXPECT_EQ(parse_frontend_header(header_of('p', 10), false, header), header_result::malformed);
}

TEST(BackendMessageLimit, KnowsEveryTypeAndNoOther) {
    const std::string_view known = "DdTtENVSACGHWRvKZ123cIns";
    for (int c = 0; c < 256; ++c) {
        const char type = static_cast<char>(c);
        EXPECT_EQ(backend_message_limit(type) != 0, known.find(type) != std::string_view::npos)
            << c;
    }
    frame_header header;
    EXPECT_EQ(parse_backend_header(header_of('Z', 5), header), header_result::complete);
    EXPECT_EQ(parse_backend_header(header_of('Z', 6), header), header_result::malformed);
    EXPECT_EQ(parse_backend_header(header_of('K', 264), header), header_result::complete);
    EXPECT_EQ(parse_backend_header(header_of('K', 265), header), header_result::malformed);
}

}  // namespace
}  // namespace weir::protocol

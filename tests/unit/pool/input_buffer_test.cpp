#include "pool/input_buffer.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace weir::pool {
namespace {

// What a socket would do: writes into what prepare() offers.
void receive(input_buffer& buffer, std::string_view bytes) {
    const auto space = buffer.prepare();
    ASSERT_GE(space.size(), bytes.size());
    std::memcpy(space.data(), bytes.data(), bytes.size());
    buffer.commit(bytes.size());
}

TEST(InputBuffer, KeepsUnreadBytesInOrder) {
    input_buffer buffer{8, 64};
    receive(buffer, "abc");
    receive(buffer, "def");
    EXPECT_EQ(buffer.unread(), "abcdef");
    buffer.consume(4);
    EXPECT_EQ(buffer.unread(), "ef");
}

TEST(InputBuffer, ConsumeMovesNothingWhileAReceiveIsUnderWay) {
    input_buffer buffer{16, 64};
    receive(buffer, "abc");
    const auto space = buffer.prepare();  // a receive into this begins ...
    buffer.consume(3);                    // ... and meanwhile everything is used
    std::memcpy(space.data(), "xyz", 3);
    buffer.commit(3);
    EXPECT_EQ(buffer.unread(), "xyz");
}

TEST(InputBuffer, AttachesTheLargeOneAfterAFullReadAndKeepsItWhileDataFlows) {
    input_buffer buffer{8, 64};
    receive(buffer, "12345678");
    EXPECT_EQ(buffer.prepare().size(), 56U);
    receive(buffer, std::string(20, 'x'));
    buffer.consume(28);
    EXPECT_EQ(buffer.prepare().size(), 64U) << "the last read was more than the small one holds";
    receive(buffer, "abc");
    buffer.consume(3);
    EXPECT_EQ(buffer.prepare().size(), 8U);
}

TEST(InputBuffer, MakesRoomForAMessageThatIsWanted) {
    input_buffer buffer{8, 64};
    receive(buffer, "abcd");
    buffer.want(500);
    EXPECT_GE(buffer.prepare().size(), 496U);
    EXPECT_EQ(buffer.unread(), "abcd");
}

TEST(InputBuffer, OffersSpaceAgainWhenTheFrontWasUsed) {
    input_buffer buffer{8, 8};
    receive(buffer, "12345678");
    EXPECT_TRUE(buffer.prepare().empty());
    buffer.consume(6);
    receive(buffer, "abcdef");
    EXPECT_EQ(buffer.unread(), "78abcdef");
}

}  // namespace
}  // namespace weir::pool

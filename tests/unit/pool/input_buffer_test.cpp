#include "pool/input_buffer.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace weir::pool {
namespace {

class receiving : public testing::Test {
protected:
    // What a socket would do: writes into what prepare() offers.
    void receive(std::string_view bytes) {
        const auto space = buffer.prepare();
        ASSERT_GE(space.size(), bytes.size());
        std::memcpy(space.data(), bytes.data(), bytes.size());
        buffer.commit(bytes.size());
    }
    void use_all() { buffer.consume(buffer.unread().size()); }

    buffer_shelf small{8};
    buffer_shelf large{64};
    input_buffer buffer{small, large};
};

TEST_F(receiving, KeepsUnreadBytesInOrder) {
    receive("abc");
    receive("def");
    EXPECT_EQ(buffer.unread(), "abcdef");
    buffer.consume(4);
    EXPECT_EQ(buffer.unread(), "ef");
}

TEST_F(receiving, ConsumeMovesNothingWhileAReceiveIsUnderWay) {
    receive("abc");
    const auto space = buffer.prepare();  // a receive into this begins ...
    buffer.consume(3);                    // ... and meanwhile everything is used
    std::memcpy(space.data(), "xyz", 3);
    buffer.commit(3);
    EXPECT_EQ(buffer.unread(), "xyz");
}

TEST_F(receiving, AttachesTheLargeOneAfterAFullReadAndWhileDataFlows) {
    receive("12345678");
    EXPECT_EQ(buffer.prepare().size(), 56U);
    receive(std::string(20, 'x'));
    use_all();
    EXPECT_EQ(buffer.prepare().size(), 64U) << "the last read was more than the small one holds";
    receive("abc");
    use_all();
    EXPECT_EQ(buffer.prepare().size(), 8U);
}

TEST_F(receiving, MakesRoomForAMessageThatIsWanted) {
    receive("abcd");
    buffer.want(500);
    EXPECT_GE(buffer.prepare().size(), 496U);
    EXPECT_EQ(buffer.unread(), "abcd");
}

TEST_F(receiving, OffersSpaceAgainWhenTheFrontWasUsed) {
    receive("12345678");
    receive(std::string(56, 'x'));
    EXPECT_FALSE(buffer.has_room());
    buffer.consume(60);
    EXPECT_TRUE(buffer.has_room());
    receive("abcdef");
    EXPECT_EQ(buffer.unread(), "xxxxabcdef");
}

TEST_F(receiving, HasRoomForWhatIsWanted) {
    receive("12345678");
    receive(std::string(56, 'x'));
    EXPECT_FALSE(buffer.has_room());
    buffer.want(65);
    EXPECT_TRUE(buffer.has_room());
    EXPECT_EQ(buffer.prepare().size(), 1U);
}

TEST_F(receiving, HoldsNothingBeforeTheFirstByte) {
    EXPECT_EQ(buffer.capacity(), 0U);
    EXPECT_TRUE(buffer.has_room());
    EXPECT_EQ(buffer.unread(), "");
}

TEST_F(receiving, HoldsNothingAtRestWhateverTheLastReadWas) {
    receive("abc");
    use_all();
    buffer.rest();
    EXPECT_EQ(buffer.capacity(), 0U);
    receive("12345678");
    receive(std::string(56, 'x'));  // full again
    use_all();
    buffer.rest();
    EXPECT_EQ(buffer.capacity(), 0U);
    receive(std::string(30, 'x'));
    EXPECT_EQ(buffer.capacity(), 64U) << "more was likely to come";
    buffer.want(500);
    receive("y");
    use_all();
    buffer.rest();
    EXPECT_EQ(buffer.capacity(), 0U);
}

TEST_F(receiving, LosesNothingAtRest) {
    receive("abcd");
    buffer.consume(2);
    buffer.rest();
    EXPECT_EQ(buffer.unread(), "cd");
    receive("ef");
    EXPECT_EQ(buffer.unread(), "cdef");
}

TEST_F(receiving, TakesAgainWhatAnotherConnectionHasGivenBack) {
    receive("abc");
    const char* const at = buffer.unread().data();
    use_all();
    buffer.rest();
    input_buffer other{small, large};
    EXPECT_EQ(other.prepare().data(), at);
}

TEST_F(receiving, DoesNotKeepASizeThatOneMessageWanted) {
    receive("abcd");
    buffer.want(500);
    receive("e");
    use_all();
    buffer.rest();
    EXPECT_EQ(small.count(), 1U) << "the one that it began with";
    EXPECT_EQ(large.count(), 0U);
}

TEST_F(receiving, GivesBackAtItsEnd) {
    {
        input_buffer other{small, large};
        other.commit(other.prepare().size() / 2);
    }
    EXPECT_EQ(small.count(), 1U);
}

}  // namespace
}  // namespace weir::pool

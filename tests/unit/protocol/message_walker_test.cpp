#include "protocol/message_walker.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::protocol {
namespace {

std::string message(char type, std::string_view body) {
    std::string out(1, type);
    const auto length = static_cast<std::uint32_t>(body.size() + 4);
    for (int shift = 24; shift >= 0; shift -= 8)
        out.push_back(static_cast<char>(length >> shift));
    return out.append(body);
}

std::string types_of(message_walker& walker, std::string_view bytes) {
    std::string types;
    walker.feed(bytes, [&](char type) { types += type; });
    return types;
}

TEST(MessageWalker, NamesEachMessageOnce) {
    message_walker walker;
    EXPECT_EQ(types_of(walker, message('T', "abc") + message('1', "") + message('Z', "I")), "T1Z");
    EXPECT_TRUE(walker.is_between_messages());
}

TEST(MessageWalker, MayBeFedByteByByte) {
    const std::string stream = message('W', std::string(3, '\0')) +
                               message('d', std::string(300, 'x')) + message('2', "") +
                               message('Z', "I");
    message_walker walker;
    std::string types;
    for (const char byte : stream)
        types += types_of(walker, {&byte, 1});
    EXPECT_EQ(types, "Wd2Z");
    EXPECT_TRUE(walker.is_between_messages());
}

TEST(MessageWalker, KnowsThatAMessageHasPassedByHalf) {
    const std::string one = message('d', "0123456789");
    for (std::size_t size = 1; size < one.size(); ++size) {
        message_walker walker;
        (void)types_of(walker, std::string_view{one}.substr(0, size));
        EXPECT_FALSE(walker.is_between_messages()) << size;
        EXPECT_EQ(types_of(walker, std::string_view{one}.substr(size)), size < 5 ? "d" : "");
        EXPECT_TRUE(walker.is_between_messages()) << size;
    }
}

TEST(MessageWalker, TakesALengthThatIsNoneForAnEmptyBody) {
    message_walker walker;
    EXPECT_EQ(types_of(walker, std::string{"Z\0\0\0\0", 5} + message('Z', "I")), "ZZ");
    EXPECT_TRUE(walker.is_between_messages());
}

}  // namespace
}  // namespace weir::protocol

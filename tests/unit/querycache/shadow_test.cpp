#include "querycache/shadow.hpp"

#include "tests/unit/querycache/world.hpp"

#include <gtest/gtest.h>

namespace weir::querycache {
namespace {

using test::message;

std::string rows(const std::vector<std::string>& values, std::string_view tag = "SELECT 2") {
    std::string all = message('T', "columns");
    for (const auto& value : values)
        all += message('D', value);
    return all + message('C', tag) + message('Z', "I");
}

TEST(ShadowReply, IsTheSameWhateverTheOrderOfItsRows) {
    EXPECT_TRUE(is_same_reply(rows({"a", "b"}), rows({"a", "b"})));
    EXPECT_TRUE(is_same_reply(rows({"a", "b"}), rows({"b", "a"})));
    EXPECT_TRUE(is_same_reply(rows({}), rows({})));
}

TEST(ShadowReply, IsAnotherWithAnotherRowTagOrShape) {
    EXPECT_FALSE(is_same_reply(rows({"a", "b"}), rows({"a", "c"})));
    EXPECT_FALSE(is_same_reply(rows({"a", "a", "b"}), rows({"a", "b", "b"})));
    EXPECT_FALSE(is_same_reply(rows({"a", "b"}), rows({"a"})));
    EXPECT_FALSE(is_same_reply(rows({"a"}, "SELECT 1"), rows({"a"}, "SELECT 2")));
    EXPECT_FALSE(is_same_reply(rows({"a"}), message('T', "other") + rows({"a"})));
}

TEST(ShadowReply, OfBytesThatAreNoMessagesIsAnother) {
    const auto whole = rows({"a", "b"});
    EXPECT_FALSE(is_same_reply(whole, whole.substr(0, whole.size() - 1)));
    EXPECT_FALSE(is_same_reply(std::string("D\0\0\0\1", 5), std::string("D\0\0\0\2", 5)));
}

}  // namespace
}  // namespace weir::querycache

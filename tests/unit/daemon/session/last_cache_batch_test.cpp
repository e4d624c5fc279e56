#include "daemon/session/last_cache_batch.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace weir::daemon {
namespace {

using namespace std::string_literals;

std::string message(char type, std::string_view body) {
    const std::size_t length = body.size() + 4;
    std::string made(1, type);
    for (const int shift : {24, 16, 8, 0})
        made.push_back(static_cast<char>(length >> shift & 0xff));
    return made.append(body);
}
std::string parse(const std::string& name, const std::string& text = "SHOW LAST CACHE") {
    return message('P', name + '\0' + text + "\0\0\0"s);
}
std::string bind(const std::string& portal, const std::string& name) {
    return message('B', portal + '\0' + name + "\0\0\0\0\0\0\0"s);
}
std::string describe(char kind, const std::string& name) {
    return message('D', kind + name + '\0');
}
std::string execute(const std::string& portal, char rows = 0) {
    return message('E', portal + "\0\0\0\0"s + rows);
}
const std::string sync = message('S', "");
const std::string flush = message('H', "");

class last_cache_batches : public testing::Test {
protected:
    bool read(std::string text) {
        input = std::move(text);
        asked = {};
        request_batch whole;
        EXPECT_EQ(whole.read(input), 0U);
        return asked.read(whole, [](std::string_view name) { return name == "known"; });
    }
    /// The types of the answers.
    std::string answers() {
        std::string out;
        asked.write(out, {}, nullptr);
        std::string types;
        for (std::size_t at = 0; at < out.size();) {
            types += out[at];
            std::size_t length = 0;
            for (std::size_t i = 1; i < 5; ++i)
                length = length << 8 | static_cast<unsigned char>(out[at + i]);
            at += 1 + length;
        }
        return types;
    }

    std::string input;
    last_cache_batch asked;
};

TEST_F(last_cache_batches, AreAnsweredMessageByMessage) {
    EXPECT_TRUE(read(parse("one") + sync));
    ASSERT_NE(asked.parse(), nullptr);
    EXPECT_EQ(asked.parse()->name, "one");
    EXPECT_TRUE(asked.is_synced());
    EXPECT_EQ(answers(), "1");
    EXPECT_TRUE(read(bind("", "known") + describe('P', "") + execute("") + sync));
    EXPECT_EQ(asked.parse(), nullptr);
    EXPECT_EQ(answers(), "2TDC");
    EXPECT_TRUE(read(parse("") + describe('S', "") + flush));
    EXPECT_FALSE(asked.is_synced());
    EXPECT_EQ(answers(), "1tT");
    EXPECT_TRUE(
        read(parse("one") + describe('S', "one") + bind("c", "one") + execute("c", 2) + sync)
    );
    EXPECT_EQ(answers(), "1tT2DC");
    EXPECT_TRUE(read(bind("", "known") + execute("", 1) + sync));
    EXPECT_EQ(answers(), "2Ds") << "PostgreSQL looks no further than it was asked to";
    EXPECT_TRUE(read(describe('S', "known") + sync));
    EXPECT_EQ(answers(), "tT");
}

TEST_F(last_cache_batches, AreAboutNothingElse) {
    for (const std::string& other : {
             sync,
             flush,
             parse("one", "SELECT 1") + sync,
             parse("one") + message('Q', "SHOW LAST CACHE\0"s),
             parse("one") + bind("", "known") + execute("") + sync,
             parse("one") + parse("two") + sync,
             bind("", "known") + execute("") + parse("one") + sync,
             bind("", "another") + execute("") + sync,
             bind("", "") + execute("") + sync,
             describe('S', "another") + sync,
             describe('P', "") + sync,
             execute("") + sync,
             message('C', "Sknown\0"s) + sync,
             message('P', "one\0SHOW LAST CACHE\0\0\1\0\0\0\x19"s) + sync,
         }) {
        EXPECT_FALSE(read(other)) << testing::PrintToString(other);
    }
}

// No portal is kept, and PostgreSQL would go on with it.
TEST_F(last_cache_batches, LeaveNoPortal) {
    for (const std::string& other : {
             bind("", "known") + sync,
             bind("", "known") + flush,
             bind("", "known") + execute("") + flush,
             bind("", "known") + execute("") + execute("") + sync,
             bind("a", "known") + execute("b") + sync,
             bind("a", "known") + describe('P', "b") + execute("a") + sync,
             bind("a", "known") + bind("b", "known") + execute("b") + sync,
         }) {
        EXPECT_FALSE(read(other)) << testing::PrintToString(other);
    }
}

TEST_F(last_cache_batches, TakeNoValuesAndAsManyFormatsAsColumns) {
    const auto bound = [](std::string_view tail) {
        return message('B', "\0known\0"s.append(tail)) + execute("") + sync;
    };
    EXPECT_TRUE(read(bound("\0\0\0\0\0\1\0\1"s)));
    EXPECT_TRUE(read(bound("\0\0\0\0\0\5\0\1\0\0\0\1\0\1\0\1"s)));
    EXPECT_FALSE(read(bound("\0\0\0\0\0\2\0\1\0\1"s)));
    EXPECT_FALSE(read(bound("\0\0\0\1\0\0\0\1x\0\0"s)));
    EXPECT_FALSE(read(bound("\0\0\0\0\0\1\0\2"s))) << "no format";
    EXPECT_FALSE(read(bound("\0\0"s))) << "cut off";
}

}  // namespace
}  // namespace weir::daemon

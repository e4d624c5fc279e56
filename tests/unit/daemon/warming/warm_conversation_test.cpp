#include "daemon/warming/warm_conversation.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::daemon {
namespace {

std::string message(char type, std::string_view body) {
    std::string out(1, type);
    const auto size = static_cast<std::uint32_t>(body.size() + 4);
    for (int shift = 24; shift >= 0; shift -= 8)
        out.push_back(static_cast<char>(size >> shift));
    return out.append(body);
}

std::string error(std::string_view severity, std::string_view code, std::string_view text) {
    std::string out;
    protocol::error_fields fields;
    fields.severity = severity;
    fields.code = code;
    fields.message = text;
    protocol::write_error_response(out, fields);
    return out;
}

const std::string greeting =
    message('S', std::string_view("a\0b\0", 4)) + message('K', "12345678") + message('Z', "I");
const std::string reply = message('T', "columns") + message('D', std::string(300, 'x')) +
                          message('C', std::string_view("SELECT 1\0", 9)) + message('Z', "I");

warm_request simple() {
    warm_request what;
    what.text = "select 1";
    return what;
}

TEST(WarmConversation, AsksOnceItIsGreeted) {
    warm_conversation talk(simple());
    std::string out;
    EXPECT_EQ(talk.on_bytes(greeting, out), greeting.size());
    EXPECT_EQ(out, message('Q', std::string_view("select 1\0", 9)));
    out.clear();
    EXPECT_EQ(talk.on_bytes(reply, out), reply.size());
    EXPECT_TRUE(talk.is_over());
    EXPECT_TRUE(talk.is_answered());
    EXPECT_FALSE(talk.error());
    EXPECT_EQ(out, message('X', ""));
}

TEST(WarmConversation, TakesOneByteAtATime) {
    warm_conversation talk(simple());
    std::string out;
    std::string held;
    for (const char c : greeting + error("ERROR", "42P01", "no table") + message('Z', "I")) {
        held.push_back(c);
        held.erase(0, talk.on_bytes(held, out));
    }
    EXPECT_TRUE(talk.is_over());
    EXPECT_FALSE(talk.is_answered());
    ASSERT_TRUE(talk.error());
    EXPECT_EQ(talk.error()->code, "42P01");
    EXPECT_EQ(talk.error()->message, "no table");
}

TEST(WarmConversation, DropsRowsAsTheyCome) {
    warm_conversation talk(simple());
    std::string out;
    (void)talk.on_bytes(greeting, out);
    const std::string row = message('D', std::string(100'000, 'x'));
    EXPECT_EQ(talk.on_bytes(std::string_view(row).substr(0, 50), out), 50U);
    EXPECT_EQ(talk.on_bytes(std::string_view(row).substr(50), out), row.size() - 50);
    EXPECT_FALSE(talk.is_over());
    (void)talk.on_bytes(message('Z', "I"), out);
    EXPECT_TRUE(talk.is_answered());
}

TEST(WarmConversation, EndsWithAnErrorInPlaceOfTheGreeting) {
    warm_conversation talk(simple());
    std::string out;
    (void)talk.on_bytes(error("FATAL", "53300", "too many"), out);
    EXPECT_FALSE(talk.is_over());
    talk.on_end();
    EXPECT_TRUE(talk.is_over());
    EXPECT_FALSE(talk.is_answered());
    EXPECT_EQ(talk.error()->code, "53300");
    EXPECT_EQ(out, "");
}

TEST(WarmConversation, EndsAtWhatIsNoMessage) {
    warm_conversation talk(simple());
    std::string out;
    (void)talk.on_bytes(std::string("\1\0\0\0\0", 5), out);
    EXPECT_TRUE(talk.is_over());
    EXPECT_FALSE(talk.is_answered());
}

TEST(WarmConversation, AsksInTheShapeOfTheForm) {
    warm_request what;
    what.shape = querycache::reply_shape::extended_described;
    what.text = "select $1";
    what.parameter_types = std::string("\0\0\0\x17", 4);
    what.bind_tail = std::string("\0\0\0\1\0\0\0\1x\0\0", 11);
    const auto parse =
        message('P', std::string("\0", 1) + "select $1" + std::string("\0\0\1\0\0\0\x17", 7));
    const auto bind = message('B', std::string("\0\0", 2) + what.bind_tail);
    const auto execute = message('E', std::string(5, '\0')) + message('S', "");
    EXPECT_EQ(messages_of(what), parse + bind + message('D', std::string_view("P\0", 2)) + execute);
    what.shape = querycache::reply_shape::extended;
    EXPECT_EQ(messages_of(what), parse + bind + execute);
}

}  // namespace
}  // namespace weir::daemon

#include "protocol/query.hpp"

#include "tests/unit/protocol/messages.hpp"

#include <gtest/gtest.h>

namespace weir::protocol {
namespace {

TEST(Query, RoundTrips) {
    std::string out;
    write_query(out, "SELECT 1");
    const auto body = body_of(out, 'Q');
    query_message message;
    EXPECT_FALSE(decode(body, message));
    EXPECT_EQ(message.text, "SELECT 1");
    expect_exact<query_message>(body);
}

TEST(Parse, RoundTripsUnderAnotherName) {
    const auto body = raw("mine\0SELECT $1, $2\0\0\2\0\0\0\x17\0\0\0\0");
    parse_message message;
    EXPECT_FALSE(decode(body, message));
    EXPECT_EQ(message.name, "mine");
    EXPECT_EQ(message.text, "SELECT $1, $2");
    ASSERT_EQ(message.parameter_count(), 2U);
    EXPECT_EQ(message.parameter_type(0), 23U);
    EXPECT_EQ(message.parameter_type(1), 0U);
    std::string out;
    write_parse(out, "pgweir_7", message);
    EXPECT_EQ(body_of(out, 'P'), raw("pgweir_7\0SELECT $1, $2\0\0\2\0\0\0\x17\0\0\0\0"));
    expect_exact<parse_message>(body);
}

TEST(Parse, RejectsACountThatLies) {
    parse_message message;
    EXPECT_EQ(decode(raw("\0\0\xff\xff\0\0\0\0"), message), errc::incomplete_message);
    EXPECT_EQ(decode(raw("\0\0\0\0\0\0\0\0"), message), errc::extra_bytes);
    EXPECT_EQ(decode(raw("\0\0\0\1\0\0\0"), message), errc::incomplete_message);
}

const std::string& bind_body() {
    static const auto body =
        raw("p\0s\0"
            "\0\2\0\1\0\0"
            "\0\2\0\0\0\4\0\0\0\7\xff\xff\xff\xff"
            "\0\1\0\1");
    return body;
}

TEST(Bind, TakesNamesAndTail) {
    bind_message message;
    EXPECT_FALSE(decode(bind_body(), message));
    EXPECT_EQ(message.portal, "p");
    EXPECT_EQ(message.statement, "s");
    EXPECT_EQ(message.tail, std::string_view(bind_body()).substr(4));
}

TEST(Bind, TakesItsValuesApart) {
    bind_message message;
    EXPECT_FALSE(decode(bind_body(), message));
    bind_values values;
    EXPECT_FALSE(decode_bind_values(message.tail, values));
    EXPECT_EQ(values.parameter_formats, (std::vector<std::int16_t>{1, 0}));
    ASSERT_EQ(values.parameters.size(), 2U);
    EXPECT_EQ(values.parameters[0], raw("\0\0\0\7"));
    EXPECT_FALSE(values.parameters[1]);
    EXPECT_EQ(values.result_formats, (std::vector<std::int16_t>{1}));
    EXPECT_EQ(count_result_formats(message.tail), 1U);
    EXPECT_EQ(values.parameter_format(0), 1);
    EXPECT_EQ(values.parameter_format(1), 0);
}

TEST(Bind, RejectsEveryCutTailAndAByteMore) {
    const auto tail = bind_body().substr(4);
    for (std::size_t size = 0; size < tail.size(); ++size) {
        const auto prefix = tail.substr(0, size);
        bind_values values;
        EXPECT_TRUE(decode_bind_values(prefix, values)) << size;
        if (size < tail.size() - 2) EXPECT_EQ(count_result_formats(prefix), 0U) << size;
    }
    bind_values values;
    EXPECT_EQ(decode_bind_values(tail + "x", values), errc::extra_bytes);
}

TEST(Bind, RejectsValuesThatCannotBe) {
    bind_values values;
    EXPECT_EQ(decode_bind_values(raw("\0\1\0\2\0\0\0\0"), values), errc::invalid_value);
    EXPECT_EQ(decode_bind_values(raw("\0\0\0\0\0\1\0\2"), values), errc::invalid_value);
    EXPECT_EQ(decode_bind_values(raw("\0\0\0\1\xff\xff\xff\xfe\0\0"), values), errc::invalid_value);
    // Two formats for one parameter.
    EXPECT_EQ(decode_bind_values(raw("\0\2\0\0\0\0\0\1\0\0\0\0\0\0"), values), errc::invalid_value);
    EXPECT_EQ(decode_bind_values(raw("\xff\xff\0\0"), values), errc::incomplete_message);
    EXPECT_EQ(decode_bind_values(raw("\0\0\xff\xff\0\0\0\0"), values), errc::incomplete_message);
}

TEST(Bind, FollowsTheRuleForFormats) {
    bind_values values;
    EXPECT_EQ(values.parameter_format(3), 0);
    values.parameter_formats = {1};
    EXPECT_EQ(values.parameter_format(3), 1);
    values.parameter_formats = {1, 0, 1};
    EXPECT_EQ(values.parameter_format(1), 0);
    EXPECT_EQ(values.parameter_format(2), 1);
    EXPECT_EQ(values.parameter_format(9), 0);
}

TEST(Bind, IsRewrittenWithItsTailUntouched) {
    bind_message message;
    EXPECT_FALSE(decode(bind_body(), message));
    std::string whole;
    write_bind(whole, message.portal, "pgweir_7", message.tail);
    EXPECT_EQ(body_of(whole, 'B'), raw("p\0pgweir_7\0") + std::string(message.tail));
    std::string header;
    write_bind_header(header, message.portal, "pgweir_7", message.tail.size());
    EXPECT_EQ(header + std::string(message.tail), whole);
}

TEST(Bind, FindsItsNamesInABodyThatStillArrives) {
    for (std::size_t size = 0; size <= bind_body().size(); ++size) {
        const auto prefix = bind_body().substr(0, size);
        bind_message message;
        EXPECT_EQ(decode_bind_names(prefix, message), size >= 4) << size;
        if (size >= 4) {
            EXPECT_EQ(message.statement, "s");
            EXPECT_EQ(message.tail.size(), size - 4);
        }
    }
}

TEST(DescribeAndClose, RoundTrip) {
    for (const char kind : {'S', 'P'}) {
        std::string out;
        write_describe(out, kind, "name");
        const auto body = body_of(out, 'D');
        name_message message;
        EXPECT_FALSE(decode(body, message));
        EXPECT_EQ(message.kind, kind);
        EXPECT_EQ(message.name, "name");
        expect_exact<name_message>(body);
        out.clear();
        write_close(out, kind, "name");
        EXPECT_EQ(body_of(out, 'C'), body);
    }
}

TEST(DescribeAndClose, RejectOtherKinds) {
    for (int c = 0; c < 256; ++c) {
        const std::string body{static_cast<char>(c), '\0'};
        name_message message;
        const bool known = c == 'S' || c == 'P';
        EXPECT_EQ(decode(body, message) == errc::invalid_value, !known) << c;
    }
}

TEST(Execute, RoundTrips) {
    for (const std::int32_t max_rows : {0, 1, -1, 0x7fffffff}) {
        std::string out;
        write_execute(out, "portal", max_rows);
        const auto body = body_of(out, 'E');
        execute_message message;
        EXPECT_FALSE(decode(body, message));
        EXPECT_EQ(message.portal, "portal");
        EXPECT_EQ(message.max_rows, max_rows);
        expect_exact<execute_message>(body);
    }
}

TEST(BodylessMessages, AreTypeAndLength) {
    const std::pair<void (*)(std::string&), char> cases[] = {
        {write_sync, 'S'},
        {write_flush, 'H'},
        {write_terminate, 'X'},
        {write_parse_complete, '1'},
        {write_bind_complete, '2'},
        {write_close_complete, '3'},
        {write_no_data, 'n'},
        {write_empty_query_response, 'I'},
        {write_portal_suspended, 's'}};
    for (const auto& [write, type] : cases) {
        std::string out;
        write(out);
        EXPECT_EQ(body_of(out, type), "");
    }
}

}  // namespace
}  // namespace weir::protocol

#include "protocol/row.hpp"

#include "tests/unit/protocol/messages.hpp"

#include <gtest/gtest.h>

namespace weir::protocol {
namespace {

TEST(RowDescription, RoundTrips) {
    const std::vector<field_description> fields{
        {"id", 16384, 1, 23, 4, -1, 0}, {"name", 16384, 2, 1043, -1, 54, 1}, {"", 0, 0, 705, -2}};
    std::string out;
    write_row_description(out, fields);
    const auto body = body_of(out, 'T');
    row_description message;
    EXPECT_FALSE(decode(body, message));
    EXPECT_EQ(message.fields, fields);
    expect_exact<row_description>(body);
}

TEST(RowDescription, TakesNoColumns) {
    row_description message;
    EXPECT_FALSE(decode(raw("\0\0"), message));
    EXPECT_TRUE(message.fields.empty());
}

TEST(RowDescription, ChecksTheCountBeforeItAllocates) {
    row_description message;
    EXPECT_EQ(
        decode(
            raw("\xff\xff"
                "aaa\0"),
            message
        ),
        errc::incomplete_message
    );
    EXPECT_EQ(message.fields.capacity(), 0U);
}

TEST(DataRow, RoundTripsNullEmptyAndBytes) {
    const auto bytes = raw("a\0b");
    const std::vector<std::optional<std::string_view>> values{"1", std::nullopt, "", bytes};
    std::string out;
    write_data_row(out, values);
    const auto body = body_of(out, 'D');
    data_row message;
    EXPECT_FALSE(decode(body, message));
    EXPECT_EQ(message.values, values);
    expect_exact<data_row>(body);
}

TEST(DataRow, RejectsEveryWrongLength) {
    data_row message;
    EXPECT_EQ(decode(raw("\0\1\xff\xff\xff\xfe"), message), errc::invalid_value);
    EXPECT_EQ(decode(raw("\0\1\x80\0\0\0"), message), errc::invalid_value);
    EXPECT_EQ(decode(raw("\0\1\0\0\0\2a"), message), errc::incomplete_message);
    EXPECT_EQ(
        decode(
            raw("\0\1\x7f\xff\xff\xff"
                "a"),
            message
        ),
        errc::incomplete_message
    );
    EXPECT_EQ(decode(raw("\0\1\0\0\0\0a"), message), errc::extra_bytes);
    EXPECT_EQ(decode(raw("\0\2\0\0\0\0"), message), errc::incomplete_message);
}

TEST(DataRow, ChecksTheCountBeforeItAllocates) {
    data_row message;
    EXPECT_EQ(decode(raw("\xff\xff\xff\xff\xff\xff"), message), errc::incomplete_message);
    EXPECT_EQ(message.values.capacity(), 0U);
}

TEST(ParameterDescription, RoundTrips) {
    const std::vector<std::uint32_t> types{23, 25, 0xffffffff};
    std::string out;
    write_parameter_description(out, types);
    const auto body = body_of(out, 't');
    parameter_description message;
    EXPECT_FALSE(decode(body, message));
    EXPECT_EQ(message.type_oids, types);
    expect_exact<parameter_description>(body);
}

struct tag_case {
    const char* tag;
    const char* command;
    std::optional<std::uint64_t> rows;
};

TEST(CommandComplete, TakesTheTagApart) {
    const tag_case cases[] = {
        {"SELECT 5", "SELECT", 5},
        {"INSERT 0 12", "INSERT", 12},
        {"INSERT 16384 1", "INSERT", 1},
        {"UPDATE 0", "UPDATE", 0},
        {"COPY 18446744073709551615", "COPY", 18446744073709551615ULL},
        {"CREATE TABLE", "CREATE TABLE", std::nullopt},
        {"DISCARD ALL", "DISCARD ALL", std::nullopt},
        {"BEGIN", "BEGIN", std::nullopt},
        {"", "", std::nullopt},
        {"5", "5", std::nullopt},
        {"SELECT ", "SELECT ", std::nullopt},
        {"SELECT -5", "SELECT -5", std::nullopt},
        {"SELECT 5x", "SELECT 5x", std::nullopt},
        {"SELECT 99999999999999999999", "SELECT 99999999999999999999", std::nullopt},
    };
    for (const auto& one : cases) {
        std::string out;
        write_command_complete(out, one.tag);
        const auto body = body_of(out, 'C');
        command_complete message;
        EXPECT_FALSE(decode(body, message)) << one.tag;
        EXPECT_EQ(message.tag, one.tag);
        EXPECT_EQ(message.command, one.command) << one.tag;
        EXPECT_EQ(message.rows, one.rows) << one.tag;
    }
    expect_exact<command_complete>(raw("SELECT 5\0"));
}

TEST(ResultWriter, WritesAResultInText) {
    std::string out;
    result_writer result(out);
    result.columns({{"name"}, {"count", int8_oid}});
    result.row({"a", "1"});
    result.row({std::nullopt, "2"});
    EXPECT_EQ(result.rows(), 2U);
    result.finish();

    std::string expected;
    const std::vector<field_description> fields{
        {"name", 0, 0, text_oid, -1, -1, 0}, {"count", 0, 0, int8_oid, 8, -1, 0}};
    write_row_description(expected, fields);
    write_data_row(expected, std::vector<std::optional<std::string_view>>{"a", "1"});
    write_data_row(expected, std::vector<std::optional<std::string_view>>{std::nullopt, "2"});
    write_command_complete(expected, "SELECT 2");
    EXPECT_EQ(out, expected);
}

TEST(ResultWriter, TakesATagOfTheCaller) {
    std::string out;
    result_writer(out).finish("SHOW");
    EXPECT_EQ(body_of(out, 'C'), raw("SHOW\0"));
}

}  // namespace
}  // namespace weir::protocol

#include "protocol/bytes.hpp"

#include "tests/unit/protocol/messages.hpp"

#include <gtest/gtest.h>

namespace weir::protocol {
namespace {

TEST(Reader, ReadsBigEndianIntegers) {
    reader in("\x01\x02\x03\xff\xfe\xfd\xfc\xfb\xfa");
    EXPECT_EQ(in.u8(), 1);
    EXPECT_EQ(in.i16(), 0x0203);
    EXPECT_EQ(in.i16(), -2);
    EXPECT_EQ(in.u32(), 0xfdfcfbfaU);
    EXPECT_FALSE(in.finish());
}

TEST(Reader, ReadsSignedAtTheEnds) {
    const auto bytes = raw("\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff\x80\x00");
    reader in(bytes);
    EXPECT_EQ(in.i32(), std::numeric_limits<std::int32_t>::min());
    EXPECT_EQ(in.i32(), std::numeric_limits<std::int32_t>::max());
    EXPECT_EQ(in.i32(), -1);
    EXPECT_EQ(in.i16(), std::numeric_limits<std::int16_t>::min());
    EXPECT_FALSE(in.finish());
}

TEST(Reader, KeepsTheFirstError) {
    const auto bytes = raw("ab");
    reader in(bytes);
    EXPECT_TRUE(in.cstring().empty());
    EXPECT_EQ(in.error(), errc::unterminated_string);
    EXPECT_EQ(in.u32(), 0U);
    in.fail(errc::invalid_value);
    EXPECT_EQ(in.error(), errc::unterminated_string);
    EXPECT_EQ(in.finish(), errc::unterminated_string);
}

TEST(Reader, ReturnsHarmlessValuesAfterAnError) {
    const auto bytes = raw("abc\0def");
    reader in(bytes);
    in.fail(errc::invalid_value);
    EXPECT_EQ(in.u8(), 0);
    EXPECT_EQ(in.u16(), 0);
    EXPECT_EQ(in.u32(), 0U);
    EXPECT_TRUE(in.cstring().empty());
    EXPECT_TRUE(in.bytes(1).empty());
    EXPECT_TRUE(in.rest().empty());
}

TEST(Reader, IsIncompleteWhenAnyIntegerIsCut) {
    for (std::size_t size = 0; size < 4; ++size) {
        const std::string bytes(size, 'x');
        reader in(bytes);
        in.u32();
        EXPECT_EQ(in.error(), errc::incomplete_message) << size;
    }
    reader two("x");
    two.u16();
    EXPECT_EQ(two.error(), errc::incomplete_message);
    reader one("");
    one.u8();
    EXPECT_EQ(one.error(), errc::incomplete_message);
}

TEST(Reader, ComparesHugeCountsWithoutOverflow) {
    reader in("abc");
    EXPECT_TRUE(in.bytes(static_cast<std::size_t>(-1)).empty());
    EXPECT_EQ(in.error(), errc::incomplete_message);
}

TEST(Reader, RejectsTrailingBytes) {
    reader in("ab");
    in.u8();
    EXPECT_EQ(in.finish(), errc::extra_bytes);
}

TEST(Reader, ReadsEmptyStringsAndTheRest) {
    const auto bytes = raw("\0x\0rest");
    reader in(bytes);
    EXPECT_EQ(in.cstring(), "");
    EXPECT_EQ(in.cstring(), "x");
    EXPECT_EQ(in.left(), 4U);
    EXPECT_EQ(in.rest(), "rest");
    EXPECT_FALSE(in.finish());
}

TEST(Writer, PatchesTheLength) {
    std::string out = "before";
    writer w(out);
    w.begin('X');
    w.put_u8(7);
    w.put_i16(-2);
    w.put_i32(-3);
    w.put_cstring("hi");
    w.put_bytes("!");
    w.end();
    EXPECT_EQ(out, raw("beforeX\x00\x00\x00\x0f\x07\xff\xfe\xff\xff\xff\xfdhi\0!"));
}

TEST(Writer, WritesSeveralMessages) {
    std::string out;
    writer w(out);
    w.begin('a');
    w.end();
    w.begin_untyped();
    w.put_char('b');
    w.end();
    EXPECT_EQ(out, raw("a\0\0\0\4\0\0\0\5b"));
}

TEST(Writer, CutsTextAtItsOwnNul) {
    std::string out;
    writer w(out);
    w.put_cstring(raw("ab\0cd"));
    EXPECT_EQ(out, raw("ab\0"));
}

}  // namespace
}  // namespace weir::protocol

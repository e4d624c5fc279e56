#include "protocol/crypto.hpp"

#include "tests/unit/protocol/messages.hpp"

#include <gtest/gtest.h>

namespace weir::protocol {
namespace {

std::string hex(std::string_view bytes) {
    constexpr char digits[] = "0123456789abcdef";
    std::string out;
    for (const char c : bytes) {
        out.push_back(digits[static_cast<unsigned char>(c) >> 4]);
        out.push_back(digits[static_cast<unsigned char>(c) & 15]);
    }
    return out;
}

TEST(Base64, KnowsRfc4648Vectors) {
    const std::pair<std::string_view, std::string_view> cases[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"}};
    for (const auto& [bytes, text] : cases) {
        EXPECT_EQ(base64_encode(bytes), text);
        std::string out;
        EXPECT_TRUE(base64_decode(text, out)) << text;
        EXPECT_EQ(out, bytes);
    }
}

TEST(Base64, RoundTripsEveryByteAndLength) {
    std::string bytes;
    for (int c = 255; c >= 0; --c) {
        bytes.push_back(static_cast<char>(c));
        std::string out;
        ASSERT_TRUE(base64_decode(base64_encode(bytes), out));
        ASSERT_EQ(out, bytes);
    }
}

TEST(Base64, IsStrict) {
    std::string out;
    for (const char* text :
         {"Z",
          "Zg",
          "Zg=",
          "Zg===",
          "Zg==Zg==",
          "Z===",
          "====",
          "=",
          "Zm9v\n",
          " Zm9v",
          "Zm-v",
          "Zm_v",
          "Zh==",
          "Zm9=",
          "Zm9v====",
          "Z=g="}) {
        EXPECT_FALSE(base64_decode(text, out)) << text;
    }
}

TEST(Sha256, KnowsItsVector) {
    sha256_digest digest;
    ASSERT_TRUE(sha256("abc", digest));
    EXPECT_EQ(
        hex(view_of(digest)), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}

TEST(HmacSha256, KnowsRfc4231Vector) {
    sha256_digest digest;
    ASSERT_TRUE(hmac_sha256("Jefe", "what do ya want for nothing?", digest));
    EXPECT_EQ(
        hex(view_of(digest)), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
}

TEST(Pbkdf2, KnowsRfc7914Vector) {
    sha256_digest digest;
    ASSERT_TRUE(pbkdf2_sha256("passwd", "salt", 1, digest));
    EXPECT_EQ(
        hex(view_of(digest)), "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
    );
}

TEST(Md5, KnowsItsVector) {
    std::string out;
    ASSERT_TRUE(md5_hex("abc", out));
    EXPECT_EQ(out, "900150983cd24fb0d6963f7d28e17f72");
}

TEST(ConstantTimeEqual, ComparesLengthAndBytes) {
    EXPECT_TRUE(constant_time_equal("", ""));
    EXPECT_TRUE(constant_time_equal(raw("a\0b"), raw("a\0b")));
    EXPECT_FALSE(constant_time_equal(raw("a\0b"), raw("a\0c")));
    EXPECT_FALSE(constant_time_equal("a", ""));
    EXPECT_FALSE(constant_time_equal("a", "ab"));
}

TEST(RandomBytes, AreAsManyAsAskedAndDiffer) {
    EXPECT_EQ(random_bytes(0), "");
    EXPECT_EQ(random_bytes(18).size(), 18U);
    EXPECT_NE(random_bytes(18), random_bytes(18));
}

TEST(Wipe, EmptiesTheString) {
    std::string secret = "secret";
    wipe(secret);
    EXPECT_TRUE(secret.empty());
}

}  // namespace
}  // namespace weir::protocol

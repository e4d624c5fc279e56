#include "protocol/authentication.hpp"

#include "tests/unit/protocol/messages.hpp"

#include <gtest/gtest.h>

namespace weir::protocol {
namespace {

TEST(AuthenticationRequest, RoundTripsOkAndCleartext) {
    std::string out;
    write_authentication_ok(out);
    authentication_request message;
    EXPECT_FALSE(decode(body_of(out, 'R'), message));
    EXPECT_EQ(message.kind, authentication_kind::ok);
    expect_exact<authentication_request>(body_of(out, 'R'));
    out.clear();
    write_authentication_cleartext_password(out);
    EXPECT_FALSE(decode(body_of(out, 'R'), message));
    EXPECT_EQ(message.kind, authentication_kind::cleartext_password);
    expect_exact<authentication_request>(body_of(out, 'R'));
}

TEST(AuthenticationRequest, RoundTripsMd5) {
    std::string out;
    const md5_salt salt{'\x01', '\0', '\xff', 'x'};
    write_authentication_md5_password(out, salt);
    const auto body = body_of(out, 'R');
    authentication_request message;
    EXPECT_FALSE(decode(body, message));
    EXPECT_EQ(message.kind, authentication_kind::md5_password);
    EXPECT_EQ(message.salt, salt);
    expect_exact<authentication_request>(body);
}

TEST(AuthenticationRequest, RoundTripsSasl) {
    std::string out;
    const std::vector<std::string_view> mechanisms{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"};
    write_authentication_sasl(out, mechanisms);
    const auto body = body_of(out, 'R');
    authentication_request message;
    EXPECT_FALSE(decode(body, message));
    EXPECT_EQ(message.kind, authentication_kind::sasl);
    EXPECT_EQ(message.mechanisms, mechanisms);
    expect_exact<authentication_request>(body);
}

TEST(AuthenticationRequest, RejectsSaslWithoutMechanism) {
    authentication_request message;
    EXPECT_EQ(decode(raw("\0\0\0\x0a\0"), message), errc::invalid_value);
}

TEST(AuthenticationRequest, CarriesSaslData) {
    std::string out;
    write_authentication_sasl_continue(out, "r=x");
    authentication_request message;
    const auto first = body_of(out, 'R');
    EXPECT_FALSE(decode(first, message));
    EXPECT_EQ(message.kind, authentication_kind::sasl_continue);
    EXPECT_EQ(message.data, "r=x");
    out.clear();
    write_authentication_sasl_final(out, "v=y");
    const auto last = body_of(out, 'R');
    EXPECT_FALSE(decode(last, message));
    EXPECT_EQ(message.kind, authentication_kind::sasl_final);
    EXPECT_EQ(message.data, "v=y");
}

TEST(AuthenticationRequest, NamesTheKindsItDoesNotSpeak) {
    for (const int code : {2, 7, 9}) {
        const std::string body{'\0', '\0', '\0', static_cast<char>(code)};
        authentication_request message;
        EXPECT_FALSE(decode(body, message)) << code;
        EXPECT_EQ(static_cast<int>(message.kind), code);
    }
}

TEST(AuthenticationRequest, RejectsUnknownCodes) {
    for (const auto& body :
         {raw("\0\0\0\1"),
          raw("\0\0\0\4"),
          raw("\0\0\0\6"),
          raw("\0\0\0\x0d"),
          raw("\xff\xff\xff\xff"),
          raw("\x7f\0\0\0")}) {
        authentication_request message;
        EXPECT_EQ(decode(body, message), errc::unsupported_authentication);
    }
}

TEST(PasswordMessage, RoundTrips) {
    std::string out;
    write_password_message(out, "secret");
    const auto body = body_of(out, 'p');
    password_message message;
    EXPECT_FALSE(decode(body, message));
    EXPECT_EQ(message.password, "secret");
    expect_exact<password_message>(body);
}

TEST(SaslInitialResponse, RoundTrips) {
    std::string out;
    write_sasl_initial_response(out, scram_sha_256_mechanism, "n,,n=,r=abc");
    const auto body = body_of(out, 'p');
    sasl_initial_response message;
    EXPECT_FALSE(decode(body, message));
    EXPECT_EQ(message.mechanism, "SCRAM-SHA-256");
    EXPECT_EQ(message.data, "n,,n=,r=abc");
    expect_exact<sasl_initial_response>(body);
}

TEST(SaslInitialResponse, RejectsWrongLengths) {
    sasl_initial_response message;
    EXPECT_FALSE(decode(raw("X\0\xff\xff\xff\xff"), message));
    EXPECT_EQ(message.data, "");
    EXPECT_EQ(decode(raw("X\0\xff\xff\xff\xfe"), message), errc::invalid_value);
    EXPECT_EQ(decode(raw("X\0\0\0\0\2a"), message), errc::incomplete_message);
    EXPECT_EQ(decode(raw("X\0\0\0\0\0a"), message), errc::extra_bytes);
    EXPECT_EQ(
        decode(
            raw("X\0\x7f\xff\xff\xff"
                "a"),
            message
        ),
        errc::incomplete_message
    );
}

TEST(SaslResponse, IsItsBody) {
    std::string out;
    write_sasl_response(out, "c=biws");
    EXPECT_EQ(body_of(out, 'p'), "c=biws");
}

// PostgreSQL: select 'md5' || md5('secret' || 'bob').
TEST(Md5Password, IsWhatPostgresqlStores) {
    std::string expected;
    ASSERT_TRUE(md5_hex("secretbob", expected));
    EXPECT_EQ(md5_password("bob", "secret"), "md5" + expected);
}

TEST(Md5Response, HashesTheDigitsWithTheSalt) {
    const md5_salt salt{'\1', '\2', '\3', '\4'};
    const auto stored = md5_password("bob", "secret");
    std::string expected;
    ASSERT_TRUE(md5_hex(stored.substr(3) + "\1\2\3\4", expected));
    EXPECT_EQ(md5_response(stored, salt), "md5" + expected);
    EXPECT_NE(md5_response(stored, {}), md5_response(stored, salt));
}

TEST(Md5Response, RefusesWhatIsNoMd5Password) {
    for (const char* stored :
         {"",
          "md5",
          "secret",
          "md5012345678901234567890123456789",
          "MD5900150983cd24fb0d6963f7d28e17f72",
          "md5900150983cd24fb0d6963f7d28e17f7g",
          "md5900150983cd24fb0d6963f7d28e17f720"}) {
        EXPECT_EQ(md5_response(stored, {}), "") << stored;
    }
}

}  // namespace
}  // namespace weir::protocol

#include "protocol/startup.hpp"

#include "tests/unit/protocol/messages.hpp"

#include <gtest/gtest.h>

namespace weir::protocol {
namespace {

// A packet with a right length around `rest`, which begins with the code.
std::string packet(std::string_view rest) {
    const auto length = static_cast<std::uint32_t>(rest.size() + 4);
    std::string out;
    for (int shift = 24; shift >= 0; shift -= 8) {
        out.push_back(static_cast<char>(length >> shift));
    }
    return out.append(rest);
}

std::string startup(std::string_view parameters) {
    return packet(raw("\0\3\0\0") + std::string(parameters));
}

// Every strict prefix is incomplete, and what stands behind the packet is left alone.
void expect_incremental(const std::string& bytes, startup_kind kind) {
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        const auto prefix = bytes.substr(0, size);
        startup_packet out;
        EXPECT_FALSE(parse_startup_packet(prefix, out)) << size;
        EXPECT_EQ(out.kind, startup_kind::incomplete) << size;
        EXPECT_EQ(out.size, 0U);
    }
    startup_packet out;
    EXPECT_FALSE(parse_startup_packet(bytes + "more", out));
    EXPECT_EQ(out.kind, kind);
    EXPECT_EQ(out.size, bytes.size());
}

std::error_code error_of(const std::string& bytes) {
    startup_packet out;
    const auto error = parse_startup_packet(bytes, out);
    EXPECT_EQ(out.size, 0U);
    return error;
}

TEST(StartupPacket, ReadsEveryKindOneByteAtATime) {
    expect_incremental(packet(raw("\x04\xd2\x16\x2f")), startup_kind::ssl_request);
    expect_incremental(packet(raw("\x04\xd2\x16\x30")), startup_kind::gssenc_request);
    expect_incremental(packet(raw("\x04\xd2\x16\x2e\0\0\1\2abcd")), startup_kind::cancel_request);
    expect_incremental(startup(raw("user\0bob\0database\0shop\0\0")), startup_kind::startup);
}

TEST(StartupPacket, ReadsParameters) {
    startup_packet out;
    const auto bytes =
        startup(raw("user\0bob\0database\0shop\0application_name\0psql\0TimeZone\0\0\0"));
    ASSERT_FALSE(parse_startup_packet(bytes, out));
    EXPECT_EQ(out.major(), 3U);
    EXPECT_EQ(out.minor(), 0U);
    EXPECT_FALSE(out.needs_negotiation());
    const startup_parameters expected{
        {"user", "bob"}, {"database", "shop"}, {"application_name", "psql"}, {"TimeZone", ""}};
    EXPECT_EQ(out.parameters, expected);
    EXPECT_EQ(out.find("application_name"), "psql");
    EXPECT_EQ(out.find("absent"), "");
}

TEST(StartupPacket, LetsTheDatabaseDefaultToTheUser) {
    startup_packet out;
    ASSERT_FALSE(parse_startup_packet(startup(raw("user\0bob\0\0")), out));
    EXPECT_EQ(out.find("database"), "bob");
    ASSERT_FALSE(parse_startup_packet(startup(raw("database\0\0user\0bob\0\0")), out));
    EXPECT_EQ(out.find("database"), "bob");
}

TEST(StartupPacket, LetsTheLastOfADuplicateKeyWin) {
    startup_packet out;
    ASSERT_FALSE(parse_startup_packet(startup(raw("user\0a\0user\0b\0\0")), out));
    EXPECT_EQ(out.find("user"), "b");
    EXPECT_EQ(out.parameters.size(), 2U);
}

TEST(StartupPacket, NeedsAUser) {
    EXPECT_EQ(error_of(startup(raw("\0"))), errc::missing_user);
    EXPECT_EQ(error_of(startup(raw("database\0x\0\0"))), errc::missing_user);
    EXPECT_EQ(error_of(startup(raw("user\0\0\0"))), errc::missing_user);
    EXPECT_EQ(error_of(startup(raw("USER\0bob\0\0"))), errc::missing_user);
}

TEST(StartupPacket, NeedsATerminatorAsItsLastByte) {
    EXPECT_EQ(error_of(startup("")), errc::startup_unterminated);
    EXPECT_EQ(error_of(startup("user")), errc::startup_unterminated);
    EXPECT_EQ(error_of(startup(raw("user\0"))), errc::startup_unterminated);
    EXPECT_EQ(error_of(startup(raw("user\0bob"))), errc::startup_unterminated);
    EXPECT_EQ(error_of(startup(raw("user\0bob\0"))), errc::startup_unterminated);
    EXPECT_EQ(error_of(startup(raw("user\0bob\0\0x"))), errc::startup_unterminated);
    EXPECT_EQ(error_of(startup(raw("user\0bob\0\0\0"))), errc::startup_unterminated);
}

TEST(StartupPacket, RefusesLengthsAsSoonAsTheyAreThere) {
    for (const auto& bytes :
         {raw("\0\0\0\0"),
          raw("\0\0\0\3"),
          raw("\0\0\0\4"),
          raw("\0\0\0\7"),
          raw("\x80\0\0\0"),
          raw("\xff\xff\xff\xff")}) {
        EXPECT_EQ(error_of(bytes), errc::startup_too_short);
    }
    EXPECT_EQ(error_of(raw("\0\0\x27\x15")), errc::startup_too_long);
    EXPECT_EQ(error_of(raw("\x7f\xff\xff\xff")), errc::startup_too_long);
    // The first bytes of a TLS ClientHello.
    EXPECT_EQ(error_of(raw("\x16\x03\x01\x02")), errc::startup_too_long);
    EXPECT_FALSE(error_of(raw("\0\0\x27\x14")));
}

TEST(StartupPacket, TakesTheLongestThatPostgresqlTakes) {
    const auto head = raw("user\0bob\0application_name\0");
    const std::string value(startup_length_limit - 8 - head.size() - 2, 'x');
    startup_packet out;
    ASSERT_FALSE(parse_startup_packet(startup(head + value + raw("\0\0")), out));
    EXPECT_EQ(out.size, startup_length_limit);
    EXPECT_EQ(out.find("application_name"), value);
    EXPECT_EQ(error_of(startup(head + value + raw("x\0\0"))), errc::startup_too_long);
}

TEST(StartupPacket, RefusesOtherMajorVersions) {
    startup_packet out;
    EXPECT_EQ(
        parse_startup_packet(packet(raw("\0\2\0\0user\0bob\0\0")), out),
        errc::unsupported_protocol_version
    );
    EXPECT_EQ(
        unsupported_version_text(out.protocol_version),
        "unsupported frontend protocol 2.0: server supports 3.0 to 3.2"
    );
    EXPECT_EQ(error_of(packet(raw("\0\4\0\0\0"))), errc::unsupported_protocol_version);
    // A code of the reserved family that nobody defined.
    EXPECT_EQ(error_of(packet(raw("\x04\xd2\x16\x31"))), errc::unsupported_protocol_version);
}

TEST(StartupPacket, AsksForNegotiationOfMinorVersionsAndOptions) {
    startup_packet out;
    ASSERT_FALSE(parse_startup_packet(packet(raw("\0\3\0\2user\0bob\0\0")), out));
    EXPECT_EQ(out.minor(), 2U);
    EXPECT_FALSE(out.needs_negotiation());
    EXPECT_EQ(out.spoken_version(), protocol_version_3_2);
    ASSERT_FALSE(parse_startup_packet(packet(raw("\0\3\0\3user\0bob\0\0")), out));
    EXPECT_TRUE(out.needs_negotiation());
    EXPECT_EQ(out.spoken_version(), protocol_version_3_2);
    // What PostgreSQL 19's libpq asks for, to keep servers honest.
    ASSERT_FALSE(parse_startup_packet(packet(raw("\0\3\x27\x0fuser\0bob\0\0")), out));
    EXPECT_TRUE(out.needs_negotiation());
    EXPECT_EQ(out.spoken_version(), protocol_version_3_2);
    ASSERT_FALSE(parse_startup_packet(startup(raw("user\0bob\0_pq_.grease\0on\0_pq_.x\0\0\0")), out)
    );
    EXPECT_TRUE(out.needs_negotiation());
    EXPECT_EQ(out.unknown_options, (std::vector<std::string>{"_pq_.grease", "_pq_.x"}));
    EXPECT_EQ(out.find("_pq_.grease"), "");
}

TEST(Replication, TakesPostgresSpellings) {
    using enum replication_kind;
    for (const auto* yes : {"true", "t", "TR", "yes", "y", "on", "ON", "1"}) {
        EXPECT_EQ(parse_replication(yes), physical) << yes;
    }
    for (const auto* no : {"false", "f", "FaL", "no", "n", "off", "of", "0"}) {
        EXPECT_EQ(parse_replication(no), none) << no;
    }
    EXPECT_EQ(parse_replication("database"), logical);
    for (const auto* odd : {"", "o", "Database", "databases", "truee", "11", " on", "2", "offf"}) {
        EXPECT_FALSE(parse_replication(odd)) << odd;
    }
}

TEST(StartupPacket, StartsAfreshAtEachCall) {
    startup_packet out;
    ASSERT_FALSE(parse_startup_packet(startup(raw("user\0bob\0_pq_.x\0\0\0")), out));
    ASSERT_FALSE(parse_startup_packet(packet(raw("\x04\xd2\x16\x2f")), out));
    EXPECT_TRUE(out.parameters.empty());
    EXPECT_TRUE(out.unknown_options.empty());
    EXPECT_EQ(out.protocol_version, 0U);
}

TEST(CancelRequest, TakesKeysOfFourTo256Bytes) {
    for (std::size_t size = 0; size <= 300; ++size) {
        std::string bytes;
        write_cancel_request(bytes, 77, std::string(size, 'k'));
        startup_packet out;
        const auto error = parse_startup_packet(bytes, out);
        if (size < 4 || size > 256) {
            EXPECT_EQ(error, errc::invalid_cancel_key) << size;
            continue;
        }
        EXPECT_FALSE(error) << size;
        EXPECT_EQ(out.kind, startup_kind::cancel_request);
        EXPECT_EQ(out.process_id, 77U);
        EXPECT_EQ(out.secret_key, std::string(size, 'k'));
    }
    EXPECT_EQ(error_of(packet(raw("\x04\xd2\x16\x2e\0\0"))), errc::invalid_cancel_key);
}

TEST(SslRequest, HasNothingBehindItsCode) {
    EXPECT_EQ(error_of(packet(raw("\x04\xd2\x16\x2fx"))), errc::invalid_length);
    EXPECT_EQ(error_of(packet(raw("\x04\xd2\x16\x30x"))), errc::invalid_length);
    std::string bytes;
    write_ssl_request(bytes);
    EXPECT_EQ(bytes, raw("\0\0\0\x08\x04\xd2\x16\x2f"));
}

TEST(StartupMessage, RoundTrips) {
    const startup_parameters parameters{{"user", "bob"}, {"database", "shop"}, {"options", ""}};
    std::string bytes;
    write_startup_message(bytes, parameters);
    startup_packet out;
    ASSERT_FALSE(parse_startup_packet(bytes, out));
    EXPECT_EQ(out.parameters, parameters);
    EXPECT_EQ(out.protocol_version, protocol_version_3_0);
}

TEST(NegotiateProtocolVersion, RoundTrips) {
    const std::vector<std::string> options{"_pq_.a", "_pq_.b"};
    std::string bytes;
    write_negotiate_protocol_version(bytes, protocol_version_3_2, options);
    const auto body = body_of(bytes, 'v');
    negotiate_protocol_version message;
    EXPECT_FALSE(decode(body, message));
    EXPECT_EQ(message.newest_version, protocol_version_3_2);
    EXPECT_EQ(message.unknown_options, (std::vector<std::string_view>{"_pq_.a", "_pq_.b"}));
    expect_exact<negotiate_protocol_version>(body);
}

TEST(NegotiateProtocolVersion, RejectsCountsThatLie) {
    negotiate_protocol_version message;
    EXPECT_EQ(decode(raw("\0\3\0\0\xff\xff\xff\xff"), message), errc::invalid_value);
    EXPECT_EQ(
        decode(
            raw("\0\3\0\0\x7f\xff\xff\xff"
                "a\0"),
            message
        ),
        errc::incomplete_message
    );
    EXPECT_EQ(decode(raw("\0\3\0\0\0\0\0\0a\0"), message), errc::extra_bytes);
}

startup_parameters options_of(std::string_view text) {
    startup_parameters out;
    EXPECT_FALSE(parse_startup_options(text, out)) << text;
    return out;
}

TEST(StartupOptions, ReadsEverySpelling) {
    const startup_parameters expected{{"a", "b"}, {"c_d", "e"}, {"f", "g=h"}, {"i", ""}};
    EXPECT_EQ(options_of("-c a=b --c-d=e -cf=g=h -c i="), expected);
    EXPECT_EQ(options_of("  -c\ta=b\n--c_d=e -c f=g=h --i= "), expected);
    EXPECT_TRUE(options_of("").empty());
    EXPECT_TRUE(options_of("   ").empty());
}

TEST(StartupOptions, ResolvesBackslashes) {
    const startup_parameters expected{{"search_path", "a b,\\c"}};
    EXPECT_EQ(options_of(R"(-c search_path=a\ b,\\c)"), expected);
    EXPECT_EQ(options_of(R"(--x=y\)"), (startup_parameters{{"x", "y"}}));
}

TEST(StartupOptions, KeepsOrderAndDuplicates) {
    EXPECT_EQ(options_of("-c a=1 -c a=2"), (startup_parameters{{"a", "1"}, {"a", "2"}}));
}

TEST(StartupOptions, RefusesWhatItDoesNotKnow) {
    for (const char* text :
         {"-c",
          "-c a",
          "--a",
          "--=b",
          "-c =b",
          "a=b",
          "-B 100",
          "-d5",
          "-",
          "--",
          "-c a=b x",
          "-e"}) {
        startup_parameters out;
        EXPECT_EQ(parse_startup_options(text, out), errc::unsupported_option) << text;
    }
}

}  // namespace
}  // namespace weir::protocol

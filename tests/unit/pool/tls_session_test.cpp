#include "pool/tls_session.hpp"

#include "tests/unit/pool/tls_pair.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace weir::pool {
namespace {

using enum tls_session::progress;
using role = tls_context::role;

class tls : public testing::Test {
protected:
    tls_context_ptr server_with(
        test::certificate_request request, tls_mode mode = tls_mode::require, bool asks = false
    ) {
        tls_files files = folder_.write("server", authority_.issue(request));
        if (asks) files.ca_file = ca_file_;
        return must_make(role::server, mode, files);
    }
    tls_context_ptr client(tls_mode mode) {
        const bool looks = mode >= tls_mode::verify_ca;
        return must_make(role::client, mode, {"", "", looks ? ca_file_ : ""});
    }
    tls_context_ptr client_as(const std::string& name, const test::certificate_authority& from) {
        return must_make(
            role::client,
            tls_mode::require,
            folder_.write("client", from.issue({.common_name = name}))
        );
    }
    static std::string read(tls_session& from, std::string_view bytes, std::size_t room = 1 << 20) {
        std::string space(room, '\0');
        const auto got = from.decrypt(bytes, space);
        EXPECT_FALSE(got.error) << got.error.message();
        return space.substr(0, got.count);
    }

    tls_folder folder_;
    test::certificate_authority authority_{"weir test CA"};
    test::certificate_authority stranger_{"somebody else"};
    std::string ca_file_ = folder_.write("ca.crt", authority_.certificate());
    const test::certificate_request localhost_{.common_name = "localhost"};
};

TEST_F(tls, CarriesBytesBothWays) {
    tls_session server{server_with(localhost_)};
    tls_session client_end{client(tls_mode::require), "localhost"};
    ASSERT_TRUE(tls_meeting(client_end, server).is_established());
    EXPECT_FALSE(client_end.encrypt("ping"));
    EXPECT_EQ(read(server, take_output(client_end)), "ping");
    EXPECT_FALSE(server.encrypt("pong"));
    EXPECT_EQ(read(client_end, take_output(server)), "pong");
    EXPECT_EQ(server.protocol(), "postgresql");
    EXPECT_EQ(client_end.protocol(), "postgresql");
    EXPECT_TRUE(server.description().starts_with("TLSv1.3/TLS_AES_256_GCM_SHA384/"))
        << server.description();
    EXPECT_EQ(server.description(), client_end.description());
}

TEST_F(tls, ShakesHandsByteByByte) {
    tls_session server{server_with(localhost_)};
    tls_session client_end{client(tls_mode::verify_full), "localhost"};
    EXPECT_TRUE(tls_meeting(client_end, server, 1).is_established());
}

TEST_F(tls, GivesDataByteByByteIntoLittleRoom) {
    tls_session server{server_with(localhost_)};
    tls_session client_end{client(tls_mode::require)};
    ASSERT_TRUE(tls_meeting(client_end, server).is_established());
    std::string sent;
    for (int i = 0; i < 40'000; ++i)
        sent += static_cast<char>('a' + i % 26);
    EXPECT_FALSE(client_end.encrypt(sent));
    std::string got;
    for (const char byte : take_output(client_end)) {
        got += read(server, {&byte, 1}, 7);
        while (server.has_pending())
            got += read(server, {}, 7);
    }
    EXPECT_EQ(got, sent);
}

TEST_F(tls, KeepsDataThatCameWithTheHandshake) {
    tls_session server{server_with(localhost_)};
    tls_session client_end{client(tls_mode::require)};
    (void)client_end.handshake({});
    ASSERT_EQ(server.handshake(take_output(client_end)), want_input);
    ASSERT_EQ(client_end.handshake(take_output(server)), established);
    EXPECT_FALSE(client_end.encrypt("early bird"));
    ASSERT_EQ(server.handshake(take_output(client_end)), established);
    EXPECT_TRUE(server.has_pending());
    EXPECT_EQ(read(server, {}), "early bird");
    EXPECT_FALSE(server.has_pending());
}

TEST_F(tls, RefusesAServerOfAnotherAuthority) {
    const auto files = folder_.write("server", stranger_.issue(localhost_));
    tls_session server{must_make(role::server, tls_mode::require, files)};
    tls_session client_end{client(tls_mode::verify_ca), "localhost"};
    const tls_meeting met{client_end, server};
    EXPECT_EQ(met.client, failed);
    EXPECT_EQ(met.server, failed);
    EXPECT_NE(
        client_end.failure().find("unable to get local issuer certificate"), std::string::npos
    ) << client_end.failure();
}

TEST_F(tls, RefusesAnExpiredServer) {
    tls_session server{
        server_with({.common_name = "localhost", .valid_from_days = -9, .valid_to_days = -2})};
    tls_session client_end{client(tls_mode::verify_ca), "localhost"};
    EXPECT_EQ(tls_meeting(client_end, server).client, failed);
    EXPECT_NE(client_end.failure().find("certificate has expired"), std::string::npos);
}

TEST_F(tls, DoesNotLookWhereNobodyAsksToVerify) {
    tls_session server{
        server_with({.common_name = "x", .valid_from_days = -9, .valid_to_days = -2})};
    tls_session client_end{client(tls_mode::require), "localhost"};
    EXPECT_TRUE(tls_meeting(client_end, server).is_established());
}

TEST_F(tls, ChecksTheNameOnlyInVerifyFull) {
    const auto context = server_with({.common_name = "elsewhere"});
    tls_session first{context};
    tls_session lenient{client(tls_mode::verify_ca), "localhost"};
    EXPECT_TRUE(tls_meeting(lenient, first).is_established());
    tls_session second{context};
    tls_session strict{client(tls_mode::verify_full), "localhost"};
    EXPECT_EQ(tls_meeting(strict, second).client, failed);
    EXPECT_EQ(strict.failure(), "the certificate is for another host than \"localhost\"");
}

struct name_case {
    const char* host;
    const char* common_name;
    std::vector<std::string> names;
    bool matches;
};

TEST_F(tls, TakesTheNamesThatLibpqTakes) {
    const name_case cases[] = {
        {"db.example.org", "db.example.org", {}, true},
        {"DB.Example.org", "db.example.org", {}, true},
        {"db.example.org", "*.example.org", {}, true},
        {"a.db.example.org", "*.example.org", {}, false},
        {"db.example.org", "d*.example.org", {}, false},
        {"db.example.org", "other", {"DNS:db.example.org"}, true},
        // The common name does not count beside names.
        {"db.example.org", "db.example.org", {"DNS:other.example.org"}, false},
        {"127.0.0.1", "other", {"IP:127.0.0.1"}, true},
        {"127.0.0.1", "other", {"IP:127.0.0.2"}, false},
        {"127.0.0.1", "127.0.0.1", {}, true},
        {"127.0.0.1", "127.0.0.1", {"IP:127.0.0.2"}, false},
        {"127.0.0.1", "other", {"DNS:127.0.0.1"}, true},
        {"::1", "other", {"IP:0:0:0:0:0:0:0:1"}, true},
        {"", "other", {}, false},
    };
    for (const auto& one : cases) {
        tls_session server{server_with({.common_name = one.common_name, .names = one.names})};
        tls_session client_end{client(tls_mode::verify_full), one.host};
        EXPECT_EQ(tls_meeting(client_end, server).is_established(), one.matches)
            << one.host << " and " << one.common_name;
    }
}

TEST_F(tls, TellsWhoTheClientIs) {
    tls_session server{server_with(localhost_, tls_mode::verify_full, true)};
    tls_session client_end{client_as("alice", authority_)};
    ASSERT_TRUE(tls_meeting(client_end, server).is_established());
    const auto peer = server.peer();
    ASSERT_TRUE(peer);
    EXPECT_EQ(peer->common_name, "alice");
    EXPECT_EQ(peer->distinguished_name, "CN=alice");
    EXPECT_TRUE(peer->verified);
}

TEST_F(tls, KnowsNoClientWithoutACertificate) {
    tls_session server{server_with(localhost_, tls_mode::verify_full, true)};
    tls_session client_end{client(tls_mode::require)};
    ASSERT_TRUE(tls_meeting(client_end, server).is_established());
    EXPECT_FALSE(server.peer());
}

TEST_F(tls, AsksForNoCertificateWithoutAuthorities) {
    tls_session server{server_with(localhost_)};
    tls_session client_end{client_as("alice", authority_)};
    ASSERT_TRUE(tls_meeting(client_end, server).is_established());
    EXPECT_FALSE(server.peer());
    EXPECT_FALSE(client_end.peer()->verified);
}

TEST_F(tls, RefusesAClientOfAnotherAuthority) {
    tls_session server{server_with(localhost_, tls_mode::require, true)};
    tls_session client_end{client_as("alice", stranger_)};
    EXPECT_EQ(tls_meeting(client_end, server).server, failed);
}

// The name may not end at the NUL for one and go on for another (CVE-2009-4034).
TEST_F(tls, KnowsNoNameWithANul) {
    tls_session server{server_with(localhost_, tls_mode::require, true)};
    tls_session client_end{client_as(std::string("alice\0.evil", 11), authority_)};
    ASSERT_TRUE(tls_meeting(client_end, server).is_established());
    EXPECT_EQ(server.peer()->common_name, "");
}

TEST_F(tls, HasTheSameEndPointOnBothSides) {
    tls_session server{server_with(localhost_)};
    tls_session client_end{client(tls_mode::require)};
    ASSERT_TRUE(tls_meeting(client_end, server).is_established());
    EXPECT_EQ(server.server_end_point().size(), 32U);
    EXPECT_EQ(server.server_end_point(), client_end.server_end_point());
}

TEST_F(tls, EndsWithCloseNotify) {
    tls_session server{server_with(localhost_)};
    tls_session client_end{client(tls_mode::require)};
    ASSERT_TRUE(tls_meeting(client_end, server).is_established());
    EXPECT_FALSE(client_end.encrypt("last"));
    client_end.close();
    EXPECT_EQ(read(server, take_output(client_end)), "last");
    EXPECT_TRUE(server.is_closed());
}

TEST_F(tls, FailsOnGarbageInPlaceOfAHandshake) {
    tls_session server{server_with(localhost_)};
    EXPECT_EQ(server.handshake("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), failed);
    EXPECT_FALSE(server.failure().empty());
    EXPECT_EQ(server.handshake(""), failed);
}

TEST_F(tls, FailsOnEveryDamagedByteOfARecord) {
    const auto context = server_with(localhost_);
    for (const std::size_t at : {0, 1, 3, 5, 10, 20}) {
        tls_session server{context};
        tls_session client_end{client(tls_mode::require)};
        ASSERT_TRUE(tls_meeting(client_end, server).is_established());
        EXPECT_FALSE(client_end.encrypt("something"));
        std::string bytes = take_output(client_end);
        bytes[at] = static_cast<char>(bytes[at] ^ 0x41);
        std::string space(100, '\0');
        auto got = server.decrypt(bytes, space);
        // A longer record than was sent: more bytes show that it is none.
        if (!got.error) got = server.decrypt(std::string(40'000, 'x'), space);
        EXPECT_EQ(got.count, 0U);
        EXPECT_TRUE(got.error) << at;
        EXPECT_TRUE(server.encrypt("more")) << at;
    }
}

TEST_F(tls, WaitsForTheRestOfATruncatedRecord) {
    tls_session server{server_with(localhost_)};
    tls_session client_end{client(tls_mode::require)};
    ASSERT_TRUE(tls_meeting(client_end, server).is_established());
    EXPECT_FALSE(client_end.encrypt("something"));
    const std::string bytes = take_output(client_end);
    EXPECT_EQ(read(server, std::string_view{bytes}.substr(0, bytes.size() - 1)), "");
    EXPECT_FALSE(server.has_pending());
    EXPECT_FALSE(server.is_closed());
    EXPECT_EQ(read(server, std::string_view{bytes}.substr(bytes.size() - 1)), "something");
}

TEST_F(tls, KeepsNothingOfWhatIsSent) {
    tls_session server{server_with(localhost_)};
    tls_session client_end{client(tls_mode::require)};
    ASSERT_TRUE(tls_meeting(client_end, server).is_established());
    std::string large(100'000, 'x');
    EXPECT_FALSE(server.encrypt(large));
    EXPECT_GT(server.output().size(), large.size());
    EXPECT_EQ(read(client_end, take_output(server)), large);
    EXPECT_TRUE(server.output().empty());
}

}  // namespace
}  // namespace weir::pool

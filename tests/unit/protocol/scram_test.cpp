#include "protocol/scram.hpp"

#include "tests/unit/protocol/messages.hpp"

#include <gtest/gtest.h>

namespace weir::protocol {
namespace {

// RFC 7677, section 3. Its client-first-message names the user, ours leaves the name empty as libpq
// does, so the client's half of the vector is checked through the server, which takes any name.
constexpr std::string_view rfc_client_first = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
constexpr std::string_view rfc_server_nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
constexpr std::string_view rfc_server_first =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr std::string_view rfc_client_final =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
constexpr std::string_view rfc_server_final = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

std::string rfc_salt() {
    std::string salt;
    EXPECT_TRUE(base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==", salt));
    return salt;
}

scram_secret secret_for(
    std::string_view password, std::string_view salt, std::uint32_t iterations = 4096
) {
    scram_secret secret;
    EXPECT_FALSE(derive_scram_secret(password, salt, iterations, secret));
    return secret;
}

scram_server rfc_server() {
    return {secret_for("pencil", rfc_salt()), scram_account::known, std::string(rfc_server_nonce)};
}

TEST(ScramServer, FollowsRfc7677) {
    auto server = rfc_server();
    std::string out;
    EXPECT_FALSE(server.on_client_first(rfc_client_first, out));
    EXPECT_EQ(out, rfc_server_first);
    EXPECT_EQ(server.current(), scram_server::state::awaiting_client_final);
    EXPECT_FALSE(server.on_client_final(rfc_client_final, out));
    EXPECT_EQ(out, rfc_server_final);
    EXPECT_EQ(server.current(), scram_server::state::done);
}

TEST(ScramServer, RecoversTheKeysOfTheClient) {
    auto server = rfc_server();
    std::string out;
    ASSERT_FALSE(server.on_client_first(rfc_client_first, out));
    ASSERT_FALSE(server.on_client_final(rfc_client_final, out));
    scram_keys keys;
    ASSERT_FALSE(derive_scram_keys("pencil", rfc_salt(), 4096, keys));
    EXPECT_EQ(server.recovered_keys().client_key, keys.client_key);
    EXPECT_EQ(server.recovered_keys().server_key, keys.server_key);
}

struct exchange {
    scram_client client{"clientnonce"};
    scram_server server;
    std::string client_first, server_first, client_final, server_final;

    exchange(std::string_view password, scram_account account = scram_account::known)
        : server(secret_for(password, "0123456789abcdef", 1), account, "servernonce") {}

    // Up to the point where the client knows salt and iterations.
    void open() {
        ASSERT_FALSE(client.make_client_first(client_first));
        ASSERT_FALSE(server.on_client_first(client_first, server_first));
        ASSERT_FALSE(client.on_server_first(server_first));
    }
};

TEST(Scram, BothSidesAgreeOnAPassword) {
    exchange e("geheim");
    e.open();
    EXPECT_EQ(e.client_first, "n,,n=,r=clientnonce");
    ASSERT_FALSE(e.client.make_client_final("geheim", e.client_final));
    ASSERT_FALSE(e.server.on_client_final(e.client_final, e.server_final));
    ASSERT_FALSE(e.client.on_server_final(e.server_final));
    EXPECT_EQ(e.client.current(), scram_client::state::done);
    EXPECT_EQ(e.server.current(), scram_server::state::done);
}

TEST(Scram, ClientLogsInWithRecoveredKeys) {
    exchange first("geheim");
    first.open();
    ASSERT_FALSE(first.client.make_client_final("geheim", first.client_final));
    ASSERT_FALSE(first.server.on_client_final(first.client_final, first.server_final));

    exchange second("geheim");
    second.open();
    ASSERT_FALSE(second.client.make_client_final(first.server.recovered_keys(), second.client_final)
    );
    ASSERT_FALSE(second.server.on_client_final(second.client_final, second.server_final));
    EXPECT_FALSE(second.client.on_server_final(second.server_final));
}

TEST(Scram, NonAsciiAndEmptyPasswordsAreUsedAsTheyAre) {
    for (const std::string_view password : {"p\xc3\xa4ss", "\xff\xfe", ""}) {
        exchange e(password);
        e.open();
        ASSERT_FALSE(e.client.make_client_final(password, e.client_final));
        EXPECT_FALSE(e.server.on_client_final(e.client_final, e.server_final));
    }
}

TEST(ScramServer, RefusesAWrongPassword) {
    exchange e("right");
    e.open();
    ASSERT_FALSE(e.client.make_client_final("wrong", e.client_final));
    EXPECT_EQ(
        e.server.on_client_final(e.client_final, e.server_final), errc::authentication_failed
    );
    EXPECT_EQ(e.server.current(), scram_server::state::failed);
    EXPECT_TRUE(e.server_final.empty());
}

TEST(ScramServer, RefusesAMockEvenWithTheRightProof) {
    exchange e("right", scram_account::mock);
    e.open();
    ASSERT_FALSE(e.client.make_client_final("right", e.client_final));
    EXPECT_EQ(
        e.server.on_client_final(e.client_final, e.server_final), errc::authentication_failed
    );
}

TEST(ScramServer, RefusesEveryAlteredProof) {
    for (std::size_t at = rfc_client_final.find(",p=") + 3; at < rfc_client_final.size(); ++at) {
        auto server = rfc_server();
        std::string out;
        ASSERT_FALSE(server.on_client_first(rfc_client_first, out));
        std::string altered(rfc_client_final);
        altered[at] = altered[at] == 'A' ? 'B' : 'A';
        EXPECT_TRUE(server.on_client_final(altered, out)) << at;
        EXPECT_EQ(server.current(), scram_server::state::failed);
    }
}

TEST(ScramServer, RefusesEveryCutMessage) {
    const auto secret = secret_for("pencil", rfc_salt());
    for (std::size_t size = 0; size < rfc_client_final.size(); ++size) {
        scram_server server(secret, scram_account::known, std::string(rfc_server_nonce));
        std::string out;
        ASSERT_FALSE(server.on_client_first(rfc_client_first, out));
        const std::string cut(rfc_client_final.substr(0, size));
        EXPECT_TRUE(server.on_client_final(cut, out)) << size;
    }
    // "n,,n=user,r=" is a message without a nonce; from the next byte on the nonce is only shorter.
    for (std::size_t size = 0; size <= rfc_client_first.find("r=") + 2; ++size) {
        scram_server server(secret, scram_account::known, "x");
        std::string out;
        const std::string cut(rfc_client_first.substr(0, size));
        EXPECT_EQ(server.on_client_first(cut, out), errc::invalid_scram_message) << size;
    }
}

TEST(ScramServer, NamesWhatItDoesNotSupport) {
    const std::pair<std::string_view, errc> cases[] = {
        {"p=tls-server-end-point,,n=,r=x", errc::channel_binding_not_supported},
        {"n,a=other,n=,r=x", errc::authorization_identity_given},
        {"n,,m=ext,n=,r=x", errc::invalid_scram_message},
        {"x,,n=,r=x", errc::invalid_scram_message},
        {"n,x,n=,r=x", errc::invalid_scram_message},
        {"n,,r=x", errc::invalid_scram_message},
        {"n,,n=,r=", errc::invalid_scram_message},
        {"n,,n=,r=\x7f", errc::invalid_scram_message},
        {"n,,n=,r=a b", errc::invalid_scram_message},
        {"", errc::invalid_scram_message},
    };
    for (const auto& [message, error] : cases) {
        auto server = rfc_server();
        std::string out;
        EXPECT_EQ(server.on_client_first(message, out), error) << message;
        EXPECT_EQ(server.current(), scram_server::state::failed);
    }
}

TEST(ScramServer, TakesTheFlagOfAClientThatCouldBind) {
    exchange e("geheim");
    // libpq over TLS to a server that does not offer -PLUS says y; c= is then base64 of "y,,".
    ASSERT_FALSE(e.server.on_client_first("y,,n=,r=abc", e.server_first));
    EXPECT_EQ(
        e.server.on_client_final(
            "c=biws,r=abcservernonce,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", e.server_final
        ),
        errc::channel_binding_mismatch
    );
    exchange again("geheim");
    ASSERT_FALSE(again.server.on_client_first("y,,n=,r=abc", again.server_first));
    EXPECT_EQ(
        again.server.on_client_final(
            "c=eSws,r=abcservernonce,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            again.server_final
        ),
        errc::authentication_failed
    );
}

// CVE-2026-6665: a rogue server wrote beyond a buffer for the message that is signed.
TEST(ScramClient, CVE_2026_6665_RefusesASaltOrNonceOfAbsurdLength) {
    const std::string long_nonce = "r=clientnonce" + std::string(2 * max_scram_nonce_size, 'x');
    const std::string long_salt = base64_encode(std::string(max_scram_salt_size + 1, 's'));
    const std::string messages[] = {
        long_nonce + ",s=c2FsdA==,i=4096",
        "r=clientnoncex,s=" + long_salt + ",i=4096",
        "r=clientnoncex,s=c2FsdA==,i=4096," + std::string(max_scram_message_size, 'x')};
    for (const auto& message : messages) {
        scram_client client("clientnonce");
        std::string out;
        ASSERT_FALSE(client.make_client_first(out));
        EXPECT_EQ(client.on_server_first(message), errc::scram_value_out_of_range);
        EXPECT_EQ(client.current(), scram_client::state::failed);
    }
}

struct bound_exchange {
    scram_client client;
    scram_server server;
    std::string client_first, server_first, client_final, server_final;

    bound_exchange(channel_binding of_client, channel_binding of_server)
        : client("clientnonce", std::move(of_client)),
          server(
              secret_for("geheim", "0123456789abcdef", 1),
              scram_account::known,
              "servernonce",
              std::move(of_server)
          ) {}

    std::error_code run() {
        if (const auto error = client.make_client_first(client_first)) return error;
        if (const auto error = server.on_client_first(client_first, server_first)) return error;
        if (const auto error = client.on_server_first(server_first)) return error;
        if (const auto error = client.make_client_final("geheim", client_final)) return error;
        if (const auto error = server.on_client_final(client_final, server_final)) return error;
        return client.on_server_final(server_final);
    }
};

TEST(Scram, BindsBothSidesToTheSameCertificate) {
    using use = channel_binding::use;
    const std::string hash(32, '\x81');
    const std::string other(32, '\x82');
    struct {
        channel_binding client, server;
        std::error_code expected;
    } const cases[] = {
        {{use::bound, hash}, {use::bound, hash}, {}},
        {{use::bound, other}, {use::bound, hash}, errc::channel_binding_mismatch},
        {{use::bound, hash}, {use::unsupported, hash}, errc::channel_binding_not_supported},
        {{use::bound, hash}, {}, errc::channel_binding_not_supported},
        {{}, {use::unsupported, hash}, {}},
        {{}, {use::bound, hash}, errc::invalid_scram_message},
        {{use::not_offered, hash}, {}, {}},
        {{use::not_offered, hash}, {use::unsupported, hash}, errc::channel_binding_downgraded},
        {{use::not_offered, hash}, {use::bound, hash}, errc::invalid_scram_message},
    };
    for (const auto& one : cases) {
        bound_exchange e(one.client, one.server);
        EXPECT_EQ(e.run(), one.expected) << e.client_first;
        if (one.expected) EXPECT_EQ(e.server.current(), scram_server::state::failed);
    }
}

TEST(ScramServer, KnowsOneKindOfBinding) {
    for (const std::string_view message :
         {"p=tls-unique,,n=,r=x",
          "p=,,n=,r=x",
          "p=tls-server-end-point",
          "p=tls-server-end-pointx,,n=,r=x"}) {
        scram_server server(
            secret_for("geheim", "salt", 1),
            scram_account::known,
            "servernonce",
            {channel_binding::use::bound, "hash"}
        );
        std::string out;
        EXPECT_TRUE(server.on_client_first(message, out)) << message;
    }
}

TEST(ScramServer, RefusesAnotherNonceAndAbsurdSizes) {
    auto server = rfc_server();
    std::string out;
    ASSERT_FALSE(server.on_client_first(rfc_client_first, out));
    std::string altered(rfc_client_final);
    altered[altered.find("r=") + 2] = 'x';
    EXPECT_EQ(server.on_client_final(altered, out), errc::scram_nonce_mismatch);

    auto second = rfc_server();
    EXPECT_EQ(
        second.on_client_first("n,,n=,r=" + std::string(max_scram_nonce_size + 1, 'x'), out),
        errc::scram_value_out_of_range
    );
    auto third = rfc_server();
    EXPECT_EQ(
        third.on_client_first("n,,n=" + std::string(max_scram_message_size, 'x') + ",r=x", out),
        errc::scram_value_out_of_range
    );
}

TEST(ScramServer, RefusesMessagesOutOfTurn) {
    std::string out;
    auto early = rfc_server();
    EXPECT_EQ(early.on_client_final(rfc_client_final, out), errc::unexpected_message);
    EXPECT_EQ(early.on_client_first(rfc_client_first, out), errc::unexpected_message);
    auto twice = rfc_server();
    ASSERT_FALSE(twice.on_client_first(rfc_client_first, out));
    EXPECT_EQ(twice.on_client_first(rfc_client_first, out), errc::unexpected_message);
    auto late = rfc_server();
    ASSERT_FALSE(late.on_client_first(rfc_client_first, out));
    ASSERT_FALSE(late.on_client_final(rfc_client_final, out));
    EXPECT_EQ(late.on_client_final(rfc_client_final, out), errc::unexpected_message);
}

std::error_code client_says_to(std::string_view server_first) {
    scram_client client("abc");
    std::string out;
    EXPECT_FALSE(client.make_client_first(out));
    const auto error = client.on_server_first(server_first);
    EXPECT_EQ(
        client.current(), error ? scram_client::state::failed : scram_client::state::awaiting_keys
    );
    return error;
}

TEST(ScramClient, ChecksServerFirst) {
    EXPECT_FALSE(client_says_to("r=abcdef,s=c2FsdA==,i=4096"));
    EXPECT_FALSE(client_says_to("r=abcdef,s=c2FsdA==,i=4096,x=extension"));
    const std::pair<std::string_view, errc> cases[] = {
        {"", errc::invalid_scram_message},
        {"r=abcdef", errc::invalid_scram_message},
        {"r=abcdef,s=c2FsdA==", errc::invalid_scram_message},
        {"r=abcdef,s=c2FsdA==,i=", errc::invalid_scram_message},
        {"r=abcdef,s=c2FsdA==,i=x", errc::invalid_scram_message},
        {"r=abcdef,s=c2FsdA==,i=-1", errc::invalid_scram_message},
        {"r=abcdef,s=,i=1", errc::invalid_scram_message},
        {"r=abcdef,s=!!!!,i=1", errc::invalid_scram_message},
        {"s=c2FsdA==,r=abcdef,i=1", errc::invalid_scram_message},
        {"r=abcdef,s=c2FsdA==,i=0", errc::iteration_count_out_of_range},
        {"r=abcdef,s=c2FsdA==,i=1000001", errc::iteration_count_out_of_range},
        {"r=abcdef,s=c2FsdA==,i=99999999999999999999", errc::iteration_count_out_of_range},
        {"r=abc,s=c2FsdA==,i=1", errc::scram_nonce_mismatch},
        {"r=abx123,s=c2FsdA==,i=1", errc::scram_nonce_mismatch},
        {"m=ext,r=abcdef,s=c2FsdA==,i=1", errc::invalid_scram_message},
    };
    for (const auto& [message, error] : cases) {
        EXPECT_EQ(client_says_to(message), error) << message;
    }
}

TEST(ScramClient, BoundsSaltNonceAndMessage) {
    EXPECT_EQ(
        client_says_to("r=abc" + std::string(2000, 'x') + ",s=c2FsdA==,i=1"),
        errc::scram_value_out_of_range
    );
    EXPECT_EQ(
        client_says_to("r=abcd,s=" + base64_encode(std::string(1025, 's')) + ",i=1"),
        errc::scram_value_out_of_range
    );
    EXPECT_EQ(client_says_to(std::string(9000, 'r')), errc::scram_value_out_of_range);
}

TEST(ScramClient, DoesNotBelieveAServerThatDoesNotKnowTheSecret) {
    exchange e("geheim");
    e.open();
    ASSERT_FALSE(e.client.make_client_final("geheim", e.client_final));
    EXPECT_EQ(
        e.client.on_server_final("v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        errc::server_signature_mismatch
    );
    EXPECT_EQ(e.client.current(), scram_client::state::failed);
}

TEST(ScramClient, ChecksServerFinal) {
    const std::pair<std::string_view, errc> cases[] = {
        {"", errc::invalid_scram_message},
        {"v=", errc::invalid_scram_message},
        {"v=AAAA", errc::invalid_scram_message},
        {"x=1", errc::invalid_scram_message},
        {"e=invalid-proof", errc::server_reported_error},
    };
    for (const auto& [message, error] : cases) {
        exchange e("geheim");
        e.open();
        ASSERT_FALSE(e.client.make_client_final("geheim", e.client_final));
        EXPECT_EQ(e.client.on_server_final(message), error) << message;
    }
}

TEST(ScramClient, RefusesMessagesOutOfTurn) {
    std::string out;
    scram_client early("abc");
    EXPECT_EQ(early.on_server_first("r=abcdef,s=c2FsdA==,i=1"), errc::unexpected_message);
    EXPECT_EQ(early.make_client_first(out), errc::unexpected_message);
    scram_client final_first("abc");
    ASSERT_FALSE(final_first.make_client_first(out));
    EXPECT_EQ(final_first.on_server_final("v=x"), errc::unexpected_message);
    scram_client no_keys("abc");
    EXPECT_EQ(no_keys.make_client_final("x", out), errc::unexpected_message);
    scram_client bad_nonce("a,b");
    EXPECT_EQ(bad_nonce.make_client_first(out), errc::invalid_scram_message);
}

TEST(ScramSecret, RoundTrips) {
    const auto secret = secret_for("pencil", rfc_salt());
    const auto text = format_scram_secret(secret);
    EXPECT_EQ(
        text,
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    );
    scram_secret parsed;
    EXPECT_FALSE(parse_scram_secret(text, parsed));
    EXPECT_EQ(parsed, secret);
}

TEST(ScramSecret, RejectsEveryCutText) {
    const auto text = format_scram_secret(secret_for("pencil", rfc_salt(), 1));
    for (std::size_t size = 0; size < text.size(); ++size) {
        scram_secret secret;
        EXPECT_EQ(parse_scram_secret(text.substr(0, size), secret), errc::invalid_scram_secret);
    }
    scram_secret secret;
    EXPECT_EQ(parse_scram_secret(text + "x", secret), errc::invalid_scram_secret);
    EXPECT_EQ(
        parse_scram_secret("SCRAM-SHA-1" + text.substr(13), secret), errc::invalid_scram_secret
    );
}

TEST(ScramSecret, BoundsIterations) {
    const auto keys = format_scram_secret(secret_for("pencil", rfc_salt(), 1)).substr(15);
    for (const char* iterations : {"0", "1000001", "99999999999999999999"}) {
        scram_secret secret;
        EXPECT_EQ(
            parse_scram_secret(std::string("SCRAM-SHA-256$") + iterations + keys, secret),
            errc::iteration_count_out_of_range
        ) << iterations;
    }
    scram_keys out;
    EXPECT_EQ(derive_scram_keys("x", "salt", 0, out), errc::iteration_count_out_of_range);
    EXPECT_EQ(derive_scram_keys("x", "salt", 1'000'001, out), errc::iteration_count_out_of_range);
    EXPECT_EQ(derive_scram_keys("x", "", 1, out), errc::scram_value_out_of_range);
    EXPECT_EQ(
        derive_scram_keys("x", std::string(1025, 's'), 1, out), errc::scram_value_out_of_range
    );
}

TEST(MockScramSecret, IsTheSameForAUserAndDiffersBetweenUsersAndKeys) {
    const auto bob = mock_scram_secret("key", "bob");
    EXPECT_EQ(bob, mock_scram_secret("key", "bob"));
    EXPECT_NE(bob.salt, mock_scram_secret("key", "eve").salt);
    EXPECT_NE(bob.salt, mock_scram_secret("other", "bob").salt);
    EXPECT_EQ(bob.salt.size(), default_scram_salt_size);
    EXPECT_EQ(bob.iterations, default_scram_iterations);
}

TEST(MakeScramNonce, IsFreshAndFitsTheWire) {
    const auto nonce = make_scram_nonce();
    EXPECT_EQ(nonce.size(), 24U);
    EXPECT_NE(nonce, make_scram_nonce());
    scram_client client(nonce);
    std::string out;
    EXPECT_FALSE(client.make_client_first(out));
}

}  // namespace
}  // namespace weir::protocol

#include "pool/server_login.hpp"

#include "pool/errc.hpp"
#include "protocol/authentication.hpp"
#include "protocol/bytes.hpp"
#include "protocol/errc.hpp"
#include "protocol/error_fields.hpp"
#include "protocol/startup.hpp"
#include "protocol/status.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <source_location>
#include <string>
#include <vector>

namespace weir::pool {
namespace {

using state = server_login::state;
using action = server_login::action;
using perr = protocol::errc;

constexpr std::uint32_t iterations = 4096;
const std::string salt = "0123456789abcdef";

login_parameters with_password(std::string password) {
    login_parameters parameters;
    parameters.user = "alice";
    parameters.database = "shop";
    parameters.password = std::move(password);
    return parameters;
}

template<typename Write, typename... Arguments>
std::string written(Write write, const Arguments&... arguments) {
    std::string out;
    write(out, arguments...);
    return out;
}

std::string ok() {
    return written(protocol::write_authentication_ok);
}
std::string cleartext() {
    return written(protocol::write_authentication_cleartext_password);
}
std::string md5() {
    return written(
        protocol::write_authentication_md5_password, protocol::md5_salt{'s', 'a', 'l', 't'}
    );
}
std::string sasl(
    std::vector<std::string_view> mechanisms = {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"}
) {
    return written(protocol::write_authentication_sasl, mechanisms);
}
std::string sasl_continue(std::string_view data) {
    return written(protocol::write_authentication_sasl_continue, data);
}
std::string sasl_final(std::string_view data) {
    return written(protocol::write_authentication_sasl_final, data);
}
std::string ready(char status = 'I') {
    return written(protocol::write_ready_for_query, status);
}
std::string key_data(std::string_view secret = "\x01\x02\x03\x04") {
    return written(
        [](std::string& out, std::string_view key) {
            protocol::write_backend_key_data(out, 4711, key);
        },
        secret
    );
}
std::string status_of(std::string_view name, std::string_view value) {
    return written(protocol::write_parameter_status, name, value);
}
std::string error_response() {
    protocol::error_fields fields;
    fields.severity = "FATAL";
    fields.code = "28P01";
    fields.message = "no";
    return written(protocol::write_error_response, fields);
}
std::string notice() {
    protocol::error_fields fields;
    fields.message = "hello";
    return written(protocol::write_notice_response, fields);
}
std::string typed(char type, std::string_view body) {
    std::string out;
    protocol::writer writer(out);
    writer.begin(type);
    writer.put_bytes(body);
    writer.end();
    return out;
}
std::string authentication_code(std::uint32_t code) {
    std::string body;
    for (int shift = 24; shift >= 0; shift -= 8)
        body.push_back(static_cast<char>(code >> shift));
    return typed('R', body);
}
std::string negotiate(std::uint32_t version, std::vector<std::string> unknown = {}) {
    std::string out;
    protocol::writer writer(out);
    writer.begin('v');
    writer.put_u32(version);
    writer.put_u32(static_cast<std::uint32_t>(unknown.size()));
    for (const auto& name : unknown)
        writer.put_cstring(name);
    writer.end();
    return out;
}

/// PostgreSQL's side of a SCRAM exchange.
class scram_backend {
public:
    explicit scram_backend(std::string_view password)
        : server_(secret_of(password), protocol::scram_account::known, "servernonce") {}

    /// `output`: a 'p' message. Returns AuthenticationSASLContinue.
    std::string on_initial(std::string_view output) {
        protocol::sasl_initial_response message;
        EXPECT_FALSE(protocol::decode(output.substr(5), message));
        EXPECT_EQ(message.mechanism, "SCRAM-SHA-256");
        std::string data;
        EXPECT_FALSE(server_.on_client_first(message.data, data));
        return sasl_continue(data);
    }
    std::error_code on_response(std::string_view output, std::string& reply) {
        std::string data;
        const auto error = server_.on_client_final(output.substr(5), data);
        reply = sasl_final(data);
        return error;
    }
    protocol::scram_keys recovered_keys() const { return server_.recovered_keys(); }

private:
    static protocol::scram_secret secret_of(std::string_view password) {
        protocol::scram_secret secret;
        EXPECT_FALSE(protocol::derive_scram_secret(password, salt, iterations, secret));
        return secret;
    }
    protocol::scram_server server_;
};

scram_login_keys keys_of(std::string_view password) {
    scram_login_keys keys;
    EXPECT_FALSE(derive_scram_keys(password, salt, iterations, keys));
    return keys;
}

/// A log-in and what has been said to it.
struct dialogue {
    server_login login;
    explicit dialogue(login_parameters parameters) : login(std::move(parameters)) {
        EXPECT_EQ(login.start(), action::send);
    }

    /// Gives all bytes at once; everything must be used up unless the log-in has ended.
    action say(std::string_view bytes) { return login.feed(bytes); }

    /// Gives them one at a time: nothing may happen before the last.
    action say_slowly(std::string_view bytes) {
        std::string buffer;
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            buffer += bytes[i];
            std::string_view view = buffer;
            const auto next = login.feed(view);
            buffer.erase(0, buffer.size() - view.size());
            if (i + 1 == bytes.size()) {
                EXPECT_TRUE(buffer.empty());
                return next;
            }
            EXPECT_EQ(next, action::read) << "at byte " << i;
        }
        return action::read;
    }

    void expect_failed(
        action got, std::error_code error, std::source_location at = std::source_location::current()
    ) {
        SCOPED_TRACE("called from line " + std::to_string(at.line()));
        EXPECT_EQ(got, action::failed);
        EXPECT_EQ(login.current(), state::failed);
        EXPECT_EQ(login.error(), error) << login.error().message();
        // Nothing brings it back.
        std::string_view more = "R";
        EXPECT_EQ(login.feed(more), action::failed);
        EXPECT_EQ(login.derived({}), action::failed);
        EXPECT_EQ(login.start(), action::failed);
        EXPECT_EQ(login.error(), error);
    }
};

/// Brings a new dialogue to a state.
struct way {
    state to;
    std::function<void(dialogue&)> go;
};

void go_to_sasl_final(dialogue& d) {
    scram_backend backend("secret");
    ASSERT_EQ(d.say(sasl()), action::send);
    ASSERT_EQ(d.say(backend.on_initial(d.login.output())), action::derive_scram);
    ASSERT_EQ(d.login.derived(keys_of("secret")), action::send);
}

std::vector<way> all_ways() {
    return {
        {state::awaiting_authentication, [](dialogue&) {}},
        {state::awaiting_sasl_continue,
         [](dialogue& d) { ASSERT_EQ(d.say(sasl()), action::send); }},
        {state::awaiting_sasl_final, go_to_sasl_final},
        {state::awaiting_authentication_ok,
         [](dialogue& d) { ASSERT_EQ(d.say(cleartext()), action::send); }},
        {state::awaiting_ready_for_query,
         [](dialogue& d) { ASSERT_EQ(d.say(ok()), action::read); }},
    };
}

TEST(ServerLogin, StartsWithUserDatabaseAndTheRest) {
    auto parameters = with_password("");
    parameters.extra = {{"application_name", "pgweir"}};
    const dialogue d(parameters);
    protocol::startup_packet packet;
    ASSERT_FALSE(protocol::parse_startup_packet(d.login.output(), packet));
    EXPECT_EQ(packet.kind, protocol::startup_kind::startup);
    EXPECT_EQ(packet.protocol_version, protocol::protocol_version_3_0);
    EXPECT_EQ(packet.find("user"), "alice");
    EXPECT_EQ(packet.find("database"), "shop");
    EXPECT_EQ(packet.find("application_name"), "pgweir");
    EXPECT_EQ(d.login.current(), state::awaiting_authentication);
}

TEST(ServerLogin, NeedsNothingBeforeItHasStarted) {
    server_login login(with_password(""));
    const auto bytes = ok();
    std::string_view view = bytes;
    EXPECT_EQ(login.feed(view), action::read);
    EXPECT_EQ(view.size(), bytes.size());
    EXPECT_EQ(login.current(), state::created);
}

TEST(ServerLogin, LogsInWithTrustAndKeepsWhatTheServerSaid) {
    dialogue d(with_password(""));
    EXPECT_EQ(d.say_slowly(ok()), action::read);
    EXPECT_EQ(d.say_slowly(status_of("TimeZone", "UTC")), action::read);
    EXPECT_EQ(d.say_slowly(notice()), action::read);
    EXPECT_EQ(d.say_slowly(key_data()), action::read);
    EXPECT_EQ(d.say_slowly(status_of("DateStyle", "ISO, MDY")), action::read);
    EXPECT_EQ(d.say_slowly(ready()), action::done);
    const auto& result = d.login.result();
    EXPECT_EQ(result.process_id, 4711U);
    EXPECT_EQ(result.secret_key, "\x01\x02\x03\x04");
    const decltype(result.parameter_statuses) expected{
        {"TimeZone", "UTC"}, {"DateStyle", "ISO, MDY"}};
    EXPECT_EQ(result.parameter_statuses, expected);
    EXPECT_FALSE(d.login.error());
}

TEST(ServerLogin, LeavesWhatFollowsReadyForQuery) {
    dialogue d(with_password(""));
    const auto bytes = ok() + key_data() + ready() + notice();
    std::string_view view = bytes;
    EXPECT_EQ(d.login.feed(view), action::done);
    EXPECT_EQ(view, notice());
    EXPECT_EQ(d.login.feed(view), action::done);
    EXPECT_EQ(view, notice());
}

TEST(ServerLogin, LogsInWithoutBackendKeyData) {
    dialogue d(with_password(""));
    EXPECT_EQ(d.say(ok() + ready()), action::done);
    EXPECT_EQ(d.login.result().process_id, 0U);
}

TEST(ServerLogin, SendsTheClearTextPassword) {
    dialogue d(with_password("secret"));
    EXPECT_EQ(d.say_slowly(cleartext()), action::send);
    EXPECT_EQ(
        d.login.output(), written(protocol::write_password_message, std::string_view("secret"))
    );
    EXPECT_EQ(d.login.current(), state::awaiting_authentication_ok);
    EXPECT_EQ(d.say_slowly(ok()), action::read);
    EXPECT_EQ(d.say_slowly(ready()), action::done);
}

TEST(ServerLogin, SendsTheMd5ResponseFromPasswordOrHash) {
    const auto stored = protocol::md5_password("alice", "secret");
    const auto expected = protocol::md5_response(stored, {'s', 'a', 'l', 't'});
    ASSERT_FALSE(expected.empty());
    for (const auto& password : {std::string("secret"), stored}) {
        dialogue d(with_password(password));
        EXPECT_EQ(d.say_slowly(md5()), action::send);
        EXPECT_EQ(
            d.login.output(), written(protocol::write_password_message, std::string_view(expected))
        );
        EXPECT_EQ(d.say(ok() + ready()), action::done);
    }
}

TEST(ServerLogin, RunsScramFromThePassword) {
    scram_backend backend("secret");
    dialogue d(with_password("secret"));
    EXPECT_EQ(d.say_slowly(sasl()), action::send);
    EXPECT_EQ(d.login.current(), state::awaiting_sasl_continue);
    EXPECT_EQ(d.say_slowly(backend.on_initial(d.login.output())), action::derive_scram);
    EXPECT_EQ(d.login.current(), state::deriving_keys);
    EXPECT_EQ(d.login.salt(), salt);
    EXPECT_EQ(d.login.iterations(), iterations);
    EXPECT_EQ(d.login.password(), "secret");
    scram_login_keys keys;
    ASSERT_FALSE(derive_scram_keys(d.login.password(), d.login.salt(), d.login.iterations(), keys));
    EXPECT_EQ(d.login.derived(keys), action::send);
    std::string final;
    ASSERT_FALSE(backend.on_response(d.login.output(), final));
    EXPECT_EQ(d.login.current(), state::awaiting_sasl_final);
    EXPECT_EQ(d.say_slowly(final), action::read);
    EXPECT_EQ(d.login.current(), state::awaiting_authentication_ok);
    EXPECT_EQ(d.say_slowly(ok()), action::read);
    EXPECT_EQ(d.say_slowly(key_data()), action::read);
    EXPECT_EQ(d.say_slowly(ready()), action::done);
}

TEST(ServerLogin, RunsScramFromKeysWithoutDerivingAny) {
    scram_backend backend("secret");
    auto parameters = with_password("");
    parameters.keys = learnt_keys{std::string(salt), iterations, keys_of("secret")};
    dialogue d(parameters);
    EXPECT_EQ(d.say(sasl()), action::send);
    EXPECT_EQ(d.say(backend.on_initial(d.login.output())), action::send);
    std::string final;
    ASSERT_FALSE(backend.on_response(d.login.output(), final));
    EXPECT_EQ(d.say(final + ok() + ready()), action::done);
}

// Keys of a secret that the server has changed since would only look like a wrong password.
TEST(ServerLogin, PassesKeysOnlyToTheSecretThatTheyBelongTo) {
    for (const bool is_salt_wrong : {true, false}) {
        scram_backend backend("secret");
        auto parameters = with_password("");
        parameters.keys = learnt_keys{std::string(salt), iterations, keys_of("secret")};
        if (is_salt_wrong) {
            parameters.keys->salt += "x";
        } else {
            ++parameters.keys->iterations;
        }
        dialogue d(parameters);
        EXPECT_EQ(d.say(sasl()), action::send);
        d.expect_failed(d.say(backend.on_initial(d.login.output())), errc::keys_do_not_fit);
    }
}

TEST(ServerLogin, HasNoPasswordForAServerThatWantsOneInClear) {
    auto parameters = with_password("");
    parameters.keys = learnt_keys{std::string(salt), iterations, keys_of("secret")};
    for (const auto& asks : {cleartext(), md5()}) {
        dialogue d(parameters);
        d.expect_failed(d.say(asks), errc::password_missing);
    }
}

TEST(ServerLogin, BindsItsLoginToTheCertificateWhereTheServerCan) {
    auto parameters = with_password("secret");
    parameters.server_end_point = "hash";
    for (const auto& mechanisms :
         {std::vector<std::string_view>{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"},
          std::vector<std::string_view>{"SCRAM-SHA-256"}}) {
        dialogue d(parameters);
        EXPECT_EQ(d.say(sasl(mechanisms)), action::send);
        protocol::sasl_initial_response message;
        ASSERT_FALSE(protocol::decode(std::string_view{d.login.output()}.substr(5), message));
        EXPECT_EQ(message.mechanism, mechanisms.front());
        EXPECT_TRUE(
            message.data.starts_with(mechanisms.size() == 2 ? "p=tls-server-end-point,," : "y,,")
        ) << message.data;
    }
}

TEST(ServerLogin, WaitsForTheKeysBeforeItReadsOn) {
    scram_backend backend("secret");
    dialogue d(with_password("secret"));
    EXPECT_EQ(d.say(sasl()), action::send);
    EXPECT_EQ(d.say(backend.on_initial(d.login.output())), action::derive_scram);
    const auto early = error_response();
    std::string_view view = early;
    EXPECT_EQ(d.login.feed(view), action::read);
    EXPECT_EQ(view.size(), early.size());
    EXPECT_EQ(d.login.derived(keys_of("secret")), action::send);
    EXPECT_EQ(d.login.feed(view), action::failed);
    EXPECT_EQ(d.login.error(), errc::server_error);
}

TEST(ServerLogin, SendsAProofThatAServerWithAnotherPasswordRefuses) {
    scram_backend backend("other");
    dialogue d(with_password("secret"));
    EXPECT_EQ(d.say(sasl()), action::send);
    EXPECT_EQ(d.say(backend.on_initial(d.login.output())), action::derive_scram);
    EXPECT_EQ(d.login.derived(keys_of("secret")), action::send);
    std::string final;
    EXPECT_TRUE(backend.on_response(d.login.output(), final));
}

TEST(ServerLogin, KeepsTheServersErrorAsItCame) {
    for (const auto& one : all_ways()) {
        dialogue d(with_password("secret"));
        one.go(d);
        ASSERT_EQ(d.login.current(), one.to);
        const auto bytes = error_response();
        d.expect_failed(d.say_slowly(bytes), errc::server_error);
        EXPECT_EQ(d.login.server_error_body(), bytes.substr(5)) << to_string(one.to);
    }
}

TEST(ServerLogin, KeepsAnErrorWithoutFields) {
    dialogue d(with_password(""));
    d.expect_failed(d.say(typed('E', std::string_view("\0", 1))), errc::server_error);
    EXPECT_EQ(d.login.server_error_body(), std::string(1, '\0'));
    dialogue empty(with_password(""));
    empty.expect_failed(empty.say(typed('E', "")), errc::server_error);
}

TEST(ServerLogin, TakesNoticesInEveryState) {
    for (const auto& one : all_ways()) {
        dialogue d(with_password("secret"));
        one.go(d);
        EXPECT_EQ(d.say_slowly(notice()), action::read);
        EXPECT_EQ(d.login.current(), one.to);
    }
}

TEST(ServerLogin, RefusesEveryMessageThatAStateDoesNotExpect) {
    struct told {
        const char* what;
        std::string bytes;
    };
    const told all[] = {
        {"ok", ok()},
        {"cleartext", cleartext()},
        {"md5", md5()},
        {"sasl", sasl()},
        {"sasl_continue", sasl_continue("r=x")},
        {"sasl_final", sasl_final("v=x")},
        {"parameter_status", status_of("a", "b")},
        {"backend_key_data", key_data()},
        {"ready_for_query", ready()},
        {"negotiate", negotiate(protocol::protocol_version_3_0)},
    };
    const auto expected = [](state in, std::string_view what) {
        switch (in) {
            case state::awaiting_authentication:
                return what == "ok" || what == "cleartext" || what == "md5" || what == "sasl" ||
                       what == "negotiate";
            case state::awaiting_authentication_ok:
                return what == "ok";
            case state::awaiting_ready_for_query:
                return what == "parameter_status" || what == "backend_key_data" ||
                       what == "ready_for_query";
            case state::awaiting_sasl_continue:
                return what == "sasl_continue" || what == "ok";
            case state::awaiting_sasl_final:
                return what == "sasl_final" || what == "ok";
            case state::created:
            case state::deriving_keys:
            case state::done:
            case state::failed:
                return false;
        }
        return false;
    };
    for (const auto& one : all_ways()) {
        for (const auto& message : all) {
            if (expected(one.to, message.what)) continue;
            SCOPED_TRACE(std::string(to_string(one.to)) + " " + message.what);
            dialogue d(with_password("secret"));
            one.go(d);
            d.expect_failed(d.say(message.bytes), perr::unexpected_message);
        }
    }
}

TEST(ServerLogin, RefusesToBeLetInBeforeTheServerHasProvedItself) {
    dialogue before(with_password("secret"));
    EXPECT_EQ(before.say(sasl()), action::send);
    before.expect_failed(before.say(ok()), errc::authentication_incomplete);
    dialogue after(with_password("secret"));
    go_to_sasl_final(after);
    after.expect_failed(after.say(ok()), errc::authentication_incomplete);
}

TEST(ServerLogin, RefusesAServerThatDoesNotKnowTheSecret) {
    dialogue d(with_password("secret"));
    go_to_sasl_final(d);
    d.expect_failed(
        d.say(sasl_final("v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")),
        perr::server_signature_mismatch
    );
    dialogue refused(with_password("secret"));
    go_to_sasl_final(refused);
    refused.expect_failed(refused.say(sasl_final("e=invalid-proof")), perr::server_reported_error);
}

TEST(ServerLogin, RefusesABadServerFirstMessage) {
    const auto try_one = [](const std::function<std::string(std::string_view nonce)>& make) {
        auto parameters = with_password("secret");
        parameters.nonce = "clientnonce";
        server_login login(parameters);
        EXPECT_EQ(login.start(), action::send);
        const auto first = sasl();
        std::string_view view = first;
        EXPECT_EQ(login.feed(view), action::send);
        const auto bytes = sasl_continue(make("clientnonce"));
        view = bytes;
        EXPECT_EQ(login.feed(view), action::failed);
        return login.error();
    };
    EXPECT_EQ(
        try_one([](auto) { return std::string("r=other,s=c2FsdA==,i=4096"); }),
        perr::scram_nonce_mismatch
    );
    EXPECT_EQ(
        try_one([](auto nonce) { return "r=" + std::string(nonce) + "x,s=c2FsdA==,i=999999999"; }),
        perr::iteration_count_out_of_range
    );
    EXPECT_EQ(try_one([](auto) { return std::string("nonsense"); }), perr::invalid_scram_message);
    EXPECT_EQ(try_one([](auto) { return std::string(); }), perr::invalid_scram_message);
}

TEST(ServerLogin, NeedsACommonMechanism) {
    dialogue d(with_password("secret"));
    d.expect_failed(
        d.say(sasl({"SCRAM-SHA-256-PLUS", "OAUTHBEARER"})), errc::no_common_sasl_mechanism
    );
}

TEST(ServerLogin, NeedsAPasswordWhereTheServerAsksForOne) {
    for (const auto& asks : {cleartext(), md5(), sasl()}) {
        dialogue d(with_password(""));
        d.expect_failed(d.say(asks), errc::password_missing);
    }
}

TEST(ServerLogin, NeedsThePasswordAndNotItsHash) {
    const auto hash = protocol::md5_password("alice", "secret");
    for (const auto& asks : {cleartext(), sasl()}) {
        dialogue d(with_password(hash));
        d.expect_failed(d.say(asks), errc::password_is_hash);
        dialogue scram(with_password("SCRAM-SHA-256$4096:c2FsdA==$a:b"));
        scram.expect_failed(scram.say(asks), errc::password_is_hash);
    }
    dialogue almost(with_password("md5-is-how-my-password-begins"));
    EXPECT_EQ(almost.say(cleartext()), action::send) << "no hash, though it begins like one";
}

TEST(ServerLogin, RefusesAuthenticationThatItDoesNotSpeak) {
    for (const std::uint32_t code : {2U, 7U, 9U}) {
        dialogue d(with_password("secret"));
        d.expect_failed(d.say(authentication_code(code)), perr::unsupported_authentication);
    }
    dialogue unknown(with_password("secret"));
    EXPECT_EQ(unknown.say(authentication_code(99)), action::failed);
    dialogue negative(with_password("secret"));
    EXPECT_EQ(negative.say(authentication_code(0x80000000U)), action::failed);
}

TEST(ServerLogin, LetsOneNegotiationPassThatChangesNothing) {
    for (const auto version : {protocol::protocol_version_3_0, 0U}) {
        dialogue d(with_password(""));
        EXPECT_EQ(d.say_slowly(negotiate(version)), action::read);
        EXPECT_EQ(d.say(ok() + ready()), action::done);
    }
    dialogue twice(with_password(""));
    EXPECT_EQ(twice.say(negotiate(protocol::protocol_version_3_0)), action::read);
    twice.expect_failed(
        twice.say(negotiate(protocol::protocol_version_3_0)), perr::unexpected_message
    );
}

TEST(ServerLogin, RefusesAnotherProtocolVersion) {
    for (const auto version : {2U << 16, (3U << 16) | 2U, 4U << 16}) {
        dialogue d(with_password(""));
        d.expect_failed(d.say(negotiate(version)), perr::unsupported_protocol_version);
    }
    dialogue option(with_password(""));
    option.expect_failed(
        option.say(negotiate(protocol::protocol_version_3_0, {"_pq_.x"})),
        perr::unsupported_protocol_version
    );
}

TEST(ServerLogin, RefusesWrongLengthsBeforeTheBodyComes) {
    const auto header = [](char type, std::uint32_t length) {
        std::string out(1, type);
        for (int shift = 24; shift >= 0; shift -= 8)
            out.push_back(static_cast<char>(length >> shift));
        return out;
    };
    for (const auto length : {0U, 3U, 0x80000000U, 0xffffffffU}) {
        dialogue d(with_password(""));
        d.expect_failed(d.say(header('R', length)), perr::invalid_length);
    }
    for (const auto length : {server_login::max_message_length + 1, 0x7fffffffU}) {
        dialogue d(with_password(""));
        d.expect_failed(d.say(header('E', length)), perr::message_too_long);
    }
    dialogue longest(with_password(""));
    EXPECT_EQ(longest.say(header('E', server_login::max_message_length)), action::read);
}

TEST(ServerLogin, RefusesAPeerThatIsNoPostgresqlByItsFirstByte) {
    for (const std::string_view bytes : {"H", "\x16\x03\x01", "*1\r\n", "\n", "T", "D", "A"}) {
        dialogue d(with_password(""));
        d.expect_failed(d.say(bytes), perr::unexpected_message);
    }
}

TEST(ServerLogin, RefusesMessagesThatAreCutOrTooLongInside) {
    for (const auto& one : {ok(), md5(), sasl()}) {
        const auto body = std::string_view(one).substr(5);
        for (std::size_t size = 0; size < body.size(); ++size) {
            dialogue d(with_password("secret"));
            EXPECT_EQ(d.say(typed('R', body.substr(0, size))), action::failed) << size;
        }
        dialogue longer(with_password("secret"));
        EXPECT_EQ(longer.say(typed('R', std::string(body) + "x")), action::failed);
    }
    for (const auto& one : {status_of("a", "b"), key_data(), ready()}) {
        const auto body = std::string_view(one).substr(5);
        for (std::size_t size = 0; size < body.size(); ++size) {
            dialogue d(with_password(""));
            EXPECT_EQ(d.say(ok() + typed(one[0], body.substr(0, size))), action::failed) << size;
        }
    }
}

TEST(ServerLogin, RefusesAServerThatIsNotIdle) {
    for (const char status : {'T', 'E', 'x', '\0'}) {
        dialogue d(with_password(""));
        d.expect_failed(d.say(ok() + ready(status)), perr::invalid_value);
    }
}

TEST(ServerLogin, RefusesASecondOrALongKey) {
    dialogue second(with_password(""));
    second.expect_failed(second.say(ok() + key_data() + key_data()), perr::unexpected_message);
    dialogue longer(with_password(""));
    longer.expect_failed(
        longer.say(ok() + key_data(std::string(257, 'k'))), perr::invalid_cancel_key
    );
}

TEST(ServerLogin, BoundsWhatItKeepsOfAServerThatTalksForEver) {
    dialogue d(with_password(""));
    EXPECT_EQ(d.say(ok()), action::read);
    const auto one = status_of("a", std::string(60'000, 'x'));
    auto next = action::read;
    int count = 0;
    while (next == action::read && count < 100) {
        next = d.say(one);
        ++count;
    }
    d.expect_failed(next, perr::message_too_long);
    EXPECT_LT(count, 20);
}

TEST(ServerLogin, RefusesKeysThatItDidNotAskFor) {
    dialogue d(with_password("secret"));
    d.expect_failed(d.login.derived({}), perr::unexpected_message);
}

TEST(ServerLogin, RefusesASecondStart) {
    dialogue d(with_password("secret"));
    d.expect_failed(d.login.start(), perr::unexpected_message);
}

TEST(ServerLogin, HasAWordForEachState) {
    EXPECT_STREQ(to_string(state::created), "created");
    EXPECT_STREQ(to_string(state::deriving_keys), "deriving_keys");
    EXPECT_STREQ(to_string(state::done), "done");
    EXPECT_STREQ(to_string(state::failed), "failed");
}

}  // namespace
}  // namespace weir::pool

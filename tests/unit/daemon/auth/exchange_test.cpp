#include "daemon/auth/exchange.hpp"

#include "protocol/bytes.hpp"
#include "protocol/frame.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace weir::daemon::auth {
namespace {

using config::secret_kind;
using config::user_secret;
using action = exchange::action;
using state = exchange::state;
using refused_for = exchange::refused_for;
using protocol::authentication_kind;
using protocol::channel_binding;

constexpr std::uint32_t iterations = 10;  // quick
const std::string salt = "0123456789abcdef";

protocol::scram_keys keys_of(const std::string& password, const key_work* work = nullptr) {
    protocol::scram_keys keys;
    EXPECT_FALSE(protocol::derive_scram_keys(
        password,
        work == nullptr ? salt : work->salt,
        work == nullptr ? iterations : work->iterations,
        keys
    ));
    return keys;
}

user_secret scram(const std::string& password) {
    protocol::scram_secret secret;
    EXPECT_FALSE(protocol::derive_scram_secret(password, salt, iterations, secret));
    return {secret_kind::scram_sha_256, protocol::format_scram_secret(secret)};
}
user_secret md5(const std::string& user, const std::string& password) {
    return {secret_kind::md5, protocol::md5_password(user, password)};
}
user_secret plain(const std::string& password) {
    return {secret_kind::plain, password};
}

fetched_secret found(user_secret secret, bool is_cached = false) {
    return {fetched_secret::result::found, std::move(secret), is_cached, {}, {}};
}
fetched_secret none() {
    return {fetched_secret::result::none, {}, false, "unknown user", {}};
}

/// The authentication request that a reply holds, and its bytes.
struct request {
    std::string body;
    protocol::authentication_request parsed;
};
std::unique_ptr<request> request_in(const exchange::reply& reply) {
    auto out = std::make_unique<request>();
    protocol::frame_header header;
    EXPECT_EQ(
        protocol::parse_frame_header(reply.output, 65'536, header),
        protocol::header_result::complete
    );
    EXPECT_EQ(header.type, 'R');
    EXPECT_EQ(header.size(), reply.output.size());
    out->body = reply.output.substr(protocol::frame_header_size);
    EXPECT_FALSE(protocol::decode(out->body, out->parsed));
    return out;
}

std::string body_of(const std::string& message) {
    return message.substr(protocol::frame_header_size);
}
std::string password_body(const std::string& password) {
    std::string out;
    protocol::write_password_message(out, password);
    return body_of(out);
}
std::string initial_body(
    const std::string& data, std::string_view mechanism = protocol::scram_sha_256_mechanism
) {
    std::string out;
    protocol::write_sasl_initial_response(out, mechanism, data);
    return body_of(out);
}

class an_exchange {
public:
    explicit an_exchange(exchange_options options) : it(std::move(options), users) {}
    static exchange_options options(proof how, std::optional<user_secret> secret) {
        exchange_options made;
        made.user = "app";
        made.how = how;
        made.secret = std::move(secret);
        return made;
    }

    credentials users;
    exchange it;
};

/// A client that speaks SCRAM to the end. Returns the last reply; `derive` answers PBKDF2.
exchange::reply speak_scram(
    exchange& it, exchange::reply asked, const std::string& password, channel_binding binding = {}
) {
    EXPECT_EQ(asked.next, action::read);
    EXPECT_EQ(request_in(asked)->parsed.kind, authentication_kind::sasl);
    const bool is_bound = binding.how == channel_binding::use::bound;
    protocol::scram_client client("clientnonce", std::move(binding));
    std::string data;
    EXPECT_FALSE(client.make_client_first(data));
    auto reply = it.on_message(initial_body(
        data, is_bound ? protocol::scram_sha_256_plus_mechanism : protocol::scram_sha_256_mechanism
    ));
    if (reply.next == action::derive_keys) {
        const auto keys = keys_of(it.work().password, &it.work());
        reply = it.on_keys(&keys);
    }
    if (reply.next != action::read) return reply;
    const auto first = request_in(reply);
    EXPECT_EQ(first->parsed.kind, authentication_kind::sasl_continue);
    EXPECT_FALSE(client.on_server_first(first->parsed.data));
    EXPECT_FALSE(client.make_client_final(password, data));
    reply = it.on_message(data);
    if (reply.next == action::granted) {
        const auto last = request_in(reply);
        EXPECT_EQ(last->parsed.kind, authentication_kind::sasl_final);
        EXPECT_FALSE(client.on_server_final(last->parsed.data))
            << "the server did not prove itself";
    }
    return reply;
}

exchange::reply answer_md5(
    exchange& it, const exchange::reply& asked, const std::string& password
) {
    const auto request = request_in(asked);
    EXPECT_EQ(request->parsed.kind, authentication_kind::md5_password);
    return it.on_message(password_body(
        protocol::md5_response(protocol::md5_password("app", password), request->parsed.salt)
    ));
}

exchange::reply answer_in_clear(
    exchange& it, const exchange::reply& asked, const std::string& password
) {
    EXPECT_EQ(request_in(asked)->parsed.kind, authentication_kind::cleartext_password);
    auto reply = it.on_message(password_body(password));
    if (reply.next == action::derive_keys) {
        const auto keys = keys_of(it.work().password, &it.work());
        reply = it.on_keys(&keys);
    }
    return reply;
}

// --- every kind of secret against every proof ---

struct pairing {
    proof how;
    user_secret secret;
    bool can_be_checked;
};

TEST(Exchange, ChecksEverySecretThatItsProofCan) {
    const pairing cases[] = {
        {proof::password, plain("right"), true},
        {proof::password, md5("app", "right"), true},
        {proof::password, scram("right"), true},
        {proof::password, {secret_kind::none, ""}, false},
        {proof::md5, plain("right"), true},
        {proof::md5, md5("app", "right"), true},
        {proof::md5, scram("right"), true},
        {proof::scram_sha_256, plain("right"), true},
        {proof::scram_sha_256, md5("app", "right"), false},
        {proof::scram_sha_256, scram("right"), true},
    };
    for (const auto& one : cases) {
        for (const std::string password : {"right", "wrong", "right ", "Right"}) {
            SCOPED_TRACE(
                std::to_string(static_cast<int>(one.how)) + " " + one.secret.value + " " + password
            );
            an_exchange e(an_exchange::options(one.how, one.secret));
            const auto asked = e.it.begin();
            const auto kind = request_in(asked)->parsed.kind;
            const auto last = kind == authentication_kind::sasl ? speak_scram(e.it, asked, password)
                              : kind == authentication_kind::md5_password
                                  ? answer_md5(e.it, asked, password)
                                  : answer_in_clear(e.it, asked, password);
            const bool is_granted = one.can_be_checked && password == "right";
            EXPECT_EQ(last.next, is_granted ? action::granted : action::refused);
            EXPECT_EQ(e.it.current(), is_granted ? state::granted : state::refused);
            if (is_granted) continue;
            EXPECT_EQ(e.it.refusal(), refused_for::bad_credentials);
            EXPECT_EQ(last.output, "") << "something was said before the refusal";
            EXPECT_EQ(
                e.it.reason(),
                one.can_be_checked ? "wrong password"
                                   : "the user's secret is of a kind that auth.type cannot check"
            );
            EXPECT_TRUE(e.it.learnt().empty());
        }
    }
}

TEST(Exchange, AnEmptyPasswordIsNeverRight) {
    for (const auto& secret : {plain(""), user_secret{secret_kind::none, ""}, scram("")}) {
        an_exchange e(an_exchange::options(proof::password, secret));
        EXPECT_EQ(answer_in_clear(e.it, e.it.begin(), "").next, action::refused);
    }
}

TEST(Exchange, AStrangerIsAskedAsAUserIs) {
    for (const auto how : {proof::password, proof::md5, proof::scram_sha_256}) {
        an_exchange known(an_exchange::options(how, plain("right")));
        an_exchange unknown(an_exchange::options(how, std::nullopt));
        const auto a = known.it.begin();
        const auto b = unknown.it.begin();
        EXPECT_EQ(request_in(a)->parsed.kind, request_in(b)->parsed.kind);
        EXPECT_EQ(a.output.size(), b.output.size());
        const auto last = how == proof::scram_sha_256 ? speak_scram(unknown.it, b, "right")
                          : how == proof::md5         ? answer_md5(unknown.it, b, "right")
                                                      : answer_in_clear(unknown.it, b, "right");
        EXPECT_EQ(last.next, action::refused);
        EXPECT_EQ(unknown.it.reason(), "unknown user");
    }
}

TEST(Exchange, StrangersAreAskedForScramWhereSecretsAreFetched) {
    auto options = an_exchange::options(proof::md5, std::nullopt);
    options.can_fetch = true;
    options.strangers_get_scram = true;
    an_exchange e(options);
    ASSERT_EQ(e.it.begin().next, action::fetch_secret);
    EXPECT_EQ(speak_scram(e.it, e.it.on_secret(none()), "any").next, action::refused);
}

// --- what the daemon may log in with afterwards ---

TEST(Exchange, LearnsTheKeysOfAScramSecret) {
    for (const auto how : {proof::password, proof::scram_sha_256, proof::md5}) {
        an_exchange e(an_exchange::options(how, scram("right")));
        const auto asked = e.it.begin();
        const auto last = how == proof::password ? answer_in_clear(e.it, asked, "right")
                                                 : speak_scram(e.it, asked, "right");
        ASSERT_EQ(last.next, action::granted);
        const auto& learnt = e.it.learnt();
        ASSERT_TRUE(learnt.keys);
        EXPECT_EQ(learnt.password, "");
        EXPECT_EQ(learnt.keys->salt, salt);
        EXPECT_EQ(learnt.keys->iterations, iterations);
        EXPECT_EQ(learnt.keys->keys.client_key, keys_of("right").client_key);
        EXPECT_EQ(learnt.keys->keys.server_key, keys_of("right").server_key);
    }
}

TEST(Exchange, LearnsAFetchedHashOrPasswordButNotTheUsersFiles) {
    for (const bool is_fetched : {true, false}) {
        for (const auto& secret : {md5("app", "right"), plain("right")}) {
            auto options =
                an_exchange::options(proof::md5, is_fetched ? std::nullopt : std::optional{secret});
            options.can_fetch = is_fetched;
            an_exchange e(options);
            auto asked = e.it.begin();
            if (is_fetched) asked = e.it.on_secret(found(secret));
            ASSERT_EQ(answer_md5(e.it, asked, "right").next, action::granted);
            EXPECT_EQ(e.it.learnt().password, is_fetched ? secret.value : "");
        }
    }
}

TEST(Exchange, DerivesTheSecretOfAPasswordOnce) {
    an_exchange e(an_exchange::options(proof::scram_sha_256, plain("right")));
    ASSERT_EQ(speak_scram(e.it, e.it.begin(), "right").next, action::granted);
    EXPECT_EQ(e.it.work().password, "") << "a password is kept that nobody needs";
    exchange again(an_exchange::options(proof::scram_sha_256, plain("right")), e.users);
    (void)again.begin();
    EXPECT_EQ(again.on_message(initial_body("n,,n=,r=abc")).next, action::read);
    exchange changed(an_exchange::options(proof::scram_sha_256, plain("another")), e.users);
    (void)changed.begin();
    EXPECT_EQ(changed.on_message(initial_body("n,,n=,r=abc")).next, action::derive_keys);
}

// --- secrets that the server is asked for ---

TEST(Exchange, FetchesOnlyWhatTheFileDoesNotHold) {
    auto options = an_exchange::options(proof::scram_sha_256, plain("right"));
    options.can_fetch = true;
    an_exchange known(options);
    EXPECT_EQ(known.it.begin().next, action::read);
    options.secret.reset();
    an_exchange e(options);
    ASSERT_EQ(e.it.begin().next, action::fetch_secret);
    EXPECT_EQ(
        speak_scram(e.it, e.it.on_secret(found(scram("right"))), "right").next, action::granted
    );
}

TEST(Exchange, AnAnswerThatDoesNotFitAnOldSecretIsComparedWithTheNewOne) {
    for (const auto how : {proof::password, proof::md5}) {
        for (const std::string password : {"new", "old", "neither"}) {
            auto options = an_exchange::options(how, std::nullopt);
            options.can_fetch = true;
            an_exchange e(options);
            (void)e.it.begin();
            const auto asked = e.it.on_secret(found(md5("app", "old"), true));
            auto reply = how == proof::md5 ? answer_md5(e.it, asked, password)
                                           : answer_in_clear(e.it, asked, password);
            if (password == "old") {
                EXPECT_EQ(reply.next, action::granted);
                continue;
            }
            ASSERT_EQ(reply.next, action::fetch_anew);
            reply = e.it.on_secret(found(md5("app", "new")));
            EXPECT_EQ(reply.next, password == "new" ? action::granted : action::refused);
            if (password != "new") continue;
            EXPECT_EQ(e.it.learnt().password, protocol::md5_password("app", "new"));
        }
    }
}

TEST(Exchange, IsNotFetchedAnewWhenItWasFetchedJustNow) {
    auto options = an_exchange::options(proof::md5, std::nullopt);
    options.can_fetch = true;
    an_exchange e(options);
    (void)e.it.begin();
    const auto asked = e.it.on_secret(found(md5("app", "right"), false));
    EXPECT_EQ(answer_md5(e.it, asked, "wrong").next, action::refused);
}

TEST(Exchange, AScramProofThatFitsNoOldSecretMakesItDoubtful) {
    for (const bool is_cached : {true, false}) {
        auto options = an_exchange::options(proof::scram_sha_256, std::nullopt);
        options.can_fetch = true;
        an_exchange e(options);
        (void)e.it.begin();
        const auto asked = e.it.on_secret(found(scram("right"), is_cached));
        EXPECT_EQ(speak_scram(e.it, asked, "wrong").next, action::refused);
        EXPECT_EQ(e.it.is_secret_doubtful(), is_cached);
    }
}

TEST(Exchange, AUserThatIsDroppedMeanwhileIsRefused) {
    auto options = an_exchange::options(proof::password, std::nullopt);
    options.can_fetch = true;
    an_exchange e(options);
    (void)e.it.begin();
    const auto asked = e.it.on_secret(found(plain("right"), true));
    ASSERT_EQ(answer_in_clear(e.it, asked, "wrong").next, action::fetch_anew);
    EXPECT_EQ(e.it.on_secret(none()).next, action::refused);
    EXPECT_EQ(e.it.reason(), "unknown user");
}

TEST(Exchange, AServerThatCannotBeAskedIsNoWrongPassword) {
    auto options = an_exchange::options(proof::scram_sha_256, std::nullopt);
    options.can_fetch = true;
    an_exchange e(options);
    (void)e.it.begin();
    const auto last = e.it.on_secret(
        {fetched_secret::result::unavailable, {}, false, "connection refused", "try again"}
    );
    EXPECT_EQ(last.next, action::refused);
    EXPECT_EQ(e.it.refusal(), refused_for::unavailable);
    EXPECT_EQ(e.it.reason(), "connection refused");
    EXPECT_EQ(e.it.hint(), "try again");
}

// --- SCRAM-SHA-256-PLUS ---

TEST(Exchange, OffersPlusOnTlsAndBinds) {
    auto options = an_exchange::options(proof::scram_sha_256, scram("right"));
    options.server_end_point = "hash of our certificate";
    for (const std::string seen : {"hash of our certificate", "hash of another"}) {
        an_exchange e(options);
        const auto asked = e.it.begin();
        const auto offer = request_in(asked);
        ASSERT_EQ(offer->parsed.mechanisms.size(), 2U);
        EXPECT_EQ(offer->parsed.mechanisms[0], "SCRAM-SHA-256-PLUS");
        EXPECT_EQ(offer->parsed.mechanisms[1], "SCRAM-SHA-256");
        const auto last = speak_scram(e.it, asked, "right", {channel_binding::use::bound, seen});
        EXPECT_EQ(last.next, seen == options.server_end_point ? action::granted : action::refused);
    }
}

TEST(Exchange, TakesAClientThatCannotBindAndNotOneThatWasToldItCould) {
    auto options = an_exchange::options(proof::scram_sha_256, scram("right"));
    options.server_end_point = "hash";
    an_exchange simple(options);
    EXPECT_EQ(speak_scram(simple.it, simple.it.begin(), "right").next, action::granted);
    an_exchange fooled(options);
    (void)fooled.it.begin();
    EXPECT_EQ(fooled.it.on_message(initial_body("y,,n=,r=abc")).next, action::refused);
    EXPECT_EQ(fooled.it.refusal(), refused_for::malformed);
    EXPECT_NE(fooled.it.reason().find("channel binding"), std::string::npos) << fooled.it.reason();
}

TEST(Exchange, RefusesPlusWithoutTls) {
    an_exchange e(an_exchange::options(proof::scram_sha_256, scram("right")));
    EXPECT_EQ(request_in(e.it.begin())->parsed.mechanisms.size(), 1U);
    const auto last = e.it.on_message(
        initial_body("p=tls-server-end-point,,n=,r=abc", protocol::scram_sha_256_plus_mechanism)
    );
    EXPECT_EQ(last.next, action::refused);
    EXPECT_EQ(e.it.refusal(), refused_for::malformed);
}

// --- every event in every state ---

/// An exchange driven into each state that waits for something.
struct waiting_state {
    state wanted;
    std::function<void(exchange&)> drive;
    proof how;
    std::optional<user_secret> secret;
    bool can_fetch;
};

std::vector<waiting_state> all_states() {
    const auto begin = [](exchange& it) { (void)it.begin(); };
    const auto fetched = [](exchange& it) {
        (void)it.begin();
        (void)it.on_secret(found(plain("old"), true));
        (void)it.on_message(password_body("wrong"));
    };
    const auto first = [](exchange& it) {
        (void)it.begin();
        (void)it.on_message(initial_body("n,,n=,r=abc"));
    };
    const auto clear = [](exchange& it) {
        (void)it.begin();
        (void)it.on_message(password_body("right"));
    };
    const auto wrong = [](exchange& it) {
        (void)it.begin();
        (void)it.on_message(password_body("wrong"));
    };
    return {
        {state::created, [](exchange&) {}, proof::md5, plain("right"), false},
        {state::awaiting_secret, begin, proof::md5, {}, true},
        {state::awaiting_password, begin, proof::md5, plain("right"), false},
        {state::awaiting_sasl_initial, begin, proof::scram_sha_256, plain("right"), false},
        {state::deriving_secret, first, proof::scram_sha_256, plain("right"), false},
        {state::awaiting_sasl_response, first, proof::scram_sha_256, scram("right"), false},
        {state::checking_password, clear, proof::password, scram("right"), false},
        {state::awaiting_fresh_secret, fetched, proof::password, {}, true},
        {state::granted, clear, proof::password, plain("right"), false},
        {state::refused, wrong, proof::password, plain("right"), false},
    };
}

TEST(Exchange, RefusesEveryEventThatItsStateDoesNotWaitFor) {
    struct event {
        const char* name;
        std::function<exchange::reply(exchange&)> happens;
        std::vector<state> expected_in;
    };
    const auto keys = keys_of("right");
    const event events[] = {
        {"begin", [](exchange& it) { return it.begin(); }, {state::created}},
        {"secret",
         [](exchange& it) { return it.on_secret(found(plain("x"))); },
         {state::awaiting_secret, state::awaiting_fresh_secret}},
        {"keys",
         [&](exchange& it) { return it.on_keys(&keys); },
         {state::deriving_secret, state::checking_password}},
        {"no keys",
         [](exchange& it) { return it.on_keys(nullptr); },
         {state::deriving_secret, state::checking_password}},
        {"message",
         [](exchange& it) { return it.on_message("anything"); },
         {state::awaiting_password, state::awaiting_sasl_initial, state::awaiting_sasl_response}},
    };
    for (const auto& where : all_states()) {
        for (const auto& event : events) {
            SCOPED_TRACE(std::string(to_string(where.wanted)) + " " + event.name);
            auto options = an_exchange::options(where.how, where.secret);
            options.can_fetch = where.can_fetch;
            an_exchange e(options);
            where.drive(e.it);
            ASSERT_EQ(e.it.current(), where.wanted);
            const auto reply = event.happens(e.it);
            const auto& fine = event.expected_in;
            if (std::find(fine.begin(), fine.end(), where.wanted) != fine.end()) continue;
            EXPECT_EQ(reply.next, action::refused);
            EXPECT_EQ(reply.output, "");
            EXPECT_EQ(e.it.current(), state::refused);
        }
    }
}

TEST(Exchange, KeysThatCouldNotBeDerivedLetNobodyIn) {
    an_exchange clear(an_exchange::options(proof::password, scram("right")));
    (void)clear.it.begin();
    ASSERT_EQ(clear.it.on_message(password_body("right")).next, action::derive_keys);
    EXPECT_EQ(clear.it.on_keys(nullptr).next, action::refused);

    an_exchange bound(an_exchange::options(proof::scram_sha_256, plain("right")));
    (void)bound.it.begin();
    ASSERT_EQ(bound.it.on_message(initial_body("n,,n=,r=abc")).next, action::derive_keys);
    EXPECT_EQ(bound.it.on_keys(nullptr).next, action::read) << "the exchange ends as a mock one";
}

TEST(Exchange, MalformedBodiesAreToldByTypeAndLength) {
    const std::string bodies[] = {
        "",
        "no NUL",
        std::string("a\0b\0", 4),
        std::string("SCRAM-SHA-1\0\0\0\0\0", 16),
        std::string("SCRAM-SHA-256\0\x7f\0\0\0", 18),
        std::string("SCRAM-SHA-256\0\0\0\0\x03xyz", 21)};
    for (const auto how : {proof::password, proof::md5, proof::scram_sha_256}) {
        for (const auto& body : bodies) {
            an_exchange e(an_exchange::options(how, plain("right")));
            (void)e.it.begin();
            auto reply = e.it.on_message(body);
            if (reply.next == action::derive_keys) {
                const auto keys = keys_of(e.it.work().password, &e.it.work());
                reply = e.it.on_keys(&keys);
            }
            EXPECT_EQ(reply.next, action::refused);
            if (e.it.refusal() != refused_for::malformed) continue;
            EXPECT_NE(e.it.reason().find("message of type 112 with "), std::string::npos);
        }
    }
}

}  // namespace
}  // namespace weir::daemon::auth

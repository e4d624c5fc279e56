// channel_binding of upstream: what the log-in to a server demands of the channel under it.

#include "pool/errc.hpp"
#include "pool/server_login.hpp"
#include "protocol/authentication.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace weir::pool {
namespace {

using action = server_login::action;

constexpr std::string_view plus = "SCRAM-SHA-256-PLUS";
constexpr std::string_view plain = "SCRAM-SHA-256";

std::string sasl(const std::vector<std::string_view>& mechanisms) {
    std::string out;
    protocol::write_authentication_sasl(out, mechanisms);
    return out;
}

struct attempt {
    server_login login;
    action next;

    attempt(binding_choice binding, bool is_tls, const std::string& said)
        : login{parameters(binding, is_tls)}, next{login.start()} {
        std::string_view bytes = said;
        next = login.feed(bytes);
    }
    static login_parameters parameters(binding_choice binding, bool is_tls) {
        login_parameters made;
        made.user = "alice";
        made.password = "secret";
        made.binding = binding;
        if (is_tls) made.server_end_point = "hash";
        return made;
    }
    std::string first_message() const {
        protocol::sasl_initial_response message;
        EXPECT_FALSE(protocol::decode(std::string_view{login.output()}.substr(5), message));
        return std::string{message.mechanism} + ' ' + std::string{message.data.substr(0, 3)};
    }
};

TEST(ServerLoginBinding, PrefersWhatTheServerOffers) {
    EXPECT_EQ(
        attempt(binding_choice::prefer, true, sasl({plus, plain})).first_message(),
        "SCRAM-SHA-256-PLUS p=t"
    );
    EXPECT_EQ(
        attempt(binding_choice::prefer, true, sasl({plain})).first_message(), "SCRAM-SHA-256 y,,"
    );
}

TEST(ServerLoginBinding, IsLeftOutWhereItIsDisabled) {
    EXPECT_EQ(
        attempt(binding_choice::disable, true, sasl({plus, plain})).first_message(),
        "SCRAM-SHA-256 n,,"
    );
}

TEST(ServerLoginBinding, IsTakenWhereItIsRequired) {
    EXPECT_EQ(
        attempt(binding_choice::require, true, sasl({plus, plain})).first_message(),
        "SCRAM-SHA-256-PLUS p=t"
    );
}

TEST(ServerLoginBinding, RequiredRefusesEveryOtherWay) {
    std::string ok;
    std::string clear;
    std::string md5;
    protocol::write_authentication_ok(ok);
    protocol::write_authentication_cleartext_password(clear);
    protocol::write_authentication_md5_password(md5, {'s', 'a', 'l', 't'});
    for (const auto& said : {ok, clear, md5, sasl({plain})}) {
        const attempt one(binding_choice::require, true, said);
        EXPECT_EQ(one.next, action::failed);
        EXPECT_EQ(one.login.error(), errc::channel_not_bound);
    }
    // Without TLS there is nothing to bind to, whatever is offered.
    const attempt one(binding_choice::require, false, sasl({plus, plain}));
    EXPECT_EQ(one.login.error(), errc::channel_not_bound);
}

}  // namespace
}  // namespace weir::pool

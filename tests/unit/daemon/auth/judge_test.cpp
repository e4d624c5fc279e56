#include "daemon/auth/secret_connection.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::daemon::auth {
namespace {

using result = fetched_secret::result;

TEST(Judge, OneRowOfTwoColumnsWithASecretIsAUser) {
    const std::string md5 = "md5" + std::string(32, 'a');
    const auto user = judge({2, 1, md5});
    EXPECT_EQ(user.what, result::found);
    EXPECT_EQ(user.secret.kind, config::secret_kind::md5);
    EXPECT_EQ(user.secret.value, md5);
    EXPECT_EQ(judge({2, 1, "geheim"}).secret.kind, config::secret_kind::plain);
}

TEST(Judge, AnythingElseLetsNobodyInAndSaysWhy) {
    const std::pair<query_answer, const char*> cases[] = {
        {{2, 0, std::nullopt}, "unknown user"},
        {{2, 2, "geheim"}, "auth.query gave more than one row"},
        {{2, 1, std::nullopt}, "the user has no password, or it has expired (NULL)"},
        {{2, 1, ""}, "the user's secret is empty"},
        {{1, 1, "geheim"}, "auth.query gave 1 columns where name and secret are two"},
        {{3, 1, "geheim"}, "auth.query gave 3 columns where name and secret are two"},
        {{0, 0, std::nullopt}, "auth.query gave 0 columns where name and secret are two"},
        {{2, 1, "SCRAM-SHA-256$geheim"}, "auth.query gave a malformed SCRAM secret"},
    };
    for (const auto& [answer, reason] : cases) {
        const auto user = judge(answer);
        EXPECT_EQ(user.what, result::none) << reason;
        EXPECT_EQ(user.reason, reason);
        EXPECT_EQ(user.secret.value, "");
    }
}

}  // namespace
}  // namespace weir::daemon::auth

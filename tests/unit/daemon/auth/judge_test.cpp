#include "daemon/auth/secret_connection.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::daemon::auth {
namespace {

using result = fetched_secret::result;

TEST(Judge, OneRowOfTwoColumnsWithASecretIsAUser) {
    const std::string md5 = "md5" + std::string(32, 'a');
    const auto user = judge({2, 1, "app", md5}, "app");
    EXPECT_EQ(user.what, result::found);
    EXPECT_EQ(user.secret.kind, config::secret_kind::md5);
    EXPECT_EQ(user.secret.value, md5);
    EXPECT_EQ(judge({2, 1, "app", "geheim"}, "app").secret.kind, config::secret_kind::plain);
}

TEST(Judge, AnythingElseLetsNobodyInAndSaysWhy) {
    const std::string keys(43, 'A');
    const std::string slow =
        "SCRAM-SHA-256$1000001:MTIzNDU2Nzg5MDEyMzQ1Ng==$" + keys + "=:" + keys + "=";
    const std::pair<query_answer, const char*> cases[] = {
        {{2, 0, std::nullopt, std::nullopt}, "unknown user"},
        {{2, 2, "app", "geheim"}, "auth.query gave more than one row"},
        {{2, 1, "app", std::nullopt}, "the user has no password, or it has expired (NULL)"},
        {{2, 1, "app", ""}, "the user's secret is empty"},
        // A LEFT JOIN that finds nobody, or a function that forgot its parameter.
        {{2, 1, std::nullopt, "geheim"}, "auth.query gave a row without a user's name (NULL)"},
        {{2, 1, "admin", "geheim"}, "auth.query gave the row of another user"},
        {{2, 1, "App", "geheim"}, "auth.query gave the row of another user"},
        {{1, 1, "app", "geheim"}, "auth.query gave 1 columns where name and secret are two"},
        {{3, 1, "app", "geheim"}, "auth.query gave 3 columns where name and secret are two"},
        {{0, 0, std::nullopt, std::nullopt},
         "auth.query gave 0 columns where name and secret are two"},
        {{2, 1, "app", "SCRAM-SHA-256$geheim"}, "auth.query gave a malformed SCRAM secret"},
        {{2, 1, "app", slow}, "auth.query gave a SCRAM secret with more than 1000000 iterations"},
    };
    for (const auto& [answer, reason] : cases) {
        const auto user = judge(answer, "app");
        EXPECT_EQ(user.what, result::none) << reason;
        EXPECT_EQ(user.reason, reason);
        EXPECT_EQ(user.secret.value, "");
    }
}

}  // namespace
}  // namespace weir::daemon::auth

#include "daemon/auth/secret_cache.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::daemon::auth {
namespace {

using namespace std::chrono_literals;
using time_point = secret_cache::time_point;

const time_point start{1h};

secret_cache::entry user(const std::string& secret, time_point at = start) {
    return {config::user_secret{config::secret_kind::plain, secret}, "", at};
}
secret_cache::entry stranger(time_point at = start) {
    return {std::nullopt, "unknown user", at};
}

TEST(SecretCache, KeepsAUserForTheTimeToLive) {
    secret_cache cache;
    cache.store({"shop", "app"}, user("one"));
    ASSERT_NE(cache.find({"shop", "app"}, 30s, start + 29s), nullptr);
    EXPECT_EQ(cache.find({"shop", "app"}, 30s, start + 29s)->secret->value, "one");
    EXPECT_EQ(cache.find({"other", "app"}, 30s, start), nullptr) << "another database's user";
    EXPECT_EQ(cache.find({"shop", "app"}, 30s, start + 30s), nullptr);
    EXPECT_EQ(cache.size(), 0U);
}

TEST(SecretCache, BelievesForSecondsThatAUserIsUnknown) {
    secret_cache cache;
    cache.store({"shop", "nobody"}, stranger());
    ASSERT_NE(cache.find({"shop", "nobody"}, 30s, start + 4s), nullptr);
    EXPECT_FALSE(cache.find({"shop", "nobody"}, 30s, start + 4s)->secret);
    EXPECT_EQ(cache.find({"shop", "nobody"}, 30s, start + 5s), nullptr);
    cache.store({"shop", "nobody"}, stranger());
    EXPECT_EQ(cache.find({"shop", "nobody"}, 2s, start + 3s), nullptr) << "a shorter time to live";
}

TEST(SecretCache, ZeroKeepsNothing) {
    secret_cache cache;
    cache.store({"shop", "app"}, user("one"));
    EXPECT_EQ(cache.find({"shop", "app"}, 0s, start), nullptr);
}

TEST(SecretCache, TheLatestAnswerCounts) {
    secret_cache cache;
    cache.store({"shop", "app"}, stranger());
    cache.store({"shop", "app"}, user("one"));
    EXPECT_EQ(cache.size(), 1U);
    EXPECT_TRUE(cache.find({"shop", "app"}, 30s, start)->secret);
    cache.store({"shop", "app"}, user("two", start + 1s));
    EXPECT_EQ(cache.find({"shop", "app"}, 30s, start + 1s)->secret->value, "two");
    cache.store({"shop", "app"}, stranger(start + 2s));
    EXPECT_FALSE(cache.find({"shop", "app"}, 30s, start + 2s)->secret);
    EXPECT_EQ(cache.size(), 1U);
    cache.forget({"shop", "app"});
    cache.forget({"shop", "app"});
    EXPECT_EQ(cache.size(), 0U);
}

TEST(SecretCache, StrangersPushOutStrangersOnly) {
    secret_cache cache;
    cache.store({"shop", "app"}, user("one"));
    for (std::size_t i = 0; i < 2 * secret_cache::most_strangers; ++i)
        cache.store({"shop", "x" + std::to_string(i)}, stranger());
    EXPECT_EQ(cache.size(), secret_cache::most_strangers + 1);
    EXPECT_NE(cache.find({"shop", "app"}, 30s, start), nullptr);
    EXPECT_EQ(cache.find({"shop", "x0"}, 30s, start), nullptr);
    EXPECT_NE(cache.find({"shop", "x15000"}, 30s, start), nullptr);
}

TEST(SecretCache, TheLeastUsedUserGoesFirst) {
    secret_cache cache;
    for (std::size_t i = 0; i < secret_cache::most_users; ++i)
        cache.store({"shop", std::to_string(i)}, user("x"));
    ASSERT_NE(cache.find({"shop", "0"}, 30s, start), nullptr);
    cache.store({"shop", "one more"}, user("x"));
    EXPECT_NE(cache.find({"shop", "0"}, 30s, start), nullptr);
    EXPECT_EQ(cache.find({"shop", "1"}, 30s, start), nullptr);
    cache.clear();
    EXPECT_EQ(cache.size(), 0U);
}

}  // namespace
}  // namespace weir::daemon::auth

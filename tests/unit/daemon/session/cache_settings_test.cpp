#include "daemon/session/cache_settings.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace weir::daemon {
namespace {

cache_settings::key_part adopt(
    cache_settings& cached, const pool::client_settings& settings, std::string_view zone = "UTC"
) {
    return cached.adopt(settings, [zone](std::string_view name, std::string& buffer) {
        if (name != "timezone") return std::string_view{};
        return std::string_view{buffer = zone};
    });
}

pool::client_settings with(std::string_view name, std::string_view value) {
    pool::client_settings made;
    EXPECT_FALSE(made.on_startup(name, value));
    return made;
}

TEST(CacheSettings, HoldTheServersDefaultsAndTheClientsOwn) {
    cache_settings cached;
    const auto key = adopt(cached, {}).signature;
    EXPECT_NE(adopt(cached, {}, "Asia/Tokyo").signature, key);
    EXPECT_NE(adopt(cached, with("work_mem", "1MB")).signature, key);
    EXPECT_EQ(adopt(cached, {}).signature, key);
}

TEST(CacheSettings, ADefaultIsAsGoodAsASetting) {
    cache_settings cached;
    const auto key = adopt(cached, {}, "Asia/Tokyo").signature;
    EXPECT_EQ(adopt(cached, with("timezone", "Asia/Tokyo"), "Asia/Tokyo").signature, key);
}

TEST(CacheSettings, LooksAreThoseOfAServer) {
    cache_settings cached;
    (void)adopt(cached, {}, "Asia/Tokyo");
    pool::server_settings server;
    server.on_parameter_status("TimeZone", "Asia/Tokyo");
    server.on_login_done();
    EXPECT_EQ(cached.looks(), server.looks());
}

TEST(CacheSettings, AsWhomAStatementRunsIsNotUnderstood) {
    cache_settings cached;
    EXPECT_TRUE(adopt(cached, with("search_path", "a")).is_understood);
    EXPECT_FALSE(adopt(cached, with("role", "a")).is_understood);
    EXPECT_FALSE(adopt(cached, with("row_security", "off")).is_understood);
    EXPECT_FALSE(adopt(cached, with("transform_null_equals", "on")).is_understood);
}

TEST(CacheSettings, CustomOnesCanBeLeftOut) {
    cache_settings cached;
    const auto plain = adopt(cached, with("work_mem", "1MB"));
    EXPECT_FALSE(plain.without_custom);
    auto both = with("work_mem", "1MB");
    EXPECT_FALSE(both.on_startup("app.tenant", "7"));
    const auto key = adopt(cached, both);
    EXPECT_NE(key.signature, plain.signature);
    EXPECT_EQ(key.without_custom, plain.signature);
    auto named = with("work_mem", "1MB");
    EXPECT_FALSE(named.on_startup("application_name", "a"));
    EXPECT_NE(adopt(cached, named).signature, plain.signature) << "a policy may ask for it";
    EXPECT_EQ(adopt(cached, named).without_custom, plain.signature);
}

TEST(CacheSettings, AreOutdatedByAnyChange) {
    cache_settings cached;
    const auto own = with("work_mem", "1MB");
    (void)adopt(cached, own);
    EXPECT_TRUE(cached.are(own));
    EXPECT_FALSE(cached.are(with("work_mem", "2MB")));
    EXPECT_FALSE(cached.are({}));
}

}  // namespace
}  // namespace weir::daemon

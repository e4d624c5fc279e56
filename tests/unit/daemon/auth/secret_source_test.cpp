#include "daemon/auth/secret_lookup.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::daemon::auth {
namespace {

using source = secret_lookup::source;

config::config with_databases() {
    config::config made;
    for (const std::string name : {"shop", "accounts"})
        made.databases[name].name = name;
    return made;
}

source of(const config::config& configuration, const std::string& database = "shop") {
    return secret_lookup::source_of(configuration, database);
}

TEST(SecretSource, IsNobodyWithoutAUserToAskAs) {
    EXPECT_FALSE(of(with_databases()).can_be_asked());
}

TEST(SecretSource, IsTheClientsDatabaseOrTheOneForAll) {
    auto configuration = with_databases();
    configuration.auth.auth_user = "asker";
    EXPECT_EQ(of(configuration).database, "shop");
    EXPECT_EQ(of(configuration).auth_user, "asker");
    EXPECT_NE(of(configuration).query.find("pg_authid"), std::string::npos) << "the default";
    configuration.auth.dbname = "accounts";
    EXPECT_EQ(of(configuration).database, "accounts");
    EXPECT_EQ(of(configuration).name(), of(configuration, "accounts").name()) << "one cache";
}

TEST(SecretSource, OfADatabaseBeatsTheOneForAll) {
    auto configuration = with_databases();
    configuration.auth = {.query = "all $1", .auth_user = "asker", .dbname = "shop"};
    auto& shop = configuration.databases["shop"];
    shop.auth_query = "own $1";
    EXPECT_EQ(of(configuration).query, "own $1");
    EXPECT_EQ(of(configuration).database, "shop");
    EXPECT_EQ(of(configuration).auth_user, "asker");
    shop.auth_dbname = "accounts";
    shop.auth_user = "shop's";
    EXPECT_EQ(of(configuration).database, "accounts");
    EXPECT_EQ(of(configuration).auth_user, "shop's");
    EXPECT_EQ(of(configuration, "accounts").query, "all $1");
    EXPECT_EQ(of(configuration, "accounts").database, "shop");
    EXPECT_NE(of(configuration).name(), of(configuration, "accounts").name());
}

TEST(SecretSource, OfADatabaseIsEnough) {
    auto configuration = with_databases();
    configuration.databases["shop"].auth_user = "shop's";
    EXPECT_TRUE(of(configuration).can_be_asked());
    EXPECT_FALSE(of(configuration, "accounts").can_be_asked());
}

// Whether a database exists shall not be seen by who has proved nothing: with auth.dbname the same
// is asked for those that do not.
TEST(SecretSource, OfUnknownDatabasesAndTheConsoleIsTheOneForAll) {
    auto configuration = with_databases();
    configuration.auth.auth_user = "asker";
    for (const char* const name : {"nowhere", "pgweir", "pgbouncer"})
        EXPECT_FALSE(of(configuration, name).can_be_asked()) << name;
    configuration.auth.dbname = "accounts";
    for (const char* const name : {"nowhere", "pgweir", "pgbouncer"})
        EXPECT_EQ(of(configuration, name).name(), of(configuration).name()) << name;
    configuration.databases["*"] = {.name = "*", .auth_user = "anybody's"};
    EXPECT_EQ(of(configuration, "nowhere").auth_user, "anybody's");
    EXPECT_EQ(of(configuration, "pgweir").auth_user, "asker");
    configuration.auth.dbname = "pgweir";
    EXPECT_FALSE(of(configuration).can_be_asked());
}

}  // namespace
}  // namespace weir::daemon::auth

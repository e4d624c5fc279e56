// Whom the daemon asks for a user's secret, by database; and passwords that SASLprep changes.

#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::test {
namespace {

constexpr char const* strict_rules =
    "host all postgres 127.0.0.1/32 trust\n"
    "host all all 127.0.0.1/32 scram-sha-256\n";

class auth_sources : public testing::Test {
protected:
    void SetUp() override {
        prepare_shop();
        auto& postgres = shared_postgres();
        for (char const* const name : {"asker", "own_asker"}) {
            postgres.execute(std::string("DROP ROLE IF EXISTS ") + name);
            postgres.create_role(name, "asks", postgres_server::encryption::scram);
            postgres.execute(std::string("ALTER ROLE ") + name + " SUPERUSER");
        }
        postgres.set_host_rules(strict_rules);
    }
    void TearDown() override {
        shared_postgres().set_host_rules("");
        shared_postgres().execute("DROP ROLE IF EXISTS asker, own_asker, soft, ligature, raw");
    }
    std::string users() {
        write_file(
            folder_.path() / "users.txt",
            "\"asker\" \"asks\"\n\"own_asker\" \"asks\"\n\"listed\" \"x\"\n"
        );
        return ", users_file: \"" + (folder_.path() / "users.txt").string() + "\"";
    }
    static std::string login(
        daemon_process const& daemon,
        std::string const& database,
        std::string const& user,
        std::string const& password
    ) {
        auto client =
            pq_connection::attempt(daemon.dsn(database, user) + " password='" + password + "'");
        if (!client.ok()) return client.message();
        auto const result = client.execute("SELECT session_user");
        return result.ok() ? std::string(result.value(0, 0)) : result.message();
    }

    temporary_folder folder_;
};

TEST_F(auth_sources, ADatabaseMayHaveItsOwn) {
    // Everybody logs in to PostgreSQL as one: only the questions differ.
    std::string const as_one = "user: asker, password: asks";
    daemon_process const daemon(configuration(
        {.auth = "type: scram-sha-256, auth_user: asker, "
                 "query: \"SELECT $1::text, 'of all as ' || session_user || ' in ' || "
                 "current_database()\"" +
                 users(),
         .database = ", " + as_one +
                     ", auth_user: own_asker, auth_dbname: accounts, auth_query: "
                     "\"SELECT $1::text, 'own as ' || session_user || ' in ' || "
                     "current_database()\"",
         .rest = "  blog: {upstream: \"host=127.0.0.1 port={pg} dbname=shop\", " + as_one +
                 "}\n  accounts: {upstream: \"host=127.0.0.1 port={pg} dbname=postgres\"}\n"}
    ));
    EXPECT_EQ(login(daemon, "shop", "ann", "own as own_asker in postgres"), "asker");
    EXPECT_EQ(login(daemon, "blog", "ann", "of all as asker in shop"), "asker");
    EXPECT_NE(login(daemon, "blog", "ann", "own as own_asker in postgres"), "asker");
}

TEST_F(auth_sources, AUserOfOneDatabaseAsksForThatOneOnly) {
    std::string const as_one = "user: asker, password: asks";
    daemon_process daemon(configuration(
        {.auth = "type: scram-sha-256" + users(),
         .database =
             ", " + as_one + ", auth_user: asker, auth_query: \"SELECT $1::text, 'geheim'\"",
         .rest = "  blog: {upstream: \"host=127.0.0.1 port={pg} dbname=shop\", " + as_one + "}\n"}
    ));
    EXPECT_EQ(login(daemon, "shop", "ann", "geheim"), "asker");
    EXPECT_NE(login(daemon, "blog", "ann", "geheim").find("login failed"), std::string::npos);
}

// Without a name in the row the secret was anybody's.
TEST_F(auth_sources, ARowOfNobodyOrOfAnotherLetsNobodyIn) {
    for (std::string const name : {"NULL::text", "'other'"}) {
        daemon_process const daemon(configuration(
            {.auth = "type: scram-sha-256, auth_user: asker, query: \"SELECT " + name +
                     ", 'geheim' WHERE $1 <> ''\"" + users(),
             .database = ", user: asker, password: asks"}
        ));
        EXPECT_NE(login(daemon, "shop", "ann", "geheim").find("login failed"), std::string::npos);
        daemon.log_contains("auth.query gave");
    }
}

// With auth.dbname nobody sees from its outage which databases exist.
TEST_F(auth_sources, AnOutageOfTheOneForAllLooksTheSameForUnknownDatabases) {
    daemon_process const daemon(configuration(
        {.auth = "type: scram-sha-256, auth_user: asker, dbname: accounts" + users(),
         .rest = "  accounts: {upstream: \"host=127.0.0.1 port=1\"}\n"}
    ));
    for (std::string const database : {"shop", "nowhere"}) {
        raw_client client(daemon.port());
        auto const replies = client.start({{"user", "ann"}, {"database", database}});
        ASSERT_TRUE(has(replies, 'E')) << types(replies);
        EXPECT_EQ(first(replies, 'E').field('C'), "57P03") << database;
    }
}

// PostgreSQL makes its secrets of the password's normal form, and so does libpq its proof. Each of
// these was refused with the right password: by PostgreSQL, which we log in to, and by us where the
// client sends it in clear.
TEST_F(auth_sources, PasswordsThatSaslprepChangesWorkOnBothSides) {
    auto& postgres = shared_postgres();
    struct {
        std::string role, set, given;
    } const cases[] = {
        {"soft", "I\u00adX", "I\u00adX"},
        {"ligature", "\ufb01n", "fin"},
        {"raw", "\u06271", "\u06271"}};  // prohibited, so taken as it is
    for (auto const& one : cases) {
        postgres.create_role(one.role, one.set, postgres_server::encryption::scram);
        auto const secret =
            postgres.scalar("SELECT rolpassword FROM pg_authid WHERE rolname = '" + one.role + "'");
        write_file(folder_.path() / "scram.txt", "\"" + one.role + "\" \"" + secret + "\"\n");
        daemon_process const daemon(configuration(
            {.auth = "type: plain, users_file: \"" + (folder_.path() / "scram.txt").string() + "\"",
             .database = ", user: " + one.role + ", password: \"" + one.set + "\""}
        ));
        EXPECT_EQ(login(daemon, "shop", one.role, one.set), one.role);
        EXPECT_EQ(login(daemon, "shop", one.role, one.given), one.role);
        EXPECT_NE(login(daemon, "shop", one.role, one.given + "x"), one.role);
        // The secret that is made here of a plain password is of its normal form, too.
        write_file(folder_.path() / "plain.txt", "\"" + one.role + "\" \"" + one.set + "\"\n");
        daemon_process const scram(configuration(
            {.auth = "type: scram-sha-256, users_file: \"" +
                     (folder_.path() / "plain.txt").string() + "\""}
        ));
        EXPECT_EQ(login(scram, "shop", one.role, one.set), one.role);
        EXPECT_EQ(login(scram, "shop", one.role, one.given), one.role);
    }
}

}  // namespace
}  // namespace weir::test

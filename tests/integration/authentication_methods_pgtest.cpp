// How clients prove who they are, and how pgweir then logs in as them, with nobody's password
// written down: every method before a PostgreSQL that asks for SCRAM or md5 itself.

#include "tests/integration/fixture.hpp"
#include "tests/support/wait_until.hpp"

#include <gtest/gtest.h>

#include <pwd.h>
#include <unistd.h>

#include <future>
#include <string>
#include <vector>

namespace weir::test {
namespace {

// PostgreSQL takes nobody of these without a password, but us for looking around.
constexpr char const* strict_rules =
    "host all postgres 127.0.0.1/32 trust\n"
    "host all md5_one 127.0.0.1/32 md5\n"
    "host all all 127.0.0.1/32 scram-sha-256\n";

std::string secret_of(std::string const& role) {
    return shared_postgres().scalar(
        "SELECT rolpassword FROM pg_authid WHERE rolname = '" + role + "'"
    );
}

class authentication_methods : public testing::Test {
protected:
    void SetUp() override {
        prepare_shop();
        static bool const made = [] {
            auto& postgres = shared_postgres();
            postgres.create_role("asker", "asker's own", postgres_server::encryption::scram);
            postgres.execute("ALTER ROLE asker SUPERUSER");
            return true;
        }();
        (void)made;
        shared_postgres().set_host_rules(strict_rules);
    }
    void TearDown() override {
        shared_postgres().set_host_rules("");
        shared_postgres().execute(
            "DROP ROLE IF EXISTS scram_one, md5_one, expired, idle_role, no_password, \"$1 OR "
            "true\""
        );
    }

    static void make_scram_one(std::string const& password = "geheim") {
        shared_postgres().create_role("scram_one", password, postgres_server::encryption::scram);
    }

    std::string file(std::string const& name, std::string const& text) {
        write_file(folder_.path() / name, text);
        return (folder_.path() / name).string();
    }
    /// Secrets come from PostgreSQL; the file holds only who asks.
    std::string asking(std::string const& more = "", std::string const& type = "scram-sha-256") {
        return "type: " + type + ", auth_user: asker, users_file: \"" +
               file("users.txt", "\"asker\" \"asker's own\"\n\"postgres\" \"console\"\n") + "\"" +
               more;
    }

    static pq_connection login(
        daemon_process const& daemon, std::string const& user, std::string const& password
    ) {
        return pq_connection::attempt(daemon.dsn("shop", user) + " password='" + password + "'");
    }
    static void expect_in(
        daemon_process const& daemon, std::string const& user, std::string const& password
    ) {
        auto client = login(daemon, user, password);
        ASSERT_TRUE(client.ok()) << client.message() << daemon.log();
        auto const result = client.execute("SELECT current_user");
        ASSERT_TRUE(result.ok()) << result.message() << daemon.log();
        EXPECT_EQ(result.value(0, 0), user);
    }
    static void expect_refused(
        daemon_process const& daemon,
        std::string const& user,
        std::string const& password,
        std::string const& logged = ""
    ) {
        auto const client = login(daemon, user, password);
        EXPECT_FALSE(client.ok()) << user << " " << password;
        EXPECT_NE(client.message().find("login failed for user"), std::string::npos)
            << client.message();
        if (!logged.empty()) daemon.log_contains("user=" + user + " database=shop: " + logged);
    }

    temporary_folder folder_;
};

// --- SCRAM secrets and the clients' own keys ---

TEST_F(authentication_methods, AScramSecretIsEnoughOnBothSides) {
    make_scram_one();
    auto const users = file("users.txt", "\"scram_one\" \"" + secret_of("scram_one") + "\"\n");
    for (std::string const type : {"scram-sha-256", "plain", "md5"}) {
        daemon_process const daemon(
            configuration({.auth = "type: " + type + ", users_file: \"" + users + "\""})
        );
        expect_in(daemon, "scram_one", "geheim");
        expect_refused(daemon, "scram_one", "falsch", "wrong password");
        expect_in(daemon, "scram_one", "geheim");
        EXPECT_EQ(daemon.log().find("geheim"), std::string::npos);
        EXPECT_EQ(daemon.log().find("SCRAM-SHA-256$"), std::string::npos) << "a secret in the log";
    }
}

TEST_F(authentication_methods, ASecretThatIsNoLongerTheServersIsNamedAsTheReason) {
    make_scram_one();
    auto const users = file("users.txt", "\"scram_one\" \"" + secret_of("scram_one") + "\"\n");
    // The same password, another salt: the keys do not fit.
    shared_postgres().execute("ALTER ROLE scram_one PASSWORD 'geheim'");
    daemon_process const daemon(
        configuration({.auth = "type: scram-sha-256, users_file: \"" + users + "\""})
    );
    auto client = login(daemon, "scram_one", "geheim");
    auto const said = client.ok() ? client.execute("SELECT 1").message() : client.message();
    EXPECT_NE(said.find("another SCRAM secret"), std::string::npos) << said;
    EXPECT_NE(said.find("copy of rolpassword"), std::string::npos) << said;
}

// The forced user's password is its own: what its clients prove says nothing about it.
TEST_F(authentication_methods, AForcedUserIsNotTouchedByTheKeysOfItsClients) {
    make_scram_one();
    auto const users = file("users.txt", "\"scram_one\" \"" + secret_of("scram_one") + "\"\n");
    daemon_process const daemon(configuration(
        {.auth = "type: scram-sha-256, users_file: \"" + users + "\"",
         .database = ", user: asker, password: \"asker's own\""}
    ));
    for (int i = 0; i < 2; ++i) {
        auto client = login(daemon, "scram_one", "geheim");
        ASSERT_TRUE(client.ok()) << client.message();
        EXPECT_EQ(client.scalar("SELECT current_user"), "asker");
    }
}

// --- auth.query ---

TEST_F(authentication_methods, SecretsComeFromPostgres) {
    make_scram_one();
    shared_postgres().create_role("md5_one", "geheim", postgres_server::encryption::md5);
    for (std::string const type : {"md5", "plain"}) {
        daemon_process const daemon(configuration({.auth = asking("", type)}));
        expect_in(daemon, "scram_one", "geheim");
        expect_in(daemon, "md5_one", "geheim");
        expect_refused(daemon, "scram_one", "falsch", "wrong password");
        expect_refused(daemon, "md5_one", "falsch", "wrong password");
        expect_in(daemon, "asker", "asker\\'s own");
        EXPECT_EQ(daemon.log().find("geheim"), std::string::npos);
    }
    daemon_process const scram_only(configuration({.auth = asking()}));
    expect_in(scram_only, "scram_one", "geheim");
    expect_refused(scram_only, "md5_one", "geheim", "the user's secret is of a kind");
}

// CVE-2025-2291: a password past its VALID UNTIL let its user in.
TEST_F(authentication_methods, CVE_2025_2291_WhoMayNotLogInAtPostgresMayNotHere) {
    auto& postgres = shared_postgres();
    postgres.create_role("expired", "geheim", postgres_server::encryption::scram);
    postgres.execute("ALTER ROLE expired VALID UNTIL '2001-01-01'");
    postgres.create_role("idle_role", "geheim", postgres_server::encryption::scram);
    postgres.execute("ALTER ROLE idle_role NOLOGIN; CREATE ROLE no_password LOGIN");
    daemon_process const daemon(configuration({.auth = asking()}));
    expect_refused(daemon, "expired", "geheim", "the user has no password, or it has expired");
    expect_refused(daemon, "no_password", "geheim", "the user has no password, or it has expired");
    expect_refused(daemon, "idle_role", "geheim", "unknown user");
    expect_refused(daemon, "nobody", "geheim", "unknown user");
}

TEST_F(authentication_methods, ANameIsAParameterAndNoSql) {
    shared_postgres().execute("CREATE ROLE \"$1 OR true\" LOGIN PASSWORD 'geheim'");
    daemon_process const daemon(configuration({.auth = asking()}));
    auto client = pq_connection::attempt(daemon.dsn("shop", "'$1 OR true'") + " password=geheim");
    ASSERT_TRUE(client.ok()) << client.message();
    EXPECT_EQ(client.scalar("SELECT current_user"), "$1 OR true");
    auto const injected = pq_connection::attempt(
        daemon.dsn("shop", "'x\\' OR rolname=\\'asker'") + " password='asker\\'s own'"
    );
    EXPECT_FALSE(injected.ok());
}

TEST_F(authentication_methods, AChangedPasswordWorks) {
    shared_postgres().create_role("md5_one", "old", postgres_server::encryption::md5);
    make_scram_one("old");
    daemon_process const daemon(configuration({.auth = asking(", cache_ttl: 1h", "md5")}));
    expect_in(daemon, "md5_one", "old");
    expect_in(daemon, "scram_one", "old");
    shared_postgres().execute(
        "SET password_encryption = 'md5'; ALTER ROLE md5_one PASSWORD 'new';"
        "SET password_encryption = 'scram-sha-256'; ALTER ROLE scram_one PASSWORD 'new'"
    );
    // What was fetched less than a second ago is not asked for again, whatever strangers try.
    wait_until([&] { return login(daemon, "md5_one", "new").ok(); }, "the new md5 password");
    wait_until([&] { return login(daemon, "scram_one", "new").ok(); }, "the new SCRAM password");
    expect_refused(daemon, "md5_one", "old");
    expect_refused(daemon, "scram_one", "old");
    // New servers log in with the new keys, too.
    pq_connection(daemon.dsn("pgweir") + " password=console").must("RECONNECT");
    expect_in(daemon, "scram_one", "new");
    expect_in(daemon, "md5_one", "new");
}

TEST_F(authentication_methods, ADroppedUserIsOutWhenNothingIsCached) {
    make_scram_one();
    daemon_process const daemon(configuration({.auth = asking(", cache_ttl: 0")}));
    expect_in(daemon, "scram_one", "geheim");
    shared_postgres().execute("DROP ROLE scram_one");
    expect_refused(daemon, "scram_one", "geheim", "unknown user");
}

/// A function that counts how often it is asked, and another of that name in another schema.
class auth_function : public authentication_methods {
protected:
    void SetUp() override {
        authentication_methods::SetUp();
        make_scram_one();
        shared_postgres().execute(
            "DROP SCHEMA IF EXISTS evil CASCADE; CREATE SCHEMA evil;"
            "DROP SEQUENCE IF EXISTS asked; CREATE SEQUENCE asked;"
            "CREATE OR REPLACE FUNCTION secret_of(who text, OUT a name, OUT b text) LANGUAGE sql "
            "AS "
            "$$SELECT rolname, CASE WHEN nextval('public.asked') > 0 THEN rolpassword END "
            "FROM pg_authid WHERE rolname = who$$;"
            "CREATE FUNCTION evil.secret_of(who text, OUT a name, OUT b text) LANGUAGE sql AS "
            "$$SELECT who::name, 'evil'$$",
            "shop"
        );
    }
    static int asked() {
        return std::stoi(shared_postgres().scalar(
            "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM asked", "shop"
        ));
    }
    static constexpr char const* by_function = ", query: \"SELECT * FROM secret_of($1)\"";
};

TEST_F(auth_function, IsAskedOnceForManyLogins) {
    daemon_process const daemon(configuration({.auth = asking(by_function)}));
    for (int i = 0; i < 5; ++i)
        expect_in(daemon, "scram_one", "geheim");
    EXPECT_EQ(asked(), 1);
}

// CVE-2025-12819: what a client puts into its start-up packet changed what the question meant.
TEST_F(auth_function, CVE_2025_12819_StartUpParametersDoNotReachIt) {
    daemon_process const daemon(configuration({.auth = asking(by_function)}));
    auto const evil = pq_connection::attempt(
        daemon.dsn("shop", "scram_one") + " password=evil options='-c search_path=evil'"
    );
    EXPECT_FALSE(evil.ok());
    EXPECT_EQ(asked(), 1);
}

TEST_F(auth_function, AnAnswerOfAnotherShapeLetsNobodyIn) {
    struct {
        char const *query, *reason;
    } const cases[] = {
        {"SELECT rolpassword FROM pg_authid WHERE rolname = $1", "auth.query gave 1 columns"},
        {"SELECT 1, rolpassword, 3 FROM pg_authid WHERE rolname = $1", "auth.query gave 3 columns"},
        {"SELECT $1::text, 'geheim' FROM generate_series(1, 2)",
         "auth.query gave more than one row"},
        {"SELECT $1::text, NULL", "the user has no password, or it has expired (NULL)"},
        {"SELECT $1::text, ''", "the user's secret is empty"}};
    for (auto const& one : cases) {
        daemon_process const daemon(
            configuration({.auth = asking(std::string(", query: \"") + one.query + "\"")})
        );
        expect_refused(daemon, "scram_one", "geheim", one.reason);
    }
}

// Those who wait for an answer when a reload comes get the new question's.
TEST_F(auth_function, AReloadReachesTheQuestionsThatWait) {
    auto const with = [&](std::string const& query) {
        return configuration(
            {.auth = asking(", query: \"" + query + "\""), .database = ", user: postgres"}
        );
    };
    daemon_process daemon(with("SELECT $1::name, 'old' FROM pg_sleep(2)"));
    std::vector<std::future<bool>> logins;
    for (int n = 0; n < 6; ++n) {
        logins.push_back(std::async(std::launch::async, [&daemon, n] {
            return login(daemon, "waits_" + std::to_string(n), "new").ok();
        }));
    }
    wait_until(
        [] {
            return shared_postgres().scalar(
                       "SELECT count(*) FROM pg_stat_activity WHERE state = "
                       "'active' AND query LIKE '%pg_sleep(2)'"
                   ) != "0";
        },
        "the question to be asked"
    );
    daemon.rewrite(with("SELECT $1::name, 'new'"));
    daemon.reload();
    for (auto& one : logins)
        EXPECT_TRUE(one.get());
    EXPECT_FALSE(login(daemon, "waits_7", "old").ok());
    EXPECT_TRUE(login(daemon, "waits_8", "new").ok());
}

TEST_F(auth_function, ItsErrorIsNoWrongPassword) {
    daemon_process const daemon(
        configuration({.auth = asking(", query: \"SELECT a, b FROM no_such_table WHERE a = $1\"")})
    );
    auto const client = login(daemon, "scram_one", "geheim");
    EXPECT_NE(client.message().find("the password cannot be checked now"), std::string::npos)
        << client.message();
    daemon.log_contains("no_such_table");
}

TEST_F(authentication_methods, APostgresThatIsDownIsNoWrongPassword) {
    daemon_process const daemon(
        configuration({.auth = asking(), .upstream = "host=127.0.0.1 port=1 dbname=shop"})
    );
    raw_client client(daemon.port());
    auto const replies = client.start({{"user", "scram_one"}, {"database", "shop"}});
    ASSERT_TRUE(has(replies, 'E')) << types(replies);
    EXPECT_EQ(first(replies, 'E').field('C'), "57P03");
    EXPECT_FALSE(first(replies, 'E').field('H').empty());
}

TEST_F(authentication_methods, SecretsMayComeFromOneDatabaseForAll) {
    make_scram_one();
    daemon_process const daemon(configuration(
        {.auth = asking(", dbname: accounts"),
         .rest = "  accounts: {upstream: \"host=127.0.0.1 port={pg} dbname=postgres\"}\n"}
    ));
    expect_in(daemon, "scram_one", "geheim");
    // Those of earlier daemons may still be on their way out.
    wait_until(
        [] {
            return shared_postgres().scalar(
                       "SELECT string_agg(DISTINCT datname, ',') FROM pg_stat_activity WHERE "
                       "application_name = 'pgweir-auth'"
                   ) == "postgres";
        },
        "questions to go to the one database only"
    );
}

// Neither the user nor the database may be told from the exchange.
TEST_F(authentication_methods, StrangersSeeTheSameExchange) {
    make_scram_one();
    daemon_process const daemon(configuration({.auth = asking("", "md5")}));
    std::pair<char const*, char const*> const logins[] = {
        {"scram_one", "shop"}, {"nobody", "shop"}, {"scram_one", "nowhere"}};
    for (auto const& [user, database] : logins) {
        raw_client client(daemon.port());
        client.send(frontend::startup({{"user", user}, {"database", database}}));
        auto const reply = client.read();
        ASSERT_TRUE(reply);
        EXPECT_EQ(reply->type, 'R');
        EXPECT_EQ(reply->body.substr(4), std::string("SCRAM-SHA-256\0\0", 15)) << user << database;
    }
}

// --- rules ---

TEST_F(authentication_methods, RulesDecideByDatabaseAndUser) {
    make_scram_one();
    auto const users = file("users.txt", "\"scram_one\" \"" + secret_of("scram_one") + "\"\n");
    auto const rules = file(
        "hba.conf",
        "# TYPE DATABASE USER ADDRESS METHOD\n"
        "host shop nobody all reject\n"
        "host shop scram_one 127.0.0.1/32 scram-sha-256\n"
        "host all postgres samehost trust\n"
    );
    auto const auth = "type: hba, hba_file: \"" + rules + "\", users_file: \"" + users + "\"";
    daemon_process daemon(configuration({.auth = auth}));
    expect_in(daemon, "scram_one", "geheim");
    expect_refused(daemon, "scram_one", "falsch", "wrong password");
    EXPECT_NE(
        login(daemon, "nobody", "")
            .message()
            .find(
                "pg_hba.conf rejects connection for host \"127.0.0.1\", user \"nobody\", database "
                "\"shop\", no encryption"
            ),
        std::string::npos
    );
    daemon.log_contains("rejected by " + rules + ":2");
    EXPECT_NE(
        login(daemon, "other", "")
            .message()
            .find("no pg_hba.conf entry for host \"127.0.0.1\", user \"other\", database \"shop\", "
                  "no "
                  "encryption"),
        std::string::npos
    );

    // A broken file changes nothing and says where; a good one counts at once.
    file("hba.conf", "host all all all trust\nhost all all all nonsense\n");
    daemon.reload();
    daemon.log_contains(rules + ":2:18: \"nonsense\" is no method");
    expect_in(daemon, "scram_one", "geheim");
    EXPECT_FALSE(login(daemon, "other", "").ok());
    file("hba.conf", "host all scram_one all reject\n");
    daemon.reload();
    EXPECT_FALSE(login(daemon, "scram_one", "geheim").ok());
}

TEST_F(authentication_methods, PeerKnowsWhoRunsTheClient) {
    std::string const me = ::getpwuid(::geteuid())->pw_name;
    auto const rules = file("hba.conf", "local all ops peer map=m\nlocal all all peer\n");
    auto const maps = file("ident.conf", "m " + me + " ops\n");
    shared_postgres().execute(
        "DROP ROLE IF EXISTS ops; CREATE ROLE ops LOGIN; DROP ROLE IF EXISTS \"other\"; CREATE "
        "ROLE "
        "\"other\" LOGIN"
    );
    shared_postgres().set_host_rules("");
    daemon_process const daemon(configuration(
        {.listen = ", unix_socket_dir: \"{dir}\"",
         .auth = "type: hba, hba_file: \"" + rules + "\", ident_file: \"" + maps + "\""}
    ));
    auto const over_socket = [&](std::string const& user) {
        return pq_connection::attempt(
            "host=" + daemon.dir().string() + " port=" + std::to_string(daemon.port()) +
            " dbname=shop user=" + user
        );
    };
    auto client = over_socket("ops");
    ASSERT_TRUE(client.ok()) << client.message();
    EXPECT_EQ(client.scalar("SELECT current_user"), "ops");
    auto const refused = over_socket("other");
    EXPECT_FALSE(refused.ok());
    EXPECT_NE(
        refused.message().find("Peer authentication failed for user \"other\""), std::string::npos
    ) << refused.message();
    daemon.log_contains("the client is run by \"" + me + "\"");
    shared_postgres().execute("DROP ROLE ops; DROP ROLE \"other\"");
}

TEST_F(authentication_methods, AnyTakesEveryNameAndLogsInAsTheForcedUser) {
    daemon_process const daemon(
        configuration({.auth = "type: any", .database = ", user: asker, password: \"asker's own\""})
    );
    pq_connection client(daemon.dsn("shop", "whoever_i_am"));
    EXPECT_EQ(client.scalar("SELECT current_user"), "asker");
    EXPECT_NE(check_configuration(configuration({.auth = "type: any"})).status, 0)
        << "a database without a user";
}

}  // namespace
}  // namespace weir::test

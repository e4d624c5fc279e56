// What has had a CVE in a pooler since 2021: each one is tried here under its number.
#include "tests/integration/pitfalls_fixture.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::test {
namespace {

using namespace std::string_literals;

class cve : public pitfalls {
protected:
    void SetUp() override {
        pitfalls::SetUp();
        drop_roles();
        shared_postgres().create_role("asker", "asks", postgres_server::encryption::scram);
        shared_postgres().execute("ALTER ROLE asker SUPERUSER");
        shared_postgres().create_role("clerk", "geheim", postgres_server::encryption::scram);
    }
    void TearDown() override {
        pitfalls::TearDown();
        daemon_.reset();
        drop_roles();
    }
    static void drop_roles() {
        shared_postgres().execute(
            "SET client_min_messages TO warning; DROP ROLE IF EXISTS asker, clerk, expired"
        );
    }
    /// Secrets come from PostgreSQL, which is asked as `asker`.
    std::string asking(std::string const& more = "") {
        write_file(folder_.path() / "users.txt", "\"asker\" \"asks\"\n");
        return "type: scram-sha-256, auth_user: asker, users_file: \"" +
               (folder_.path() / "users.txt").string() + "\"" + more;
    }
    pq_connection attempt(std::string const& user, std::string const& more) const {
        return pq_connection::attempt(daemon_->dsn("shop", user) + " " + more);
    }
    /// What a client is told when the rogue is the server; and the daemon serves on.
    std::string told(rogue_server const& rogue, std::string const& password = "secret") {
        begin(
            {.pool = "mode: transaction, size: 1, overflow: 0, connect_timeout: 2s, "
                     "wait_timeout: 5s",
             .database = ", user: clerk, password: " + password,
             .upstream = rogue.upstream()}
        );
        raw_client client(daemon_->port());
        auto const replies = client.start({{"user", "postgres"}, {"database", "shop"}});
        EXPECT_TRUE(has(replies, 'E')) << types(replies);
        EXPECT_TRUE(console("SHOW VERSION").ok());
        return has(replies, 'E') ? first(replies, 'E').field('M') : "";
    }

    temporary_folder folder_;
};

// An attacker in between puts words before the handshake that would pass for the client's.
TEST_F(cve, CVE_2021_3935_PlaintextBehindSslRequest) {
    begin();
    raw_client client(daemon_->port());
    client.send(
        frontend::ssl_request() + frontend::startup({{"user", "postgres"}, {"database", "shop"}}) +
        frontend::query("INSERT INTO log (text) VALUES ('injected')")
    );
    auto const replies = client.read_to_end();
    ASSERT_EQ(types(replies), "E") << "neither S nor N: nothing of it is believed";
    EXPECT_EQ(replies[0].field('C'), "08P01");
    EXPECT_EQ(logged(), "0");
    expect_clean();
}

// A password past its VALID UNTIL let its user in, as auth_query gives the secret all the same.
TEST_F(cve, CVE_2025_2291_ValidUntilInAuthQuery) {
    shared_postgres().create_role("expired", "geheim", postgres_server::encryption::scram);
    shared_postgres().execute("ALTER ROLE expired VALID UNTIL '2001-01-01'");
    begin({.pool = one_server, .auth = asking(", cache_ttl: 0")});
    EXPECT_FALSE(attempt("expired", "password=geheim").ok());
    EXPECT_TRUE(attempt("clerk", "password=geheim").ok());
    shared_postgres().execute("ALTER ROLE expired VALID UNTIL 'infinity'");
    EXPECT_TRUE(attempt("expired", "password=geheim").ok());
}

// A search_path in the start-up packet changed which function auth_query calls.
TEST_F(cve, CVE_2025_12819_SearchPathDuringAuthQuery) {
    shared_postgres().execute(
        "CREATE OR REPLACE FUNCTION who_is(who text, OUT a name, OUT b text) LANGUAGE sql AS "
        "$$SELECT rolname, rolpassword FROM pg_authid WHERE rolname = who$$;"
        "CREATE SCHEMA evil;"
        "CREATE FUNCTION evil.who_is(who text, OUT a name, OUT b text) LANGUAGE sql AS "
        "$$SELECT who::name, 'evil'$$",
        "shop"
    );
    begin(
        {.pool = one_server,
         .auth = asking(", cache_ttl: 0, query: \"SELECT a, b FROM who_is($1)\"")}
    );
    for (std::string const how :
         {"options='-c search_path=evil'", "options='--search-path=evil,public'"}) {
        EXPECT_FALSE(attempt("clerk", "password=evil " + how).ok()) << how;
        EXPECT_TRUE(attempt("clerk", "password=geheim").ok()) << "nothing is left of it";
    }
    shared_postgres().execute("DROP FUNCTION who_is, evil.who_is; DROP SCHEMA evil", "shop");
}

// A length that overflows when its own four bytes are added or taken, before anybody is known.
TEST_F(cve, CVE_2026_6664_LengthOverflowBeforeAuthentication) {
    begin({.pool = one_server, .auth = asking()});
    for (std::int64_t const length :
         {0x7fffffffLL, 0x80000000LL, 0xffffffffLL, 0xfffffffcLL, 0LL, 3LL, 7LL}) {
        raw_client client(daemon_->port());
        client.send(frontend::int32(length) + frontend::int32(196608) + std::string(64, 'x'));
        auto const replies = client.read_to_end();
        ASSERT_EQ(types(replies), "E") << length;
        EXPECT_EQ(replies[0].field('C'), "08P01") << length;
        raw_client password(daemon_->port());
        password.send(frontend::startup({{"user", "clerk"}, {"database", "shop"}}));
        ASSERT_EQ(password.read()->type, 'R');
        password.send("p" + frontend::int32(length) + std::string(64, 'x'));
        EXPECT_EQ(types(password.read_to_end()), "E") << length;
    }
    EXPECT_LT(daemon_->memory_used().peak_bytes, 200'000'000U);
    EXPECT_TRUE(attempt("clerk", "password=geheim").ok());
}

// A server's SCRAM messages with lengths and counts that nobody expects.
TEST_F(cve, CVE_2026_6665_ScramOfARogueServer) {
    std::string const huge(60'000, 'A');
    for (std::string const& answer :
         {"r=NONCE" + huge + ",s=c2FsdA==,i=4096",
          "r=NONCEx,s=" + huge + ",i=4096",
          "r=NONCEx,s=c2FsdA==,i=4096," + huge,
          "r=NONCEx,s=c2FsdA==,i=" + huge,
          "r=NONCEx,s=c2FsdA==,i=2147483647"s,
          "r=NONCEx,s=c2FsdA==,i=-1"s,
          "r=,s=,i="s,
          ""s,
          huge}) {
        rogue_server const rogue([&](rogue_connection& daemon) {
            if (!daemon.startup()) return;
            daemon.send(authentication(10, "SCRAM-SHA-256\0\0"s));
            auto const first_message = daemon.read();
            if (!first_message) return;
            auto const& body = first_message->body;
            auto text = answer;
            if (auto const at = text.find("NONCE"); at != std::string::npos) {
                text.replace(at, 5, body.substr(body.rfind("r=") + 2));
            }
            daemon.send(authentication(11, text));
            if (daemon.read()) daemon.send(authentication(12, "v=" + huge));
            daemon.read();
        });
        EXPECT_NE(told(rogue), "") << answer.substr(0, 40);
    }
}

// An ErrorResponse without SQLSTATE, severity or text, at the login and later.
TEST_F(cve, CVE_2026_6666_ErrorResponseWithoutSqlstate) {
    for (auto const& fields : {"\0"s, "Mno code\0\0"s, "SERROR\0\0"s, ""s, "C"s, "Mno end"s}) {
        rogue_server const at_login([&](rogue_connection& daemon) {
            if (!daemon.startup()) return;
            daemon.send(frontend::message('E', fields));
            daemon.read();
        });
        EXPECT_NE(told(at_login), "");
        rogue_server const later([&](rogue_connection& daemon) {
            if (!daemon.greet()) return;
            while (auto const asked = daemon.read()) {
                if (asked->type == 'X') return;
                if (asked->type == 'Q') daemon.send(frontend::message('E', fields) + ready());
            }
        });
        begin({.pool = one_server, .upstream = later.upstream()});
        auto client = login();
        client.send(frontend::query("SELECT 1"));
        auto const reply = client.read();
        ASSERT_TRUE(reply);
        EXPECT_EQ(reply->type, 'E');
        EXPECT_TRUE(console("SHOW SERVERS").ok());
    }
}

// Who may look at the console is not who may end other people's sessions.
TEST_F(cve, CVE_2026_6667_KillClientWithoutAdminRight) {
    auto yaml = configuration({.pool = one_server});
    yaml.replace(yaml.find("users: [postgres]"), 17, "users: [postgres], stats_users: [clerk]");
    daemon_.emplace(yaml);
    auto victim = login();
    victim.ask(frontend::query("BEGIN"));
    auto const id = shown_by_console(*daemon_, "SHOW CLIENTS", "database", "shop", "id");
    pq_connection onlooker(daemon_->dsn("pgweir", "clerk"));
    EXPECT_TRUE(onlooker.execute("SHOW CLIENTS").ok());
    for (std::string const& command :
         {"KILL_CLIENT " + id, "kill_client " + id + ";", "KILL shop"s, "PAUSE"s, "SHUTDOWN"s}) {
        auto const refused = onlooker.execute(command);
        EXPECT_EQ(refused.sqlstate(), "42501") << command << ": " << refused.message();
    }
    EXPECT_EQ(types(victim.ask(frontend::query("COMMIT"))), "CZ") << "the client lives";
    EXPECT_FALSE(pq_connection::attempt(daemon_->dsn("pgweir", "stranger")).ok());
    victim.ask(frontend::query("BEGIN"));
    EXPECT_TRUE(console("KILL_CLIENT " + id).ok());
    victim.read_to_end();
}

}  // namespace
}  // namespace weir::test

#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <string>
#include <tuple>

namespace weir::test {
namespace {

constexpr char const* password = "s3cret \\\"quoted\" pass";

std::string quoted_for_dsn(std::string const& text) {
    return "'" + replaced(replaced(text, "\\", "\\\\"), "'", "\\'") + "'";
}

// Roles whose passwords PostgreSQL keeps in either way, and a rule of pg_hba for each method.
void prepare_roles() {
    prepare_shop();
    static bool const made = [] {
        shared_postgres().create_role("md5_user", password, postgres_server::encryption::md5);
        shared_postgres().create_role("scram_user", password, postgres_server::encryption::scram);
        return true;
    }();
    (void)made;
}

// A users file holds passwords in quotes, in which a quote is doubled.
std::string users_line(std::string const& user, std::string const& secret) {
    return "\"" + user + "\" \"" + replaced(secret, "\"", "\"\"") + "\"\n";
}

std::size_t occurrences(std::string const& all, std::string const& text) {
    std::size_t count = 0;
    for (auto at = all.find(text); at != std::string::npos; at = all.find(text, at + 1)) {
        ++count;
    }
    return count;
}

class every_method : public testing::TestWithParam<std::tuple<std::string, std::string>> {
protected:
    void SetUp() override { prepare_roles(); }
    void TearDown() override { shared_postgres().set_host_rules(""); }
};

TEST_P(every_method, LetsTheRightPasswordInAndTheWrongOneNot) {
    auto const [client_method, server_method] = GetParam();
    // A password that is kept by md5 cannot answer SCRAM, and the other way round.
    std::string const user = server_method == "md5" ? "md5_user" : "scram_user";
    shared_postgres().set_host_rules(
        "host shop " + user + " 127.0.0.1/32 " + server_method +
        "\nhost all postgres 127.0.0.1/32 trust\n"
    );
    temporary_folder folder;
    write_file(folder.path() / "users.txt", users_line(user, password));
    daemon_process const daemon(configuration(
        {.auth = "type: " + client_method + ", users_file: \"" +
                 (folder.path() / "users.txt").string() + "\""}
    ));

    pq_connection client(daemon.dsn("shop", user) + " password=" + quoted_for_dsn(password));
    EXPECT_EQ(client.scalar("SELECT current_user"), user);

    if (client_method != "trust") {
        auto const wrong = pq_connection::attempt(daemon.dsn("shop", user) + " password=wrong");
        ASSERT_FALSE(wrong.ok());
        auto const unknown =
            pq_connection::attempt(daemon.dsn("shop", "nobody_here") + " password=wrong");
        ASSERT_FALSE(unknown.ok());
        EXPECT_EQ(
            replaced(wrong.message(), user, "USER"),
            replaced(unknown.message(), "nobody_here", "USER")
        );
    }
    EXPECT_EQ(daemon.log().find(password), std::string::npos) << "a password in the log";
}

std::string test_name(testing::TestParamInfo<std::tuple<std::string, std::string>> const& one) {
    std::string name = std::get<0>(one.param) + "_" + std::get<1>(one.param);
    return replaced(name, "-", "_");
}

INSTANTIATE_TEST_SUITE_P(
    ClientServer,
    every_method,
    testing::Combine(
        testing::Values("trust", "md5", "scram-sha-256"),
        testing::Values("trust", "password", "md5", "scram-sha-256")
    ),
    test_name
);

class authentication : public testing::Test {
protected:
    void SetUp() override { prepare_roles(); }
    void TearDown() override { shared_postgres().set_host_rules(""); }

    std::string users(std::string const& lines) {
        write_file(folder_.path() / "users.txt", lines);
        return ", users_file: \"" + (folder_.path() / "users.txt").string() + "\"";
    }

    temporary_folder folder_;
};

TEST_F(authentication, TakesSecretsAsPostgresKeepsThem) {
    auto const scram =
        shared_postgres().scalar("SELECT rolpassword FROM pg_authid WHERE rolname = 'scram_user'");
    auto const md5 =
        shared_postgres().scalar("SELECT rolpassword FROM pg_authid WHERE rolname = 'md5_user'");
    auto const file = users(users_line("scram_user", scram) + users_line("md5_user", md5));
    for (std::string const user : {"scram_user", "md5_user"}) {
        auto const type = user == "md5_user" ? "type: md5" : "type: scram-sha-256";
        daemon_process const daemon(configuration({.auth = type + file}));
        pq_connection client(daemon.dsn("shop", user) + " password=" + quoted_for_dsn(password));
        EXPECT_EQ(client.scalar("SELECT current_user"), user);
        EXPECT_FALSE(pq_connection::attempt(daemon.dsn("shop", user) + " password=wrong").ok());
    }
}

TEST_F(authentication, ForcedServerUserHasItsOwnPassword) {
    shared_postgres().set_host_rules(
        "host shop scram_user 127.0.0.1/32 scram-sha-256\nhost all postgres 127.0.0.1/32 trust\n"
    );
    daemon_process const daemon(
        configuration(
            {.auth = "type: scram-sha-256" + users(users_line("application", "its own")),
             .database = ", user: scram_user, password: \"${PGWEIR_TEST_PASSWORD}\""}
        ),
        {"PGWEIR_TEST_PASSWORD=" + std::string(password)}
    );
    pq_connection client(daemon.dsn("shop", "application") + " password='its own'");
    EXPECT_EQ(client.scalar("SELECT current_user"), "scram_user");
}

TEST_F(authentication, UnknownDatabaseIsToldOnlyAfterThePassword) {
    daemon_process const daemon(
        configuration({.auth = "type: scram-sha-256" + users(users_line("scram_user", "right"))})
    );
    raw_client stranger(daemon.port());
    stranger.send(frontend::startup({{"user", "scram_user"}, {"database", "no_such_database"}}));
    auto const reply = stranger.read();
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->type, 'R') << "the daemon told about a database before it knew who asks";

    auto const known =
        pq_connection::attempt(daemon.dsn("no_such_database", "scram_user") + " password=right");
    EXPECT_FALSE(known.ok());
}

TEST_F(authentication, UnknownDatabaseIsASqlstate) {
    daemon_process const daemon(configuration());
    raw_client client(daemon.port());
    auto const replies = client.start({{"user", "postgres"}, {"database", "no_such_database"}});
    ASSERT_TRUE(has(replies, 'E')) << types(replies);
    EXPECT_EQ(first(replies, 'E').field('C'), "3D000");
}

TEST_F(authentication, PasswordThatPostgresRefusesIsToldToTheClient) {
    shared_postgres().set_host_rules(
        "host shop scram_user 127.0.0.1/32 scram-sha-256\nhost all postgres 127.0.0.1/32 trust\n"
    );
    daemon_process const daemon(configuration(
        {.auth = "type: trust" + users(users_line("scram_user", "not what PostgreSQL has"))}
    ));
    auto const client =
        pq_connection::attempt(daemon.dsn("shop", "scram_user") + " connect_timeout=10");
    if (client.ok()) {
        // The server is asked for at the first statement; then that one fails.
        pq_connection again(daemon.dsn("shop", "scram_user"));
        EXPECT_FALSE(again.execute("SELECT 1").ok());
    }
    EXPECT_EQ(daemon.log().find("not what PostgreSQL has"), std::string::npos);
}

TEST_F(authentication, SslRequestIsAnsweredN) {
    daemon_process const daemon(configuration());
    raw_client client(daemon.port());
    client.send(frontend::ssl_request());
    EXPECT_EQ(client.read_byte(), 'N');
    EXPECT_TRUE(has(client.start({{"user", "postgres"}, {"database", "shop"}}), 'Z'));
}

// The client learns nothing of which it was; the operator reads it in one line.
TEST_F(authentication, ARefusedLoginIsOneWarningWithItsReason) {
    prepare_roles();
    temporary_folder folder;
    write_file(
        folder.path() / "users.txt",
        users_line("scram_user", password) + users_line("md5_user", "md5" + std::string(32, 'a'))
    );
    daemon_process const daemon(configuration(
        {.auth =
             "type: scram-sha-256, users_file: \"" + (folder.path() / "users.txt").string() + "\"",
         .rest = "users: {scram_user: {max_connections: 1}}\n"}
    ));
    auto const right = " password=" + quoted_for_dsn(password);
    struct {
        std::string database, user, secret, reason;
    } const cases[] = {
        {"shop", "nobody", right, "unknown user"},
        {"shop", "scram_user", " password=wrong", "wrong password"},
        {"shop", "md5_user", " password=wrong", "auth.type cannot check"},
        {"no_such", "scram_user", right, "unknown database"},
        {"no_such", "nobody", right, "unknown user; unknown database"},
        {"pgweir", "scram_user", right, "neither in admin.users nor in admin.stats_users"}};
    std::size_t refused = 0;
    for (auto const& one : cases) {
        EXPECT_FALSE(pq_connection::attempt(daemon.dsn(one.database, one.user) + one.secret).ok());
        auto const line = "user=" + one.user + " database=" + one.database + ": ";
        daemon.log_contains(line);
        auto const log = daemon.log();
        auto const at = log.rfind(line);
        EXPECT_NE(log.substr(at, log.find('\n', at) - at).find(one.reason), std::string::npos)
            << log;
        ++refused;
        EXPECT_EQ(occurrences(log, "login refused"), refused) << log;
        EXPECT_EQ(occurrences(log, "login ended"), 0U) << log;
    }
    pq_connection const first(daemon.dsn("shop", "scram_user") + right);
    EXPECT_FALSE(pq_connection::attempt(daemon.dsn("shop", "scram_user") + right).ok());
    daemon.log_contains("users.scram_user.max_connections is reached");
}

}  // namespace
}  // namespace weir::test

#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <string>

namespace weir::test {
namespace {

// A PostgreSQL that is replicated: one for all cases.
postgres_server& primary() {
    static postgres_server server({{"wal_level", "logical"}, {"max_wal_senders", "10"}});
    static bool const filled = [] {
        server.execute("CREATE DATABASE shop");
        server.execute(
            "CREATE TABLE items (id integer PRIMARY KEY, value integer);"
            "INSERT INTO items SELECT n, n FROM generate_series(1, 1000) AS n;"
            "CREATE TABLE filler AS SELECT n, repeat(md5(n::text), 10) AS text "
            "FROM generate_series(1, 20000) AS n;"
            "CREATE PUBLICATION everything FOR TABLE items",
            "shop"
        );
        return true;
    }();
    (void)filled;
    return server;
}

std::string configuration_for(std::string const& more = "") {
    auto const place = "host=127.0.0.1 port=" + std::to_string(primary().port());
    return configuration(
        {.rest = "  replication: {upstream: \"" + place + "\"}\n" + more,
         .upstream = place + " dbname=shop"}
    );
}

std::string conninfo(daemon_process const& daemon, std::string const& database) {
    return daemon.dsn(database) + " replication=database";
}

std::vector<std::string> at(
    daemon_process const& daemon, std::string const& program, std::vector<std::string> rest
) {
    std::vector<std::string> command = {
        postgres_program(program),
        "-h",
        "127.0.0.1",
        "-p",
        std::to_string(daemon.port()),
        "-U",
        "postgres"};
    command.insert(command.end(), rest.begin(), rest.end());
    return command;
}

TEST(Replication, AnswersCommandsAndSqlOnOneServer) {
    daemon_process const daemon(configuration_for());
    pq_connection client(conninfo(daemon, "shop"));
    auto const system = client.must("IDENTIFY_SYSTEM");
    EXPECT_EQ(
        system.value(0, 0), primary().scalar("SELECT system_identifier FROM pg_control_system()")
    );
    EXPECT_EQ(system.value(0, 3), "shop");
    EXPECT_EQ(client.scalar("SELECT count(*) FROM items"), "1000");
    auto const refused = client.execute("SELECT 1/0");
    EXPECT_EQ(refused.sqlstate(), "22012");
    EXPECT_EQ(client.scalar("SELECT pg_backend_pid()"), std::to_string(PQbackendPID(client.get())));
}

TEST(Replication, StartUpParametersReachTheServer) {
    daemon_process const daemon(configuration_for());
    pq_connection client(
        conninfo(daemon, "shop") +
        " application_name=reader options='-c statement_timeout=4321 -c search_path=pg_catalog'"
    );
    EXPECT_EQ(client.scalar("SHOW statement_timeout"), "4321ms");
    EXPECT_EQ(client.scalar("SHOW search_path"), "pg_catalog");
    EXPECT_EQ(client.scalar("SHOW application_name"), "reader");
}

TEST(Replication, IsSeenInTheConsoleAndLeavesNothingToOthers) {
    daemon_process const daemon(configuration_for());
    {
        pq_connection client(conninfo(daemon, "shop"));
        client.must("SET work_mem = '77MB'");
        EXPECT_EQ(
            shown_by_console(daemon, "SHOW SERVERS", "replication", "logical", "state"), "active"
        );
        EXPECT_EQ(
            shown_by_console(daemon, "SHOW CLIENTS", "replication", "logical", "database"), "shop"
        );
        EXPECT_EQ(daemon.metric("pgweir_clients", {"state=\"active\""}), 1);
    }
    wait_until(
        [&] {
            return primary().scalar(
                       "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender'"
                   ) == "0";
        },
        "the server of the replication client to go"
    );
    pq_connection other(daemon.dsn("shop"));
    EXPECT_NE(other.scalar("SHOW work_mem"), "77MB");
}

TEST(Replication, BaseBackupIsRestorable) {
    daemon_process const daemon(configuration_for());
    temporary_folder const folder;
    auto const data = (folder.path() / "copy").string();
    auto const made = run_to_end(
        {.command =
             at(daemon, "pg_basebackup", {"-D", data, "-X", "stream", "-c", "fast", "--no-sync"}),
         .unprivileged = true},
        std::chrono::minutes(2)
    );
    ASSERT_EQ(made.status, 0) << made.output;
    auto const verified = run_to_end(
        {.command = {postgres_program("pg_verifybackup"), data}, .unprivileged = true},
        std::chrono::minutes(2)
    );
    EXPECT_EQ(verified.status, 0) << verified.output;
}

TEST(Replication, LogicalDecodingStreamsChanges) {
    daemon_process const daemon(configuration_for());
    temporary_folder const folder;
    auto const file = (folder.path() / "changes").string();
    auto const created = run_to_end(
        {.command =
             at(daemon,
                "pg_recvlogical",
                {"-d", "shop", "--slot", "changes", "--create-slot", "-P", "test_decoding"})}
    );
    ASSERT_EQ(created.status, 0) << created.output;
    {
        child_process reader(
            {.command =
                 at(daemon,
                    "pg_recvlogical",
                    {"-d", "shop", "--slot", "changes", "--start", "-f", file, "-F", "0", "-s", "1"}
                 ),
             .unprivileged = true,
             .signal_at_end = SIGINT}
        );
        pq_connection writer(daemon.dsn("shop"));
        writer.must("INSERT INTO items VALUES (4711, 1)");
        wait_until(
            [&] { return read_file(file).find("4711") != std::string::npos; },
            "the change to come out of the stream"
        );
        reader.signal(SIGINT);
        reader.wait();
    }
    auto const dropped = run_to_end(
        {.command =
             at(daemon, "pg_recvlogical", {"-d", "shop", "--slot", "changes", "--drop-slot"})}
    );
    EXPECT_EQ(dropped.status, 0) << dropped.output;
    primary().execute("DELETE FROM items WHERE id = 4711", "shop");
}

TEST(Replication, SubscriptionGetsItsTablesThroughTheDaemon) {
    daemon_process const daemon(configuration_for());
    auto& subscriber = shared_postgres();
    subscriber.execute("CREATE TABLE items (id integer PRIMARY KEY, value integer)");
    subscriber.execute(
        "CREATE SUBSCRIPTION mine CONNECTION '" + daemon.dsn("shop") + "' PUBLICATION everything"
    );
    wait_until(
        [&] { return subscriber.scalar("SELECT count(*) FROM items") == "1000"; },
        "the table to be copied"
    );
    primary().execute("INSERT INTO items VALUES (5000, 5)", "shop");
    wait_until(
        [&] { return subscriber.scalar("SELECT count(*) FROM items") == "1001"; },
        "the change to arrive"
    );
    subscriber.execute("DROP SUBSCRIPTION mine");
    subscriber.execute("DROP TABLE items");
    primary().execute("DELETE FROM items WHERE id = 5000", "shop");
}

TEST(Replication, CancelReachesItsServer) {
    daemon_process const daemon(configuration_for());
    pq_connection client(conninfo(daemon, "shop"));
    ASSERT_EQ(PQsendQuery(client.get(), "SELECT pg_sleep(60)"), 1);
    wait_until(
        [&] {
            return primary().scalar(
                       "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' "
                       "AND backend_type = 'walsender' AND state = 'active'"
                   ) == "1";
        },
        "the statement to run"
    );
    std::unique_ptr<PGcancel, decltype(&PQfreeCancel)> const cancel(
        PQgetCancel(client.get()), &PQfreeCancel
    );
    char why[256];
    ASSERT_EQ(PQcancel(cancel.get(), why, sizeof why), 1) << why;
    pq_result const result(PQgetResult(client.get()));
    EXPECT_EQ(result.sqlstate(), "57014");
}

TEST(Replication, DrainEndsAStreamAndLetsACommandFinish) {
    daemon_process daemon(configuration_for());
    pq_connection idle(conninfo(daemon, "shop"));
    pq_connection busy(conninfo(daemon, "shop"));
    ASSERT_EQ(PQsendQuery(busy.get(), "SELECT pg_sleep(1)"), 1);
    wait_until(
        [&] {
            return primary().scalar(
                       "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(1)' "
                       "AND state = 'active'"
                   ) == "1";
        },
        "the statement to run"
    );
    daemon.process().signal(SIGTERM);
    wait_until(
        [&] { return idle.execute("IDENTIFY_SYSTEM").status() == PGRES_FATAL_ERROR; },
        "the drain to begin"
    );
    pq_result const done(PQgetResult(busy.get()));
    EXPECT_TRUE(done.ok()) << done.message();
    EXPECT_EQ(daemon.process().wait(), 0);
}

TEST(Replication, TheEndOfPostgresIsPassedOn) {
    daemon_process const daemon(configuration_for());
    pq_connection client(conninfo(daemon, "shop"));
    primary().execute(
        "SELECT pg_terminate_backend(" + std::to_string(PQbackendPID(client.get())) + ")"
    );
    auto const result = client.execute("IDENTIFY_SYSTEM");
    EXPECT_NE(client.message().find("terminating connection"), std::string::npos)
        << client.message();
}

TEST(Replication, UnknownDatabaseAndRefusedLoginAreTold) {
    daemon_process const daemon(configuration_for());
    EXPECT_FALSE(pq_connection::attempt(conninfo(daemon, "nowhere")).ok());
    auto const nobody =
        pq_connection::attempt(daemon.dsn("shop", "nobody_at_all") + " replication=database");
    EXPECT_FALSE(nobody.ok());
    EXPECT_NE(nobody.message().find("nobody_at_all"), std::string::npos) << nobody.message();
}

// A client whose input buffer was full before its server came is read on.
TEST(Replication, MuchThatWasSentBeforeTheServerCameIsAnswered) {
    daemon_process const daemon(configuration_for());
    pq_connection console(daemon.dsn("pgweir"));
    console.must("PAUSE shop");
    raw_client client(daemon.port());
    client.send(
        frontend::startup({{"user", "postgres"}, {"database", "shop"}, {"replication", "database"}})
    );
    std::string many;
    int const count = 900;
    for (int n = 0; n < count; ++n)
        many += frontend::query("SELECT '" + std::string(1000, 'x') + "'");
    std::size_t sent = client.send_some(many);
    wait_until(
        [&] { return console.must("SHOW CLIENTS").rows() == 2; }, "the replication client to wait"
    );
    console.must("RESUME shop");
    client.send(std::string_view{many}.substr(sent));
    client.read_until('Z', count + 1);
}

TEST(Replication, KillEndsIt) {
    daemon_process const daemon(configuration_for());
    pq_connection client(conninfo(daemon, "shop"));
    pq_connection console(daemon.dsn("pgweir"));
    console.must("KILL shop");
    EXPECT_EQ(client.execute("IDENTIFY_SYSTEM").status(), PGRES_FATAL_ERROR);
}

TEST(Replication, CountsAsAClientOfItsDatabase) {
    auto yaml = configuration_for();
    yaml.replace(yaml.find("dbname=shop\"}"), 13, "dbname=shop\", max_client_connections: 1}");
    daemon_process const daemon(yaml);
    pq_connection const first(conninfo(daemon, "shop"));
    auto const second = pq_connection::attempt(conninfo(daemon, "shop"));
    EXPECT_FALSE(second.ok());
    EXPECT_NE(second.message().find("databases.shop.max_client_connections"), std::string::npos)
        << second.message();
}

// Any spelling that PostgreSQL takes for false makes an ordinary client of it, with an ordinary
// client's rules; a value that it does not take is refused before the login.
TEST(Replication, HasPostgresSpellings) {
    daemon_process const daemon(configuration_for());
    for (auto const* no : {"f", "FALSE", "of", "n", "0", "off"}) {
        pq_connection client(daemon.dsn("shop") + " replication=" + no);
        EXPECT_EQ(
            shown_by_console(daemon, "SHOW CLIENTS", "database", "shop", "replication"), "none"
        ) << no;
        EXPECT_EQ(client.scalar("SELECT 1"), "1");
    }
    for (auto const* yes : {"t", "ON", "1", "ye"}) {
        pq_connection client(daemon.dsn("shop") + " replication=" + yes);
        EXPECT_EQ(
            shown_by_console(daemon, "SHOW CLIENTS", "database", "shop", "replication"), "physical"
        ) << yes;
    }
    for (auto const* odd : {"o", "maybe", "databases", "tru\\ e"}) {
        auto const client = pq_connection::attempt(daemon.dsn("shop") + " replication=" + odd);
        EXPECT_FALSE(client.ok()) << odd;
        EXPECT_NE(client.message().find("invalid value for parameter"), std::string::npos)
            << client.message();
    }
    auto const console = pq_connection::attempt(daemon.dsn("pgweir") + " replication=true");
    EXPECT_NE(console.message().find("nothing to replicate"), std::string::npos)
        << console.message();
}

TEST(Replication, APausedDatabaseWaits) {
    daemon_process const daemon(configuration_for());
    pq_connection console(daemon.dsn("pgweir"));
    console.must("PAUSE shop");
    std::unique_ptr<PGconn, decltype(&PQfinish)> const client(
        PQconnectStart(conninfo(daemon, "shop").c_str()), &PQfinish
    );
    wait_until(
        [&] {
            return PQconnectPoll(client.get()) != PGRES_POLLING_FAILED &&
                   console.must("SHOW CLIENTS").rows() == 2;
        },
        "the replication client to wait"
    );
    EXPECT_EQ(
        shown_by_console(daemon, "SHOW CLIENTS", "replication", "logical", "state"), "waiting"
    );
    console.must("RESUME shop");
    wait_until(
        [&] {
            auto const at = PQconnectPoll(client.get());
            if (at == PGRES_POLLING_FAILED) throw std::runtime_error(PQerrorMessage(client.get()));
            return at == PGRES_POLLING_OK;
        },
        "the login to end"
    );
}

}  // namespace
}  // namespace weir::test

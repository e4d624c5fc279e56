#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <string>

namespace weir::test {
namespace {

using namespace std::chrono_literals;

class running_daemon : public testing::Test {
protected:
    void SetUp() override { refill_shop(); }
};

TEST(Check, CleanFileIsStatusZero) {
    auto const done = check_configuration(
        "databases:\n  shop: {upstream: \"host=127.0.0.1 port=5432 dbname=shop\"}\npool: {size: "
        "3}\n"
    );
    EXPECT_EQ(done.status, 0) << done.output;
}

TEST(Check, AllMistakesAreToldAtOnceWithPlaceAndSuggestion) {
    auto const done = check_configuration(
        "listen: {prot: 6432}\n"
        "pool:\n"
        "  size: many\n"
        "  wait_timeout: 3 parsecs\n"
        "databases:\n"
        "  shop: {upstream: \"host=127.0.0.1 dbname=shop\"}\n"
        "cache: {memroy: 1GiB}\n"
    );
    EXPECT_EQ(done.status, 78);
    EXPECT_NE(done.output.find("FILE:1:10: "), std::string::npos) << done.output;
    EXPECT_NE(done.output.find("port"), std::string::npos) << done.output;
    EXPECT_NE(done.output.find("FILE:3:9: "), std::string::npos) << done.output;
    EXPECT_NE(done.output.find("FILE:4:17: "), std::string::npos) << done.output;
    EXPECT_NE(done.output.find("FILE:7:9: "), std::string::npos) << done.output;
    EXPECT_NE(done.output.find("memory"), std::string::npos) << done.output;
}

TEST(Check, BrokenYamlHasItsPlace) {
    auto const done = check_configuration("pool: {size: 3\ndatabases: [\n");
    EXPECT_EQ(done.status, 78);
    EXPECT_NE(done.output.find("FILE:"), std::string::npos) << done.output;
}

TEST(Check, MissingFileIsAnError) {
    auto const done =
        run_to_end({.command = {daemon_binary(), "--check", "--config", "/nonexistent/pgweir.yaml"}}
        );
    EXPECT_EQ(done.status, 78);
    EXPECT_NE(done.output.find("/nonexistent/pgweir.yaml"), std::string::npos) << done.output;
}

TEST(CommandLine, VersionAndHelp) {
    auto const version = run_to_end({.command = {daemon_binary(), "--version"}});
    EXPECT_EQ(version.status, 0);
    EXPECT_NE(version.output.find("pgweir 0."), std::string::npos) << version.output;
    auto const help = run_to_end({.command = {daemon_binary(), "--help"}});
    EXPECT_EQ(help.status, 0);
    EXPECT_NE(help.output.find("--config"), std::string::npos) << help.output;
    EXPECT_NE(run_to_end({.command = {daemon_binary(), "--no-such-option"}}).status, 0);
}

TEST_F(running_daemon, ReloadKeepsClientsAndAppliesWhatItCan) {
    daemon_process daemon(
        configuration({.pool = "mode: transaction, size: 1, overflow: 0, wait_timeout: 20s"})
    );
    auto inside = raw_client::logged_in(daemon.port(), "postgres", "shop");
    inside.ask(frontend::query("BEGIN; INSERT INTO log (text) VALUES ('kept')"));
    auto waiter = raw_client::logged_in(daemon.port(), "postgres", "shop");
    waiter.send(frontend::query("SELECT 'served'"));
    wait_until([&] { return waiting_clients(daemon) == 1; }, "the second client to wait");

    daemon.rewrite(
        configuration({.pool = "mode: transaction, size: 3, overflow: 0, wait_timeout: 20s"})
    );
    daemon.reload();
    EXPECT_EQ(first(waiter.read_until('Z'), 'D').columns()[0], "served")
        << "the larger pool did not help the waiter";
    EXPECT_EQ(types(inside.ask(frontend::query("COMMIT"))), "CZ");
    EXPECT_EQ(shared_postgres().scalar("SELECT text FROM log", "shop"), "kept");
}

TEST_F(running_daemon, ReloadOfABrokenFileChangesNothing) {
    daemon_process daemon(configuration());
    pq_connection client(daemon.dsn("shop"));
    daemon.rewrite("pool: {size: none at all}\n");
    daemon.reload();
    EXPECT_EQ(client.scalar("SELECT 1"), "1");
    EXPECT_EQ(pq_connection(daemon.dsn("shop")).scalar("SELECT 2"), "2");
    daemon.log_contains("pgweir.yaml:1:");
    daemon.log_contains("configuration not reloaded");
    EXPECT_NE(
        daemon.log().find("reload: " + (daemon.dir() / "pgweir.yaml").string() + ":"),
        std::string::npos
    ) << daemon.log();
    EXPECT_EQ(daemon.log().find("\\n"), std::string::npos) << "several problems in one line";
    EXPECT_EQ(daemon.metric("pgweir_config_reloads_total", {"result=\"failed\""}), 1);
    EXPECT_EQ(daemon.metric("pgweir_config_reloads_total", {"result=\"applied\""}), 0);
}

TEST_F(running_daemon, ReloadOfUsersLetsNewOnesIn) {
    temporary_folder folder;
    auto const users = (folder.path() / "users.txt").string();
    write_file(users, "\"postgres\" \"one\"\n");
    daemon_process daemon(
        configuration({.auth = "type: scram-sha-256, users_file: \"" + users + "\""})
    );
    EXPECT_TRUE(pq_connection::attempt(daemon.dsn("shop") + " password=one").ok());
    write_file(users, "\"postgres\" \"two\"\n");
    daemon.reload();
    EXPECT_FALSE(pq_connection::attempt(daemon.dsn("shop") + " password=one").ok());
    EXPECT_TRUE(pq_connection::attempt(daemon.dsn("shop") + " password=two").ok());
}

TEST_F(running_daemon, DrainLetsATransactionEndAndNobodyIn) {
    daemon_process daemon(configuration());
    auto inside = raw_client::logged_in(daemon.port(), "postgres", "shop");
    inside.ask(frontend::query("BEGIN; INSERT INTO log (text) VALUES ('drained')"));
    auto idle = raw_client::logged_in(daemon.port(), "postgres", "shop");
    daemon.process().signal(SIGTERM);
    auto const goodbye = idle.read();
    ASSERT_TRUE(goodbye);
    EXPECT_EQ(goodbye->field('C'), "57P01");
    EXPECT_FALSE(pq_connection::attempt(daemon.dsn("shop") + " connect_timeout=5").ok());
    EXPECT_TRUE(daemon.process().running());
    inside.send(frontend::query("COMMIT"));
    EXPECT_EQ(inside.read()->type, 'C');
    EXPECT_EQ(daemon.process().wait(), 0) << daemon.log();
    EXPECT_EQ(shared_postgres().scalar("SELECT text FROM log", "shop"), "drained");
}

TEST_F(running_daemon, InterruptStopsAtOnce) {
    daemon_process daemon(configuration());
    auto inside = raw_client::logged_in(daemon.port(), "postgres", "shop");
    inside.ask(frontend::query("BEGIN; INSERT INTO log (text) VALUES ('lost')"));
    EXPECT_EQ(daemon.end(SIGINT), 0) << daemon.log();
    EXPECT_NE(
        daemon.log().find("SIGINT stops pgweir at once: 1 clients are cut off"), std::string::npos
    ) << daemon.log();
    EXPECT_EQ(shared_postgres().scalar("SELECT count(*) FROM log", "shop"), "0");
}

TEST_F(running_daemon, TheLogTellsWhoStoppedIt) {
    daemon_process by_console(configuration());
    pq_connection(by_console.dsn("pgweir")).execute("SHUTDOWN");
    EXPECT_EQ(by_console.process().wait(), 0);
    by_console.log_contains("user postgres at the console stops pgweir at once");
    daemon_process by_signal(configuration());
    auto inside = raw_client::logged_in(by_signal.port(), "postgres", "shop");
    inside.ask(frontend::query("BEGIN"));
    by_signal.process().signal(SIGTERM);
    by_signal.log_contains("SIGTERM stops pgweir, draining");
    EXPECT_EQ(by_signal.end(SIGTERM), 0);
    by_signal.log_contains("a second SIGTERM stops pgweir at once: 1 clients are cut off");
}

// The service manager was told that the daemon stops; a reload would tell it READY again.
TEST_F(running_daemon, AReloadDuringADrainIsRefused) {
    daemon_process daemon(configuration());
    auto inside = raw_client::logged_in(daemon.port(), "postgres", "shop");
    inside.ask(frontend::query("BEGIN"));
    daemon.process().signal(SIGTERM);
    daemon.log_contains("draining");
    daemon.reload();
    daemon.log_contains("not reloaded: pgweir is draining");
    EXPECT_EQ(daemon.log().find("configuration reloaded"), std::string::npos);
    inside.send(frontend::query("COMMIT"));
    EXPECT_EQ(daemon.process().wait(), 0) << daemon.log();
}

TEST_F(running_daemon, AStartThatFailsLeavesNoSocketBehind) {
    daemon_process const daemon(configuration());
    temporary_folder folder;
    write_file(
        folder.path() / "second.yaml",
        "listen: {host: \"\", unix_socket_dir: \"" + folder.path().string() +
            "\"}\nhttp: {listen: \"127.0.0.1:" + std::to_string(daemon.http_port()) +
            "\"}\ndatabases: {shop: {upstream: \"host=127.0.0.1\"}}\n"
    );
    auto const done =
        run_to_end({.command = {daemon_binary(), "--config", folder.path() / "second.yaml"}});
    EXPECT_EQ(done.status, 69) << done.output;
    EXPECT_FALSE(std::filesystem::exists(folder.path() / ".s.PGSQL.6432")) << done.output;
}

TEST_F(running_daemon, TakenPortIsAClearError) {
    daemon_process const daemon(configuration());
    temporary_folder folder;
    write_file(
        folder.path() / "second.yaml",
        "listen: {port: " + std::to_string(daemon.port()) +
            "}\nhttp: {listen: \"\"}\ndatabases: {shop: {upstream: \"host=127.0.0.1\"}}\n"
    );
    auto const done =
        run_to_end({.command = {daemon_binary(), "--config", folder.path() / "second.yaml"}});
    EXPECT_NE(done.status, 0);
    EXPECT_NE(done.output.find(std::to_string(daemon.port())), std::string::npos) << done.output;
}

}  // namespace
}  // namespace weir::test

// Commands of the console that change what the daemon does, the end of the daemon on the console's
// word and by signals, and the console over the extended protocol.
#include "tests/integration/fixture.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <string>

namespace weir::test {
namespace {

class console_commands : public testing::Test {
protected:
    void SetUp() override { refill_shop(); }
};

TEST_F(console_commands, DisabledDatabasesTakeNoNewClients) {
    daemon_process const daemon(configuration());
    pq_connection admin(daemon.dsn("pgweir"));
    pq_connection before(daemon.dsn("shop"));
    EXPECT_EQ(admin.must("DISABLE shop").command_tag(), "DISABLE");
    auto const refused = pq_connection::attempt(daemon.dsn("shop"));
    EXPECT_FALSE(refused.ok());
    EXPECT_NE(refused.message().find("database \"shop\" is disabled"), std::string::npos)
        << refused.message();
    EXPECT_EQ(before.scalar("SELECT 1"), "1") << "those that are there stay";
    EXPECT_EQ(shown_by_console(daemon, "SHOW DATABASES", "name", "shop", "disabled"), "1");
    admin.must("RELOAD");
    EXPECT_FALSE(pq_connection::attempt(daemon.dsn("shop")).ok()) << "until ENABLE";
    EXPECT_EQ(admin.must("ENABLE shop").command_tag(), "ENABLE");
    EXPECT_TRUE(pq_connection::attempt(daemon.dsn("shop")).ok());
    EXPECT_EQ(shown_by_console(daemon, "SHOW DATABASES", "name", "shop", "disabled"), "0");
    EXPECT_EQ(admin.execute("DISABLE nope").sqlstate(), "3D000");
    EXPECT_EQ(admin.execute("DISABLE").sqlstate(), "42601");
}

TEST_F(console_commands, WaitCloseWaitsForWhatReconnectRetired) {
    daemon_process const daemon(configuration());
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    client.ask(frontend::query("BEGIN"));
    pq_connection(daemon.dsn("pgweir")).must("RECONNECT shop");
    auto admin = raw_client::logged_in(daemon.port(), "postgres", "pgweir");
    admin.send(frontend::query("WAIT_CLOSE shop"));
    EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ") << "it is not hurried";
    client.ask(frontend::query("COMMIT"));
    EXPECT_EQ(types(admin.read_until('Z')), "CZ");
    EXPECT_EQ(types(admin.ask(frontend::query("WAIT_CLOSE"))), "CZ") << "nothing to wait for";
}

TEST_F(console_commands, WhatOnlyPgbouncerHasIsEmptyOrRefused) {
    daemon_process const daemon(configuration());
    pq_connection client(daemon.dsn("shop"));
    client.must("SELECT 1");
    pq_connection admin(daemon.dsn("pgbouncer"));
    for (std::string const what : {"DNS_HOSTS", "DNS_ZONES", "PEERS", "PEER_POOLS"}) {
        auto const rows = admin.must("SHOW " + what);
        EXPECT_EQ(rows.rows(), 0) << what;
        EXPECT_GE(rows.columns(), 3) << what;
    }
    auto const sockets_of_shop = [&admin](std::string const& command) {
        auto const rows = admin.must(command);
        std::string states;
        for (int i = 0; i < rows.rows(); ++i) {
            bool const is_shop = rows.value(i, PQfnumber(rows.get(), "database")) == "shop";
            if (is_shop) states += rows.value(i, PQfnumber(rows.get(), "state")) + " ";
        }
        return states;
    };
    EXPECT_EQ(sockets_of_shop("SHOW SOCKETS"), "cl_idle sv_idle ");
    EXPECT_EQ(sockets_of_shop("SHOW ACTIVE_SOCKETS"), "");
    for (std::string const what : {"SHOW FDS", "SUSPEND"}) {
        auto const refused = admin.execute(what);
        EXPECT_EQ(refused.sqlstate(), "0A000") << what;
        EXPECT_FALSE(refused.field(PG_DIAG_MESSAGE_HINT).empty()) << what;
    }
    auto const unknown = admin.execute("SHOW POOL");
    EXPECT_NE(unknown.field(PG_DIAG_MESSAGE_HINT).find("SHOW POOLS"), std::string::npos);
    auto const setting = admin.execute("SET default_pool_size = 3");
    EXPECT_NE(setting.message().find("pool.size"), std::string::npos) << setting.message();
}

TEST_F(console_commands, AnswerTheExtendedProtocolInBinary) {
    daemon_process const daemon(configuration());
    pq_connection client(daemon.dsn("shop"));
    client.must("SELECT 1");
    // What JDBC says at the start.
    pq_connection admin(
        daemon.dsn("pgbouncer") +
        " client_encoding=UTF8 options='-c extra_float_digits=2 -c TimeZone=UTC'"
    );
    auto const text = admin.execute_with("SHOW POOLS", {});
    ASSERT_EQ(text.rows(), 1) << text.message();
    EXPECT_EQ(text.value(0, 0), "shop");
    auto const binary = admin.execute_with("SHOW POOLS", {}, 1);
    ASSERT_EQ(binary.rows(), 1) << binary.message();
    int const size = PQfnumber(binary.get(), "pool_size");
    ASSERT_GE(size, 0);
    EXPECT_EQ(PQfformat(binary.get(), size), 1);
    EXPECT_EQ(PQgetlength(binary.get(), 0, size), 4);
    EXPECT_EQ(binary.value(0, 0), "shop");
    ASSERT_TRUE(admin.prepare("s", "SHOW STATS").ok());
    EXPECT_EQ(admin.execute_prepared("s").rows(), 1);
    EXPECT_EQ(admin.execute_with("PAUSE", {}).command_tag(), "PAUSE");
    EXPECT_EQ(admin.execute_with("RESUME", {}).command_tag(), "RESUME");
    EXPECT_FALSE(admin.execute_with("SHOW NOTHING", {}).ok());
    EXPECT_TRUE(admin.execute_with("SHOW VERSION", {}).ok()) << "it goes on behind the error";
}

TEST_F(console_commands, ShutdownWaitsForClients) {
    daemon_process daemon(configuration());
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    client.ask(frontend::query("SELECT 1"));
    pq_connection admin(daemon.dsn("pgweir"));
    admin.must("SHUTDOWN WAIT_FOR_CLIENTS");
    daemon.log_contains("when they like");
    EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ") << "it may stay";
    EXPECT_FALSE(pq_connection::attempt(daemon.dsn("shop")).ok()) << "nobody else comes";
    EXPECT_TRUE(admin.execute("SHOW CLIENTS").ok()) << "the console looks on";
    client.send(frontend::terminate());
    EXPECT_EQ(daemon.process().wait(), 0) << daemon.log();
}

TEST_F(console_commands, Usr2EndsAPause) {
    daemon_process const daemon(configuration());
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    client.ask(frontend::query("SELECT 1"));
    pq_connection(daemon.dsn("pgweir")).must("PAUSE");
    client.send(frontend::query("SELECT 1"));
    wait_until([&] { return waiting_clients(daemon) == 1; }, "the query to be held");
    ::kill(const_cast<daemon_process&>(daemon).process().pid(), SIGUSR2);
    EXPECT_EQ(types(client.read_until('Z')), "TDCZ");
}

TEST_F(console_commands, QuitEndsWithoutAWord) {
    daemon_process daemon(configuration());
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    client.ask(frontend::query("BEGIN"));
    EXPECT_EQ(daemon.end(SIGQUIT), 0) << daemon.log();
    EXPECT_EQ(types(client.read_to_end()), "");
    EXPECT_NE(daemon.log().find("SIGQUIT"), std::string::npos);
}

/// What a service manager hears.
class notify_socket {
public:
    explicit notify_socket(std::string const& path)
        : descriptor_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
        EXPECT_EQ(
            ::bind(descriptor_, reinterpret_cast<sockaddr const*>(&address), sizeof address), 0
        );
    }
    ~notify_socket() { ::close(descriptor_); }
    notify_socket(notify_socket const&) = delete;
    notify_socket& operator=(notify_socket const&) = delete;

    /// All of it so far.
    std::string const& heard() {
        char text[4096];
        for (ssize_t got = 0; (got = ::recv(descriptor_, text, sizeof text, 0)) > 0;)
            heard_ += std::string(text, static_cast<std::size_t>(got)) + "\n";
        return heard_;
    }

private:
    int descriptor_;
    std::string heard_;
};

TEST_F(console_commands, TheServiceManagerIsToldWhoIsThere) {
    temporary_folder folder;
    notify_socket manager((folder.path() / "notify").string());
    daemon_process daemon(
        configuration(), {"NOTIFY_SOCKET=" + (folder.path() / "notify").string()}
    );
    // Clients are served a moment before it is said.
    wait_until(
        [&] { return manager.heard().find("READY=1\n") != std::string::npos; },
        [&] { return "READY=1 in " + manager.heard(); }
    );
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    client.ask(frontend::query("BEGIN; SELECT 1"));
    wait_until(
        [&] {
            return manager.heard().find(
                       "STATUS=serving: 1 clients (0 waiting), 1 servers (1 in use)\n"
                   ) != std::string::npos;
        },
        [&] { return "the numbers in " + manager.heard(); }
    );
    EXPECT_EQ(daemon.end(SIGINT), 0);
    EXPECT_NE(manager.heard().find("STOPPING=1"), std::string::npos) << manager.heard();
}

}  // namespace
}  // namespace weir::test

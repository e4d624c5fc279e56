// What the tests of the numbered pitfalls have in common: a daemon of the test's own, and a server
// that is played by the test where PostgreSQL would never misbehave so.
#pragma once

#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace weir::test {

/// One connection that the daemon has made to a rogue_server. One thread: that of its play.
class rogue_connection {
public:
    rogue_connection(int socket, int number) : socket_(socket), number_(number) {}

    [[nodiscard]] int number() const { return number_; }  // from 0, in order of their beginning
    /// The body of the start-up packet, after refusing encryption; nullopt at the end or for a
    /// cancel request.
    std::optional<std::string> startup();
    /// The next message of the daemon; nullopt at the end of the stream.
    std::optional<backend_message> read();
    void send(std::string_view bytes);
    /// startup() and the greeting of a server that asks for no password.
    bool greet();
    /// Answers each query with its own text in one row, until Terminate or the end.
    void echo();

private:
    std::optional<std::string> take(std::size_t size);

    int socket_;
    int number_;
};

/// A listening socket whose connections the test plays, each on a thread of its own. Thread-safe.
class rogue_server {
public:
    explicit rogue_server(std::function<void(rogue_connection&)> play);
    ~rogue_server();
    rogue_server(rogue_server const&) = delete;
    rogue_server& operator=(rogue_server const&) = delete;

    [[nodiscard]] std::string upstream() const {
        return "host=127.0.0.1 dbname=shop port=" + std::to_string(port_);
    }
    [[nodiscard]] int connections() const { return connections_; }  // ever

private:
    void run();

    std::function<void(rogue_connection&)> play_;
    int listener_;
    int port_ = 0;
    std::atomic<int> connections_ = 0;
    std::mutex lock_;
    std::vector<int> sockets_;          // guarded by lock_
    std::vector<std::thread> players_;  // of the thread alone
    std::thread thread_;
};

/// Messages of a backend.
std::string authentication(int kind, std::string_view rest = "");
std::string ready(char status = 'I');
std::string one_row(std::string const& value);  // description, row, completion

constexpr auto one_server = "mode: transaction, size: 1, overflow: 0";

class pitfalls : public testing::Test {
protected:
    void SetUp() override { refill_shop(); }
    void TearDown() override {
        if (daemon_) {
            EXPECT_TRUE(daemon_->process().running()) << daemon_->log();
        }
    }

    void begin(settings const& parts = {.pool = one_server}) {
        daemon_.emplace(configuration(parts));
    }
    [[nodiscard]] raw_client login() const {
        return raw_client::logged_in(daemon_->port(), "postgres", "shop");
    }
    /// The first value of a query that must succeed.
    static std::string value(raw_client& client, std::string const& sql) {
        return first(client.ask(frontend::query(sql)), 'D').columns().at(0).value_or("NULL");
    }
    static std::string batch(std::string const& sql) {
        return frontend::parse("", sql) + frontend::bind("", "") + frontend::execute("");
    }
    static std::string sqlstate(std::vector<backend_message> const& replies) {
        return first(replies, 'E').field('C');
    }
    void await_waiting(int count) const {
        wait_until([&] { return waiting_clients(*daemon_) == count; }, "clients to wait");
    }
    /// Waits until PostgreSQL runs so many statements that look so.
    static void await_running(std::string const& like, int count = 1) {
        wait_until(
            [&] {
                return shared_postgres().scalar(
                           "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND "
                           "pid <> pg_backend_pid() AND query LIKE '" +
                           like + "'"
                       ) == std::to_string(count);
            },
            std::to_string(count) + " running: " + like
        );
    }
    static std::string logged() {
        return shared_postgres().scalar("SELECT count(*) FROM log", "shop");
    }
    [[nodiscard]] pq_result console(std::string const& command) const {
        return pq_connection(daemon_->dsn("pgweir")).execute(command);
    }
    /// The pool's server serves a stranger, and nothing is left behind on it.
    void expect_clean() const {
        auto next = login();
        auto const replies = next.ask(frontend::query("SELECT 'clean'"));
        ASSERT_EQ(types(replies), "TDCZ");
        EXPECT_EQ(first(replies, 'D').columns()[0], "clean");
        EXPECT_EQ(replies.back().body, "I");
    }

    std::optional<daemon_process> daemon_;
};

}  // namespace weir::test

// What only session mode promises: a server from the login to the end, and its own process id.
#include "tests/integration/fixture.hpp"
#include "tests/support/port_lock.hpp"

#include <gtest/gtest.h>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace weir::test {
namespace {

using namespace std::chrono_literals;

class session_mode : public testing::Test {
protected:
    void SetUp() override { prepare_shop(); }
};

std::string backend_pid(raw_client& client) {
    return *first(client.ask(frontend::query("SELECT pg_backend_pid()")), 'D').columns().at(0);
}

std::string told_pid(raw_client const& client) {
    std::uint32_t pid = 0;
    for (char const byte : client.backend_key_data().substr(0, 4)) {
        pid = pid << 8 | static_cast<unsigned char>(byte);
    }
    return std::to_string(pid);
}

TEST_F(session_mode, ClientIsToldTheServersOwnProcessId) {
    daemon_process const daemon(configuration({.pool = "mode: session, size: 2, overflow: 0"}));
    for (int turn = 0; turn < 3; ++turn) {
        pq_connection one(daemon.dsn("shop"));
        pq_connection two(daemon.dsn("shop"));
        EXPECT_EQ(std::to_string(PQbackendPID(one.get())), one.scalar("SELECT pg_backend_pid()"));
        EXPECT_EQ(std::to_string(PQbackendPID(two.get())), two.scalar("SELECT pg_backend_pid()"));
    }
}

TEST_F(session_mode, ProcessIdIsFreeAgainForTheNextClientOfTheServer) {
    daemon_process const daemon(configuration(
        {.pool = "mode: session, size: 1, overflow: 0", .database = ", pool: {idle_timeout: 1h}"}
    ));
    std::string before;
    for (int turn = 0; turn < 3; ++turn) {
        // Rejected by the relay itself, not closed by the client.
        auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
        EXPECT_EQ(told_pid(client), backend_pid(client));
        if (turn > 0) {
            EXPECT_EQ(told_pid(client), before) << "the same server";
        }
        before = told_pid(client);
        client.send("nonsense");
        (void)client.read_to_end();
    }
}

TEST_F(session_mode, CancelGoesThroughTheDaemonsSecret) {
    daemon_process const daemon(configuration({.pool = "mode: session, size: 2, overflow: 0"}));
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    client.send(frontend::query("SELECT pg_sleep(62)"));
    wait_until(
        [&] {
            return shared_postgres().scalar(
                       "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = "
                       "'SELECT pg_sleep(62)'"
                   ) == "1";
        },
        "the query to run"
    );
    auto wrong = client.backend_key_data();
    wrong.back() = static_cast<char>(wrong.back() ^ 1);
    send_cancel(daemon, wrong);
    {
        // PostgreSQL itself does not take our secret: it never left the daemon.
        raw_client direct(shared_postgres().port());
        direct.send(frontend::cancel_request(client.backend_key_data()));
        (void)direct.read_to_end();
    }
    EXPECT_THROW((void)client.read(300ms), std::exception) << "nothing of that was a right key";
    send_cancel(daemon, client.backend_key_data());
    EXPECT_EQ(first(client.read_until('Z'), 'E').field('C'), "57014");
    EXPECT_EQ(told_pid(client), backend_pid(client));
}

TEST_F(session_mode, LoginWaitsForAServerAndIsToldWhenNoneComes) {
    daemon_process const daemon(
        configuration({.pool = "mode: session, size: 1, overflow: 0, wait_timeout: 300ms"})
    );
    {
        auto const holder = raw_client::logged_in(daemon.port(), "postgres", "shop");
        raw_client second(daemon.port());
        auto const replies = second.start({{"user", "postgres"}, {"database", "shop"}});
        auto const& error = first(replies, 'E');
        EXPECT_EQ(error.field('C'), "53300");
        EXPECT_EQ(error.field('S'), "FATAL");
        EXPECT_NE(error.field('M').find("shop"), std::string::npos) << error.field('M');
    }
    auto third = raw_client::logged_in(daemon.port(), "postgres", "shop");
    EXPECT_EQ(types(third.ask(frontend::query("SELECT 1"))), "TDCZ");
}

TEST_F(session_mode, ClientThatLeavesTheQueueAtItsLoginTakesNoServer) {
    daemon_process const daemon(configuration({.pool = "mode: session, size: 1, overflow: 0"}));
    auto holder = raw_client::logged_in(daemon.port(), "postgres", "shop");
    {
        raw_client waiter(daemon.port());
        waiter.send(frontend::startup({{"user", "postgres"}, {"database", "shop"}}));
        wait_until([&] { return waiting_clients(daemon) == 1; }, "the second client to wait");
    }
    wait_until([&] { return waiting_clients(daemon) == 0; }, "the second client to be gone");
    holder.send(frontend::terminate());
    auto next = raw_client::logged_in(daemon.port(), "postgres", "shop");
    EXPECT_EQ(types(next.ask(frontend::query("SELECT 1"))), "TDCZ");
}

// Enough of PostgreSQL for a login: every session of it says that its process id is 4711.
class server_4711 {
public:
    server_4711() : thread_([this] { run(); }) {
        wait_until([this] { return listens_.load(); }, "the false server to listen");
    }
    ~server_4711() {
        ends_ = true;
        thread_.join();
    }
    [[nodiscard]] int port() const { return port_.port(); }

private:
    static void answer(int client, std::string const& bytes, bool first_message) {
        std::string reply;
        if (first_message) {
            reply = frontend::message('R', frontend::int32(0)) +
                    frontend::message('S', std::string("client_encoding\0UTF8\0", 21)) +
                    frontend::message('K', frontend::int32(4711) + frontend::int32(1));
        } else if (bytes.front() == 'X') {
            return;
        } else {
            reply = frontend::message('C', std::string("SET\0", 4));
        }
        reply += frontend::message('Z', "I");
        (void)::send(client, reply.data(), reply.size(), MSG_NOSIGNAL);
    }

    void run() {
        int const listener = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in here{};
        here.sin_family = AF_INET;
        here.sin_port = htons(static_cast<std::uint16_t>(port_.port()));
        here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int const yes = 1;
        ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        (void)::bind(listener, reinterpret_cast<sockaddr*>(&here), sizeof here);
        ::listen(listener, 8);
        listens_ = true;
        std::vector<pollfd> all{{listener, POLLIN, 0}};
        std::vector<bool> met{false};
        while (!ends_) {
            ::poll(all.data(), all.size(), 20);
            for (std::size_t i = 1; i < all.size(); ++i) {
                if (all[i].revents == 0) continue;
                char bytes[4096];
                auto const count = ::recv(all[i].fd, bytes, sizeof bytes, 0);
                if (count <= 0) {
                    all[i].events = 0;
                    continue;
                }
                answer(all[i].fd, std::string(bytes, static_cast<std::size_t>(count)), !met[i]);
                met[i] = true;
            }
            if (all[0].revents != 0) {
                all.push_back({::accept(listener, nullptr, nullptr), POLLIN, 0});
                met.push_back(false);
            }
        }
        for (auto const& one : all) {
            ::close(one.fd);
        }
    }

    port_lock port_;
    std::atomic<bool> listens_ = false;
    std::atomic<bool> ends_ = false;
    std::thread thread_;
};

TEST_F(session_mode, ProcessIdThatAnotherUpstreamHasGivenIsNotGivenTwice) {
    server_4711 const upstream;
    auto const line = "host=127.0.0.1 port=" + std::to_string(upstream.port()) + " dbname=";
    daemon_process const daemon(configuration(
        {.pool = "mode: session, size: 2, overflow: 0",
         .rest = "  left: {upstream: \"" + line +
                 "l\", tls: {mode: disable}}\n  right: {upstream: \"" + line +
                 "r\", tls: {mode: disable}}\n"}
    ));
    auto const left = raw_client::logged_in(daemon.port(), "postgres", "left");
    auto const right = raw_client::logged_in(daemon.port(), "postgres", "right");
    EXPECT_EQ(told_pid(left), "4711");
    EXPECT_NE(told_pid(right), "4711");
    EXPECT_NE(told_pid(right), "0");
}

}  // namespace
}  // namespace weir::test

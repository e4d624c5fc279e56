// PostgreSQL ends servers at any moment of their life with us: idle, on their way from one client
// or thread to the next, at work. A client may be told; none may hang or be told a wrong thing.
#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <set>
#include <string>
#include <vector>

namespace weir::test {
namespace {

constexpr int client_count = 8;
constexpr int turns = 150;

struct tally {
    int served = 0;
    int told = 0;
    std::set<std::string> wrong;
};

// Asks again and again; logs in again when the session was ended. Throws when an answer does not
// come at all.
tally hammer(daemon_process const& daemon, int number) {
    tally found;
    std::optional<raw_client> client;
    for (int turn = 0; turn < turns; ++turn) {
        auto const wanted = std::to_string(number * turns + turn);
        if (!client) {
            client.emplace(daemon.port());
            auto const greeting = client->start({{"user", "postgres"}, {"database", "shop"}});
            if (!has(greeting, 'Z')) {
                // No server to greet with: the one that was on its way is gone.
                ++found.told;
                client.reset();
                continue;
            }
        }
        std::vector<backend_message> replies;
        try {
            client->send(frontend::query("SELECT " + wanted));
        } catch (std::system_error const&) {
            client.reset();  // ended between two turns, which read() would have told
            continue;
        }
        for (auto message = client->read(); message; message = client->read()) {
            replies.push_back(std::move(*message));
            if (replies.back().type == 'Z') {
                break;
            }
        }
        auto const shape = types(replies);
        if (shape == "TDCZ") {
            ++found.served;
            if (first(replies, 'D').columns()[0] != wanted) {
                found.wrong.insert("another's answer");
            }
            continue;
        }
        ++found.told;
        if (!has(replies, 'E')) {
            found.wrong.insert("ended without a word: " + shape);
        } else if (auto const code = first(replies, 'E').field('C');
                   code != "57P01" && code != "08006") {
            found.wrong.insert(code + " " + first(replies, 'E').field('M'));
        }
        if (!has(replies, 'Z')) {
            client.reset();
        }
    }
    return found;
}

class dying_servers : public testing::TestWithParam<char const*> {};

TEST_P(dying_servers, AreAnErrorOrNothingToTheirClients) {
    prepare_shop();
    daemon_process const daemon(
        configuration({.pool = GetParam(), .threads = "2", .rest = "log: {level: error}\n"})
    );
    std::vector<std::future<tally>> clients;
    for (int n = 0; n < client_count; ++n) {
        clients.push_back(std::async(std::launch::async, [&daemon, n] { return hammer(daemon, n); })
        );
    }
    int killed = 0;
    auto const running = [&] {
        return std::any_of(clients.begin(), clients.end(), [](auto& client) {
            return client.wait_for(std::chrono::milliseconds(3)) != std::future_status::ready;
        });
    };
    while (running()) {
        killed += std::stoi(shared_postgres().scalar(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = 'shop' AND state = 'idle'"
        ));
    }
    int served = 0;
    for (auto& client : clients) {
        auto const found = client.get();
        served += found.served;
        EXPECT_TRUE(found.wrong.empty()) << *found.wrong.begin();
        RecordProperty("told", found.told);
    }
    EXPECT_GT(served, 0);
    EXPECT_GT(killed, 0);
    wait_until(
        [&] {
            auto client = pq_connection::attempt(daemon.dsn("shop"));
            return client.ok() && client.execute("SELECT 1").ok();
        },
        "service when nobody kills any more"
    );
    EXPECT_EQ(waiting_clients(daemon), 0);
    EXPECT_EQ(shown_by_console(daemon, "SHOW POOLS", "database", "shop", "sv_active"), "0");
}

// One server that all want and both threads pass to and fro; several; and none kept unchecked.
INSTANTIATE_TEST_SUITE_P(
    OfAPool,
    dying_servers,
    testing::Values(
        "mode: transaction, size: 1, overflow: 0",
        "mode: transaction, size: 4, overflow: 0",
        "mode: transaction, size: 3, overflow: 1, check_after_idle: 0, overflow_idle: 0"
    )
);

}  // namespace
}  // namespace weir::test

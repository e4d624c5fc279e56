// Many cancels at once against many busy clients over few servers: each hits the statement of its
// own client or nothing. PGWEIR_CANCEL_ROUNDS: another number of rounds.
#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace weir::test {
namespace {

constexpr int clients = 50;
constexpr int cancels = 100;

int rounds() {
    char const* const wanted = std::getenv("PGWEIR_CANCEL_ROUNDS");
    return wanted == nullptr ? 4 : std::atoi(wanted);
}

class cancel_storm : public testing::Test {
protected:
    void SetUp() override { prepare_shop(); }
};

// Every second client is a victim, the others must not notice. Short statements, which end while
// their cancels are on the way, take turns with long ones, some of which still wait for a server.
std::string statement(int round, int client) {
    bool const is_victim = client % 2 == 0;
    std::string const time = is_victim && round % 2 == 0 ? "2" : "0.005";
    std::string const text =
        "SELECT " + std::to_string(round * clients + client) + " FROM pg_sleep(" + time + ")";
    if (client % 3 != 0) return frontend::query(text);
    return frontend::parse("", text) + frontend::bind("", "") + frontend::execute("") +
           frontend::sync();
}

TEST_F(cancel_storm, HitsNoStranger) {
    daemon_process const daemon(configuration({.pool = "size: 10, overflow: 0", .threads = "4"}));
    std::vector<raw_client> all;
    all.reserve(clients);
    for (int n = 0; n < clients; ++n) {
        all.push_back(raw_client::logged_in(daemon.port(), "postgres", "shop"));
    }
    int hits = 0;
    for (int round = 0; round < rounds(); ++round) {
        std::vector<raw_client> requests;
        requests.reserve(cancels);
        for (int n = 0; n < cancels; ++n)
            requests.emplace_back(daemon.port());
        for (int n = 0; n < clients; ++n)
            all[n].send(statement(round, n));
        for (int n = 0; n < cancels; ++n) {
            int const victim = n * 2 % clients;
            requests[n].send(frontend::cancel_request(all[victim].backend_key_data()));
        }
        for (int n = 0; n < clients; ++n) {
            auto const replies = all[n].read_until('Z');
            EXPECT_EQ(replies.back().body, "I");
            if (has(replies, 'E')) {
                EXPECT_EQ(n % 2, 0) << "a stranger was hit in round " << round;
                EXPECT_EQ(first(replies, 'E').field('C'), "57014");
                ++hits;
            } else {
                EXPECT_EQ(first(replies, 'D').columns().at(0), std::to_string(round * clients + n));
            }
        }
        for (auto& request : requests)
            EXPECT_TRUE(request.read_to_end().empty());
        // Whatever is under way still must not reach the next statement of a server's next client.
        for (int n = 1; n < clients; n += 2) {
            EXPECT_FALSE(has(all[n].ask(frontend::query("SELECT 1")), 'E')) << "round " << round;
        }
    }
    EXPECT_GT(hits, 0);
    RecordProperty("hits", hits);
}

}  // namespace
}  // namespace weir::test

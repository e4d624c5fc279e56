// Clients that are ended from outside, by a fast stop or an administrator: they are told 57P01, and
// what they ran does not run on.
#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <string>

namespace weir::test {
namespace {

int sleepers() {
    return std::stoi(shared_postgres().scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT "
        "pg_sleep(60)%'"
    ));
}

// One who is idle, one in a transaction, one who runs something.
struct three_clients {
    explicit three_clients(int port)
        : idle(raw_client::logged_in(port, "postgres", "shop")),
          open(raw_client::logged_in(port, "postgres", "shop")),
          busy(raw_client::logged_in(port, "postgres", "shop")) {
        open.ask(frontend::query("BEGIN"));
        busy.send(frontend::query("SELECT pg_sleep(60)"));
        wait_until([] { return sleepers() == 1; }, "the busy one's query to run");
    }

    void are_told() {
        for (auto* const client : {&idle, &open, &busy}) {
            auto const said = client->read_to_end();
            ASSERT_EQ(types(said), "E");
            EXPECT_EQ(said.front().field('C'), "57P01");
            EXPECT_EQ(said.front().field('S'), "FATAL");
        }
        wait_until([] { return sleepers() == 0; }, "the query to be cancelled");
    }

    raw_client idle;
    raw_client open;
    raw_client busy;
};

class ending : public testing::Test {
protected:
    void SetUp() override { prepare_shop(); }

    daemon_process daemon_{configuration({.pool = "mode: transaction, size: 3, overflow: 0"})};
};

TEST_F(ending, AFastStopTellsItsClients) {
    three_clients clients(daemon_.port());
    EXPECT_EQ(daemon_.end(SIGINT), 0) << daemon_.log();
    clients.are_told();
}

TEST_F(ending, ASecondSigtermTellsWhoIsLeft) {
    three_clients clients(daemon_.port());
    daemon_.process().signal(SIGTERM);
    daemon_.log_contains("draining");
    EXPECT_EQ(daemon_.end(SIGTERM), 0) << daemon_.log();
    clients.are_told();
}

TEST_F(ending, ShutdownTellsClients) {
    three_clients clients(daemon_.port());
    pq_connection console(daemon_.dsn("pgweir"));
    console.execute("SHUTDOWN");
    clients.are_told();
    EXPECT_EQ(daemon_.process().wait(), 0) << daemon_.log();
}

TEST_F(ending, KillTellsClients) {
    three_clients clients(daemon_.port());
    pq_connection console(daemon_.dsn("pgweir"));
    console.must("KILL shop");
    clients.are_told();
}

// Whoever has got an answer may send a signal: a supervisor, or logrotate. Two listeners: once they
// were closed by two threads, which one end in fifteen did not survive.
TEST_F(ending, ASignalIsHeardFromTheFirstAnswerOn) {
    for (int n = 0; n < 20; ++n) {
        daemon_process fresh(configuration({.listen = ", unix_socket_dir: \"{dir}\""}));
        EXPECT_EQ(fresh.end(SIGTERM), 0) << fresh.log();
    }
}

// A client that does not read cannot hold up the end.
TEST_F(ending, AFastStopDoesNotWaitForOneWhoDoesNotRead) {
    auto client = raw_client::logged_in(daemon_.port(), "postgres", "shop");
    client.send(frontend::query("SELECT repeat('x', 100000) FROM generate_series(1, 10000)"));
    ASSERT_EQ(client.read()->type, 'T');
    EXPECT_EQ(daemon_.end(SIGINT), 0) << daemon_.log();
}

TEST_F(ending, ErrorsOfTheLoginNameTheRemedy) {
    raw_client nobody(daemon_.port());
    nobody.send(frontend::startup({{"database", "shop"}}));
    auto const unnamed = nobody.read_to_end();
    ASSERT_EQ(types(unnamed), "E");
    EXPECT_NE(unnamed.front().field('H').find("user"), std::string::npos);

    raw_client wrong(daemon_.port());
    wrong.send(frontend::int32(7) + "abc");
    auto const malformed = wrong.read_to_end();
    ASSERT_EQ(types(malformed), "E");
    EXPECT_NE(malformed.front().field('M').find("length 7"), std::string::npos)
        << malformed.front().field('M');
}

}  // namespace
}  // namespace weir::test

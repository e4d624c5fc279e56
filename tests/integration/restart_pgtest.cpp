#include "tests/integration/cache_fixture.hpp"
#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <string>

namespace weir::test {
namespace {

std::string shared_port(std::string const& rest = "") {
    return configuration(
        {.pool = "mode: transaction, size: 4, overflow: 4",
         .listen = ", reuse_port: yes, unix_socket_dir: {dir}",
         .rest = rest}
    );
}

std::string const rules = "cache:\n  rules:\n    - {name: items, tables: [items], ttl: 10m}\n";

std::string value_of_item(pq_connection& client) {
    return client.scalar("SELECT value FROM items WHERE id = 1");
}

bool serves_http(daemon_process const& daemon) {
    try {
        return daemon.get("/health").status == 200;
    } catch (std::system_error const&) {  // connection refused
        return false;
    }
}

class restart : public testing::Test {
protected:
    void SetUp() override { refill_shop(); }
};

// A connection per transaction, on and on, while the process behind the port is replaced, twice.
TEST_F(restart, RefusesNobodyUnderLoad) {
    auto first = std::make_unique<daemon_process>(shared_port());
    child_process load(
        {.command =
             {postgres_program("pgbench"),
              "-h",
              "127.0.0.1",
              "-p",
              std::to_string(first->port()),
              "-U",
              "postgres",
              "-n",
              "-C",
              "-c",
              "8",
              "-j",
              "2",
              "-T",
              "8",
              "-f",
              [&] {
                  auto const script = first->dir() / "script.sql";
                  write_file(script, "SELECT value FROM items WHERE id = 1;\n");
                  return script.string();
              }(),
              "shop"},
         .output = first->dir() / "pgbench.log"}
    );
    auto const logins = [](daemon_process const& daemon) {
        return daemon.metric("pgweir_client_logins_total", {"result=\"ok\""});
    };
    wait_until([&] { return logins(*first) > 100; }, "pgbench to run");
    auto second = std::make_unique<daemon_process>(*first, shared_port());
    wait_until([&] { return logins(*second) > 100; }, "pgbench to reach the second process");
    EXPECT_EQ(first->end(SIGTERM), 0);
    auto const third = std::make_unique<daemon_process>(*second, shared_port());
    wait_until([&] { return logins(*third) > 100; }, "pgbench to reach the third process");
    EXPECT_EQ(second->end(SIGTERM), 0);
    EXPECT_EQ(load.wait(std::chrono::minutes(1)), 0) << read_file(first->dir() / "pgbench.log");
    EXPECT_EQ(read_file(first->dir() / "pgbench.log").find("error"), std::string::npos);
}

// Neither sees what is written through the other: until the first has ended nothing is answered
// from memory, and then it is.
TEST_F(restart, NoCachedReadMissesAWriteThroughTheOtherProcess) {
    auto first = std::make_unique<daemon_process>(shared_port(rules));
    pq_connection at_first(first->dsn("shop"));
    wait_until(
        [&] {
            (void)value_of_item(at_first);
            return hits(*first) > 0;
        },
        "the first process to answer from its cache"
    );
    daemon_process const second(*first, shared_port(rules));
    pq_connection at_second(second.dsn("shop"));
    for (int turn = 1; turn <= 20; ++turn) {
        auto& writer = turn % 2 == 0 ? at_first : at_second;
        auto& reader = turn % 2 == 0 ? at_second : at_first;
        writer.must("UPDATE items SET value = " + std::to_string(turn) + " WHERE id = 1");
        EXPECT_EQ(value_of_item(reader), std::to_string(turn));
        EXPECT_EQ(value_of_item(reader), std::to_string(turn));
    }
    EXPECT_EQ(hits(second), 0);
    first.reset();
    second.log_contains("the cache is on");
    wait_until(
        [&] {
            (void)value_of_item(at_second);
            return hits(second) > 0;
        },
        "the second process to answer from its cache"
    );
    pq_connection other(second.dsn("shop"));
    other.must("UPDATE items SET value = 77 WHERE id = 1");
    EXPECT_EQ(value_of_item(at_second), "77");
}

TEST_F(restart, TheFirstGoesOnWhenTheSecondHasFailed) {
    daemon_process const first(shared_port(rules));
    {
        daemon_process second(first, shared_port(rules));
        EXPECT_EQ(second.get("/health").status, 200);
        EXPECT_EQ(second.end(SIGKILL), 128 + SIGKILL);
    }
    wait_until([&] { return serves_http(first); }, "the first process to serve HTTP again");
    pq_connection client(first.dsn("shop"));
    wait_until(
        [&] {
            (void)value_of_item(client);
            return hits(first) > 0;
        },
        "the first process to answer from its cache again"
    );
    daemon_process const third(first, shared_port(rules));
    first.log_contains("the cache and HTTP are off here");
}

TEST_F(restart, AThirdWaitsForTheEndOfTheFirst) {
    daemon_process const first(shared_port());
    daemon_process const second(first, shared_port());
    EXPECT_THROW(daemon_process(second, shared_port()), std::runtime_error);
    pq_connection client(second.dsn("shop"));
    EXPECT_EQ(client.scalar("SELECT 1"), "1");
}

TEST_F(restart, WithoutReusePortTheAddressIsTaken) {
    daemon_process const first(shared_port());
    EXPECT_THROW(daemon_process(first, configuration({.listen = ""})), std::runtime_error);
    pq_connection client(first.dsn("shop"));
    EXPECT_EQ(client.scalar("SELECT 1"), "1");
}

// Who has just logged in when the drain begins is served once.
TEST_F(restart, WhoHasJustComeIsServedOnce) {
    daemon_process daemon(configuration());
    pq_connection used(daemon.dsn("shop"));
    pq_connection fresh(daemon.dsn("shop"));
    used.must("SELECT 1");
    daemon.process().signal(SIGTERM);
    wait_until(
        [&] { return used.execute("SELECT 1").status() == PGRES_FATAL_ERROR; }, "the drain to begin"
    );
    EXPECT_EQ(fresh.scalar("SELECT 42"), "42");
    EXPECT_EQ(daemon.process().wait(), 0);
}

}  // namespace
}  // namespace weir::test

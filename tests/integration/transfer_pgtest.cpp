#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace weir::test {
namespace {

constexpr std::size_t mebibyte = std::size_t{1} << 20;

class transfer : public testing::Test {
protected:
    void SetUp() override { prepare_shop(); }
};

// A shell command that must succeed; libpq's variables lead it to `daemon` and the database.
std::string shell(
    daemon_process const& daemon, std::string const& command, std::string const& database
) {
    auto const done = run_to_end(
        {.command = {"bash", "-c", "set -euo pipefail; " + command},
         .environment =
             {"PGHOST=127.0.0.1",
              "PGPORT=" + std::to_string(daemon.port()),
              "PGUSER=postgres",
              "PGDATABASE=" + database}},
        std::chrono::minutes(3)
    );
    if (done.status != 0) {
        throw std::runtime_error(command + ": " + done.output);
    }
    return done.output;
}

TEST_F(transfer, CopyOfAMillionRowsBothWays) {
    daemon_process const daemon(configuration());
    pq_connection client(daemon.dsn("shop"));
    client.must("DROP TABLE IF EXISTS million; CREATE TABLE million (n integer, word text)");
    client.must("INSERT INTO million SELECT n, md5(n::text) FROM generate_series(1, 1000000) AS n");
    client.must("DROP TABLE IF EXISTS million_again; CREATE TABLE million_again (LIKE million)");
    auto const file = (daemon.dir() / "million.tsv").string();
    shell(daemon, "psql -X -q -c \"\\copy million TO '" + file + "'\"", "shop");
    shell(daemon, "psql -X -q -c \"\\copy million_again FROM '" + file + "'\"", "shop");
    std::string const checksum =
        "SELECT count(*) || ' ' || sum(n) || ' ' || sum(hashtext(word)::bigint) FROM ";
    auto const original = shared_postgres().scalar(checksum + "million", "shop");
    EXPECT_EQ(original.substr(0, 8), "1000000 ");
    EXPECT_EQ(shared_postgres().scalar(checksum + "million_again", "shop"), original);
}

TEST_F(transfer, DumpIsRestoredThroughSessionMode) {
    shared_postgres().execute("DROP DATABASE IF EXISTS copy_of_shop");
    shared_postgres().execute("CREATE DATABASE copy_of_shop");
    daemon_process const daemon(configuration(
        {.pool = "mode: session, size: 4, overflow: 2",
         .rest = "  copy_of_shop: {upstream: \"host=127.0.0.1 port={pg} dbname=copy_of_shop\"}\n"}
    ));
    std::string const bin =
        std::filesystem::path(postgres_program("pg_dump")).parent_path().string();
    shell(
        daemon,
        "export PATH=" + bin +
            ":$PATH; pg_dump shop | psql -X -q -v ON_ERROR_STOP=1 copy_of_shop > /dev/null",
        "shop"
    );
    EXPECT_EQ(shared_postgres().scalar("SELECT count(*) FROM items", "copy_of_shop"), "10");
}

// A gigabyte to a client that reads nothing at first: what the daemon holds is its buffers, and no
// other client waits.
TEST_F(transfer, HugeResultOverASlowClientStaysOutOfMemory) {
    daemon_process const daemon(
        configuration({.pool = "mode: transaction, size: 2, overflow: 0", .threads = "1"})
    );
    auto slow = raw_client::logged_in(daemon.port(), "postgres", "shop");
    slow.send(frontend::query("SELECT repeat('x', 1000000) FROM generate_series(1, 1000)"));
    ASSERT_EQ(slow.read()->type, 'T');
    pq_connection other(daemon.dsn("shop"));
    for (int n = 0; n < 200; ++n) {
        ASSERT_EQ(other.scalar("SELECT 1"), "1");
    }
    std::size_t rows = 0;
    std::size_t bytes = 0;
    for (auto message = slow.read(); message && message->type != 'Z'; message = slow.read()) {
        rows += message->type == 'D' ? 1 : 0;
        bytes += message->body.size();
    }
    EXPECT_EQ(rows, 1000U);
    EXPECT_GT(bytes, 1000U * 1000000U);
    EXPECT_LT(daemon.memory_used().peak_bytes, daemon.allowed(200 * mebibyte));
}

TEST_F(transfer, HugeStatementIsServedOrRefusedInBoundedMemory) {
    daemon_process const daemon(configuration());
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    constexpr std::size_t size = 100000000;
    auto const before = daemon.memory_used().now_bytes;
    std::string reply;
    try {
        client.send(frontend::query("SELECT length('" + std::string(size, 'a') + "')"));
        auto const replies = client.read_until('Z');
        reply = types(replies);
        if (has(replies, 'D')) {
            EXPECT_EQ(first(replies, 'D').columns()[0], std::to_string(size));
        }
    } catch (std::exception const&) {
        reply = types(client.read_to_end());  // refused and closed
    }
    EXPECT_TRUE(reply == "TDCZ" || reply.find('E') != std::string::npos) << reply;
    EXPECT_LT(daemon.memory_used().peak_bytes - before, 400 * mebibyte);
    pq_connection other(daemon.dsn("shop"));
    EXPECT_EQ(other.scalar("SELECT 1"), "1");
}

TEST_F(transfer, ClientThatNeverReadsHarmsNobody) {
    daemon_process const daemon(
        configuration({.pool = "mode: transaction, size: 1, overflow: 1", .threads = "1"})
    );
    auto deaf = raw_client::logged_in(daemon.port(), "postgres", "shop");
    // More requests than all buffers on the way hold, so that the daemon must stop reading from it.
    auto const request = frontend::query("SELECT repeat('y', 10000) FROM generate_series(1, 100)");
    std::size_t sent = 0;
    for (int n = 0; n < 2000; ++n) {
        sent += deaf.send_some(request);
    }
    EXPECT_GT(sent, 0U);
    pq_connection other(daemon.dsn("shop"));
    for (int n = 0; n < 100; ++n) {
        ASSERT_EQ(other.scalar("SELECT 1"), "1");
    }
    EXPECT_LT(daemon.memory_used().peak_bytes, 200 * mebibyte);
}

}  // namespace
}  // namespace weir::test

// The cache's promise under load: no read that begins after a write was acknowledged sees anything
// older.
#include "tests/integration/cache_fixture.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <future>
#include <random>
#include <string>
#include <vector>

namespace weir::test {
namespace {

using namespace std::chrono_literals;

constexpr int key_count = 10;
constexpr int writer_count = 2;
constexpr int reader_count = 4;

// 30 s unless PGWEIR_STALENESS_SECONDS says otherwise.
std::chrono::seconds duration() {
    char const* const seconds = std::getenv("PGWEIR_STALENESS_SECONDS");
    return std::chrono::seconds(seconds == nullptr ? 30 : std::atoi(seconds));
}

struct world {
    std::array<std::atomic<int>, key_count>
        acknowledged{};  // the value that each key's owner knows to be committed
    std::atomic<bool> over = false;
};

void write_one(pq_connection& client, int key, int value, int kind) {
    auto const id = std::to_string(key + 1);
    auto const set = "UPDATE items SET value = " + std::to_string(value) + " WHERE id = " + id;
    switch (kind) {
        case 0:
            client.must(set);
            break;
        case 1:
            client.must("BEGIN; " + set + "; COMMIT");
            break;
        case 2:
            client.must("BEGIN");
            client.must("UPDATE items SET value = -1 WHERE id = " + id);
            client.must(set);
            client.must("COMMIT");
            break;
        case 3:
            if (!client
                     .execute_with(
                         "UPDATE items SET value = $1 WHERE id = $2", {std::to_string(value), id}
                     )
                     .ok()) {
                throw std::runtime_error("extended write failed");
            }
            break;
        case 4:
            client.must("BEGIN; UPDATE items SET value = -2 WHERE id = " + id + "; ROLLBACK");
            client.must(
                "DELETE FROM items WHERE id = " + id + "; INSERT INTO items VALUES (" + id + ", " +
                std::to_string(value) + ")"
            );
            break;
        default:
            if (!client.execute_prepared("write", {std::to_string(value), id}).ok()) {
                throw std::runtime_error("prepared write failed");
            }
    }
}

int write(daemon_process const& daemon, world& shared, int number) {
    pq_connection client(daemon.dsn("shop"));
    client.prepare("write", "UPDATE items SET value = $1 WHERE id = $2");
    std::mt19937 random(static_cast<unsigned>(number));
    int writes = 0;
    // Paced, as a table that is written all the time is never in memory, and then the test would
    // prove nothing.
    for (auto next = std::chrono::steady_clock::now(); !shared.over; next += 25ms) {
        int const key =
            static_cast<int>(random() % (key_count / writer_count)) * writer_count + number;
        auto& acknowledged = shared.acknowledged[static_cast<std::size_t>(key)];
        int const value = acknowledged + 1;
        write_one(client, key, value, static_cast<int>(random() % 6));
        acknowledged = value;
        ++writes;
        std::this_thread::sleep_until(next);
    }
    return writes;
}

struct read_result {
    int reads = 0;
    std::vector<std::string> stale;
};

read_result read(daemon_process const& daemon, world& shared, int number) {
    pq_connection client(daemon.dsn("shop"));
    client.prepare("read", "SELECT value FROM items WHERE id = $1");
    std::mt19937 random(static_cast<unsigned>(100 + number));
    read_result result;
    while (!shared.over) {
        auto const key = random() % key_count;
        auto const id = std::to_string(key + 1);
        int const floor = shared.acknowledged[key];  // before the read begins
        auto const rows = number % 2 == 0
                              ? client.execute("SELECT value FROM items WHERE id = " + id)
                              : client.execute_prepared("read", {id});
        ++result.reads;
        if (!rows.ok() || rows.rows() != 1 || std::stoi(rows.value(0, 0)) < floor) {
            result.stale.push_back(
                "key " + id + ": " + (rows.rows() == 1 ? rows.value(0, 0) : rows.message()) +
                " after " + std::to_string(floor)
            );
            if (result.stale.size() > 10) {
                break;
            }
        }
    }
    return result;
}

TEST(Staleness, NoReaderSeesLessThanWhatWasAcknowledged) {
    refill_shop();
    daemon_process const daemon(cache_configuration(
        "{name: everything, databases: [shop], ttl: 1h}",
        "",
        {.pool = "mode: transaction, size: 4, overflow: 0", .threads = "3"}
    ));
    {
        pq_connection warm(daemon.dsn("shop"));
        cached(daemon, warm, "SELECT value FROM items WHERE id = 1");
    }
    world shared;
    double const hits_before = hits(daemon);
    std::vector<std::future<int>> writers;
    std::vector<std::future<read_result>> readers;
    for (int n = 0; n < writer_count; ++n) {
        writers.push_back(std::async(std::launch::async, [&, n] {
            return write(daemon, shared, n);
        }));
    }
    for (int n = 0; n < reader_count; ++n) {
        readers.push_back(std::async(std::launch::async, [&, n] { return read(daemon, shared, n); })
        );
    }
    auto const end = std::chrono::steady_clock::now() + duration();
    wait_until(
        [&] { return std::chrono::steady_clock::now() >= end; },
        "the end of the load",
        duration() + 10s
    );
    shared.over = true;
    int writes = 0;
    int reads = 0;
    for (auto& writer : writers) {
        writes += writer.get();
    }
    for (auto& reader : readers) {
        auto const result = reader.get();
        reads += result.reads;
        EXPECT_TRUE(result.stale.empty())
            << result.stale.size() << " stale reads, the first: " << result.stale.front();
    }
    double const hit_count = hits(daemon) - hits_before;
    std::printf(
        "staleness: %d reads, %.0f%% from memory, %d writes\n",
        reads,
        100 * hit_count / reads,
        writes
    );
    EXPECT_GT(writes, 10);
    EXPECT_GE(hit_count, 0.3 * reads);
}

}  // namespace
}  // namespace weir::test

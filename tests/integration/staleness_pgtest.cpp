// The cache's promise under load: no read that begins after a write was acknowledged sees anything
// older, however it was written and wherever it is read; and nobody sees what was rolled back.
// Under `consistency: linearizable` nobody, either, sees less than he has seen before. Under
// after_commit he may: what is committed and not yet acknowledged is read from PostgreSQL, and then
// what stood before it from memory.
// PGWEIR_STALENESS_SECONDS: how long, instead of 30 s; a third of it is linearizable.
// PGWEIR_STALENESS_SEED: the seed of a run before, which each run prints.
#include "tests/integration/staleness_world.hpp"
#include "tests/support/wait_until.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <future>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace weir::test {
namespace {

using namespace std::chrono_literals;

constexpr unsigned writer_count = 2;
constexpr unsigned reader_count = 4;

std::chrono::milliseconds duration() {
    char const* const seconds = std::getenv("PGWEIR_STALENESS_SECONDS");
    return std::chrono::seconds(seconds == nullptr ? 30 : std::atoi(seconds));
}

/// Of `cache.consistency`, and its part of the time.
struct mode {
    std::string name;
    int thirds;
    bool never_steps_back;
};

unsigned seed() {
    char const* const given = std::getenv("PGWEIR_STALENESS_SEED");
    return given == nullptr ? std::random_device{}() : static_cast<unsigned>(std::stoul(given));
}

/// What a key's only writer knows of its versions.
struct versions {
    std::atomic<int> begun = 0;
    std::atomic<int> acknowledged = 0;
};

struct world {
    std::array<std::array<versions, keys + 1>, lanes> all;
    std::atomic<bool> over = false;

    versions& of(lane where, int key) {
        return all[static_cast<std::size_t>(where)][static_cast<std::size_t>(key)];
    }
};

struct written {
    int writes = 0;
    std::string ways;
};

written write(daemon_process const& daemon, world& shared, unsigned seed, unsigned number) {
    version_writer writer(daemon.dsn("shop"), seed + number);
    auto& random = writer.random();
    written result;
    // Paced, as a table that is written all the time is never in memory, and then the test would
    // prove nothing.
    for (auto next = std::chrono::steady_clock::now(); !shared.over; next += 80ms) {
        // A trigger's function may write anything, so that nothing is in memory after it.
        auto const where = random() % 30 == 0 ? lane::trigger : static_cast<lane>(random() % 3);
        int const key =
            1 + static_cast<int>(random() % (keys / writer_count) * writer_count + number);
        auto& known = shared.of(where, key);
        int const version = known.acknowledged + 1;
        known.begun = version;
        writer.write(where, key, version, [&] { known.acknowledged = version; });
        ++result.writes;
        std::this_thread::sleep_until(next);
    }
    result.ways = writer.ways();
    return result;
}

struct read_result {
    int reads = 0;
    int steps_back = 0;
    std::vector<std::string> wrong;
};

read_result read(
    daemon_process const& daemon, world& shared, mode const& mode, unsigned seed, unsigned number
) {
    pq_connection client(daemon.dsn("shop"));
    std::mt19937 random(seed + 100 + number);
    std::array<std::array<int, keys + 1>, lanes> seen{};
    read_result result;
    while (!shared.over && result.wrong.size() < 10) {
        auto const where = static_cast<lane>(random() % lanes);
        int const key = 1 + static_cast<int>(random() % keys);
        auto const sql = text_of_read(where, key, random);
        auto const& known = shared.of(where, key);
        int const least = known.acknowledged;  // before the read begins
        auto const rows = random() % 4 != 0 ? client.execute(sql) : client.execute_with(sql, {});
        int const most = known.begun;  // after it has ended
        ++result.reads;
        bool const has_value = rows.ok() && rows.rows() == 1;
        int const value = has_value ? std::stoi(rows.value(0, 0)) : -2;
        auto& last = seen[static_cast<std::size_t>(where)][static_cast<std::size_t>(key)];
        bool const steps_back = value < last;
        result.steps_back += steps_back ? 1 : 0;
        if (value < least || value > most || (steps_back && mode.never_steps_back)) {
            result.wrong.push_back(
                sql + ": " + (has_value ? std::to_string(value) : "no row " + rows.message()) +
                ", after " + std::to_string(least) + " was acknowledged, " + std::to_string(last) +
                " read and " + std::to_string(most) + " begun"
            );
        }
        last = value;
    }
    return result;
}

// As long as the mode's part of the time is.
void run_load(daemon_process const& daemon, world& shared, mode const& mode, unsigned chosen) {
    double const hits_before = hits(daemon);
    std::vector<std::future<written>> writers;
    std::vector<std::future<read_result>> readers;
    for (unsigned n = 0; n < writer_count; ++n) {
        writers.push_back(std::async(std::launch::async, [&, n] {
            return write(daemon, shared, chosen, n);
        }));
    }
    for (unsigned n = 0; n < reader_count; ++n) {
        readers.push_back(std::async(std::launch::async, [&, n] {
            return read(daemon, shared, mode, chosen, n);
        }));
    }
    auto const time = duration() * mode.thirds / 3;
    auto const end = std::chrono::steady_clock::now() + time;
    wait_until(
        [&] { return std::chrono::steady_clock::now() >= end; }, "the end of the load", time + 10s
    );
    shared.over = true;
    int writes = 0;
    for (auto& writer : writers) {
        auto const result = writer.get();
        writes += result.writes;
        std::printf("staleness: %s\n", result.ways.c_str());
    }
    int reads = 0;
    int steps_back = 0;
    for (auto& reader : readers) {
        auto const result = reader.get();
        reads += result.reads;
        steps_back += result.steps_back;
        for (auto const& wrong : result.wrong) {
            ADD_FAILURE() << wrong << "; the seed was " << chosen;
        }
    }
    double const hit_count = hits(daemon) - hits_before;
    std::printf(
        "staleness: %s: %d reads, %.0f%% from memory, %d back before what was not acknowledged; %d "
        "writes\n",
        mode.name.c_str(),
        reads,
        100 * hit_count / reads,
        steps_back,
        writes
    );
    EXPECT_GT(writes, 40);
    EXPECT_GE(hit_count, 0.3 * reads);
}

/// Reads that the daemon keeps ready by itself, in the midst of what is written.
std::string warm_texts() {
    std::string list;
    for (std::string const table : {"items_above", "parts", "owned_view", "owner", "mirror"}) {
        for (int key = 1; key <= 4; ++key) {
            list += (list.empty() ? "\"" : ", \"") + std::string("SELECT value FROM ") + table +
                    " WHERE id = " + std::to_string(key) + '"';
        }
    }
    return list;
}

class staleness : public testing::TestWithParam<mode> {};

TEST_P(staleness, NoReaderSeesLessThanWhatWasAcknowledged) {
    auto const chosen = seed();
    std::printf("staleness: PGWEIR_STALENESS_SEED=%u\n", chosen);
    postgres_server postgres(std::vector<std::pair<std::string, std::string>>{
        {"max_prepared_transactions", "10"}});
    make_stale_world(postgres);
    auto const upstream =
        "host=127.0.0.1 port=" + std::to_string(postgres.port()) + " dbname=stale";
    daemon_process const daemon(cache_configuration(
        "{name: everything, databases: [shop], ttl: 1h, warm: [" + warm_texts() + "]}",
        ", consistency: " + GetParam().name,
        {.pool = "mode: transaction, size: 4, overflow: 0", .threads = "3", .upstream = upstream}
    ));
    {
        pq_connection warm(daemon.dsn("shop"));
        for (std::string const table : {"items_above", "parts", "owned_view", "mirror"}) {
            cached(daemon, warm, "SELECT value FROM " + table + " WHERE id = 1");
        }
    }
    world shared;
    run_load(daemon, shared, GetParam(), chosen);
    auto const warmed = daemon.metric("pgweir_cache_warmed_total");
    std::printf("staleness: %.0f replies were fetched by the daemon itself\n", warmed);
    // Busy readers leave it little to fetch; when they are gone, nobody else does.
    pq_connection(daemon.dsn("shop")).must("UPDATE items SET value = value");
    wait_until(
        [&] { return daemon.metric("pgweir_cache_warmed_total") > warmed; },
        "a reply that the daemon fetches itself"
    );
    // Every version that was acknowledged is there.
    for (int where = 0; where < lanes; ++where) {
        for (int key = 1; key <= keys; ++key) {
            std::mt19937 random(0);
            auto const sql = text_of_read(static_cast<lane>(where), key, random);
            EXPECT_EQ(
                postgres.scalar(sql, "stale"),
                std::to_string(shared.of(static_cast<lane>(where), key).acknowledged)
            ) << sql;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(
    Consistency,
    staleness,
    testing::Values(mode{"after_commit", 2, false}, mode{"linearizable", 1, true}),
    [](auto const& one) { return one.param.name; }
);

}  // namespace
}  // namespace weir::test

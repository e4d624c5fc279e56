// Answers past their time, where a rule allows them, and hits that are run as well.
#include "tests/integration/cache_fixture.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>

namespace weir::test {
namespace {

using namespace std::chrono_literals;

double stale_served(daemon_process const& daemon) {
    return daemon.metric("pgweir_cache_stale_served_total", {});
}
double shadows(daemon_process const& daemon, std::string const& result) {
    return daemon.metric("pgweir_cache_shadow_total", {"result=\"" + result + "\""});
}
void let_pass(std::chrono::milliseconds time) {
    auto const end = std::chrono::steady_clock::now() + time;
    wait_until([&] { return std::chrono::steady_clock::now() >= end; }, "the time to pass");
}

class cache_stale : public testing::Test {
protected:
    void SetUp() override { refill_shop(); }
};

constexpr char const* value_of_one = "SELECT value FROM items WHERE id = 1";

TEST_F(cache_stale, ServedWhileOneClientFetchesAnew) {
    constexpr auto ttl = 300ms;
    daemon_process const daemon(cache_configuration(
        "{name: everything, databases: [shop], ttl: 300ms, stale_while_revalidate: 1h}"
    ));
    pq_connection reader(daemon.dsn("shop"));
    auto const value = cached(daemon, reader, value_of_one);
    pq_connection gate(shared_postgres().dsn("shop"));
    gate.must("BEGIN");
    gate.must("LOCK TABLE items IN ACCESS EXCLUSIVE MODE");
    let_pass(ttl);
    auto fetched = std::async(std::launch::async, [dsn = daemon.dsn("shop")] {
        return pq_connection(dsn).scalar(value_of_one);
    });
    wait_until(
        [] {
            return shared_postgres().scalar(
                       "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                   ) == "1";
        },
        "the one that fetches it"
    );
    EXPECT_EQ(stale_served(daemon), 0.0);
    EXPECT_EQ(reader.scalar(value_of_one), value) << "at once: the table is locked";
    EXPECT_EQ(stale_served(daemon), 1.0);
    gate.must("COMMIT");
    EXPECT_EQ(fetched.get(), value);
    // What is written is never served, however young it would be.
    pq_connection writer(daemon.dsn("shop"));
    writer.must("UPDATE items SET value = 77 WHERE id = 1");
    EXPECT_EQ(reader.scalar(value_of_one), "77");
}

TEST_F(cache_stale, ServedWhileNoServerCanBeHad) {
    postgres_server postgres;
    postgres.execute("CREATE TABLE t(n int); INSERT INTO t VALUES (1)");
    daemon_process const daemon(cache_configuration(
        "{name: kept, databases: [shop], tables: [t], ttl: 100ms, stale_if_error: 1h}",
        "",
        {.pool = "mode: transaction, size: 2, overflow: 0, wait_timeout: 2s",
         .upstream = "host=127.0.0.1 port=" + std::to_string(postgres.port()) + " dbname=postgres"}
    ));
    auto client = std::make_unique<pq_connection>(daemon.dsn("shop"));
    cached(daemon, *client, "SELECT n FROM t");
    client->must("SELECT 1");
    postgres.stop();
    let_pass(100ms);
    EXPECT_EQ(client->scalar("SELECT n FROM t"), "1");
    EXPECT_GE(stale_served(daemon), 1.0);
    EXPECT_EQ(client->execute_with("SELECT n + $1::int FROM t", {"1"}).ok(), false)
        << "never stored";
    EXPECT_FALSE(client->execute("SELECT 2").ok()) << "no rule speaks of it";
    postgres.start();
    wait_until([&] { return client->execute("SELECT 3").ok(); }, "the server to be back");
    postgres.execute("UPDATE t SET n = 2");
    wait_until(
        [&] {
            auto const rows = client->execute("SELECT n FROM t");
            return rows.ok() && rows.value(0, 0) == "2";
        },
        "what is true now"
    );
}

TEST_F(cache_stale, VerifiedHitsAreRunAsWell) {
    daemon_process const daemon(
        cache_configuration("{name: everything, databases: [shop], ttl: 1h}", ", verify: 3")
    );
    pq_connection reader(daemon.dsn("shop"));
    cached(daemon, reader, value_of_one);
    for (int i = 0; i < 30; ++i) {
        reader.must(value_of_one);
    }
    EXPECT_GE(shadows(daemon, "equal"), 8.0);
    EXPECT_EQ(shadows(daemon, "different"), 0.0);
    // Around the daemon: it cannot know, but a verified hit finds out.
    shared_postgres().execute("UPDATE items SET value = 88 WHERE id = 1", "shop");
    wait_until([&] { return reader.scalar(value_of_one) == "88"; }, "a verified hit");
    EXPECT_EQ(shadows(daemon, "different"), 1.0);
}

}  // namespace
}  // namespace weir::test

#include "tests/integration/cache_fixture.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::test {
namespace {

constexpr char const* value_of_one = "SELECT value FROM items WHERE id = 1";

class cache : public testing::Test {
protected:
    void SetUp() override { refill_shop(); }

    // A write that the daemon cannot see: what is still read after it can only have come from
    // memory.
    static void write_around(std::string const& sql) { shared_postgres().execute(sql, "shop"); }
};

TEST_F(cache, HitIsServedWithoutTheServerAndAWriteMakesItDisappear) {
    daemon_process const daemon(cache_configuration());
    pq_connection reader(daemon.dsn("shop"));
    pq_connection writer(daemon.dsn("shop"));
    EXPECT_EQ(cached(daemon, reader, value_of_one), "0");
    write_around("UPDATE items SET value = 7 WHERE id = 1");
    EXPECT_EQ(reader.scalar(value_of_one), "0") << "not from memory";
    writer.must("UPDATE items SET value = 8 WHERE id = 2");
    EXPECT_EQ(reader.scalar(value_of_one), "7") << "stale after a write";
}

TEST_F(cache, HitNeedsNoServerAtAll) {
    daemon_process const daemon(cache_configuration(
        "{name: everything, databases: [shop], ttl: 1h}",
        "",
        {.pool = "mode: transaction, size: 1, overflow: 0, wait_timeout: 2s"}
    ));
    pq_connection reader(daemon.dsn("shop"));
    EXPECT_EQ(cached(daemon, reader, value_of_one), "0");
    auto holder = raw_client::logged_in(daemon.port(), "postgres", "shop");
    holder.ask(frontend::query("BEGIN"));
    EXPECT_EQ(reader.scalar(value_of_one), "0");
    holder.ask(frontend::query("COMMIT"));
}

TEST_F(cache, RepliesFromMemoryAreByteForByteTheServers) {
    daemon_process const daemon(cache_configuration());
    std::string const sql =
        "SELECT id, value, value::text AS t, NULL::integer AS n FROM items ORDER BY id";
    {
        pq_connection warm(daemon.dsn("shop"));
        cached(daemon, warm, sql);
    }
    auto through = raw_client::logged_in(daemon.port(), "postgres", "shop");
    auto direct = raw_client::logged_in(shared_postgres().port(), "postgres", "shop");
    double const before = hits(daemon);
    auto const ours = through.ask(frontend::query(sql));
    auto const theirs = direct.ask(frontend::query(sql));
    EXPECT_GT(hits(daemon), before);
    ASSERT_EQ(types(ours), types(theirs));
    for (std::size_t n = 0; n < ours.size(); ++n) {
        EXPECT_EQ(ours[n].body, theirs[n].body) << "message " << n;
    }
}

TEST_F(cache, WriteAfterANamedPortalIsKnownAtOnce) {
    daemon_process const daemon(cache_configuration());
    pq_connection reader(daemon.dsn("shop"));
    auto writer = raw_client::logged_in(daemon.port(), "postgres", "shop");
    std::string const sql = "SELECT value FROM items WHERE id = 4";
    for (int turn = 0; turn < 3; ++turn) {
        writer.ask(
            frontend::parse("", "SELECT value FROM items", {}) + frontend::bind("rows", "", {}) +
            frontend::execute("rows") + frontend::sync()
        );
        cached(daemon, reader, sql);
        writer.ask(frontend::query(
            "UPDATE items SET value = " + std::to_string(900 + turn) + " WHERE id = 4"
        ));
        EXPECT_EQ(reader.scalar(sql), std::to_string(900 + turn));
    }
}

TEST_F(cache, SettingOfATransactionIsInTheKey) {
    daemon_process const daemon(cache_configuration());
    pq_connection one(daemon.dsn("shop"));
    pq_connection two(daemon.dsn("shop"));
    std::string const sql = "SELECT '2024-02-03'::date::text, id FROM items WHERE id = 5";
    EXPECT_EQ(cached(daemon, one, sql), "2024-02-03");
    two.must("BEGIN");
    two.must("SET DateStyle = 'German'");
    two.must("COMMIT");
    EXPECT_EQ(two.scalar(sql), "03.02.2024");
    EXPECT_EQ(two.scalar(sql), "03.02.2024");
    EXPECT_EQ(one.scalar(sql), "2024-02-03");
}

TEST_F(cache, ExtendedProtocolHitsInTextAndInBinary) {
    daemon_process const daemon(cache_configuration());
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    auto direct = raw_client::logged_in(shared_postgres().port(), "postgres", "shop");
    for (int const format : {0, 1}) {
        for (std::string const name : {"", "named"}) {
            SCOPED_TRACE("format " + std::to_string(format) + " name " + name);
            auto const statement =
                frontend::parse(name, "SELECT value, id::text FROM items WHERE id = $1", {23});
            auto const run =
                frontend::bind(
                    "", name, {format == 0 ? "3" : frontend::int32(3)}, {format}, {format}
                ) +
                frontend::describe('P', "") + frontend::execute("") + frontend::sync();
            client.ask(statement + frontend::sync());
            direct.ask(statement + frontend::sync());
            auto const wanted = direct.ask(run);
            wait_until(
                [&] {
                    double const before = hits(daemon);
                    auto const got = client.ask(run);
                    EXPECT_EQ(types(got), types(wanted));
                    EXPECT_EQ(first(got, 'D').body, first(wanted, 'D').body);
                    EXPECT_EQ(first(got, 'T').body, first(wanted, 'T').body);
                    return hits(daemon) > before;
                },
                "a hit",
                std::chrono::seconds(10)
            );
            auto const close = frontend::close('S', name) + frontend::sync();
            client.ask(close);
            direct.ask(close);
        }
    }
}

TEST_F(cache, ParametersArePartOfTheKey) {
    daemon_process const daemon(cache_configuration());
    write_around("UPDATE items SET value = id * 10");
    pq_connection client(daemon.dsn("shop"));
    cached(daemon, client, value_of_one);
    double const before = hits(daemon);
    ASSERT_TRUE(client.prepare("s", "SELECT value FROM items WHERE id = $1").ok());
    for (int turn = 0; turn < 4; ++turn) {
        for (int id = 1; id <= 10; ++id) {
            EXPECT_EQ(
                client.execute_prepared("s", {std::to_string(id)}).value(0, 0),
                std::to_string(id * 10)
            );
        }
    }
    EXPECT_GE(hits(daemon) - before, 10);
}

TEST_F(cache, EntryEndsWithItsTime) {
    daemon_process const daemon(cache_configuration("{name: short, databases: [shop], ttl: 300ms}")
    );
    pq_connection reader(daemon.dsn("shop"));
    EXPECT_EQ(cached(daemon, reader, value_of_one), "0");
    write_around("UPDATE items SET value = 7 WHERE id = 1");
    wait_until(
        [&] { return reader.scalar(value_of_one) == "7"; },
        "the end of the entry's time",
        std::chrono::seconds(5)
    );
}

TEST_F(cache, NothingIsCachedWithoutARule) {
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 8, overflow: 0"}));
    pq_connection reader(daemon.dsn("shop"));
    for (int n = 0; n < 5; ++n) {
        write_around("UPDATE items SET value = " + std::to_string(n) + " WHERE id = 1");
        EXPECT_EQ(reader.scalar(value_of_one), std::to_string(n));
    }
    EXPECT_EQ(hits(daemon), 0);
}

TEST_F(cache, RulesAdmitByTablePatternUserAndApplication) {
    daemon_process const daemon(cache_configuration(
        "{name: by_table, tables: [items], users: [postgres], applications: [listing], ttl: 1h}, "
        "{name: by_pattern, pattern: \"FROM log\", databases: [shop], ttl: 1h}"
    ));
    pq_connection listing(daemon.dsn("shop") + " application_name=listing");
    pq_connection other(daemon.dsn("shop") + " application_name=other");
    cached(daemon, listing, value_of_one);
    cached(daemon, other, "SELECT count(*) FROM log");
    for (int n = 0; n < 4; ++n) {
        EXPECT_FALSE(ask(daemon, other, value_of_one).from_memory);
        EXPECT_FALSE(ask(daemon, listing, "SELECT count(*) FROM items, pg_class").from_memory);
    }
    EXPECT_GE(
        daemon.metric("pgweir_cache_requests_total", {"rule=\"by_table\"", "result=\"hit\""}), 1
    );
    EXPECT_GE(
        daemon.metric("pgweir_cache_requests_total", {"rule=\"by_pattern\"", "result=\"hit\""}), 1
    );
}

TEST_F(cache, LargeResultsAreNotKept) {
    daemon_process const daemon(
        cache_configuration("{name: small, databases: [shop], ttl: 1h, max_result: 2KiB}")
    );
    pq_connection reader(daemon.dsn("shop"));
    cached(daemon, reader, value_of_one);
    for (int n = 0; n < 4; ++n) {
        EXPECT_FALSE(
            ask(daemon, reader, "SELECT repeat('x', 4000) FROM items WHERE id = 1").from_memory
        );
    }
}

TEST_F(cache, ResultsWithoutRowsAreKeptUnlessTheRuleSaysNo) {
    constexpr char const* nothing = "SELECT value FROM items WHERE id = -1";
    for (std::string const kept : {"true", "false"}) {
        daemon_process const daemon(cache_configuration(
            "{name: everything, databases: [shop], ttl: 1h, cache_empty: " + kept + "}"
        ));
        pq_connection reader(daemon.dsn("shop"));
        cached(daemon, reader, value_of_one);
        reader.must(nothing);
        double const before = hits(daemon);
        reader.must(nothing);
        EXPECT_EQ(hits(daemon) - before, kept == "true" ? 1 : 0);
    }
}

TEST_F(cache, RuleThatStoresInVainIsSuspended) {
    daemon_process const daemon(cache_configuration());
    pq_connection reader(daemon.dsn("shop"));
    pq_connection writer(daemon.dsn("shop"));
    cached(daemon, reader, value_of_one);
    auto const suspended = [&] {
        return shown_by_console(daemon, "SHOW CACHE", "rule", "everything", "suspended_s");
    };
    EXPECT_EQ(suspended(), "0");
    int written = 0;
    auto const write = [&] {
        writer.must("UPDATE items SET value = " + std::to_string(++written) + " WHERE id = 1");
    };
    auto const is_suspended = [&] {
        for (int n = 0; n < 20; ++n) {
            write();
            EXPECT_EQ(reader.scalar(value_of_one), std::to_string(written));
        }
        return suspended() != "0";
    };
    wait_until(is_suspended, "a rule that is suspended");
    write();
    for (int n = 0; n < 2; ++n)
        EXPECT_FALSE(ask(daemon, reader, value_of_one).from_memory);
    EXPECT_GE(
        std::stoi(
            shown_by_console(daemon, "SHOW CACHE REASONS", "reason", "rule_suspended", "count")
        ),
        2
    );
}

TEST_F(cache, MemoryStaysBelowItsLimit) {
    settings const parts = {.pool = "mode: transaction, size: 2, overflow: 0"};
    daemon_process const daemon(replaced(
        cache_configuration("{name: everything, databases: [shop], ttl: 1h}", "", parts),
        "memory: 64MiB",
        "memory: 1MiB, max_result: 64KiB"
    ));
    pq_connection reader(daemon.dsn("shop"));
    cached(daemon, reader, value_of_one);
    for (int n = 0; n < 1000; ++n) {
        reader.must("SELECT repeat('x', 10000), " + std::to_string(n) + " FROM items WHERE id = 1");
    }
    EXPECT_LE(daemon.metric("pgweir_cache_bytes"), 1 << 20);
    EXPECT_GT(daemon.metric("pgweir_cache_evictions_total"), 0);
    cached(daemon, reader, value_of_one);
}

TEST_F(cache, OneUsersEntryIsNotAnothersPermission) {
    shared_postgres().execute(
        "DO $$ BEGIN CREATE ROLE poor LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    );
    daemon_process const daemon(cache_configuration());
    pq_connection rich(daemon.dsn("shop"));
    pq_connection poor(daemon.dsn("shop", "poor"));
    EXPECT_EQ(cached(daemon, rich, value_of_one), "0");
    EXPECT_EQ(poor.execute(value_of_one).sqlstate(), "42501");
    EXPECT_EQ(poor.execute(value_of_one).sqlstate(), "42501");
}

TEST_F(cache, TwoNamesOfOneDatabaseShareItsVersions) {
    daemon_process const daemon(cache_configuration(
        "{name: everything, databases: [shop], ttl: 1h}",
        "",
        {.pool = "mode: transaction, size: 4, overflow: 0",
         .rest = "  other_name: {upstream: \"host=127.0.0.1 port={pg} dbname=shop\"}\n"}
    ));
    pq_connection reader(daemon.dsn("shop"));
    pq_connection writer(daemon.dsn("other_name"));
    EXPECT_EQ(cached(daemon, reader, value_of_one), "0");
    writer.must("UPDATE items SET value = 4 WHERE id = 1");
    EXPECT_EQ(reader.scalar(value_of_one), "4");
}

TEST_F(cache, InvalidateTellsHowManyAndMakesThemDisappear) {
    daemon_process const daemon(cache_configuration());
    pq_connection reader(daemon.dsn("shop"));
    pq_connection console(daemon.dsn("pgweir"));
    for (std::string const command :
         {"INVALIDATE TABLE items",
          "INVALIDATE RULE everything",
          "INVALIDATE DATABASE shop",
          "INVALIDATE ALL"}) {
        cached(daemon, reader, value_of_one);
        auto const value = std::to_string(command.size());
        write_around("UPDATE items SET value = " + value + " WHERE id = 1");
        ASSERT_NE(reader.scalar(value_of_one), value);
        auto const answered = console.execute(command);
        ASSERT_TRUE(answered.ok()) << answered.message();
        EXPECT_EQ(reader.scalar(value_of_one), value) << command;
    }
    EXPECT_FALSE(console.execute("INVALIDATE TABLE").ok());
}

TEST_F(cache, NocacheHintGoesToTheServer) {
    daemon_process const daemon(cache_configuration());
    pq_connection reader(daemon.dsn("shop"));
    EXPECT_EQ(cached(daemon, reader, value_of_one), "0");
    write_around("UPDATE items SET value = 7 WHERE id = 1");
    EXPECT_EQ(reader.scalar(std::string("/* pgweir: nocache */ ") + value_of_one), "7");
}

TEST_F(cache, ExplainTellsTheVerdictAndItsReason) {
    daemon_process const daemon(cache_configuration());
    pq_connection reader(daemon.dsn("shop"));
    cached(daemon, reader, value_of_one);
    pq_connection console(daemon.dsn("pgweir"));
    auto const text = [&](std::string const& sql) {
        auto const rows = console.must("EXPLAIN CACHE " + sql);
        std::string all;
        for (int row = 0; row < rows.rows(); ++row) {
            for (int column = 0; column < rows.columns(); ++column) {
                all += rows.value(row, column) + " ";
            }
            all += "\n";
        }
        return all;
    };
    EXPECT_NE(text("SELECT value FROM items").find("items"), std::string::npos);
    EXPECT_NE(text("SELECT value FROM items").find("everything"), std::string::npos);
    auto const volatile_call = text("SELECT random() FROM items");
    EXPECT_NE(volatile_call.find("random"), std::string::npos) << volatile_call;
    EXPECT_NE(text("UPDATE items SET value = 1").find("items"), std::string::npos);
}

// A question about a database that is away must not cost another one its cache.
TEST_F(cache, ExplainOfAnUnreachableDatabaseChangesNothing) {
    daemon_process const daemon(cache_configuration(
        "{name: everything, databases: [shop], ttl: 1h}",
        "",
        {.database = "}\n  far: {upstream: \"host=127.0.0.1 port=1 dbname=shop\""}
    ));
    pq_connection reader(daemon.dsn("shop"));
    cached(daemon, reader, value_of_one);
    pq_connection console(daemon.dsn("pgweir"));
    EXPECT_NE(
        console.must("EXPLAIN CACHE DATABASE far SELECT 1").value(1, 1).find("no client"),
        std::string::npos
    );
    reader.must("CREATE TABLE IF NOT EXISTS after_explain (n integer)");
    cached(daemon, reader, value_of_one);
    reader.must("DROP TABLE after_explain");
    cached(daemon, reader, value_of_one);
    EXPECT_TRUE(console.execute("SHOW CACHE REASONS").ok());
}

}  // namespace
}  // namespace weir::test

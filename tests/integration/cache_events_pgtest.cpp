// The named events of the configuration: told at the console, with NOTIFY from beside the daemon
// and through it.
#include "tests/integration/cache_fixture.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::test {
namespace {

constexpr char const* value_of_one = "SELECT value FROM items WHERE id = 1";
constexpr char const* words = "SELECT count(*) FROM log";

class cache_events : public testing::Test {
protected:
    void SetUp() override { refill_shop(); }

    static std::string with_events(settings const& parts = {}) {
        return cache_configuration(
            "{name: values, databases: [shop], pattern: value, ttl: 1h}, "
            "{name: others, pattern: select, ttl: 1h}",
            ", events: {item.changed: {tables: [public.items]}, values.gone: {rules: [values]}, "
            "odd: {tables: [no_such_table]}}",
            parts
        );
    }
    static void write_around(std::string const& sql) { shared_postgres().execute(sql, "shop"); }

    /// Waits until the daemon has dropped what it remembers of the statement.
    static void wait_for(pq_connection& reader, std::string const& sql, std::string const& value) {
        wait_until([&] { return reader.scalar(sql) == value; }, "what was written to be seen");
    }
};

TEST_F(cache_events, AtTheConsoleDropWhatTheyNameAndNothingElse) {
    daemon_process const daemon(with_events());
    pq_connection reader(daemon.dsn("shop"));
    pq_connection console(daemon.dsn("pgweir"));
    int value = 100;
    for (std::string const event : {"item.changed", "values.gone"}) {
        ++value;
        cached(daemon, reader, value_of_one);
        cached(daemon, reader, words);
        write_around("UPDATE items SET value = " + std::to_string(value) + " WHERE id = 1");
        ASSERT_NE(reader.scalar(value_of_one), std::to_string(value)) << "not from memory";
        auto const answered = console.execute("INVALIDATE EVENT " + event);
        ASSERT_TRUE(answered.ok()) << answered.message();
        EXPECT_EQ(answered.command_tag(), "INVALIDATE 1") << event;
        EXPECT_EQ(reader.scalar(value_of_one), std::to_string(value)) << event;
        EXPECT_TRUE(ask(daemon, reader, words).from_memory) << event;
    }
    EXPECT_EQ(daemon.metric("pgweir_cache_invalidations_total", {"cause=\"event\""}), 1);
    auto const shown = daemon.get("/cache/stats").body;
    EXPECT_NE(shown.find("\"last_cause\":\"event\""), std::string::npos) << shown;
    auto const unknown = console.execute("INVALIDATE EVENT item.change");
    EXPECT_FALSE(unknown.ok());
    EXPECT_EQ(unknown.sqlstate(), "42704");
    EXPECT_EQ(console.must("INVALIDATE EVENT odd").command_tag(), "INVALIDATE 0");
}

TEST_F(cache_events, AndAllElseOfTheConsoleAreDroppedOverHttp) {
    auto text = with_events();
    text.insert(text.find("\"127.0.0.1:{http}\"") + 18, ", token: s3cret");
    daemon_process const daemon(text);
    pq_connection reader(daemon.dsn("shop"));
    int value = 100;
    for (std::string const body :
         {R"({"event": "item.changed"})",
          R"({"event": "values.gone"})",
          R"({"rule": "values"})",
          R"({"database": "shop"})",
          R"({"all": true})"}) {
        ++value;
        cached(daemon, reader, value_of_one);
        write_around("UPDATE items SET value = " + std::to_string(value) + " WHERE id = 1");
        ASSERT_NE(reader.scalar(value_of_one), std::to_string(value)) << "not from memory";
        EXPECT_EQ(daemon.post("/invalidate", "wrong", body).status, 401);
        EXPECT_TRUE(ask(daemon, reader, value_of_one).from_memory) << body;
        auto const done = daemon.post("/invalidate", "s3cret", body);
        EXPECT_EQ(done.status, 200) << done.body;
        EXPECT_NE(done.body.find("\"entries\":1"), std::string::npos) << done.body;
        EXPECT_EQ(reader.scalar(value_of_one), std::to_string(value)) << body;
    }
    auto const unknown = daemon.post("/invalidate", "s3cret", R"({"event": "item.change"})");
    EXPECT_EQ(unknown.status, 404);
    EXPECT_NE(unknown.body.find("Did you mean item.changed?"), std::string::npos) << unknown.body;
}

TEST_F(cache_events, AreTakenFromNotifyBesideTheDaemon) {
    daemon_process const daemon(with_events());
    pq_connection reader(daemon.dsn("shop"));
    cached(daemon, reader, value_of_one);
    cached(daemon, reader, words);
    write_around("UPDATE items SET value = 7 WHERE id = 1");
    ASSERT_EQ(reader.scalar(value_of_one), "0") << "not from memory";
    write_around("NOTIFY pgweir, 'item.changed'");
    wait_for(reader, value_of_one, "7");
    EXPECT_TRUE(ask(daemon, reader, words).from_memory) << "more was dropped than was named";

    cached(daemon, reader, value_of_one);
    write_around("UPDATE items SET value = 8 WHERE id = 1");
    ASSERT_EQ(reader.scalar(value_of_one), "7") << "not from memory";
    // With the write, in its transaction, as an application would do it.
    write_around(
        "BEGIN; UPDATE items SET value = 9 WHERE id = 1; NOTIFY pgweir, 'values.gone'; COMMIT"
    );
    wait_for(reader, value_of_one, "9");
    EXPECT_TRUE(ask(daemon, reader, words).from_memory);
}

TEST_F(cache_events, AreTakenFromPgNotifyThroughTheDaemon) {
    daemon_process const daemon(with_events());
    pq_connection reader(daemon.dsn("shop"));
    pq_connection teller(daemon.dsn("shop"));
    cached(daemon, reader, value_of_one);
    write_around("UPDATE items SET value = 7 WHERE id = 1");
    ASSERT_EQ(reader.scalar(value_of_one), "0") << "not from memory";
    teller.must("SELECT pg_notify('pgweir', 'item.changed')");
    wait_for(reader, value_of_one, "7");
}

TEST_F(cache_events, ThatNobodyCouldHearLeaveNothingBehind) {
    daemon_process const daemon(with_events());
    pq_connection reader(daemon.dsn("shop"));
    cached(daemon, reader, value_of_one);
    // The control connection goes and cannot come back; the pool's servers stay.
    shared_postgres().execute("ALTER DATABASE shop ALLOW_CONNECTIONS false");
    shared_postgres().execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
        "'pgweir-control' AND datname = 'shop'"
    );
    wait_until(
        [&] { return daemon.log().find("the control connection to") != std::string::npos; },
        "the loss to be told"
    );
    reader.must("/* pgweir: nocache */ SELECT 1");
    EXPECT_FALSE(ask(daemon, reader, value_of_one).from_memory);
    EXPECT_FALSE(ask(daemon, reader, value_of_one).from_memory);
    shared_postgres().execute("ALTER DATABASE shop ALLOW_CONNECTIONS true");
    cached(daemon, reader, value_of_one);
}

TEST_F(cache_events, OfNotifyAreOfItsDatabase) {
    shared_postgres().execute("DROP DATABASE IF EXISTS second WITH (FORCE)");
    shared_postgres().execute("CREATE DATABASE second");
    shared_postgres().execute(
        "CREATE TABLE items(id int PRIMARY KEY, value int); INSERT INTO items VALUES (1, 0)",
        "second"
    );
    daemon_process const daemon(
        with_events({.rest = "  second: {upstream: \"host=127.0.0.1 port={pg} dbname=second\"}\n"})
    );
    pq_connection reader(daemon.dsn("shop"));
    pq_connection other(daemon.dsn("second"));
    cached(daemon, reader, value_of_one);
    cached(daemon, other, value_of_one);
    shared_postgres().execute("UPDATE items SET value = 7", "second");
    write_around("UPDATE items SET value = 7");
    shared_postgres().execute("NOTIFY pgweir, 'item.changed'", "second");
    wait_for(other, value_of_one, "7");
    EXPECT_EQ(reader.scalar(value_of_one), "0") << "the event was told in another database";
    pq_connection(daemon.dsn("pgweir")).must("INVALIDATE EVENT item.changed");
    EXPECT_EQ(reader.scalar(value_of_one), "7");
}

TEST_F(cache_events, ThatNobodyKnowsAreWarnedOfOnceAName) {
    daemon_process const daemon(with_events());
    pq_connection reader(daemon.dsn("shop"));
    cached(daemon, reader, value_of_one);
    for (int n = 0; n < 3; ++n)
        write_around("NOTIFY pgweir, 'item.chnaged'");
    write_around("NOTIFY pgweir, 'other'");
    wait_until(
        [&] { return daemon.log().find("the event \"other\"") != std::string::npos; },
        [&] { return "a warning; log: " + daemon.log(); }
    );
    auto const log = daemon.log();
    auto const first = log.find("the event \"item.chnaged\"");
    ASSERT_NE(first, std::string::npos);
    EXPECT_EQ(log.find("the event \"item.chnaged\"", first + 1), std::string::npos);
}

TEST_F(cache_events, ThatAReloadBringsAreKnownAtOnce) {
    daemon_process daemon(cache_configuration());
    pq_connection reader(daemon.dsn("shop"));
    cached(daemon, reader, value_of_one);
    write_around("UPDATE items SET value = 7 WHERE id = 1");
    daemon.rewrite(cache_configuration(
        "{name: everything, databases: [shop], ttl: 1h}", ", events: {late: {tables: [items]}}"
    ));
    pq_connection(daemon.dsn("pgweir")).must("RELOAD");
    ASSERT_EQ(reader.scalar(value_of_one), "0") << "not from memory";
    write_around("NOTIFY pgweir, 'late'");
    wait_for(reader, value_of_one, "7");
}

}  // namespace
}  // namespace weir::test

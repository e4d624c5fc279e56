// SHOW LAST CACHE, asked by a client: it tells of the client's own last statement, and takes its
// place among the other answers.
#include "tests/integration/cache_fixture.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weir::test {
namespace {

constexpr char const* value_of_one = "SELECT value FROM items WHERE id = 1";
constexpr char const* question = "SHOW LAST CACHE";

class cache_last : public testing::Test {
protected:
    void SetUp() override { refill_shop(); }

    static std::vector<std::string> told(pq_connection& client) {
        auto const rows = client.must(question);
        EXPECT_EQ(
            column_names(rows),
            (std::vector<std::string>{"verdict", "rule", "reason", "age_ms", "tables"})
        );
        EXPECT_EQ(rows.rows(), 1);
        std::vector<std::string> values;
        for (int column = 0; column < rows.columns(); ++column)
            values.push_back(rows.value(0, column));
        return values;
    }
    static std::string verdict(std::vector<backend_message> const& messages) {
        return first(messages, 'D').columns()[0].value_or("NULL");
    }
    static std::string asked_by_messages(bool described = true) {
        return frontend::parse("", question, {}) + frontend::bind("", "", {}) +
               (described ? frontend::describe('P', "") : std::string{}) + frontend::execute("") +
               frontend::sync();
    }
};

TEST_F(cache_last, TellsOfHitMissBypassAndWhatNoRuleAdmits) {
    daemon_process const daemon(
        cache_configuration("{name: values, databases: [shop], tables: [items], ttl: 1h}")
    );
    pq_connection reader(daemon.dsn("shop"));
    EXPECT_EQ(told(reader)[0], "none");
    cached(daemon, reader, value_of_one);
    for (int twice = 0; twice < 2; ++twice) {
        auto const hit = told(reader);
        EXPECT_EQ(hit[0], "hit");
        EXPECT_EQ(hit[1], "values");
        EXPECT_EQ(hit[2], "");
        EXPECT_GE(std::stoi(hit[3]), 0);
        EXPECT_EQ(hit[4], "public.items");
    }
    reader.must("UPDATE items SET value = 1 WHERE id = 1");
    auto const write = told(reader);
    EXPECT_EQ(write[0], "none");
    EXPECT_EQ(write[2], "not_a_read");
    EXPECT_EQ(write[3], "");
    reader.must(value_of_one);
    auto const miss = told(reader);
    EXPECT_EQ(miss[0], "miss");
    EXPECT_EQ(miss[1], "values");
    EXPECT_EQ(miss[4], "items");
    reader.must("SELECT count(*) FROM log");
    EXPECT_EQ(told(reader)[0], "none");
    EXPECT_EQ(told(reader)[2], "no_rule");
    reader.must("/* pgweir: nocache */ SELECT value FROM items");
    EXPECT_EQ(told(reader)[2], "hint_nocache");
}

TEST_F(cache_last, IsAnsweredInsideATransactionAndOfIt) {
    daemon_process const daemon(cache_configuration());
    pq_connection reader(daemon.dsn("shop"));
    cached(daemon, reader, value_of_one);
    reader.must("BEGIN");
    reader.must(value_of_one);
    auto const in_block = told(reader);
    EXPECT_EQ(in_block[0], "bypass");
    EXPECT_EQ(in_block[1], "everything");
    EXPECT_EQ(in_block[2], "in_transaction");
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    EXPECT_EQ(first(client.ask(frontend::query("BEGIN")), 'Z').body, "T");
    EXPECT_EQ(first(client.ask(frontend::query(question)), 'Z').body, "T");
    EXPECT_EQ(first(client.ask(asked_by_messages()), 'Z').body, "T");
    EXPECT_EQ(first(client.ask(frontend::query("COMMIT")), 'Z').body, "I");
    reader.must("COMMIT");
    EXPECT_EQ(reader.scalar(value_of_one), "0");
    EXPECT_EQ(told(reader)[0], "hit");
}

TEST_F(cache_last, OfAFailedTransactionIsPostgresToRefuse) {
    daemon_process const daemon(cache_configuration());
    pq_connection client(daemon.dsn("shop"));
    client.must("BEGIN");
    EXPECT_FALSE(client.execute("SELECT 1/0").ok());
    EXPECT_FALSE(client.execute(question).ok());
    client.must("ROLLBACK");
    EXPECT_EQ(told(client)[0], "none");
}

TEST_F(cache_last, SpeaksTheExtendedProtocol) {
    daemon_process const daemon(cache_configuration());
    pq_connection reader(daemon.dsn("shop"));
    cached(daemon, reader, value_of_one);
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    client.ask(frontend::query(value_of_one));
    auto const described = client.ask(asked_by_messages());
    EXPECT_EQ(types(described), "12TDCZ");
    EXPECT_EQ(verdict(described), "hit");
    auto const plain = client.ask(asked_by_messages(false));
    EXPECT_EQ(types(plain), "12DCZ");
    EXPECT_EQ(verdict(plain), "hit");
    // The unnamed statement was taken by it, and is nothing that could be run.
    auto const after =
        client.ask(frontend::bind("", "", {}) + frontend::execute("") + frontend::sync());
    EXPECT_EQ(first(after, 'E').field('C'), "26000");
    EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ");
}

TEST_F(cache_last, WaitsForWhatWasAskedBefore) {
    for (std::string const pool :
         {"mode: transaction, size: 2, overflow: 0", "mode: session, size: 2, overflow: 0"}) {
        daemon_process const daemon(cache_configuration(
            "{name: everything, databases: [shop], ttl: 1h}", "", {.pool = pool}
        ));
        pq_connection reader(daemon.dsn("shop"));
        cached(daemon, reader, value_of_one);
        auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
        client.send(
            frontend::query("SELECT pg_sleep(0.2)") + frontend::query(question) +
            frontend::query(value_of_one) + asked_by_messages() + frontend::query("BEGIN") +
            frontend::query(question) + asked_by_messages() + frontend::query("COMMIT")
        );
        auto const all = client.read_until('Z', 8);
        EXPECT_EQ(types(all), "TDCZTDCZTDCZ12TDCZCZTDCZ12TDCZCZ") << pool;
        EXPECT_EQ(all[5].columns()[0], "bypass") << pool << ": of pg_sleep()";
        EXPECT_NE(all[15].columns()[0], "none") << pool << ": of the read before it";
    }
}

TEST_F(cache_last, BehindMessagesWithoutSyncIsPostgresToRefuse) {
    daemon_process const daemon(cache_configuration());
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    client.send(
        frontend::parse("", "SELECT 1", {}) + frontend::bind("", "", {}) + frontend::execute("") +
        frontend::query(question)
    );
    auto const all = client.read_until('Z');
    EXPECT_EQ(first(all, 'E').field('C'), "42601");
    EXPECT_EQ(types(client.ask(frontend::query(question))), "TDCZ");
}

TEST_F(cache_last, WithoutAnyRuleTellsSo) {
    daemon_process const daemon(configuration());
    pq_connection client(daemon.dsn("shop"));
    client.must(value_of_one);
    EXPECT_EQ(told(client)[0], "none");
    EXPECT_EQ(told(client)[2], "no_rule");
}

}  // namespace
}  // namespace weir::test

#include "tests/integration/cache_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace weir::test {
namespace {

constexpr char const* value_of_one = "SELECT value FROM items WHERE id = 1";

// Statements of a test's parameter, which " ;; " parts.
std::vector<std::string> statements(std::string const& text) {
    std::vector<std::string> out;
    for (std::size_t at = 0; at <= text.size();) {
        auto const end = std::min(text.find(" ;; ", at), text.size());
        out.push_back(text.substr(at, end - at));
        at = end + 4;
    }
    return out;
}

// Each of these must make a cached answer disappear before it is acknowledged.
class cache_writes : public testing::TestWithParam<std::string> {
protected:
    void SetUp() override { refill_shop(); }
};

TEST_P(cache_writes, MakeTheCachedAnswerDisappear) {
    daemon_process const daemon(cache_configuration());
    pq_connection reader(daemon.dsn("shop"));
    std::string const sum = "SELECT coalesce(sum(value), 0) || ':' || count(*) FROM items";
    auto const before = cached(daemon, reader, sum);
    auto writer = raw_client::logged_in(daemon.port(), "postgres", "shop");
    for (auto const& one : statements(GetParam())) {
        writer.send(frontend::query(one));
        for (;;) {
            auto const reply = writer.read();
            ASSERT_TRUE(reply);
            ASSERT_NE(reply->type, 'E') << reply->field('M');
            if (reply->type == 'G') {
                writer.send(frontend::copy_data("100\t5\n") + frontend::copy_done());
            }
            if (reply->type == 'Z') {
                break;
            }
        }
    }
    auto const truth = shared_postgres().scalar(sum, "shop");
    ASSERT_NE(truth, before) << "the statement changes nothing";
    EXPECT_EQ(reader.scalar(sum), truth);
}

INSTANTIATE_TEST_SUITE_P(
    Simple,
    cache_writes,
    testing::Values(
        "INSERT INTO items VALUES (11, 5)",
        "UPDATE items SET value = value + 1",
        "update ONLY public.items as i set value = 3 where i.id = 4",
        "DELETE FROM items WHERE id > 5",
        "TRUNCATE items",
        "COPY items FROM STDIN",
        "MERGE INTO items USING (SELECT 1 AS id) AS s ON items.id = s.id WHEN MATCHED THEN UPDATE "
        "SET value = 9",
        "INSERT INTO items VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET value = 77",
        "WITH gone AS (DELETE FROM items WHERE id = 1 RETURNING id) SELECT id FROM gone",
        "SELECT 1; UPDATE items SET value = 5; SELECT 2",
        "BEGIN; UPDATE items SET value = 6; COMMIT",
        "BEGIN ;; UPDATE items SET value = 6 ;; COMMIT",
        "BEGIN ;; SAVEPOINT a ;; UPDATE items SET value = 6 ;; RELEASE a ;; COMMIT",
        "BEGIN ;; UPDATE items SET value = 6 ;; COMMIT AND CHAIN",
        "UPDATE items SET value = 11; COMMIT; BEGIN; SELECT 1",
        "DO $$ BEGIN UPDATE items SET value = 8; END $$",
        "PREPARE w AS UPDATE items SET value = value + 1 ;; EXECUTE w",
        "EXPLAIN (ANALYZE, COSTS OFF) UPDATE items SET value = 4",
        "COPY (DELETE FROM items WHERE id = 2 RETURNING id) TO STDOUT",
        "BEGIN ;; DECLARE c CURSOR FOR SELECT * FROM items FOR UPDATE ;; FETCH 1 FROM c ;; UPDATE "
        "items SET value = 50 WHERE CURRENT OF c ;; "
        "COMMIT",
        "CREATE TABLE items_new AS SELECT id, value + 1 AS value FROM items; DROP TABLE items; "
        "ALTER TABLE items_new RENAME TO items",
        "ALTER TABLE items ALTER COLUMN value TYPE bigint USING value + 1",
        "/* a comment */ UPDATE /* another */ items -- and one more\n SET value = 12"
    )
);

class cache_and_writers : public testing::Test {
protected:
    void SetUp() override { refill_shop(); }
};

TEST_F(cache_and_writers, WritesByTheExtendedProtocolMakeItDisappear) {
    daemon_process const daemon(cache_configuration());
    pq_connection reader(daemon.dsn("shop"));
    pq_connection writer(daemon.dsn("shop"));
    ASSERT_TRUE(writer.prepare("w", "UPDATE items SET value = $1 WHERE id = 1").ok());
    for (int n = 1; n <= 5; ++n) {
        cached(daemon, reader, value_of_one);
        ASSERT_TRUE(writer.execute_prepared("w", {std::to_string(n)}).ok());
        EXPECT_EQ(reader.scalar(value_of_one), std::to_string(n));
        cached(daemon, reader, value_of_one);
        ASSERT_TRUE(
            writer
                .execute_with("UPDATE items SET value = $1 WHERE id = 1", {std::to_string(100 + n)})
                .ok()
        );
        EXPECT_EQ(reader.scalar(value_of_one), std::to_string(100 + n));
    }
}

TEST_F(cache_and_writers, PipelineThatWritesAndReadsSeesItsOwnWrite) {
    daemon_process const daemon(cache_configuration());
    pq_connection reader(daemon.dsn("shop"));
    EXPECT_EQ(cached(daemon, reader, value_of_one), "0");
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    auto const run = [](std::string const& sql) {
        return frontend::parse("", sql) + frontend::bind("", "") + frontend::execute("");
    };
    client.send(
        run("UPDATE items SET value = 21 WHERE id = 1") + run(value_of_one) + frontend::sync()
    );
    EXPECT_EQ(first(client.read_until('Z'), 'D').columns()[0], "21");
    client.send(
        run("UPDATE items SET value = 22 WHERE id = 1") + frontend::sync() + run(value_of_one) +
        frontend::sync()
    );
    EXPECT_EQ(first(client.read_until('Z', 2), 'D').columns()[0], "22");
    client.send(
        frontend::query("UPDATE items SET value = 23 WHERE id = 1") + frontend::query(value_of_one)
    );
    EXPECT_EQ(first(client.read_until('Z', 2), 'D').columns()[0], "23");
    EXPECT_EQ(reader.scalar(value_of_one), "23");
}

TEST_F(cache_and_writers, TransactionReadsItsOwnWritesAndOthersDoNot) {
    daemon_process const daemon(cache_configuration());
    pq_connection inside(daemon.dsn("shop"));
    pq_connection outside(daemon.dsn("shop"));
    EXPECT_EQ(cached(daemon, outside, value_of_one), "0");
    inside.must("BEGIN");
    inside.must("UPDATE items SET value = 9 WHERE id = 1");
    EXPECT_EQ(inside.scalar(value_of_one), "9");
    EXPECT_EQ(outside.scalar(value_of_one), "0");
    EXPECT_EQ(outside.scalar(value_of_one), "0");
    inside.must("COMMIT");
    EXPECT_EQ(outside.scalar(value_of_one), "9");
    EXPECT_EQ(cached(daemon, outside, value_of_one), "9");
}

TEST_F(cache_and_writers, RolledBackWriteShowsNothing) {
    daemon_process const daemon(cache_configuration());
    pq_connection inside(daemon.dsn("shop"));
    pq_connection outside(daemon.dsn("shop"));
    inside.must("BEGIN; UPDATE items SET value = 9 WHERE id = 1");
    EXPECT_EQ(inside.scalar(value_of_one), "9");
    inside.must("ROLLBACK");
    EXPECT_EQ(inside.scalar(value_of_one), "0");
    EXPECT_EQ(cached(daemon, outside, value_of_one), "0");
}

TEST_F(cache_and_writers, SnapshotOfAnOldTransactionIsNotStored) {
    daemon_process const daemon(cache_configuration());
    pq_connection old(daemon.dsn("shop"));
    pq_connection now(daemon.dsn("shop"));
    old.must("BEGIN ISOLATION LEVEL REPEATABLE READ");
    EXPECT_EQ(old.scalar(value_of_one), "0");
    now.must("UPDATE items SET value = 5 WHERE id = 1");
    EXPECT_EQ(cached(daemon, now, value_of_one), "5");
    EXPECT_EQ(old.scalar(value_of_one), "0");
    old.must("COMMIT");
    EXPECT_EQ(old.scalar(value_of_one), "5");
}

TEST_F(cache_and_writers, WriteWhileAReadIsOnItsWayLeavesNoOldAnswerBehind) {
    daemon_process const daemon(cache_configuration());
    pq_connection other(daemon.dsn("shop"));
    cached(daemon, other, value_of_one);
    // The read takes its snapshot before the write and ends after it.
    auto slow = raw_client::logged_in(daemon.port(), "postgres", "shop");
    std::string const sum =
        "SELECT sum(value) FROM items a, (SELECT count(*) FROM items b, items c, items d, items e, "
        "items f, items g) s";
    slow.send(frontend::query(sum));
    other.must("UPDATE items SET value = 1");
    slow.read_until('Z');
    EXPECT_EQ(other.scalar(sum), "10");
    EXPECT_EQ(other.scalar(sum), "10");
}

}  // namespace
}  // namespace weir::test

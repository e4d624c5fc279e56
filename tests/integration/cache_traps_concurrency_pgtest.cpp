// The traps of concurrency and transactions, by their numbers (2.A), and that of standbys (2.F).
#include "tests/integration/cache_traps_fixture.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weir::test {
namespace {

using namespace frontend;

constexpr char const* v_of_one = "SELECT v FROM t WHERE id = 1";

class cache_traps_concurrency : public cache_traps {};

// B1: the read's snapshot is older than the write, its reply is younger.
TEST_F(cache_traps_concurrency, T01_StoreAfterInvalidate) {
    traffic_gate gate(postgres().port());
    start_daemon_behind(gate);
    std::string const sum = "SELECT count(*) || ':' || sum(v) AS held FROM t";
    for (bool const extended : {false, true}) {
        SCOPED_TRACE(extended ? "extended" : "simple");
        auto const old = truth(sum);
        auto slow = raw();
        auto const before = counted();
        gate.hold_answers_to("AS held");
        slow.send(extended ? unit(sum) + sync() : query(sum));
        wait_until([&] { return gate.has_held_answer(); }, "the read's answer");
        writer_->must("UPDATE t SET v = v + 1");
        gate.let_go();
        EXPECT_EQ(first_value(slow.read_until('Z')), old) << "its snapshot is older";
        EXPECT_EQ(counted_since(before), "miss outdated");
        auto const now = truth(sum);
        ASSERT_NE(now, old);
        auto const again = [&] {
            return seen_by([&] {
                return first_value(slow.ask(extended ? unit(sum) + sync() : query(sum)));
            });
        };
        EXPECT_EQ(again(), (seen{now, "miss"}));
        EXPECT_EQ(again(), (seen{now, "hit"}));
    }
}

TEST_F(cache_traps_concurrency, T02_BumpTooEarly) {
    prove(v_of_one);
    writer_->must("BEGIN");
    writer_->must("UPDATE t SET v = 2");
    // Stored while the write is under way: under a version that its commit ends.
    std::string const another = "SELECT v FROM t WHERE id = 2";
    EXPECT_EQ(read(another), (seen{"1", "miss"}));
    EXPECT_EQ(read(another), (seen{"1", "hit"}));
    EXPECT_EQ(read(v_of_one), (seen{"1", "hit"}));
    writer_->must("COMMIT");
    EXPECT_EQ(read(another), (seen{"2", "miss"}));
    EXPECT_EQ(read(v_of_one), (seen{"2", "miss"}));
    EXPECT_EQ(read(v_of_one), (seen{"2", "hit"}));
}

TEST_F(cache_traps_concurrency, T03_BumpTooLate) {
    traffic_gate gate(postgres().port());
    start_daemon_behind(gate);
    for (std::string const end : {"UPDATE t SET v = v + 1", "COMMIT"}) {
        SCOPED_TRACE(end);
        auto writer = raw();
        if (end == "COMMIT") {
            writer.ask(query("BEGIN"));
            writer.ask(query("UPDATE t SET v = v + 1"));
        }
        auto const old = prove(v_of_one);
        gate.hold_answers_to(end);
        writer.send(query(end));
        wait_until([&] { return gate.has_held_answer(); }, "the commit");
        ASSERT_NE(truth(v_of_one), old);
        // Nobody was told that it has committed.
        EXPECT_EQ(read(v_of_one), (seen{old, "hit"}));
        gate.let_go();
        writer.read_until('C');
        EXPECT_EQ(read(v_of_one), (seen{truth(v_of_one), "miss"}));
        writer.read_until('Z');
        EXPECT_EQ(read(v_of_one), (seen{truth(v_of_one), "hit"}));
    }
}

// Who has seen CommandComplete acts on it, without waiting for ReadyForQuery.
TEST_F(cache_traps_concurrency, T04_CommandCompleteBeforeReadyForQuery) {
    auto writer = raw();
    int value = 1;
    auto const next = [&value] { return "UPDATE t SET v = " + std::to_string(++value); };
    auto const expect_new = [&](std::string const& bytes, char seen_type, int count = 1) {
        SCOPED_TRACE(bytes);
        prove(v_of_one);
        writer.send(bytes);
        writer.read_until(seen_type, count);
        EXPECT_EQ(read(v_of_one), (seen{std::to_string(value), "miss"}));
        if (seen_type != 'Z') writer.read_until('Z');
    };
    for (int turn = 0; turn < 20; ++turn) {
        expect_new(query(next()), 'C');
        expect_new(query("BEGIN; " + next() + "; COMMIT"), 'C', 3);
        expect_new(unit(next()) + sync(), 'Z');
        expect_new(query(next() + "; SELECT 1; SELECT 2"), 'Z');
        expect_new(unit("BEGIN") + unit(next()) + unit("COMMIT") + sync(), 'Z');
    }
}

// after_commit: between the commit and its acknowledgement another session may see it in one read
// and not yet in the next. Afterwards nobody may.
TEST_F(cache_traps_concurrency, T05_VisibleBeforeItIsAcknowledged) {
    traffic_gate gate(postgres().port());
    start_daemon_behind(gate);
    prove(v_of_one);
    auto writer = raw();
    gate.hold_answers_to("SET v = 2");
    writer.send(query("UPDATE t SET v = 2"));
    wait_until([&] { return gate.has_held_answer(); }, "the commit");
    EXPECT_EQ(read("SELECT v FROM t WHERE id = 1 FOR SHARE"), (seen{"2", "locking"}));
    EXPECT_EQ(read(v_of_one), (seen{"1", "hit"}));
    gate.let_go();
    writer.read_until('Z');
    EXPECT_EQ(read(v_of_one), (seen{"2", "miss"}));
}

// B2
TEST_F(cache_traps_concurrency, T06_OwnWritesOfATransaction) {
    prove(v_of_one);
    writer_->must("BEGIN");
    writer_->must("UPDATE t SET v = 9 WHERE id = 1");
    EXPECT_EQ(read(*writer_, v_of_one), (seen{"9", "in_transaction"}));
    EXPECT_EQ(read(v_of_one), (seen{"1", "hit"}));
    writer_->must("ROLLBACK");
    EXPECT_EQ(read(v_of_one), (seen{"1", "hit"})) << "nothing was written";
    EXPECT_EQ(read(*writer_, v_of_one), (seen{"1", "hit"}));
}

// B2
TEST_F(cache_traps_concurrency, T07_RollbackToSavepoint) {
    prove(v_of_one);
    std::string const of_u = "SELECT v FROM u WHERE id = 1";
    prove(of_u);
    writer_->must("BEGIN");
    writer_->must("UPDATE t SET v = 9 WHERE id = 1");
    writer_->must("SAVEPOINT s");
    writer_->must("DELETE FROM u");
    writer_->must("ROLLBACK TO s");
    EXPECT_EQ(read(*writer_, v_of_one), (seen{"9", "in_transaction"}));
    EXPECT_EQ(read(v_of_one), (seen{"1", "hit"}));
    writer_->must("COMMIT");
    EXPECT_EQ(read(v_of_one), (seen{"9", "miss"}));
    EXPECT_EQ(read(of_u).value, "1");
}

TEST_F(cache_traps_concurrency, T08_ErrorInATransaction) {
    prove(v_of_one);
    writer_->must("BEGIN");
    writer_->must("UPDATE t SET v = 3");
    EXPECT_EQ(writer_->execute("SELECT 1 / 0").sqlstate(), "22012");
    EXPECT_EQ(read(*writer_, v_of_one), (seen{"25P02", "in_transaction"}));
    EXPECT_EQ(writer_->must("COMMIT").command_tag(), "ROLLBACK");
    EXPECT_EQ(read(v_of_one), (seen{"1", "hit"}));
    EXPECT_EQ(read(*writer_, v_of_one), (seen{"1", "hit"}));
    // In one text, and with a savepoint that saves it.
    EXPECT_EQ(
        writer_->execute("BEGIN; UPDATE t SET v = 4; SELECT 1 / 0; COMMIT").sqlstate(), "22012"
    );
    writer_->must("ROLLBACK");
    EXPECT_EQ(read(v_of_one).value, "1");
    prove(v_of_one);
    writer_->must("BEGIN; UPDATE t SET v = 5; SAVEPOINT s");
    EXPECT_EQ(writer_->execute("SELECT 1 / 0").sqlstate(), "22012");
    writer_->must("ROLLBACK TO s");
    writer_->must("COMMIT");
    EXPECT_EQ(read(v_of_one), (seen{"5", "miss"}));
}

// B3
TEST_F(cache_traps_concurrency, T09_CommitAndChain) {
    prove(v_of_one);
    writer_->must("BEGIN");
    writer_->must("UPDATE t SET v = 10 WHERE id = 1");
    writer_->must("COMMIT AND CHAIN");
    EXPECT_EQ(read(v_of_one), (seen{"10", "miss"})) << "the writer is still in a transaction";
    EXPECT_EQ(read(v_of_one), (seen{"10", "hit"}));
    writer_->must("UPDATE t SET v = 11 WHERE id = 1");
    writer_->must("ROLLBACK AND CHAIN");
    EXPECT_EQ(read(v_of_one), (seen{"10", "hit"}));
    writer_->must("UPDATE t SET v = 12 WHERE id = 1");
    EXPECT_EQ(read(v_of_one), (seen{"10", "hit"}));
    writer_->must("COMMIT");
    EXPECT_EQ(read(v_of_one), (seen{"12", "miss"}));
    // The chained transaction has the isolation of the first: its reads are of its own snapshot.
    writer_->must("BEGIN ISOLATION LEVEL REPEATABLE READ");
    writer_->must("COMMIT AND CHAIN");
    EXPECT_EQ(read(*writer_, v_of_one), (seen{"12", "in_transaction"}));
    client().must("UPDATE t SET v = 13 WHERE id = 1");
    EXPECT_EQ(prove(v_of_one), "13");
    EXPECT_EQ(read(*writer_, v_of_one), (seen{"12", "in_transaction"}));
    writer_->must("COMMIT");
    EXPECT_EQ(read(*writer_, v_of_one), (seen{"13", "hit"}));
}

// B4
TEST_F(cache_traps_concurrency, T10_SeveralStatementsInOneQuery) {
    auto const expect_value = [&](std::string const& text, std::string const& value) {
        SCOPED_TRACE(text);
        prove(v_of_one);
        auto other = client();
        auto const result = other.execute(text);
        auto const got = read(v_of_one);
        EXPECT_EQ(got.value, value);
        EXPECT_EQ(got.value, truth(v_of_one));
        return got.how;
    };
    EXPECT_EQ(expect_value("UPDATE t SET v = 11; COMMIT; BEGIN; SELECT 1", "11"), "miss");
    EXPECT_EQ(expect_value("UPDATE t SET v = 12; SELECT pg_sleep(0)", "12"), "miss");
    EXPECT_EQ(expect_value("SELECT 1; UPDATE t SET v = 13; SELECT 2", "13"), "miss");
    EXPECT_EQ(expect_value("BEGIN; UPDATE t SET v = 14; COMMIT; SELECT 1 / 0", "14"), "miss");
    EXPECT_EQ(expect_value("UPDATE t SET v = 15; COMMIT; UPDATE t SET v = 16", "16"), "miss");
    EXPECT_EQ(expect_value(";;; UPDATE t SET v = 17 ;;;", "17"), "miss");
    EXPECT_EQ(expect_value("SELECT 'x; -- '; /* /* */ */ UPDATE t SET v = 18", "18"), "miss");
    EXPECT_EQ(expect_value("SELECT $q$ text $q$; UPDATE t SET v = 19", "19"), "miss");
    // Half of it fails, so all of it is undone.
    expect_value("UPDATE t SET v = 20; SELECT 1 / 0", "19");
    // Never answered from memory, never stored.
    std::string const two = std::string(v_of_one) + "; " + v_of_one;
    EXPECT_EQ(read(two).how, "multi_statement");
    EXPECT_EQ(read(two).how, "multi_statement");
}

// B6
TEST_F(cache_traps_concurrency, T12_OldSnapshots) {
    std::string const sum = "SELECT sum(v) FROM t";
    writer_->must("BEGIN; SELECT 1");
    auto const exported = writer_->scalar("SELECT pg_export_snapshot()");
    std::vector<std::vector<std::string>> const ways = {
        {"BEGIN ISOLATION LEVEL REPEATABLE READ"},
        {"BEGIN ISOLATION LEVEL SERIALIZABLE"},
        {"BEGIN", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"},
        {"SET default_transaction_isolation = 'repeatable read'", "BEGIN"},
        {"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE", "BEGIN"},
    };
    auto change = client();
    for (auto const& way : ways) {
        SCOPED_TRACE(way.back());
        auto const before = prove(sum);
        auto old = client();
        for (auto const& sql : way) {
            old.must(sql);
        }
        EXPECT_EQ(read(old, sum), (seen{before, "in_transaction"}));
        change.must("UPDATE t SET v = v + 1");
        auto const now = truth(sum);
        ASSERT_NE(now, before);
        EXPECT_EQ(read(sum), (seen{now, "miss"}));
        EXPECT_EQ(read(sum), (seen{now, "hit"}));
        EXPECT_EQ(read(old, sum), (seen{before, "in_transaction"}));
        old.must("COMMIT");
        EXPECT_EQ(read(sum), (seen{now, "hit"})) << "the old answer was stored";
    }
    auto importing = client();
    importing.must("BEGIN ISOLATION LEVEL REPEATABLE READ");
    importing.must("SET TRANSACTION SNAPSHOT '" + exported + "'");
    EXPECT_EQ(read(importing, sum), (seen{"100", "in_transaction"}));
    importing.must("COMMIT");
    writer_->must("COMMIT");
    EXPECT_EQ(read(sum).how, "hit");
    EXPECT_EQ(read(sum).value, truth(sum));
}

TEST_F(cache_traps_concurrency, T12_IsolationGivenAtTheLogin) {
    std::string const sum = "SELECT sum(v) FROM t";
    auto old = client("postgres", "options='-c default_transaction_isolation=serializable'");
    EXPECT_EQ(read(old, sum).value, "100");
    old.must("BEGIN");
    EXPECT_EQ(read(old, sum), (seen{"100", "in_transaction"}));
    writer_->must("UPDATE t SET v = 2");
    EXPECT_EQ(prove(sum), "200");
    EXPECT_EQ(read(old, sum), (seen{"100", "in_transaction"}));
    old.must("COMMIT");
    EXPECT_EQ(read(sum), (seen{"200", "hit"}));
    EXPECT_EQ(read(old, sum).value, "200");
}

// B7: a portal has its snapshot since Bind.
TEST_F(cache_traps_concurrency, T13_SnapshotIsTakenAtBind) {
    std::string const count = "SELECT count(*) FROM t";
    auto const whole = unit(count) + sync();
    auto other = raw();
    wait_until(
        [&] { return seen_by([&] { return first_value(other.ask(whole)); }).how == "hit"; }, "a hit"
    );
    auto slow = raw();
    auto const before = counted();
    slow.send(parse("", count) + bind("", "") + flush());
    slow.read_until('2');
    writer_->must("INSERT INTO t VALUES (101, 1, 1)");
    slow.send(execute("") + sync());
    EXPECT_EQ(first_value(slow.read_until('Z')), "100") << "the portal's snapshot is older";
    EXPECT_EQ(counted_since(before), "pipelined");
    EXPECT_EQ(seen_by([&] { return first_value(other.ask(whole)); }), (seen{"101", "miss"}));
}

TEST_F(cache_traps_concurrency, T16_DeferredConstraintFailsAtCommit) {
    std::string const sql = "SELECT count(*) FROM later";
    EXPECT_EQ(prove(sql), "0");
    writer_->must("BEGIN");
    writer_->must("INSERT INTO later VALUES (1, 77)");
    EXPECT_GE(of_table("public.later", "pending"), 1);
    EXPECT_EQ(writer_->execute("COMMIT").sqlstate(), "23503");
    EXPECT_EQ(of_table("public.later", "pending"), 0);
    EXPECT_EQ(of_table("(all)", "pending"), 0);
    EXPECT_EQ(prove(sql), "0");
    // The same by the extended protocol, where the error comes at Sync.
    auto extended = raw();
    auto const replies = extended.ask(unit("INSERT INTO later VALUES (1, 77)") + sync());
    EXPECT_EQ(first(replies, 'E').field('C'), "23503");
    EXPECT_EQ(of_table("public.later", "pending"), 0);
    EXPECT_EQ(prove(sql), "0");
}

// B15
TEST_F(cache_traps_concurrency, T17_CommitInsideAProcedure) {
    EXPECT_EQ(prove(v_of_one), "1");
    auto blocker = direct();
    blocker.must("SELECT pg_advisory_lock(17)");
    auto caller = raw();
    caller.send(query("CALL pc()"));
    wait_until([&] { return truth(v_of_one) == "2"; }, "the procedure's commit");
    // after_commit: nothing was acknowledged, so that either is right.
    auto const meanwhile = read(v_of_one).value;
    EXPECT_TRUE(meanwhile == "1" || meanwhile == "2") << meanwhile;
    blocker.must("SELECT pg_advisory_unlock(17)");
    caller.read_until('C');
    auto const after = read(v_of_one);
    EXPECT_EQ(after.value, "2");
    EXPECT_NE(after.how, "hit");
    EXPECT_EQ(prove(v_of_one), "2");
    EXPECT_EQ(prove("SELECT n FROM tot"), "1");
}

// B8
TEST_F(cache_traps_concurrency, T18_PipelineReadsItsOwnWrite) {
    prove(v_of_one);
    std::string const total = "SELECT n FROM tot";
    auto one = raw();
    auto const before = counted();
    one.send(unit("UPDATE t SET v = 50 WHERE id = 1") + unit(v_of_one) + sync());
    EXPECT_EQ(first_value(one.read_until('Z')), "50");
    EXPECT_EQ(counted_since(before), "pipelined");
    one.send(unit("UPDATE t SET v = 51 WHERE id = 1") + sync() + unit(v_of_one) + sync());
    EXPECT_EQ(first_value(one.read_until('Z', 2)), "51");
    one.send(query("UPDATE t SET v = 52 WHERE id = 1") + query(v_of_one));
    EXPECT_EQ(first_value(one.read_until('Z', 2)), "52");
    // What a trigger writes.
    one.send(unit("INSERT INTO tr VALUES (1)") + unit(total) + sync());
    auto const written = first_value(one.read_until('Z'));
    EXPECT_EQ(written, truth(total));
    EXPECT_EQ(prove(v_of_one), "52");
}

// A read in a transaction is the server's, so that its lock keeps DDL away until the end.
TEST_F(cache_traps_concurrency, T19_ReadsInATransactionLockTheTable) {
    prove(v_of_one);
    reader_->must("BEGIN");
    EXPECT_EQ(read(v_of_one), (seen{"1", "in_transaction"}));
    auto other = direct();
    other.must("SET lock_timeout = '50ms'");
    EXPECT_EQ(other.execute("DROP TABLE t").sqlstate(), "55P03");
    reader_->must("COMMIT");
    EXPECT_EQ(read(v_of_one), (seen{"1", "hit"}));
}

TEST_F(cache_traps_concurrency, T20_ReadsKeepATransactionAlive) {
    prove(v_of_one);
    reader_->must("SET idle_in_transaction_session_timeout = '400ms'");
    prove(v_of_one);
    reader_->must("BEGIN");
    auto const end = std::chrono::steady_clock::now() + std::chrono::milliseconds(1200);
    while (std::chrono::steady_clock::now() < end) {
        ASSERT_EQ(read(v_of_one), (seen{"1", "in_transaction"}));
    }
    EXPECT_EQ(reader_->must("COMMIT").command_tag(), "COMMIT");
}

// A standby's answer may be old when it comes, and would be kept under a new version.
TEST_F(cache_traps_concurrency, T110_FillsFromAStandby) {
    postgres_server standby{postgres_server::standby_of{postgres()}};
    daemon_process const daemon(cache_configuration(
        "{name: everything, databases: [shop], ttl: 1h}",
        "",
        {.upstream = "host=127.0.0.1 port=" + std::to_string(standby.port()) + " dbname=traps"}
    ));
    std::string const sql = "SELECT v FROM t WHERE id = 1";
    pq_connection client(daemon.dsn("shop"));
    for (int n = 0; n < 20; ++n) {
        EXPECT_EQ(client.scalar(sql), "1");
        EXPECT_EQ(client.execute_with(sql, {}).value(0, 0), "1");
    }
    EXPECT_EQ(hits(daemon), 0);
    EXPECT_EQ(daemon.metric("pgweir_cache_requests_total", {"result=\"miss\""}), 0);
    writer_->must("UPDATE t SET v = 2");
    wait_until([&] { return client.scalar(sql) == "2"; }, "the standby to follow");
    standby.promote();
    pq_connection(daemon.dsn("pgweir")).must("RECONNECT");
    EXPECT_EQ(cached(daemon, client, sql), "2") << "it was the standby, and nothing else";
}

}  // namespace
}  // namespace weir::test

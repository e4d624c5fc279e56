// The pitfalls of a pooler, 1 to 10: whose reply is whose, and when a server is free. The numbers
// are those under which the project keeps them; each test goes through the daemon.
#include "tests/integration/pitfalls_fixture.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace weir::test {
namespace {

using namespace frontend;

// The count waits for the lock on items: it is at the server.
void await_second_group() {
    wait_until(
        [] {
            return shared_postgres().scalar(
                       "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
                       "query = 'SELECT count(*) FROM items'"
                   ) == "1";
        },
        "the second group to have begun"
    );
}

// 1: with two Syncs on their way, the first ReadyForQuery does not make the server free.
TEST_F(pitfalls, P01_PipelinedSyncs) {
    begin();
    pq_connection locker(shared_postgres().dsn("shop"));
    locker.must("BEGIN; LOCK TABLE items");
    auto one = login();
    auto two = login();
    one.send(
        batch("SELECT 'first'") + sync() + batch("SELECT count(*) FROM items") + sync() + sync()
    );
    EXPECT_EQ(first(one.read_until('Z'), 'D').columns()[0], "first");
    await_second_group();
    two.send(query("SELECT 'stranger'"));
    await_waiting(1);
    locker.must("COMMIT");
    auto const rest = one.read_until('Z', 2);
    EXPECT_EQ(types(rest), "12DCZZ");
    EXPECT_EQ(first(rest, 'D').columns()[0], "10");
    EXPECT_EQ(first(two.read_until('Z'), 'D').columns()[0], "stranger");
}

// 1: PAUSE waits for the last Sync of a pipeline, too.
TEST_F(pitfalls, P01_PipelinedSyncsUnderPause) {
    begin();
    pq_connection locker(shared_postgres().dsn("shop"));
    locker.must("BEGIN; LOCK TABLE items");
    auto client = login();
    client.send(batch("SELECT 1") + sync() + batch("SELECT count(*) FROM items") + sync());
    client.read_until('Z');
    await_second_group();
    raw_client admin = raw_client::logged_in(daemon_->port(), "postgres", "pgweir");
    admin.send(query("PAUSE shop"));
    wait_until(
        [&] {
            return shown_by_console(*daemon_, "SHOW POOLS", "database", "shop", "paused") != "0";
        },
        "the pause to begin"
    );
    locker.must("COMMIT");
    EXPECT_EQ(types(client.read_until('Z')), "12DCZ");
    EXPECT_EQ(types(admin.read_until('Z')), "CZ");
    client.send(query("SELECT 'resumed'"));
    await_waiting(1);
    EXPECT_TRUE(console("RESUME shop").ok());
    EXPECT_EQ(types(client.read_until('Z')), "TDCZ");
}

// 2: the server is done while its reply still lies in our buffer; the next client's must not mix
// with it.
TEST_F(pitfalls, P02_BytesNotYetSent) {
    begin();
    auto slow = login();
    auto other = login();
    for (int const rows : {1, 30, 100, 600, 3000}) {
        slow.send(
            query("SELECT repeat('s', 10000) FROM generate_series(1, " + std::to_string(rows) + ")")
        );
        ASSERT_EQ(slow.read()->type, 'T');
        other.send(query("SELECT 'other'"));
        auto const replies = slow.read_until('Z');
        EXPECT_EQ(replies.size(), static_cast<std::size_t>(rows) + 2);
        for (auto const& reply : replies) {
            if (reply.type == 'D') {
                ASSERT_EQ(reply.columns()[0], std::string(10000, 's'));
            }
        }
        EXPECT_EQ(first(other.read_until('Z'), 'D').columns()[0], "other");
    }
}

// 3: after an error the server skips to Sync, also what comes later; what was skipped has not
// happened.
TEST_F(pitfalls, P03_ErrorUntilSync) {
    begin();
    auto client = login();
    client.ask(parse("kept", "SELECT 'kept'") + sync());
    client.send(
        batch("SELECT 1 / 0") + parse("lost", "SELECT 'never'") + frontend::close('S', "kept") +
        flush()
    );
    EXPECT_EQ(sqlstate(client.read_until('E')), "22012");
    client.send(
        parse("late", "SELECT 'late'") + bind("", "late") + execute("") + query("SELECT 2")
    );
    EXPECT_EQ(types(client.ask(frontend::close('S', "kept") + sync())), "Z");
    for (char const* const name : {"lost", "late"}) {
        EXPECT_EQ(sqlstate(client.ask(bind("", name) + execute("") + sync())), "26000") << name;
        EXPECT_EQ(
            types(client.ask(parse(name, "SELECT 'now'") + bind("", name) + execute("") + sync())),
            "12DCZ"
        );
    }
    auto const kept = client.ask(bind("", "kept") + execute("") + sync());
    EXPECT_EQ(first(kept, 'D').columns()[0], "kept");
    expect_clean();
}

// 4: a simple Query and a FunctionCall in a pipeline are answered by a ReadyForQuery of their own.
TEST_F(pitfalls, P04_SimpleQueryInAPipeline) {
    begin();
    auto client = login();
    client.send(
        batch("SELECT 1") + query("SELECT 2") + function_call(177, {"3", "4"}) + batch("SELECT 5") +
        sync()
    );
    auto const replies = client.read_until('Z', 3);
    EXPECT_EQ(types(replies), "12DCTDCZVZ12DCZ");
    std::string values;
    for (auto const& reply : replies) {
        values += reply.type == 'D'   ? reply.columns()[0].value_or("")
                  : reply.type == 'V' ? reply.body.substr(4)
                                      : "";
    }
    EXPECT_EQ(values, "1275");
    expect_clean();
}

// 5: Flush has no reply; how Describe and Execute end depends on what they are for.
TEST_F(pitfalls, P05_FlushDescribeAndExecute) {
    begin();
    auto client = login();
    auto const answered = [&](std::string const& bytes, char last) {
        client.send(bytes + flush());
        return types(client.read_until(last));
    };
    EXPECT_EQ(answered(parse("s", "SELECT $1::int") + describe('S', "s"), 'T'), "1tT");
    EXPECT_EQ(answered(bind("p", "s", {"1"}) + describe('P', "p"), 'T'), "2T");
    EXPECT_EQ(answered(parse("i", "DELETE FROM log") + describe('S', "i"), 'n'), "1tn");
    EXPECT_EQ(answered(bind("q", "i") + describe('P', "q"), 'n'), "2n");
    EXPECT_EQ(
        answered(parse("", "SELECT generate_series(1, 2)") + bind("", "") + execute("", 1), 's'),
        "12Ds"
    );
    EXPECT_EQ(answered(execute("", 1), 's'), "Ds");
    EXPECT_EQ(answered(execute("", 1), 'C'), "C");
    EXPECT_EQ(answered(parse("", "") + bind("", "") + execute(""), 'I'), "12I");
    EXPECT_EQ(types(client.ask(sync())), "Z");
    expect_clean();
}

// 6: extended messages without Sync have opened a transaction though no ReadyForQuery says so.
TEST_F(pitfalls, P06_ImplicitTransaction) {
    begin();
    auto client = login();
    auto other = login();
    client.send(batch("INSERT INTO log (text) VALUES ('implicit')") + flush());
    EXPECT_EQ(types(client.read_until('C')), "12C");
    other.send(query("SELECT count(*) FROM log"));
    await_waiting(1);
    EXPECT_EQ(types(client.ask(sync())), "Z");
    EXPECT_EQ(first(other.read_until('Z'), 'D').columns()[0], "1");
}

// 6: and whoever leaves before the Sync has committed nothing.
TEST_F(pitfalls, P06_ImplicitTransactionThatIsLeft) {
    begin();
    {
        auto client = login();
        client.send(batch("INSERT INTO log (text) VALUES ('left')") + flush());
        client.read_until('C');
    }
    expect_clean();
    EXPECT_EQ(logged(), "0");
}

// 7: PostgreSQL reads over Sync and Flush inside of COPY FROM STDIN.
TEST_F(pitfalls, P07_CopyReadsOverSyncAndFlush) {
    begin();
    auto client = login();
    client.send(query("COPY log (text) FROM STDIN"));
    client.read_until('G');
    client.send(copy_data("one\n") + sync() + flush() + copy_data("two\n") + copy_done());
    EXPECT_EQ(types(client.read_until('Z')), "CZ");
    EXPECT_EQ(logged(), "2");
    expect_clean();
    EXPECT_EQ(types(client.ask(query("SELECT 1"))), "TDCZ") << "no ReadyForQuery too many";
}

// 7: an error ends the COPY early; what the client still sends belongs to nobody.
TEST_F(pitfalls, P07_CopyThatFailsEarly) {
    begin();
    for (auto const& end : {copy_done(), copy_fail("late")}) {
        auto client = login();
        client.send(query("COPY items FROM STDIN"));
        client.read_until('G');
        client.send(copy_data("no number\t0\n"));
        EXPECT_EQ(sqlstate(client.read_until('Z')), "22P02");
        auto other = login();
        other.send(query("COPY log (text) FROM STDIN"));
        other.read_until('G');
        client.send(copy_data("stray\n") + end);
        other.send(copy_data("mine\n") + copy_done());
        EXPECT_EQ(types(other.read_until('Z')), "CZ");
        EXPECT_EQ(types(client.ask(query("SELECT 1"))), "TDCZ");
    }
    EXPECT_EQ(
        shared_postgres().scalar("SELECT string_agg(text, ',') FROM log", "shop"), "mine,mine"
    );
}

// 7: a COPY of the extended protocol that has failed holds the server until Sync.
TEST_F(pitfalls, P07_CopyOfTheExtendedProtocolNeedsSync) {
    begin();
    auto client = login();
    client.send(batch("COPY items FROM STDIN") + flush());
    client.read_until('G');
    client.send(copy_data("no number\t0\n") + copy_done());
    EXPECT_EQ(sqlstate(client.read_until('E')), "22P02");
    auto other = login();
    other.send(query("SELECT 'other'"));
    await_waiting(1);
    EXPECT_EQ(types(client.ask(sync())), "Z");
    EXPECT_EQ(types(other.read_until('Z')), "TDCZ");
}

// 7: a replication stream copies in both directions at once, and may be ended by the client.
TEST_F(pitfalls, P07_CopyBothOfReplication) {
    begin({.pool = one_server, .rest = "  replication: {upstream: \"host=127.0.0.1 port={pg}\"}\n"}
    );
    raw_client client(daemon_->port());
    ASSERT_TRUE(has(
        client.start({{"user", "postgres"}, {"database", "shop"}, {"replication", "true"}}), 'Z'
    ));
    auto const position =
        first(client.ask(query("IDENTIFY_SYSTEM")), 'D').columns().at(2).value_or("");
    client.send(query("START_REPLICATION PHYSICAL " + position));
    EXPECT_EQ(types(client.read_until('W')), "W");
    shared_postgres().execute("INSERT INTO log (text) VALUES ('streamed')", "shop");
    EXPECT_EQ(types(client.read_until('d')), "d");
    auto const end = client.ask(copy_done());
    EXPECT_TRUE(has(end, 'c')) << types(end);
    EXPECT_EQ(types(client.ask(query("IDENTIFY_SYSTEM"))), "TDCZ");
    expect_clean();
}

// 8: one Query may have many completions, transactions and copies, and has one ReadyForQuery.
TEST_F(pitfalls, P08_MultiStatementQuery) {
    begin();
    auto client = login();
    EXPECT_EQ(
        types(client.ask(query("BEGIN; SELECT 1; INSERT INTO log (text) VALUES ('b'); COMMIT"))),
        "CTDCCCZ"
    );
    expect_clean();
    EXPECT_EQ(
        types(client.ask(query("SELECT 1; COPY (SELECT 2) TO STDOUT; SELECT 3"))), "TDCHdcCTDCZ"
    );
    client.send(query("SELECT 1; COPY log (text) FROM STDIN; COPY log (text) FROM STDIN; SELECT 2")
    );
    EXPECT_EQ(types(client.read_until('G')), "TDCG");
    client.send(copy_data("one\n") + copy_done());
    EXPECT_EQ(types(client.read_until('G')), "CG");
    EXPECT_EQ(types(client.ask(copy_data("two\n") + copy_done())), "CTDCZ");
    EXPECT_EQ(logged(), "3");
    EXPECT_EQ(sqlstate(client.ask(query("SELECT 1; DISCARD ALL"))), "25001");
    EXPECT_EQ(types(client.ask(query("BEGIN; COMMIT; BEGIN"))), "CCCZ");
    auto other = login();
    other.send(query("SELECT 'other'"));
    await_waiting(1);
    client.ask(query("ROLLBACK"));
    EXPECT_EQ(types(other.read_until('Z')), "TDCZ");
}

// 8: DISCARD ALL in the middle of a pipeline takes the settings and statements that are before it.
TEST_F(pitfalls, P08_DiscardAllInAPipeline) {
    begin();
    auto client = login();
    client.send(
        query("SET work_mem = '3MB'") + parse("s", "SELECT 1") + sync() + query("DISCARD ALL") +
        query("SHOW work_mem") + bind("", "s") + sync()
    );
    auto const replies = client.read_until('Z', 5);
    EXPECT_EQ(first(replies, 'D').columns()[0], "4MB");
    EXPECT_EQ(sqlstate(replies), "26000");
}

// 9: a client that leaves has its query cancelled, and its backend counts until it is gone.
TEST_F(pitfalls, P09_LeavesInTheMiddle) {
    begin();
    for (std::string const& goodbye :
         {terminate(), std::string(), query("SELECT 1").substr(0, 7)}) {
        {
            auto client = login();
            client.send(query("SELECT pg_sleep(90)"));
            await_running("SELECT pg_sleep(90)");
            client.send(goodbye);
        }
        auto next = login();
        EXPECT_EQ(
            value(
                next,
                "SELECT count(*) FROM pg_stat_activity WHERE datname = 'shop' AND "
                "pid <> pg_backend_pid() AND backend_type = 'client backend'"
            ),
            "0"
        );
    }
}

// 9: nor is anything committed of a COPY that is left in the middle.
TEST_F(pitfalls, P09_LeavesInTheMiddleOfACopy) {
    begin();
    for (std::string const& goodbye :
         {terminate(), std::string(), copy_data("part\n").substr(0, 6)}) {
        {
            auto client = login();
            client.send(query("COPY log (text) FROM STDIN"));
            client.read_until('G');
            client.send(copy_data("left\n") + goodbye);
        }
        expect_clean();
        EXPECT_EQ(logged(), "0");
    }
}

// 10: a cancel of who waits is answered at once, of who has gone hits nobody; the end of who waits
// is seen.
TEST_F(pitfalls, P10_CancelInTheQueue) {
    begin();
    auto holder = login();
    holder.ask(query("BEGIN"));
    auto waiter = login();
    waiter.send(query("INSERT INTO log (text) VALUES ('cancelled')"));
    await_waiting(1);
    send_cancel(*daemon_, waiter.backend_key_data());
    EXPECT_EQ(sqlstate(waiter.read_until('Z')), "57014");
    auto gone = std::make_unique<raw_client>(login());
    auto const key = gone->backend_key_data();
    gone->send(query("INSERT INTO log (text) VALUES ('gone')"));
    await_waiting(1);
    gone.reset();
    await_waiting(0);
    holder.send(query("SELECT pg_sleep(0.2)"));
    send_cancel(*daemon_, key);
    EXPECT_EQ(types(holder.read_until('Z')), "TDCZ");
    holder.ask(query("COMMIT"));
    EXPECT_EQ(types(waiter.ask(query("SELECT 1"))), "TDCZ");
    EXPECT_EQ(logged(), "0");
}

// 10: a hundred cancels at once hit those who are meant.
TEST_F(pitfalls, P10_HundredCancelsAtOnce) {
    begin({.pool = "mode: transaction, size: 5, overflow: 0"});
    std::vector<raw_client> guilty;
    for (int n = 0; n < 100; ++n) {
        guilty.push_back(login());
        guilty.back().send(query("SELECT pg_sleep(91)"));
    }
    await_running("SELECT pg_sleep(91)", 5);
    std::vector<raw_client> cancels;
    for (auto const& client : guilty) {
        cancels.emplace_back(daemon_->port());
        cancels.back().send(cancel_request(client.backend_key_data()));
    }
    for (auto& client : guilty) {
        EXPECT_EQ(sqlstate(client.read_until('Z')), "57014");
    }
    for (auto& client : guilty) {
        EXPECT_EQ(types(client.ask(query("SELECT 1"))), "TDCZ") << "a late cancel";
    }
}

}  // namespace
}  // namespace weir::test

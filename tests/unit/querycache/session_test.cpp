// The traps of a cache in front of PostgreSQL, played at the level of one session's events: what is
// sent, what comes back, in which order. Each proves a hit first and its disappearance then.
#include "tests/unit/querycache/session_fixture.hpp"

#include <gtest/gtest.h>

namespace weir::querycache {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using sql::transaction_control;
using test::client;
using test::facts_ptr;
using test::feed;
using test::message;
using test::read_t;
using test::reading;
using test::reply_of;
using test::session_of_client;
using test::share;
using test::statement_class;
using test::statement_of;
using test::world;
using test::writing;

const facts_ptr read_u = share(reading({"u"}));
const facts_ptr write_t = share(writing({"t"}));
const facts_ptr write_u = share(writing({"u"}));
const facts_ptr begin = share(test::transaction(transaction_control::begin));
const facts_ptr commit = share(test::transaction(transaction_control::commit));
const facts_ptr rollback = share(test::transaction(transaction_control::rollback));
const facts_ptr ddl = share(statement_of(statement_class::ddl));

TEST_F(session_of_client, SecondReadIsAHitWithTheSameBytes) {
    EXPECT_EQ(a.read(read_t, "select t"), "miss");
    const auto first = a.last;
    EXPECT_EQ(a.read(read_t, "select t"), "hit");
    EXPECT_EQ(a.last, first);
    EXPECT_EQ(b.read(read_t, "select t"), "hit");
    EXPECT_EQ(w.face.show_cache()[0].totals.hits, 2U);
    EXPECT_EQ(w.face.show_cache()[0].totals.misses, 1U);
}

TEST_F(session_of_client, WriteOfAnotherTableLeavesTheHit) {
    prove_hit();
    a.run(write_u, "UPDATE 1", 'I');
    EXPECT_EQ(b_reads(), "hit");
    a.run(write_t, "UPDATE 1", 'I');
    EXPECT_EQ(b_reads(), "miss");
}

TEST_F(session_of_client, T01ReplyThatAWriteOvertookIsNotServed) {
    auto d = b.session.begin_statement({reply_shape::simple, "select t", {}, {}}, {read_t}, w.now);
    ASSERT_TRUE(d.fill);
    a.run(write_t, "INSERT 0 1", 'I');
    feed(*d.fill, reply_of("old"));
    (void)b.tag("SELECT 1");
    (void)b.ready('I');
    b.session.finish_capture(std::move(d.fill), w.now);
    EXPECT_EQ(b_reads(), "miss");
    EXPECT_EQ(w.face.reasons().total(bypass_reason::outdated), 1U);
}

TEST_F(session_of_client, T01EntryStoredBeforeTheBumpDiesWithIt) {
    a.send(write_t);
    EXPECT_EQ(b_reads(), "miss") << "stored while the write is under way";
    EXPECT_EQ(b_reads(), "hit") << "not acknowledged yet";
    (void)a.tag("UPDATE 1");
    EXPECT_EQ(b_reads(), "miss");
}

TEST_F(session_of_client, CyclesThatNeverEndDoNotDelayLaterWrites) {
    prove_hit();
    a.session.end_of_cycle();  // a Sync that COPY ate: no ReadyForQuery will come for it
    a.run(begin, "BEGIN", 'T');
    (void)a.session.on_nothing_owed();
    a.run(write_t, "UPDATE 1", 'T');
    a.send(commit);
    (void)a.tag("COMMIT");
    (void)a.ready('I');
    (void)a.session.on_nothing_owed();
    EXPECT_EQ(b_reads(), "miss");
    expect_settled();
}

TEST_F(session_of_client, T02BumpComesAtCommitNotAtTheStatement) {
    prove_hit();
    a.run(begin, "BEGIN", 'T');
    a.run(write_t, "UPDATE 1", 'T');
    EXPECT_EQ(b_reads(), "hit");
    a.send(commit);
    EXPECT_EQ(b_reads(), "hit");
    EXPECT_TRUE(a.tag("COMMIT").bumped);
    EXPECT_EQ(b_reads(), "miss");
    (void)a.ready('I');
    expect_settled();
}

TEST_F(session_of_client, T04SimpleStatementIsSettledByItsTag) {
    prove_hit();
    a.send(write_t);
    EXPECT_TRUE(a.tag("UPDATE 3").bumped);
    EXPECT_EQ(b_reads(), "miss");
    EXPECT_EQ(b_reads(), "hit");
    EXPECT_FALSE(a.ready('I').bumped) << "settled already, so the new entry stays";
    EXPECT_EQ(b_reads(), "hit");
    expect_settled();
}

TEST_F(session_of_client, T04ExtendedStatementIsSettledAtReadyForQuery) {
    prove_hit();
    (void)a.session.begin_statement(
        {reply_shape::extended, "w", {}, "\0\0\0\0\0\0"sv}, {write_t}, w.now
    );
    a.session.end_of_cycle();
    (void)a.tag("UPDATE 1");
    (void)b_reads();  // stored before the commit at Sync
    ASSERT_EQ(b_reads(), "hit");
    EXPECT_TRUE(a.ready('I').bumped);
    EXPECT_EQ(b_reads(), "miss");
    expect_settled();
}

TEST_F(session_of_client, T06OwnTransactionNeverReadsFromMemory) {
    prove_hit();
    a.run(begin, "BEGIN", 'T');
    EXPECT_EQ(a.read(read_t, "select t"), "in_transaction");
    a.run(write_t, "UPDATE 1", 'T');
    EXPECT_EQ(a.read(read_t, "select t", "uncommitted"), "in_transaction");
    EXPECT_EQ(b_reads(), "hit");
    a.run(rollback, "ROLLBACK", 'I');
    EXPECT_EQ(b_reads(), "hit") << "nothing was written";
    expect_settled();
}

TEST_F(session_of_client, T07RollbackToSavepointKeepsTheMarks) {
    prove_hit();
    const auto rollback_to = share(test::transaction(transaction_control::rollback_to));
    a.run(begin, "BEGIN", 'T');
    a.run(write_t, "INSERT 0 1", 'T');
    a.run(share(test::transaction(transaction_control::savepoint)), "SAVEPOINT", 'T');
    a.run(write_u, "INSERT 0 1", 'T');
    a.run(rollback_to, "ROLLBACK", 'T');
    EXPECT_TRUE(a.session.is_dirty());
    a.run(commit, "COMMIT", 'I');
    EXPECT_EQ(b_reads(), "miss");
    expect_settled();
}

TEST_F(session_of_client, T07RollbackToSavepointAndCommitInOneStringBumps) {
    prove_hit();
    a.run(begin, "BEGIN", 'T');
    a.run(write_t, "INSERT 0 1", 'T');
    auto both = test::transaction(transaction_control::several);
    both.statements = 2;
    a.send(share(both));
    (void)a.tag("ROLLBACK");
    (void)a.tag("COMMIT");
    (void)a.ready('I');
    EXPECT_EQ(b_reads(), "miss");
    expect_settled();
}

TEST_F(session_of_client, T08CommitOfAFailedTransactionIsARollback) {
    prove_hit();
    a.run(begin, "BEGIN", 'T');
    a.run(write_t, "INSERT 0 1", 'T');
    a.send(share(reading({})));
    (void)a.ready('E');
    EXPECT_EQ(a.read(read_t, "select t"), "in_transaction") << "the server must say 25P02";
    a.run(commit, "ROLLBACK", 'I');
    EXPECT_EQ(b_reads(), "hit");
    expect_settled();
}

TEST_F(session_of_client, T09CommitAndChainBumpsAndForgets) {
    prove_hit();
    a.run(begin, "BEGIN", 'T');
    a.run(write_t, "UPDATE 1", 'T');
    a.run(share(test::transaction(transaction_control::commit_and_chain)), "COMMIT", 'T');
    EXPECT_EQ(b_reads(), "miss");
    EXPECT_FALSE(a.session.is_dirty());
    EXPECT_EQ(b_reads(), "hit");
    a.run(write_t, "UPDATE 1", 'T');
    a.run(commit, "COMMIT", 'I');
    EXPECT_EQ(b_reads(), "miss");
    expect_settled();
}

TEST_F(session_of_client, T10StringWithACommitInsideBumpsAtEachStep) {
    prove_hit();
    auto several = writing({"t", "u"});
    several.statements = 4;
    several.transaction = transaction_control::several;
    a.send(share(several), "update t; commit; begin; update u");
    (void)a.tag("UPDATE 1");
    EXPECT_TRUE(a.tag("COMMIT").bumped);
    EXPECT_EQ(b_reads(), "miss");
    (void)a.tag("BEGIN");
    (void)a.tag("UPDATE 1");
    (void)a.ready('T');
    (void)b.read(read_u, "select u");
    EXPECT_TRUE(a.session.is_dirty()) << "u may have been written after the COMMIT";
    ASSERT_EQ(b.read(read_u, "select u"), "hit");
    a.run(commit, "COMMIT", 'I');
    EXPECT_EQ(b.read(read_u, "select u"), "miss");
    expect_settled();
}

TEST_F(session_of_client, T10ImplicitTransactionOfAStringIsSettledAtItsEnd) {
    prove_hit();
    auto two = writing({"t"});
    two.statements = 2;
    a.send(share(two), "update t; select pg_sleep(5)");
    (void)a.tag("UPDATE 1");
    (void)b_reads();
    ASSERT_EQ(b_reads(), "hit") << "not committed yet";
    (void)a.tag("SELECT 1");
    EXPECT_TRUE(a.ready('I').bumped);
    EXPECT_EQ(b_reads(), "miss");
}

TEST_F(session_of_client, T11CommitPreparedBumpsEverything) {
    prove_hit();
    a.run(share(test::transaction(transaction_control::commit_prepared)), "COMMIT PREPARED", 'I');
    w.load();
    EXPECT_EQ(b_reads(), "miss");
}

TEST_F(session_of_client, T12NothingIsStoredFromATransaction) {
    a.run(begin, "BEGIN", 'T');
    EXPECT_EQ(a.read(read_t, "select t", "old snapshot"), "in_transaction");
    a.run(commit, "COMMIT", 'I');
    EXPECT_EQ(b_reads(), "miss");
}

TEST_F(session_of_client, T13StampIsTakenAtBind) {
    const request bind{reply_shape::extended, "select t", {}, "\0\0\0\0\0\0"sv};
    auto d = b.session.begin_statement(bind, {read_t}, w.now);
    ASSERT_TRUE(d.fill);
    a.run(write_t, "INSERT 0 1", 'I');
    b.session.end_of_cycle();  // Execute and Sync come only now
    auto reply = reply_of("old");
    reply[0] = message('2', "");
    feed(*d.fill, reply);
    (void)b.tag("SELECT 1");
    (void)b.ready('I');
    b.session.finish_capture(std::move(d.fill), w.now);
    EXPECT_FALSE(b.session.quick_hit(bind, w.now));
    EXPECT_EQ(w.face.totals().entries, 0U);
}

TEST_F(session_of_client, T13AStampTakenLaterWouldBeServedStale) {
    // The wrong order on purpose, to show that the order is what carries the proof: the snapshot is
    // older than the write, the stamp is newer.
    a.run(write_t, "INSERT 0 1", 'I');
    EXPECT_EQ(b.read(read_t, "select t", "snapshot of before the write"), "miss");
    EXPECT_EQ(b_reads(), "hit");
}

TEST_F(session_of_client, T18ReadBehindAnUnsettledWriteIsNotServed) {
    prove_hit();
    const request read{reply_shape::extended, "select t", {}, "\0\0\0\0\0\0"sv};
    (void)b.session.begin_statement(
        {reply_shape::extended, "w", {}, "\0\0\0\0\0\0"sv}, {write_u}, w.now
    );
    EXPECT_FALSE(b.session.may_hit());
    EXPECT_FALSE(b.session.quick_hit({reply_shape::simple, "select t", {}, {}}, w.now));
    auto d = b.session.begin_statement(read, {read_t}, w.now);
    EXPECT_FALSE(d.fill);
    EXPECT_EQ(d.reason, bypass_reason::pipelined);
    b.session.end_of_cycle();
    (void)b.tag("UPDATE 1");
    (void)b.tag("SELECT 1");
    (void)b.ready('I');
    EXPECT_EQ(b_reads(), "hit");
}

TEST_F(session_of_client, T93HitNeverOvertakesAReplyThatIsOwed) {
    prove_hit();
    const request read{reply_shape::simple, "select t", {}, {}};
    (void)b.session.begin_statement({reply_shape::simple, "u", {}, {}}, {read_u}, w.now);
    EXPECT_FALSE(b.session.quick_hit(read, w.now)) << "the query is not answered yet";
    (void)b.ready('I');
    EXPECT_TRUE(b.session.quick_hit(read, w.now));
    (void
    )b.session.begin_statement({reply_shape::extended, "u", {}, "\0\0\0\0\0\0"sv}, {read_u}, w.now);
    EXPECT_FALSE(b.session.quick_hit(read, w.now)) << "not even synchronised";
    b.session.end_of_cycle();
    EXPECT_FALSE(b.session.quick_hit(read, w.now));
    (void)b.ready('I');
    EXPECT_TRUE(b.session.quick_hit(read, w.now));
}

TEST_F(session_of_client, PipelinedCyclesAreSettledEachByItsOwnReadyForQuery) {
    prove_hit();
    a.send(write_u);
    a.send(write_t);  // before the first answer
    (void)a.tag("UPDATE 1");
    (void)a.ready('I');
    EXPECT_TRUE(a.session.is_dirty()) << "the second has not even run";
    (void)b_reads();
    ASSERT_EQ(b_reads(), "hit");
    (void)a.tag("UPDATE 1");
    EXPECT_EQ(b_reads(), "miss");
    (void)a.ready('I');
    expect_settled();
}

TEST_F(session_of_client, PipelinedWritesOfOneTableAreBothSeen) {
    prove_hit();
    a.send(write_t);
    a.send(write_t);
    (void)a.tag("UPDATE 1");
    (void)a.ready('I');
    EXPECT_EQ(b_reads(), "miss");
    ASSERT_EQ(b_reads(), "hit");
    (void)a.tag("UPDATE 1");
    EXPECT_EQ(b_reads(), "miss");
    (void)a.ready('I');
    expect_settled();
}

TEST_F(session_of_client, T54WriteOfNoRowsBumpsNothing) {
    prove_hit();
    for (const auto* tag : {"UPDATE 0", "DELETE 0", "INSERT 0 0"}) {
        a.run(write_t, tag, 'I');
        EXPECT_EQ(b_reads(), "hit") << tag;
    }
    expect_settled();
    a.run(share(writing({"tr"})), "INSERT 0 0", 'I');
    EXPECT_EQ(b_reads(), "miss") << "a statement trigger runs without rows too";
}

TEST_F(session_of_client, T54ZeroRowsProveNothingInsideAString) {
    prove_hit();
    auto two = writing({"t"});
    two.statements = 2;
    a.send(share(two), "update t; update t where false");
    (void)a.tag("UPDATE 1");
    (void)a.tag("UPDATE 0");
    (void)a.ready('I');
    EXPECT_EQ(b_reads(), "miss");
}

TEST_F(session_of_client, StatementWithoutATagIsTakenForWritten) {
    prove_hit();
    a.send(write_t);
    (void)a.ready('I');
    EXPECT_EQ(b_reads(), "miss");
    expect_settled();
}

TEST_F(session_of_client, LoneStatementThatFailedWroteNothing) {
    prove_hit();
    a.send(write_t);
    a.session.on_error(false);
    (void)a.ready('I');
    EXPECT_EQ(b_reads(), "hit");
    expect_settled();
    // What is not understood may have written before it failed, unless it never ran.
    a.send(ddl);
    a.session.on_error(true);
    (void)a.ready('I');
    (void)a.session.begin_statement({reply_shape::simple, "??", {}, {}}, {}, w.now);
    a.session.on_error(true);
    (void)a.ready('I');
    EXPECT_EQ(b_reads(), "hit");
    (void)a.session.begin_statement({reply_shape::simple, "??", {}, {}}, {}, w.now);
    a.session.on_error(false);
    (void)a.ready('I');
    EXPECT_EQ(b_reads(), "catalog_refreshing");
    expect_settled();
}

TEST_F(session_of_client, WhatNeverRanInATransactionWroteNothing) {
    prove_hit();
    a.run(begin, "BEGIN", 'T');
    (void)a.session.begin_statement({reply_shape::simple, "??", {}, {}}, {}, w.now);
    a.session.on_error(true);
    (void)a.ready('E');
    (void)a.session.begin_statement({reply_shape::simple, "??", {}, {}}, {}, w.now);
    a.session.on_error(true);
    (void)a.ready('E');
    a.run(rollback, "ROLLBACK", 'I');
    EXPECT_EQ(b_reads(), "hit");
    // What ran and failed may have written outside of it.
    a.run(begin, "BEGIN", 'T');
    (void)a.session.begin_statement({reply_shape::simple, "??", {}, {}}, {}, w.now);
    a.session.on_error(false);
    (void)a.ready('E');
    a.run(rollback, "ROLLBACK", 'I');
    EXPECT_EQ(b_reads(), "catalog_refreshing");
    expect_settled();
}

TEST_F(session_of_client, FailureAmongOthersForgivesNothing) {
    const request extended{reply_shape::extended, "w", {}, "\0\0\0\0\0\0"sv};
    prove_hit();
    // Two statements in one cycle, the first without a tag: its portal was suspended.
    (void)a.session.begin_statement(extended, {write_t}, w.now);
    (void)a.session.begin_statement(extended, {read_u}, w.now);
    a.session.end_of_cycle();
    a.session.on_error(true);
    (void)a.ready('I');
    EXPECT_EQ(b_reads(), "miss");
    // A string whose first statement was done.
    auto both = writing({"t"});
    both.statements = 2;
    a.send(share(both));
    (void)a.tag("UPDATE 1");
    (void)b_reads();
    a.session.on_error(false);
    (void)a.ready('I');
    EXPECT_EQ(b_reads(), "miss");
    // In a transaction it is the transaction's end that counts.
    prove_hit();
    a.run(begin, "BEGIN", 'T');
    a.run(write_t, "UPDATE 1", 'T');
    a.send(commit);
    a.session.on_error(false);
    (void)a.ready('I');
    EXPECT_EQ(b_reads(), "miss");
    expect_settled();
}

TEST_F(session_of_client, UnknownStatementBumpsEverything) {
    prove_hit();
    (void)a.session.begin_statement({reply_shape::simple, "??", {}, {}}, {}, w.now);
    const auto s = a.tag("DO");
    EXPECT_TRUE(s.bumped);
    EXPECT_TRUE(s.catalog_changed);
    (void)a.ready('I');
    w.load();
    EXPECT_EQ(b_reads(), "miss");
}

TEST_F(session_of_client, T31CascadeReachesTheChild) {
    auto rows = test::some_rows();
    rows.foreign_keys = {{test::u_oid, 20005, 'c', 'a'}};
    w.load(rows);
    auto* child = w.database.versions().slot(test::u_oid);
    const auto before = child->version();
    a.run(share(writing({"p"})), "DELETE 1", 'I');
    EXPECT_GT(child->version(), before);
}

TEST_F(session_of_client, T58DdlStopsServingUntilTheCatalogIsLoadedAgain) {
    prove_hit();
    a.send(ddl);
    const auto s = a.tag("ALTER TABLE");
    EXPECT_TRUE(s.catalog_changed);
    (void)a.ready('I');
    EXPECT_EQ(b_reads(), "catalog_refreshing");
    w.load();
    EXPECT_EQ(b_reads(), "miss");
    EXPECT_EQ(b_reads(), "hit");
    expect_settled();
}

TEST_F(session_of_client, T58DdlInATransactionCountsAtCommit) {
    prove_hit();
    a.run(begin, "BEGIN", 'T');
    a.run(ddl, "CREATE TABLE", 'T');
    EXPECT_EQ(b_reads(), "hit");
    a.send(commit);
    EXPECT_TRUE(a.tag("COMMIT").catalog_changed);
    (void)a.ready('I');
    EXPECT_EQ(b_reads(), "catalog_refreshing");
}

TEST_F(session_of_client, WriteBoundBeforeAnothersDdlBumpsEverything) {
    // b's DDL (CREATE TRIGGER on t that writes u, say) commits while a's write of t, bound without
    // it, is on its way. a's acknowledgement may come before b's bump, and must cover u.
    client c{w};
    (void)c.read(read_u, "select u");
    ASSERT_EQ(c.read(read_u, "select u"), "hit");
    a.send(write_t);
    b.send(ddl);
    (void)a.tag("UPDATE 1");
    EXPECT_EQ(c.read(read_u, "select u"), "miss");
    (void)a.ready('I');
    (void)b.tag("CREATE TRIGGER");
    (void)b.ready('I');
    expect_settled();
}

TEST_F(session_of_client, ZeroRowsProveNothingWhileDdlIsUnderWay) {
    prove_hit();
    client c{w};
    a.send(write_t);
    c.send(ddl);
    (void)a.tag("UPDATE 0");
    EXPECT_NE(b_reads(), "hit");
}

TEST_F(session_of_client, ReadBoundBeforeAnothersDdlIsNotServedAfterIt) {
    auto d = b.session.begin_statement({reply_shape::simple, "select t", {}, {}}, {read_t}, w.now);
    a.run(ddl, "ALTER TABLE", 'I');
    w.load();
    feed(*d.fill, reply_of("of another table"));
    (void)b.ready('I');
    b.session.finish_capture(std::move(d.fill), w.now);
    EXPECT_EQ(b_reads(), "miss");
}

TEST_F(session_of_client, RolesAreOfAllDatabasesOfTheServer) {
    prove_hit();
    auto& other = w.face.database({7, 20000}, "other");
    auto& elsewhere = w.face.database({8, 20000}, "elsewhere");
    client c{w};
    c.session.set_identity(other, "other", "app", "test");
    auto revoke = statement_of(statement_class::ddl);
    revoke.shared_objects = true;
    const auto before = elsewhere.versions().everything()->version();
    c.send(share(revoke));
    EXPECT_NE(w.database.versions().everything()->pending(), 0U);
    EXPECT_EQ(b_reads(), "hit") << "not acknowledged yet";
    auto& late = w.face.database({7, 30000}, "known since");
    (void)c.tag("REVOKE ROLE");
    (void)c.ready('I');
    EXPECT_EQ(b_reads(), "miss");
    EXPECT_EQ(elsewhere.versions().everything()->version(), before) << "another server's";
    EXPECT_EQ(late.versions().everything()->version(), 2U);
    expect_settled();
    prove_hit();
    c.run(ddl, "CREATE TABLE", 'I');
    EXPECT_EQ(b_reads(), "hit") << "a table is its own database's";
}

TEST_F(session_of_client, LostServerBumpsNowAndForAWhile) {
    prove_hit();
    a.run(begin, "BEGIN", 'T');
    a.run(write_t, "UPDATE 1", 'T');
    a.send(commit);
    EXPECT_TRUE(a.session.on_server_lost().bumped);
    EXPECT_EQ(b_reads(), "miss");
    EXPECT_EQ(b_reads(), "hit");
    w.face.sweep(w.now);
    EXPECT_EQ(b_reads(), "miss") << "the commit may have become visible in between";
    EXPECT_EQ(w.database.versions().slot(test::t_oid)->pending(), 1U);
    w.face.sweep(w.now + 61s);
    expect_settled();
}

TEST_F(session_of_client, VanishedClientLeavesNoMarkBehind) {
    prove_hit();
    {
        client gone{w};
        gone.send(write_t);
    }
    EXPECT_EQ(b_reads(), "miss");
    w.face.sweep(w.now);
    w.face.sweep(w.now + 61s);
    expect_settled();
}

TEST_F(session_of_client, TransactionThatNobodyEndedIsNotInDoubt) {
    const auto dies_after = [&](auto&& play) {
        prove_hit();
        {
            client gone{w};
            gone.run(begin, "BEGIN", 'T');
            play(gone);
        }
        EXPECT_EQ(b_reads(), "miss") << "functions may have written outside of it";
    };
    dies_after([&](client& gone) { gone.run(write_t, "UPDATE 1", 'T'); });
    expect_settled();
    EXPECT_EQ(b_reads(), "hit");
    dies_after([&](client& gone) { gone.send(write_t); });
    expect_settled();
    dies_after([&](client& gone) {
        gone.run(write_t, "UPDATE 1", 'T');
        gone.send(commit);
    });
    EXPECT_EQ(w.database.versions().slot(test::t_oid)->pending(), 1U);
    w.face.sweep(w.now);
    w.face.sweep(w.now + 61s);
    expect_settled();
    // The transaction is over before the write that nobody has told the outcome of.
    dies_after([&](client& gone) {
        gone.send(rollback);
        gone.send(write_t);
    });
    EXPECT_EQ(w.database.versions().slot(test::t_oid)->pending(), 1U);
}

TEST_F(session_of_client, T05LinearizableBypassesATableThatIsBeingWritten) {
    world strict(consistency::linearizable);
    client writer{strict}, reader{strict};
    (void)reader.read(read_t, "select t");
    ASSERT_EQ(reader.read(read_t, "select t"), "hit");
    writer.send(write_t);
    EXPECT_EQ(reader.read(read_t, "select t"), "pending_write");
    (void)writer.tag("UPDATE 0");
    (void)writer.ready('I');
    EXPECT_EQ(reader.read(read_t, "select t"), "hit") << "hidden, not dropped";
    writer.run(write_t, "UPDATE 1", 'I');
    EXPECT_EQ(reader.read(read_t, "select t"), "miss");
}

TEST_F(session_of_client, UnannouncedReadyForQueryDoesNotConfuse) {
    (void)b.ready('I');
    EXPECT_TRUE(b.session.may_hit());
    prove_hit();
    (void)a.ready('I');
    a.run(write_t, "UPDATE 1", 'I');
    EXPECT_EQ(b_reads(), "miss");
    expect_settled();
}

TEST(CacheSession, DoesNothingBeforeItKnowsWhoItIs) {
    world w;
    cache_session session(w.face, w.memo);
    EXPECT_FALSE(session.may_hit());
    const request r{reply_shape::simple, "select t", {}, {}};
    EXPECT_FALSE(session.quick_hit(r, w.now));
    EXPECT_EQ(session.begin_statement(r, {read_t}, w.now).reason, bypass_reason::catalog_missing);
    EXPECT_FALSE(session.on_command_complete("SELECT 1").bumped);
    EXPECT_FALSE(session.on_ready('I').bumped);
}

}  // namespace
}  // namespace weir::querycache

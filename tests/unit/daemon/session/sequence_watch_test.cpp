#include "daemon/session/sequence_watch.hpp"

#include "querycache/sql/lexed_statement.hpp"
#include "querycache/sql/parser.hpp"

#include <gtest/gtest.h>

#include <string_view>

namespace weir::daemon {
namespace {

using pool::sequence_habit;

text_facts facts(std::string_view text, bool is_parsed = false) {
    text_facts made;
    made.statement =
        is_parsed ? querycache::sql::parse_statement(text) : querycache::sql::lex_statement(text);
    return made;
}

TEST(SequenceWatch, KnowsWhoAsks) {
    for (const auto* text :
         {"SELECT currval('s')",
          "SELECT pg_catalog.lastval()",
          "INSERT INTO t VALUES (\"currval\"('s'))",
          "SELECT 1; SELECT LASTVAL()",
          "PREPARE p AS SELECT currval('s')",
          "DECLARE c CURSOR FOR SELECT lastval()"}) {
        EXPECT_TRUE(sequence_watch::asks(facts(text))) << text;
        EXPECT_TRUE(sequence_watch::asks(facts(text, true))) << text;
    }
    for (const auto* text : {"SELECT nextval('s')", "SELECT 'currval(1)'", "SELECT currval FROM t"})
        EXPECT_FALSE(sequence_watch::asks(facts(text))) << text;
    EXPECT_FALSE(sequence_watch::asks({}));
}

struct move_case {
    std::string_view text;
    bool may_move;
    bool is_likely;  // of what may
};

TEST(SequenceWatch, TakesWhatItDoesNotKnowForAMove) {
    const move_case cases[]{
        {"SELECT 1", false, false},
        {"SELECT a, lower(b) FROM t WHERE c IN (1, 2)", false, false},
        {"SELECT currval('s')", false, false},
        {"SHOW work_mem", false, false},
        {"SET work_mem = '1MB'", false, false},
        {"BEGIN", false, false},
        {"COMMIT", false, false},
        {"DISCARD SEQUENCES", false, false},
        {"COPY t TO STDOUT", false, false},
        {"SELECT nextval('s')", true, true},
        {"SELECT setval('s', 1)", true, true},
        {"SELECT my_own(1)", true, true},
        {"DECLARE c CURSOR FOR SELECT nextval('s')", true, true},
        {"COPY (SELECT nextval('s')) TO STDOUT", true, true},
        {"INSERT INTO t DEFAULT VALUES", true, true},
        {"WITH x AS (INSERT INTO t SELECT 1 RETURNING a) SELECT a FROM x", true, true},
        {"EXPLAIN ANALYZE INSERT INTO t SELECT 1", true, true},
        {"MERGE INTO t USING u ON a = b WHEN NOT MATCHED THEN INSERT VALUES (1)", true, true},
        {"COPY t FROM STDIN", true, true},
        {"CALL p()", true, true},
        {"DO $$ BEGIN END $$", true, true},
        {"EXECUTE p", true, true},
        {"SELECT 1; INSERT INTO t SELECT 1", true, true},
        {"UPDATE t SET a = 1", true, false},
        {"DELETE FROM t", true, false},
        {"TRUNCATE t RESTART IDENTITY", true, false},
        {"ALTER SEQUENCE s RESTART", true, false},
    };
    for (const move_case& one : cases) {
        for (const bool is_parsed : {false, true}) {
            const auto known = facts(one.text, is_parsed);
            EXPECT_EQ(sequence_watch::may_move(known), one.may_move) << one.text << is_parsed;
            sequence_watch watch;
            if (one.may_move) {
                EXPECT_EQ(watch.on_moved(known), one.is_likely) << one.text << is_parsed;
            }
        }
    }
    EXPECT_TRUE(sequence_watch::may_move({}));
    EXPECT_TRUE(sequence_watch{}.on_moved({}));
}

class sequence_watch_events : public testing::Test {
protected:
    static constexpr sequence_watch::client me = 7;

    void move(std::string_view text = "INSERT INTO t DEFAULT VALUES") {
        record_.moved_by(me);
        (void)watch_.on_moved(facts(text));
    }
    sequence_habit ask(std::string_view text = "SELECT currval('s')") {
        return watch_.on_asked(facts(text), record_, me);
    }

    pool::sequence_record record_;
    sequence_watch watch_;
};

TEST_F(sequence_watch_events, ItsTransactionIsThatOfItsMove) {
    watch_.begin_lease();
    move();
    EXPECT_TRUE(watch_.has_moved_here());
    EXPECT_EQ(ask(), sequence_habit::in_transaction);
    EXPECT_FALSE(watch_.is_lost());
}

TEST_F(sequence_watch_events, MovesAndAsksInOneText) {
    watch_.begin_lease();
    EXPECT_EQ(ask("SELECT nextval('s'); SELECT currval('s')"), sequence_habit::in_transaction);
    EXPECT_FALSE(watch_.has_moved_here());
}

TEST_F(sequence_watch_events, ALaterLeaseOnTheSameServerLosesNothing) {
    move();
    watch_.begin_lease();
    EXPECT_FALSE(watch_.has_moved_here());
    EXPECT_EQ(ask(), sequence_habit::later);
    EXPECT_FALSE(watch_.is_lost());
}

TEST_F(sequence_watch_events, ALaterLeaseOnAnotherServerDoes) {
    move();
    watch_.begin_lease();
    record_.forget();
    EXPECT_EQ(ask(), sequence_habit::later);
    EXPECT_TRUE(watch_.is_lost());
    watch_.begin_lease();
    EXPECT_FALSE(watch_.is_lost());
}

TEST_F(sequence_watch_events, WhoHasMovedNoneShowsNothing) {
    watch_.begin_lease();
    EXPECT_EQ(ask(), sequence_habit::none);
    move("UPDATE t SET a = 1");
    watch_.begin_lease();
    EXPECT_EQ(ask(), sequence_habit::none);
    move();
    watch_.on_discarded();
    watch_.begin_lease();
    EXPECT_EQ(ask(), sequence_habit::none);
    EXPECT_FALSE(watch_.is_lost());
}

// DISCARD SEQUENCES reaches one server. What the client took on the others is not its own any more.
TEST(SequenceWatch, IsAnotherClientBehindADiscard) {
    constexpr std::uint64_t number = 7;
    sequence_watch watch;
    pool::sequence_record elsewhere;
    elsewhere.moved_by(watch.as_client(number));
    EXPECT_TRUE(elsewhere.is_of(watch.as_client(number)));
    watch.on_discarded();
    EXPECT_TRUE(elsewhere.is_of_others(watch.as_client(number)));
    pool::sequence_record here;
    here.moved_by(watch.as_client(number));
    EXPECT_TRUE(here.is_of(watch.as_client(number)));
    watch.on_discarded();
    EXPECT_TRUE(here.is_of_others(watch.as_client(number)));
    EXPECT_NE(watch.as_client(number), watch.as_client(number + 1));
    EXPECT_NE(watch.as_client(number), pool::sequence_record::daemon);
}

}  // namespace
}  // namespace weir::daemon

#include "daemon/session/query_account.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon {
namespace {

namespace sql = querycache::sql;
using namespace std::chrono_literals;
using insight::cache_outcome;

// A session of which every statement is slow, so that what is told can be read in the slow log.
class query_account_events : public testing::Test {
protected:
    query_account_events() { EXPECT_EQ(slow_.start(), std::nullopt); }

    static text_facts facts(
        std::string_view text, sql::transaction_control control = sql::transaction_control::none
    ) {
        auto made = std::make_shared<sql::statement>();
        made->kind = sql::statement_class::read;
        made->transaction = control;
        made->normalised = text;
        text_facts all;
        all.statement = std::move(made);
        return all;
    }
    static query_account::asker who() { return {"10.0.0.1:9", "web", 7}; }

    void ask(std::string_view text) {
        account_.note_statement(facts(text));
        account_.complete();
    }
    void finish(query_account::standing server = {true, false}) {
        account_.finish(observer_, pool_, now_, server, who);
    }
    void fail(std::string_view sqlstate) {
        account_.fail(observer_, pool_, now_, {}, sqlstate, who);
    }
    insight::pool_totals counted() { return registry_.totals().pools.at(0); }
    /// Oldest first.
    std::vector<insight::slow_statement> told() {
        EXPECT_TRUE(slow_.flush(std::chrono::steady_clock::now() + 20s));
        auto last = slow_.last();
        return {last.rbegin(), last.rend()};
    }

    insight::counter_registry registry_;
    insight::worker_counters& worker_ = registry_.add_worker();
    insight::pool_counters& pool_ = worker_.pool("shop", "ann");
    insight::slow_log slow_{{0ns, "/dev/null", 1.0}};
    insight::observer observer_{worker_, slow_};
    query_account account_;
    query_account::time_point now_ = query_account::time_point{} + 1h;
};

TEST_F(query_account_events, TellsWhatBecameOfAStatement) {
    account_.open(now_);
    ask("SELECT $1");
    account_.note_rule("books");
    account_.note_cache(cache_outcome::miss);
    now_ += 3ms;
    EXPECT_EQ(account_.waited(now_), 3ms);
    account_.sent();
    account_.add_reply(100);
    account_.add_reply(20);
    account_.add_rows(2);
    account_.on_error("40001");
    now_ += 4ms;
    finish();
    const auto told = this->told();
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].query, "SELECT $1");
    EXPECT_EQ(told[0].rule, "books");
    EXPECT_EQ(told[0].cache, "miss");
    EXPECT_EQ(told[0].total, 7ms);
    EXPECT_EQ(told[0].wait, 3ms);
    EXPECT_EQ(told[0].server, 4ms);
    EXPECT_EQ(told[0].bytes, 120U);
    EXPECT_EQ(told[0].rows, 2U);
    EXPECT_EQ(told[0].sqlstate, "40001");
    EXPECT_EQ(told[0].client, "10.0.0.1:9");
    EXPECT_EQ(told[0].application, "web");
    EXPECT_EQ(told[0].request_id, "7-1");
}

TEST_F(query_account_events, TheNextGroupStartsFromNothing) {
    account_.open(now_);
    ask("SELECT $1");
    account_.note_rule("books");
    account_.note_cache(cache_outcome::miss);
    account_.waited(now_ + 1ms);
    account_.sent();
    account_.add_reply(100);
    account_.add_rows(1);
    account_.on_error("40001");
    finish();
    EXPECT_FALSE(account_.is_open());
    EXPECT_FALSE(account_.is_sent());
    account_.open(now_);
    finish();
    const auto told = this->told();
    ASSERT_EQ(told.size(), 2U);
    EXPECT_EQ(told[1].query, "");
    EXPECT_EQ(told[1].rule, "");
    EXPECT_EQ(told[1].cache, "none");
    EXPECT_EQ(told[1].wait, 0ns);
    EXPECT_EQ(told[1].server, 0ns);
    EXPECT_EQ(told[1].bytes, 0U);
    EXPECT_EQ(told[1].rows, 0U);
    EXPECT_EQ(told[1].sqlstate, "");
    EXPECT_EQ(told[1].request_id, "7-2");
}

TEST_F(query_account_events, IsOpenedByItsFirstMessage) {
    account_.open(now_);
    now_ += 1ms;
    account_.open(now_);
    now_ += 1ms;
    finish();
    EXPECT_EQ(told().at(0).total, 2ms);
}

TEST_F(query_account_events, BeginDoesNotHideTheStatementBehindIt) {
    account_.open(now_);
    account_.note_statement(facts("BEGIN", sql::transaction_control::begin));
    account_.note_statement(facts("SELECT a"));
    account_.note_statement(facts("SELECT b"));
    account_.complete();
    finish();
    EXPECT_EQ(told().at(0).query, "SELECT a");
}

TEST_F(query_account_events, WhatIsDroppedIsNoQuery) {
    account_.open(now_);
    account_.drop();
    EXPECT_FALSE(account_.is_open());
    EXPECT_TRUE(told().empty());
    EXPECT_EQ(counted().query_count(), 0U);
    EXPECT_EQ(counted().transactions, 0U);
}

TEST_F(query_account_events, ATransactionLastsOverItsGroups) {
    account_.open(now_);
    ask("BEGIN");
    now_ += 1ms;
    finish({false, false});
    EXPECT_EQ(counted().transactions, 0U);
    now_ += 1ms;
    account_.open(now_);
    ask("COMMIT");
    now_ += 1ms;
    finish();
    EXPECT_EQ(counted().transactions, 1U);
    EXPECT_EQ(counted().transaction_time, 3ms);
}

TEST_F(query_account_events, APipelinedGroupBeginsWithTheEndOfTheOneBefore) {
    account_.open(now_);
    ask("SELECT a");
    account_.open_behind();
    ask("SELECT b");
    account_.sent();
    now_ += 5ms;
    finish({true, true});
    EXPECT_TRUE(account_.is_open());
    now_ += 2ms;
    finish();
    const auto told = this->told();
    ASSERT_EQ(told.size(), 2U);
    EXPECT_EQ(told[0].query, "SELECT a");
    EXPECT_EQ(told[0].total, 5ms);
    EXPECT_EQ(told[1].query, "SELECT b");
    EXPECT_EQ(told[1].total, 2ms);
    EXPECT_EQ(told[1].server, 2ms);
}

TEST_F(query_account_events, MessagesUpToTheEndBelongToOneGroup) {
    account_.open(now_);
    account_.note_statement(facts("SELECT a"));
    account_.open_behind();
    account_.note_statement(facts("SELECT b"));
    account_.complete();
    finish({true, true});
    EXPECT_FALSE(account_.is_open());
    EXPECT_EQ(told().size(), 1U);
}

// Sync behind a COPY that failed: PostgreSQL reads over it.
TEST_F(query_account_events, ASyncThatNobodyAnswersIsForgotten) {
    account_.open(now_);
    ask("COPY t FROM STDIN");
    account_.open_behind();
    account_.complete();
    finish();
    EXPECT_FALSE(account_.is_open());
}

// Begun, but not yet sent: the client is in the middle of it.
TEST_F(query_account_events, AGroupWithoutItsEndStaysOpen) {
    account_.open(now_);
    ask("SELECT a");
    account_.open_behind();
    account_.note_statement(facts("SELECT b"));
    finish();
    EXPECT_TRUE(account_.is_open());
    EXPECT_FALSE(account_.is_sent());
}

TEST_F(query_account_events, WhatFailsTakesWithItWhatWasSentBehind) {
    account_.open(now_);
    ask("SELECT a");
    account_.open_behind();
    ask("SELECT b");
    fail("08006");
    EXPECT_FALSE(account_.is_open());
    const auto told = this->told();
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].query, "SELECT a");
    EXPECT_EQ(told[0].sqlstate, "08006");
}

TEST_F(query_account_events, TheServersOwnErrorSaysMoreThanTheLossOfIt) {
    account_.open(now_);
    ask("SELECT a");
    account_.on_error("57P01");
    fail("08006");
    EXPECT_EQ(told().at(0).sqlstate, "57P01");
}

TEST_F(query_account_events, AHitInATransactionIsNone) {
    account_.open(now_);
    account_.finish_hit(observer_, pool_, now_, 3, 64, false, [this] { return who(); });
    EXPECT_FALSE(account_.is_open());
    EXPECT_TRUE(account_.is_in_transaction());
    EXPECT_EQ(counted().transactions, 0U);
}

TEST_F(query_account_events, AHitIsATransactionOfItsOwn) {
    account_.open(now_);
    now_ += 1us;
    account_.finish_hit(observer_, pool_, now_, 3, 64, true, [this] {
        account_.note_statement(facts("SELECT a"));
        account_.note_rule("books");
        return who();
    });
    EXPECT_FALSE(account_.is_open());
    EXPECT_EQ(counted().transactions, 1U);
    account_.open(now_);
    finish();
    const auto told = this->told();
    ASSERT_EQ(told.size(), 2U);
    EXPECT_EQ(told[0].query, "SELECT a");
    EXPECT_EQ(told[0].rule, "books");
    EXPECT_EQ(told[0].cache, "hit");
    EXPECT_EQ(told[0].rows, 3U);
    EXPECT_EQ(told[0].bytes, 64U);
    EXPECT_EQ(told[1].query, "");
    EXPECT_EQ(told[1].rule, "");
}

TEST_F(query_account_events, TheClientsOwnRequestIdIsKept) {
    account_.open(now_);
    auto tagged = facts("SELECT a");
    tagged.tags = std::make_shared<const insight::trace_tags>(insight::trace_tags{"r-1", "t-1"});
    account_.note_statement(tagged);
    finish();
    EXPECT_EQ(told().at(0).request_id, "r-1");
    EXPECT_EQ(told().at(0).trace_id, "t-1");
}

}  // namespace
}  // namespace weir::daemon

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
    query_account_events() {
        EXPECT_EQ(slow_.start(), std::nullopt);
        pool_.set_slow_threshold(0ns);
        observer_.watch_repeats({3, 1s});
        repeats_.configure({3, 1s});
    }

    static text_facts facts(
        std::string_view text, sql::transaction_control control = sql::transaction_control::none
    ) {
        auto made = std::make_shared<sql::statement>();
        made->kind = sql::statement_class::read;
        made->transaction = control;
        made->normalised = text;
        made->fingerprint = std::hash<std::string_view>{}(text);
        text_facts all;
        all.statement = std::move(made);
        return all;
    }
    static query_account::asker who() { return {"10.0.0.1:9", "web"}; }

    void ask(std::string_view text) {
        account_.note_run();
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
    insight::slow_log slow_{{"/dev/null", 1.0}};
    insight::statement_book statements_{100};
    insight::shared_repeats repeats_;
    insight::observer observer_{worker_, slow_, statements_, repeats_};
    query_account account_{7};
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
    account_.finish_hit(observer_, pool_, now_, {3, 64, 9, 0, 0ns}, false, [this] {
        return who();
    });
    EXPECT_FALSE(account_.is_open());
    EXPECT_TRUE(account_.is_in_transaction());
    EXPECT_EQ(counted().transactions, 0U);
}

TEST_F(query_account_events, AHitIsATransactionOfItsOwn) {
    account_.open(now_);
    now_ += 1us;
    account_.finish_hit(observer_, pool_, now_, {3, 64, 9, 0, 0ns}, true, [this] {
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

// --- the statistics of statements ---

class statement_figures : public query_account_events {
protected:
    std::vector<insight::statement_totals> rows() const {
        std::vector<insight::statement_totals> all;
        statements_.read(all);
        return all;
    }
    /// What is known of the statement of this text.
    insight::statement_totals row(std::string_view text) {
        for (auto& one : rows()) {
            if (one.query == text) return one;
        }
        ADD_FAILURE() << "no row for " << text;
        return {};
    }
    void run(std::string_view text, std::chrono::nanoseconds server, bool ends_transaction = true) {
        account_.open(now_);
        ask(text);
        account_.sent();
        account_.replied(now_ += server);
        finish({ends_transaction, false});
    }
};

TEST_F(statement_figures, SplitItsTime) {
    account_.open(now_);
    ask("SELECT $1");
    account_.note_cache(cache_outcome::bypass);
    account_.note_reason(querycache::bypass_reason::locking);
    now_ += 3ms;
    account_.waited(now_);
    account_.sent();
    now_ += 4ms;
    EXPECT_TRUE(account_.awaits_reply());
    account_.replied(now_);
    EXPECT_FALSE(account_.awaits_reply());
    account_.add_reply(100);
    account_.add_rows(2);
    now_ += 5ms;
    account_.on_error("40001");
    finish();
    const auto one = row("SELECT $1");
    EXPECT_EQ(one.calls, 1U);
    EXPECT_EQ(one.errors, 1U);
    EXPECT_EQ(one.rows, 2U);
    EXPECT_EQ(one.bytes, 100U);
    EXPECT_EQ(one.total, 12ms);
    EXPECT_EQ(one.wait, 3ms);
    EXPECT_EQ(one.server, 4ms);
    EXPECT_EQ(one.transfer, 5ms);
    EXPECT_EQ(one.occupied, 9ms);
    EXPECT_EQ(one.bypasses, 1U);
    EXPECT_EQ(one.reason, querycache::bypass_reason::locking);
}

TEST_F(statement_figures, CountNoStatementThatIsOnlyPrepared) {
    account_.open(now_);
    account_.note_statement(facts("SELECT a"));
    account_.complete();
    finish();
    EXPECT_TRUE(rows().empty());
    EXPECT_EQ(told().size(), 1U) << "it may be slow all the same";
    account_.open(now_);
    account_.note_statement(facts("SELECT b"));
    account_.on_error("42601");
    finish();
    EXPECT_EQ(row("SELECT b").errors, 1U);
}

TEST_F(statement_figures, KeepTheTextOfTheStatementThatTheyAreAbout) {
    observer_.show_values(true);
    const auto begin = facts("BEGIN", sql::transaction_control::begin);
    const auto read = facts("SELECT $1");
    const auto other = facts("SELECT $1, $2");
    account_.open(now_);
    for (const auto* each : {&begin, &read, &other}) {
        account_.note_statement(*each);  // Parse
        account_.keep_text(*each, each->statement->normalised + "!", "", "");
        account_.note_statement(*each);  // Bind
    }
    finish();
    EXPECT_EQ(told().at(0).query, "SELECT $1!");
}

TEST_F(statement_figures, BlameTheIdleServerOnTheStatementBeforeIt) {
    run("BEGIN", 0ms, false);
    run("SELECT a", 1ms, false);
    now_ += 700ms;
    run("COMMIT", 1ms);
    account_.server_left(observer_, pool_, now_ + 1us);
    EXPECT_EQ(row("SELECT a").occupied, 701ms);
    EXPECT_EQ(row("COMMIT").occupied, 1ms) << "what it takes to give a server back is nobody's";
}

TEST_F(statement_figures, BlameAClientThatLeavesItsTransactionOpen) {
    run("SELECT a", 1ms, false);
    account_.server_left(observer_, pool_, now_ + 5s);
    EXPECT_EQ(row("SELECT a").occupied, 5001ms);
    now_ += 1h;
    run("SELECT b", 1ms);
    EXPECT_EQ(row("SELECT a").occupied, 5001ms) << "it held no server any more";
}

TEST_F(statement_figures, HideATextThatTheServerReadsOtherwise) {
    account_.open(now_);
    account_.note_run();
    account_.note_unreadable();
    account_.note_statement(facts("SELECT $1, secret"));
    finish();
    EXPECT_EQ(told().at(0).query.find("secret"), std::string::npos);
    for (const auto& one : rows())
        EXPECT_EQ(one.query.find("secret"), std::string::npos);
}

TEST_F(statement_figures, BlameIdlenessBehindAHitOnTheStatementBefore) {
    run("SELECT a", 1ms, false);
    account_.open(now_);
    account_.finish_hit(observer_, pool_, now_, {1, 1, 9, 0, 0ns}, false, [this] {
        account_.note_statement(facts("SELECT b"));
        return who();
    });
    account_.server_left(observer_, pool_, now_ + 10s);
    EXPECT_EQ(row("SELECT a").occupied, 10001ms);
}

TEST_F(statement_figures, CountWhatMemoryAnswers) {
    account_.open(now_);
    now_ += 10us;
    account_.finish_hit(observer_, pool_, now_, {3, 64, 9, 1, 7ms}, true, [this] {
        account_.note_statement(facts("SELECT a"));
        return who();
    });
    const auto one = row("SELECT a");
    EXPECT_EQ(one.hits, 1U);
    EXPECT_EQ(one.cache, 10us);
    EXPECT_EQ(one.saved, 7ms);
    EXPECT_EQ(one.occupied, 0ns);
    EXPECT_EQ(one.server, 0ns);
}

TEST_F(statement_figures, KnowARunOfRepetitions) {
    run("SELECT orders", 1ms);
    for (std::uint64_t i = 1; i <= 3; ++i) {
        account_.open(now_);
        account_.note_parameters(i);
        ask("SELECT lines");
        finish();
    }
    const auto found = repeats_.found().patterns();
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].query, "SELECT lines");
    EXPECT_EQ(found[0].parent, "SELECT orders");
}

TEST_F(statement_figures, KnowARunOfHits) {
    for (std::uint64_t i = 1; i <= 3; ++i) {
        account_.open(now_);
        account_.finish_hit(observer_, pool_, now_, {3, 64, 9, i, 7ms}, true, [this] {
            account_.note_statement(facts("SELECT a"));
            return who();
        });
    }
    EXPECT_EQ(repeats_.found().patterns().size(), 1U);
}

TEST_F(statement_figures, ARequestIsOneOwnerWhateverItsConnections) {
    query_account other{8};
    const auto ask_for_request = [&](query_account& account, std::uint64_t parameters) {
        auto all = facts("SELECT lines");
        all.tags = std::make_shared<insight::trace_tags>(insight::trace_tags{"req-1", ""});
        account.open(now_);
        account.note_parameters(parameters);
        account.note_run();
        account.note_statement(all);
        account.complete();
        account.finish(observer_, pool_, now_, {true, false}, who);
    };
    ask_for_request(account_, 1);
    ask_for_request(other, 2);
    EXPECT_TRUE(repeats_.found().patterns().empty());
    ask_for_request(account_, 3);
    EXPECT_EQ(repeats_.found().patterns().size(), 1U);
}

}  // namespace
}  // namespace weir::daemon

#include "querycache/sql/parser_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace weir::querycache::sql {
namespace {

TEST(ParserPool, AnswersOnAThreadOfItsOwn) {
    parser_pool pool{1};
    std::promise<std::thread::id> where;
    std::promise<std::shared_ptr<const statement>> what;
    pool.submit("SELECT a FROM t", [&](std::shared_ptr<const statement> facts) {
        where.set_value(std::this_thread::get_id());
        what.set_value(std::move(facts));
    });
    EXPECT_NE(where.get_future().get(), std::this_thread::get_id());
    const auto facts = what.get_future().get();
    EXPECT_EQ(facts->kind, statement_class::read);
    ASSERT_EQ(facts->reads.size(), 1U);
    EXPECT_EQ(facts->reads.front().name, "t");
}

TEST(ParserPool, AnswersEachOfManyOnce) {
    constexpr int submitters = 4;
    constexpr int each = 300;
    std::atomic<int> right{0};
    std::atomic<int> answered{0};
    {
        parser_pool pool{3, submitters * each};
        std::vector<std::thread> threads;
        for (int who = 0; who < submitters; ++who) {
            threads.emplace_back([&, who] {
                for (int i = 0; i < each; ++i) {
                    const std::string table = "t" + std::to_string(who) + "_" + std::to_string(i);
                    pool.submit(
                        "DELETE FROM " + table,
                        [&, table](std::shared_ptr<const statement> facts) {
                            ++answered;
                            if (facts->writes.size() == 1 && facts->writes.front().name == table)
                                ++right;
                        }
                    );
                }
            });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        pool.stop();
        EXPECT_EQ(pool.read_counters().parsed, static_cast<std::uint64_t>(submitters * each));
        EXPECT_EQ(pool.read_counters().refused, 0U);
    }
    EXPECT_EQ(answered, submitters * each);
    EXPECT_EQ(right, submitters * each);
}

TEST(ParserPool, RefusesWhenItsQueueIsFull) {
    parser_pool pool{1, 1};
    std::promise<void> started;
    std::promise<void> release;
    std::atomic<int> answered{0};
    pool.submit("SELECT 1", [&](const std::shared_ptr<const statement>&) {
        started.set_value();
        release.get_future().wait();
        ++answered;
    });
    started.get_future().wait();
    pool.submit("SELECT 2", [&](const std::shared_ptr<const statement>&) { ++answered; });
    std::shared_ptr<const statement> refused;
    pool.submit("SELECT 3", [&](std::shared_ptr<const statement> facts) {
        refused = std::move(facts);
    });
    ASSERT_NE(refused, nullptr) << "at once, on the caller's thread";
    EXPECT_EQ(refused->kind, statement_class::unknown);
    EXPECT_TRUE(refused->writes_unknown);
    EXPECT_FALSE(refused->parsed);
    EXPECT_TRUE(refused->effects & effect_bit(session_effect::opaque));
    EXPECT_EQ(pool.read_counters().refused, 1U);
    EXPECT_EQ(pool.read_counters().queued, 1U);
    release.set_value();
    pool.stop();
    EXPECT_EQ(answered, 2) << "stop() finishes what is queued";
}

TEST(ParserPool, RefusesAfterStop) {
    parser_pool pool{2};
    pool.stop();
    pool.stop();
    bool answered = false;
    pool.submit("SELECT 1", [&](const std::shared_ptr<const statement>& facts) {
        answered = !facts->parsed;
    });
    EXPECT_TRUE(answered);
}

TEST(ParserPool, SurvivesHostileTextsOnItsStack) {
    parser_pool pool{2};
    std::vector<std::string> texts;
    const auto repeated = [](std::string_view part, int times) {
        std::string text;
        for (int i = 0; i < times; ++i) {
            text += part;
        }
        return text;
    };
    texts.push_back("SELECT 1" + repeated("+1", 64'000));
    texts.push_back("SELECT " + repeated("(", 10'000) + "1" + repeated(")", 10'000));
    texts.push_back("SELECT " + repeated("(SELECT ", 5'000) + "1" + repeated(")", 5'000));
    texts.push_back("SELECT " + repeated("NOT ", 60'000) + "true");
    texts.push_back("SELECT 1" + repeated(" UNION SELECT 1", 20'000));
    texts.push_back("SELECT " + repeated("[", 30'000));
    texts.push_back("SELECT a" + repeated("::int", 20'000));
    texts.push_back("SELECT * FROM t" + repeated(" JOIN t ON true", 20'000));
    texts.push_back("SELECT " + repeated("- ", 30'000) + "1");
    texts.push_back(
        "SELECT " + repeated("CASE WHEN true THEN ", 3'000) + "1" + repeated(" END", 3'000)
    );
    std::vector<std::future<std::shared_ptr<const statement>>> answers;
    for (const std::string& text : texts) {
        auto promise = std::make_shared<std::promise<std::shared_ptr<const statement>>>();
        answers.push_back(promise->get_future());
        pool.submit(text, [promise](std::shared_ptr<const statement> facts) {
            promise->set_value(std::move(facts));
        });
    }
    for (std::size_t i = 0; i < answers.size(); ++i) {
        const auto facts = answers[i].get();
        EXPECT_EQ(facts->kind, statement_class::unknown) << texts[i].substr(0, 40);
        EXPECT_TRUE(facts->reasons & reason_bit(text_reason::too_complex))
            << texts[i].substr(0, 40);
        EXPECT_TRUE(facts->writes_unknown);
    }
}

}  // namespace
}  // namespace weir::querycache::sql

#include "daemon/session/parser_question.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace weir::daemon {
namespace {

namespace sql = querycache::sql;

const sql::hash128 one{1, 2};
const sql::hash128 other{3, 4};

parser_question::facts_ptr some_facts() {
    return std::make_shared<const sql::statement>();
}

TEST(ParserQuestion, IsOpenUntilItIsAnswered) {
    parser_question question;
    EXPECT_FALSE(question.is_open());
    const auto ticket = question.ask(one);
    EXPECT_TRUE(question.is_open());
    EXPECT_EQ(question.take(one), nullptr);
    EXPECT_TRUE(question.on_answer(ticket, some_facts()));
    EXPECT_FALSE(question.is_open());
}

TEST(ParserQuestion, GivesItsAnswerOnceAndForItsTextOnly) {
    parser_question question;
    const auto facts = some_facts();
    (void)question.on_answer(question.ask(one), facts);
    EXPECT_EQ(question.take(other), nullptr);
    EXPECT_EQ(question.take(one), facts);
    EXPECT_EQ(question.take(one), nullptr);
}

TEST(ParserQuestion, OnlyTheLastAnswerCounts) {
    parser_question question;
    const auto first = question.ask(one);
    const auto second = question.ask(other);
    EXPECT_FALSE(question.on_answer(first, some_facts()));
    EXPECT_TRUE(question.is_open());
    EXPECT_TRUE(question.on_answer(second, some_facts()));
    EXPECT_FALSE(question.on_answer(second, some_facts()));
}

TEST(ParserQuestion, ANewQuestionForgetsTheOldAnswer) {
    parser_question question;
    (void)question.on_answer(question.ask(one), some_facts());
    (void)question.ask(other);
    EXPECT_EQ(question.take(one), nullptr);
    EXPECT_EQ(question.take(other), nullptr);
}

}  // namespace
}  // namespace weir::daemon

#include "querycache/capture.hpp"

#include "tests/unit/querycache/world.hpp"

#include <gtest/gtest.h>

namespace weir::querycache {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using test::feed;
using test::joined;
using test::message;
using test::reply_of;

class capture_of_reply : public ::testing::Test {
protected:
    capture_plan plan(reply_shape shape = reply_shape::simple, std::size_t max_result = 4096) {
        capture_plan p;
        p.shape = shape;
        p.key = "key";
        p.max_result = max_result;
        p.ttl = 10s;
        p.sent_at = time_point(5s);
        p.rule = std::make_shared<rule_counters>("r");
        p.depends_on.add(&slot, consistency::after_commit);
        return p;
    }
    /// Feeds the messages; what came of it: the reply's bytes, or the reason.
    std::string outcome(const std::vector<std::string>& messages, capture_plan p) {
        capture c(std::move(p), budget);
        feed(c, messages);
        const auto made = c.finish(time_point(7s));
        if (!made) return std::string(to_string(*c.failure()));
        return std::string(made->reply());
    }
    std::string outcome(const std::vector<std::string>& messages) {
        return outcome(messages, plan());
    }

    version_slot slot{1};
    capture_budget budget{1 << 20};
    const std::string parse_complete = message('1', "");
    const std::string bind_complete = message('2', "");
};

TEST_F(capture_of_reply, KeepsASimpleReplyByteForByte) {
    EXPECT_EQ(outcome(reply_of("v")), joined(reply_of("v")));
}

TEST_F(capture_of_reply, FillsTheEntryFromThePlan) {
    capture c(plan(), budget);
    feed(c, reply_of("v"));
    const auto made = c.finish(time_point(7s));
    ASSERT_NE(made, nullptr);
    EXPECT_EQ(made->key(), "key");
    EXPECT_EQ(made->rows(), 1U);
    EXPECT_EQ(made->stored_at(), time_point(5s)) << "age counts from the sending: T105";
    EXPECT_EQ(made->cost(), 2s);
    EXPECT_TRUE(made->depends_on(&slot));
}

TEST_F(capture_of_reply, KeepsAnEmptyResult) {
    const std::vector<std::string> empty{
        message('T', "columns"), message('C', "SELECT 0\0"sv), message('Z', "I")};
    EXPECT_EQ(outcome(empty), joined(empty));
}

TEST_F(capture_of_reply, LeavesParseCompleteOut) {
    auto with_parse = reply_of("v");
    with_parse.erase(with_parse.begin());
    with_parse.insert(with_parse.begin(), bind_complete);
    const auto kept = joined(with_parse);
    with_parse.insert(with_parse.begin(), parse_complete);
    EXPECT_EQ(outcome(with_parse, plan(reply_shape::extended)), kept);
}

TEST_F(capture_of_reply, KeepsTheDescriptionWhenThePortalWasDescribed) {
    auto described = reply_of("v");
    described.insert(described.begin(), bind_complete);
    EXPECT_EQ(outcome(described, plan(reply_shape::extended_described)), joined(described));
    EXPECT_EQ(outcome(described, plan(reply_shape::extended)), "unexpected_reply");
}

TEST_F(capture_of_reply, TakesFramesInPiecesOfAnySize) {
    const auto messages = reply_of("a value of some length");
    for (std::size_t piece = 1; piece < 12; ++piece) {
        capture c(plan(), budget);
        for (const auto& m : messages) {
            const std::size_t first = std::max<std::size_t>(piece, 5);
            c.feed(m[0], m.size(), std::string_view(m).substr(0, first));
            for (std::size_t at = first; at < m.size(); at += piece) {
                c.feed_more(std::string_view(m).substr(at, piece));
            }
        }
        const auto made = c.finish({});
        ASSERT_NE(made, nullptr) << piece;
        EXPECT_EQ(made->reply(), joined(messages));
    }
}

TEST_F(capture_of_reply, GivesUpAtEveryMessageThatDoesNotBelong) {
    struct {
        char type;
        const char* reason;
    } const strangers[] = {
        {'E', "error_reply"},
        {'N', "notice"},
        {'A', "notice"},
        {'S', "notice"},
        {'s', "partial_fetch"},
        {'G', "protocol_shape"},
        {'H', "protocol_shape"},
        {'W', "protocol_shape"},
        {'d', "protocol_shape"},
        {'3', "protocol_shape"},
        {'t', "protocol_shape"},
        {'I', "unexpected_reply"},
        {'2', "unexpected_reply"},
        {'?', "unexpected_reply"}};
    const auto good = reply_of("v");
    for (const auto& s : strangers) {
        for (std::size_t at = 0; at < good.size(); ++at) {
            auto messages = good;
            messages.insert(
                messages.begin() + static_cast<std::ptrdiff_t>(at), message(s.type, "x")
            );
            EXPECT_EQ(outcome(messages), s.reason) << s.type << " at " << at;
        }
    }
}

TEST_F(capture_of_reply, IsNothingUntilReadyForQuery) {
    auto messages = reply_of("v");
    while (!messages.empty()) {
        messages.pop_back();
        EXPECT_EQ(outcome(messages), "unexpected_reply") << messages.size();
    }
}

TEST_F(capture_of_reply, DropsWhatEndsInsideATransaction) {
    EXPECT_EQ(outcome(reply_of("v", 'T')), "in_transaction");
    EXPECT_EQ(outcome(reply_of("v", 'E')), "in_transaction");
}

TEST_F(capture_of_reply, ComparesTheTagWithTheRows) {
    for (const auto tag : {"SELECT 2\0"sv, "INSERT 0 1\0"sv, "SELECT \0"sv, "SELECT 1"sv, ""sv}) {
        auto messages = reply_of("v");
        messages[2] = message('C', tag);
        EXPECT_EQ(outcome(messages), "unexpected_reply") << tag;
    }
}

TEST_F(capture_of_reply, StopsAtTheLargestResultAndFreesAtOnce) {
    const auto messages = reply_of(std::string(500, 'x'));
    const auto size = joined(messages).size();
    EXPECT_EQ(outcome(messages, plan(reply_shape::simple, size)), joined(messages));
    EXPECT_EQ(outcome(messages, plan(reply_shape::simple, size - 1)), "too_big");
    capture c(plan(reply_shape::simple, 100), budget);
    c.feed('D', 2U << 30U, messages[1]);
    EXPECT_TRUE(c.failure().has_value());
    EXPECT_EQ(budget.used(), 0U);
}

TEST_F(capture_of_reply, SharesABudgetAndGivesItBack) {
    capture_budget small{1500};
    {
        capture first(plan(), small);
        capture second(plan(), small);
        feed(first, reply_of(std::string(900, 'x')));
        feed(second, reply_of(std::string(900, 'x')));
        EXPECT_TRUE(first.is_complete());
        EXPECT_EQ(second.failure(), bypass_reason::capture_budget);
    }
    EXPECT_EQ(small.used(), 0U);
}

}  // namespace
}  // namespace weir::querycache

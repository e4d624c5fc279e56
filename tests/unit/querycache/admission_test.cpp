// What a session stores and what it does not, though the reply was good: size, cost, emptiness, and
// rules that store in vain. And for how long.
#include "tests/unit/querycache/world.hpp"

#include <gtest/gtest.h>

#include <set>

namespace weir::querycache {
namespace {

using namespace std::chrono_literals;
using test::client;
using test::reading;
using test::share;
using test::world;
using test::writing;

const auto read_t = share(reading({"t"}));
const auto write_t = share(writing({"t"}));

class admission_of_replies : public ::testing::Test {
protected:
    std::string reads(std::string_view text = "select t", std::string_view value = "v") {
        return c.read(read_t, text, value);
    }
    /// A read whose answer takes `server_time` and consists of these messages; the reason why it
    /// was not captured, or "captured".
    std::string answer(
        std::string_view text,
        const std::vector<std::string>& messages,
        std::chrono::nanoseconds server_time = 1ms
    ) {
        const request r{reply_shape::simple, text, {}, {}};
        auto d = c.session.begin_statement(r, {read_t}, w.now);
        if (d.fill) test::feed(*d.fill, messages);
        (void)c.session.on_command_complete("SELECT 1");
        (void)c.session.on_ready('I');
        if (!d.fill) return std::string(to_string(*d.reason));
        c.session.finish_capture(std::move(d.fill), w.now + server_time);
        return "captured";
    }
    bool is_stored(std::string_view text) {
        return bool(c.session.quick_hit({reply_shape::simple, text, {}, {}}, w.now));
    }
    std::uint64_t counted(bypass_reason reason) { return w.face.reasons().total(reason); }
    rule_counters& counters() { return *w.face.rules()->rules()[0].counters; }
    /// Seconds in which t is read and then written, over and over.
    void churn(int seconds) {
        for (int i = 0; i < seconds; ++i) {
            for (int n = 0; n < 20; ++n) {
                (void)reads();
                c.run(write_t, "UPDATE 1", 'I');
            }
            w.now += 1s;
            w.face.sweep(w.now);
        }
    }

    world w;
    client c{w};
};

const std::string too_big_value(70 << 10, 'x');
const std::vector<std::string> no_rows{
    test::message('T', "columns"),
    test::message('C', std::string_view("SELECT 0\0", 9)),
    test::message('Z', "I")};

TEST_F(admission_of_replies, ATooBigReplyIsNotCapturedAgainForAWhile) {
    EXPECT_EQ(answer("select t", test::reply_of(too_big_value)), "captured");
    EXPECT_EQ(counted(bypass_reason::too_big), 1U);
    EXPECT_EQ(answer("select t", test::reply_of(too_big_value)), "too_big") << "at once";
    EXPECT_EQ(answer("select 2 from t", test::reply_of("v")), "captured") << "another key";
    w.now += large_replies::remembered + 1ms;
    EXPECT_EQ(answer("select t", test::reply_of("it has shrunk")), "captured");
    EXPECT_TRUE(is_stored("select t"));
}

TEST_F(admission_of_replies, NewLimitsAreTriedAtOnce) {
    EXPECT_EQ(answer("select t", test::reply_of(too_big_value)), "captured");
    auto limits = world::limits(consistency::after_commit);
    limits.max_result = 1 << 20;
    w.face.set_limits(limits);
    EXPECT_EQ(answer("select t", test::reply_of(too_big_value)), "captured");
    EXPECT_TRUE(is_stored("select t"));
}

TEST_F(admission_of_replies, AReplyCheaperThanAHitIsNotStored) {
    for (int i = 0; i < 100; ++i)
        counters().count_hit_time(8us);
    EXPECT_EQ(answer("select t", test::reply_of("v"), 7us), "captured");
    EXPECT_FALSE(is_stored("select t"));
    EXPECT_EQ(counted(bypass_reason::cheap), 1U);
    EXPECT_EQ(answer("select t", test::reply_of("v"), 9us), "captured");
    EXPECT_TRUE(is_stored("select t"));
}

TEST_F(admission_of_replies, WithoutTimedHitsEverythingIsStored) {
    EXPECT_EQ(answer("select 1 from t", test::reply_of("v"), 0ns), "captured");
    EXPECT_TRUE(is_stored("select 1 from t"));
    for (int i = 0; i < 63; ++i)
        counters().count_hit_time(8us);
    EXPECT_EQ(answer("select 2 from t", test::reply_of("v"), 1us), "captured");
    EXPECT_TRUE(is_stored("select 2 from t"));
}

TEST_F(admission_of_replies, HitsOnABusyThreadMakeNoReplyCheap) {
    for (int i = 0; i < 100; ++i)
        counters().count_hit_time(50ms);
    EXPECT_EQ(counters().hit_cost(), 20us);
    EXPECT_EQ(answer("select t", test::reply_of("v"), 100us), "captured");
    EXPECT_TRUE(is_stored("select t"));
}

TEST_F(admission_of_replies, AnEmptyResultIsStoredUnlessTheRuleSaysNo) {
    EXPECT_EQ(answer("select t", no_rows), "captured");
    EXPECT_TRUE(is_stored("select t"));
    auto full_only = test::rule_named("all");
    full_only.cache_empty = false;
    w.face.set_rules(test::rules_of({full_only}, {}, w.face.rules().get()));
    EXPECT_FALSE(is_stored("select t")) << "stored under the other rule";
    EXPECT_EQ(answer("select t", no_rows), "captured");
    EXPECT_FALSE(is_stored("select t"));
    EXPECT_EQ(counted(bypass_reason::empty_result), 1U);
    EXPECT_EQ(answer("select t", test::reply_of("a row")), "captured");
    EXPECT_TRUE(is_stored("select t"));
}

TEST_F(admission_of_replies, ARuleThatStoresInVainIsSuspendedAndTriesAgain) {
    churn(10);
    EXPECT_EQ(reads(), "rule_suspended");
    const auto row = w.face.show_cache()[0];
    EXPECT_GT(row.suspended_for(w.now), 0s);
    EXPECT_LE(row.suspended_for(w.now), 10s);
    EXPECT_GT(row.totals.bypasses, 0U);
    EXPECT_GT(counted(bypass_reason::rule_suspended), 0U);
    w.now += 10s;
    EXPECT_EQ(w.face.show_cache()[0].suspended_for(w.now), 0s);
    EXPECT_EQ(reads(), "miss");
    EXPECT_EQ(reads(), "hit");
}

TEST_F(admission_of_replies, ASuspendedRuleStillServesWhatItHas) {
    EXPECT_EQ(c.read(share(reading({"u"})), "select u"), "miss");
    churn(10);
    EXPECT_EQ(reads(), "rule_suspended");
    EXPECT_EQ(c.read(share(reading({"u"})), "select u"), "hit");
}

TEST_F(admission_of_replies, AWarmingRuleIsNotSuspended) {
    for (int i = 0; i < 300; ++i) {
        EXPECT_EQ(reads("select " + std::to_string(i) + " from t"), "miss");
        if (i % 50 == 0) w.face.sweep(w.now += 1s);
    }
}

TEST_F(admission_of_replies, WhatWasStoredTogetherDoesNotExpireTogether) {
    constexpr int count = 200;
    const auto text = [](int i) { return "select " + std::to_string(i) + " from t"; };
    for (int i = 0; i < count; ++i)
        EXPECT_EQ(reads(text(i)), "miss");
    const auto stored_at = w.now;
    int before = count;
    for (const auto age : {54000ms, 55500ms, 57000ms, 58500ms, 60000ms}) {
        w.now = stored_at + age;
        int left = 0;
        for (int i = 0; i < count; ++i)
            left += is_stored(text(i)) ? 1 : 0;
        if (age == 54000ms) {
            EXPECT_EQ(left, count) << "nine tenths are safe";
        } else {
            EXPECT_NEAR(before - left, count / 4.0, count / 6.0) << age.count();
        }
        before = left;
    }
    EXPECT_EQ(before, 0) << "none is older than the ttl";
}

TEST(ShortenedTtl, IsTheSameForTheSameEntryAndAnotherAtAnotherTime) {
    std::set<duration> seen;
    for (int i = 0; i < 100; ++i) {
        const time_point at{std::chrono::milliseconds(1000 + i)};
        const auto life = shortened(60s, {7, 8}, at);
        EXPECT_EQ(life, shortened(60s, {7, 8}, at));
        EXPECT_LE(life, 60s);
        EXPECT_GT(life, 54s);
        seen.insert(life);
    }
    EXPECT_GT(seen.size(), 80U);
    EXPECT_EQ(shortened(1ns, {7, 8}, {}), 1ns);
}

}  // namespace
}  // namespace weir::querycache

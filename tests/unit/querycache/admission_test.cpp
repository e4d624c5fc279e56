// For how long a session stores what it stores.
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

const auto read_t = share(reading({"t"}));

class admission_of_replies : public ::testing::Test {
protected:
    std::string reads(std::string_view text = "select t", std::string_view value = "v") {
        return c.read(read_t, text, value);
    }
    bool is_stored(std::string_view text) {
        return bool(c.session.quick_hit({reply_shape::simple, text, {}, {}}, w.now));
    }

    world w;
    client c{w};
};

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
            EXPECT_NEAR(before - left, count / 4, count / 6) << age.count();
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

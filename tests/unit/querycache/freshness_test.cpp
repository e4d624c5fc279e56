// Entries near the end of their time and past it, and hits that are run as well.
#include "tests/unit/querycache/world.hpp"

#include <gtest/gtest.h>

namespace weir::querycache {
namespace {

using test::client;
using test::reading;
using test::rules_of;
using test::share;
using test::world;
using namespace std::chrono_literals;

const auto read_t = share(reading({"t"}));
const auto write_t = share(test::writing({"t"}));
constexpr std::string_view text = "select t";

class freshness : public testing::Test {
protected:
    void use(const std::function<void(rule&)>& change) {
        auto one = test::rule_named("all", 60s);
        change(one);
        w.face.set_rules(rules_of({one}));
    }
    flights::lead fly() {
        const auto key = c.session.fill_key({reply_shape::simple, text, {}, {}}, {read_t});
        EXPECT_TRUE(key);
        return w.face.flights().lead_or_wait(key.value_or(hash128{}), [](landing) {});
    }
    std::string read(std::string_view value = "v1") { return c.read(read_t, text, value); }

    world w;
    client c{w};
};

TEST_F(freshness, PastItsTimeAnEntryIsServedWhileSomebodyFetchesIt) {
    use([](rule& r) { r.stale_while_revalidate = 30s; });
    EXPECT_EQ(read(), "miss");
    w.now += 70s;
    {
        const auto lead = fly();
        EXPECT_EQ(read(), "hit");
        EXPECT_EQ(w.face.stale_served(), 1U);
    }
    EXPECT_EQ(read("v2"), "miss") << "nobody fetches it: this one does";
    EXPECT_EQ(read(), "hit");
    EXPECT_EQ(w.face.stale_served(), 1U);
}

TEST_F(freshness, NoLongerThanTheRuleAllows) {
    use([](rule& r) { r.stale_while_revalidate = 30s; });
    EXPECT_EQ(read(), "miss");
    w.now += 95s;
    const auto lead = fly();
    EXPECT_EQ(read(), "miss");
    EXPECT_EQ(w.face.stale_served(), 0U);
}

TEST_F(freshness, NeverAfterAWrite) {
    use([](rule& r) {
        r.stale_while_revalidate = 30s;
        r.stale_if_error = 1h;
    });
    EXPECT_EQ(read(), "miss");
    w.now += 70s;
    const auto lead = fly();
    c.run(write_t, "UPDATE 1", 'I');
    EXPECT_FALSE(c.session.quick_hit({reply_shape::simple, text, {}, {}}, w.now));
    c.session.take_stale(true);
    EXPECT_FALSE(c.session.quick_hit({reply_shape::simple, text, {}, {}}, w.now));
}

TEST_F(freshness, WithoutAServerAnEntryPastItsTimeIsServedWhereARuleSaysSo) {
    use([](rule& r) { r.stale_if_error = 1h; });
    EXPECT_EQ(read(), "miss");
    w.now += 10min;
    w.database.set_watched(false);
    const request asked{reply_shape::simple, text, {}, {}};
    EXPECT_FALSE(c.session.quick_hit(asked, w.now));
    c.session.take_stale(true);
    EXPECT_TRUE(c.session.quick_hit(asked, w.now));
    EXPECT_EQ(w.face.stale_served(), 1U);
    w.now += 1h;
    EXPECT_FALSE(c.session.quick_hit(asked, w.now));
    w.database.set_watched(true);
    c.session.take_stale(false);
    EXPECT_EQ(read("v2"), "miss");
}

TEST_F(freshness, OfOtherRulesNothingIsServedWithoutAServer) {
    EXPECT_EQ(read(), "miss");
    EXPECT_EQ(read(), "hit");
    w.database.set_watched(false);
    EXPECT_EQ(read(), "catalog_missing");
    c.session.take_stale(true);
    EXPECT_FALSE(c.session.quick_hit({reply_shape::simple, text, {}, {}}, w.now));
}

TEST_F(freshness, NearItsEndOneReaderFetchesItAnew) {
    // A reply that took a second, of a rule of a minute.
    const request asked{reply_shape::simple, text, {}, {}};
    auto d = c.session.begin_statement(asked, {read_t}, w.now);
    ASSERT_TRUE(d.fill);
    test::feed(*d.fill, test::reply_of("v1"));
    (void)c.session.on_command_complete("SELECT 1");
    (void)c.session.on_ready('I');
    w.now += 1s;
    c.session.finish_capture(std::move(d.fill), w.now);
    const auto share_of_hits = [&](duration at) {
        int hits = 0;
        for (int i = 0; i < 1000; ++i) {
            if (c.session.quick_hit(asked, time_point{1000s} + at + i * 1us)) ++hits;
        }
        return hits;
    };
    EXPECT_EQ(share_of_hits(10s), 1000);
    // Seven tenths of what it took to fetch before its end, which is drawn.
    const auto kept = c.session.quick_hit(asked, time_point{1010s});
    ASSERT_TRUE(kept);
    const auto near_end = 10s - kept.reply->past(time_point{1010s}, 60s) - 700ms;
    const auto hits = share_of_hits(near_end);
    EXPECT_LT(hits, 700);
    EXPECT_GT(hits, 300);
    const auto lead = fly();
    EXPECT_EQ(share_of_hits(near_end), 1000) << "somebody fetches it already";
}

class shadowed : public freshness {
protected:
    shadowed() {
        auto limits = world::limits(consistency::after_commit);
        limits.verify = 2;
        w.face.set_limits(limits);
    }
    /// Reads until one hit was run as well.
    void verify_one(std::string_view value) {
        for (int i = 0; i < 2; ++i) {
            if (read(value) == "miss") return;
        }
        FAIL() << "no hit was verified";
    }
    std::uint64_t count(shadow_result result) const { return w.face.shadows(result); }
};

TEST_F(shadowed, EqualAnswersAreCountedAndServedOn) {
    EXPECT_EQ(read(), "miss");
    verify_one("v1");
    verify_one("v1");
    EXPECT_EQ(count(shadow_result::equal), 2U);
    EXPECT_EQ(count(shadow_result::different), 0U);
}

TEST_F(shadowed, AnotherAnswerIsCountedAndNamed) {
    EXPECT_EQ(read("v1"), "miss");
    verify_one("v2");
    EXPECT_EQ(count(shadow_result::different), 1U);
    const auto reasons = w.face.show_reasons();
    EXPECT_TRUE(std::any_of(reasons.begin(), reasons.end(), [](const reason_row& row) {
        return row.reason == bypass_reason::shadow_mismatch && row.count == 1;
    }));
    verify_one("v2");
    EXPECT_EQ(count(shadow_result::equal), 1U) << "the newer answer is the one that is kept";
}

TEST_F(shadowed, AWriteInBetweenMakesItUnclear) {
    EXPECT_EQ(read("v1"), "miss");
    client writer{w};
    writer.send(write_t);  // and its outcome is not known yet
    verify_one("v2");
    EXPECT_EQ(count(shadow_result::unclear), 1U);
    EXPECT_EQ(count(shadow_result::different), 0U);
    (void)writer.tag("UPDATE 1");
    (void)writer.ready('I');
}

}  // namespace
}  // namespace weir::querycache

// Texts that a rule wants ready: recognised, stored whatever they cost, and counted apart when a
// session of the daemon's own fetches them.
#include "tests/unit/querycache/world.hpp"

#include <gtest/gtest.h>

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

class warm_texts : public ::testing::Test {
protected:
    warm_texts() {
        auto rule = test::rule_named("all");
        rule.warm = {" select t ; "};
        w.face.set_rules(test::rules_of({rule}));
    }
    /// A read by `who`; what finish_capture() tells.
    entry_ref fetch(
        client& who, std::string_view text, std::chrono::nanoseconds server_time = 1ms
    ) {
        auto d = who.session.begin_statement({reply_shape::simple, text, {}, {}}, {read_t}, w.now);
        if (!d.fill) return nullptr;
        test::feed(*d.fill, test::reply_of("v"));
        (void)who.session.on_command_complete("SELECT 1");
        (void)who.session.on_ready('I');
        return who.session.finish_capture(std::move(d.fill), w.now + server_time);
    }
    cache::presence look(const entry& at) {
        const auto rules = w.face.rules();
        return w.face.look(
            at.hash(), at.key(), *rules, rules->for_session("shop", "app", "test"), w.now
        );
    }
    rule_totals totals() { return w.face.rules()->rules()[0].counters->totals(); }

    world w;
    client c{w};
};

TEST(BareText, IsWithoutWhatIsNotTheStatement) {
    EXPECT_EQ(bare_text("select 1"), "select 1");
    EXPECT_EQ(bare_text("  /* a */ select 1 /* b */ ;\n; "), "select 1");
    EXPECT_EQ(bare_text("/* pgweir: ttl=1s */ select 1;"), "/* pgweir: ttl=1s */ select 1");
    EXPECT_EQ(bare_text("select ';'"), "select ';'");
    for (const auto* nothing : {"", "  ", ";", " ; ;"})
        EXPECT_EQ(bare_text(nothing), "") << nothing;
}

TEST(RequestOf, IsWhatTheKeyWasMadeOf) {
    const hash_secret secret;
    const auto scope = make_key_scope(secret, {7, 1, 2}, sharing::user, "app", "settings", "d");
    const request asked{reply_shape::extended_described, "select $1", "1234", "the bind"};
    const key_view view{&scope, asked};
    std::string key(view.size(), '\0');
    view.write(key.data());
    const auto found = request_of(key);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->shape, asked.shape);
    EXPECT_EQ(found->text, asked.text);
    EXPECT_EQ(found->parameter_types, asked.parameter_types);
    EXPECT_EQ(found->bind_tail, asked.bind_tail);
    for (std::size_t size = 0; size < key.size(); ++size)
        EXPECT_FALSE(request_of(std::string_view(key).substr(0, size))) << size;
    EXPECT_FALSE(request_of(key + "x"));
}

TEST_F(warm_texts, AreToldWhenTheyAreStored) {
    EXPECT_FALSE(fetch(c, "select t, 2"));
    const auto kept = fetch(c, "/* 7 */ select t;");
    ASSERT_TRUE(kept);
    EXPECT_EQ(request_of(kept->key())->text, "select t;")
        << "as the client asks, to be asked again";
    EXPECT_EQ(kept->rule().name(), "all");
}

TEST_F(warm_texts, AreStoredThoughCheap) {
    for (int i = 0; i < 64; ++i)
        w.face.rules()->rules()[0].counters->count_hit_time(10us);
    EXPECT_FALSE(fetch(c, "select t, 2", 1us));
    EXPECT_EQ(w.face.reasons().total(bypass_reason::cheap), 1U);
    EXPECT_TRUE(fetch(c, "select t", 1us));
}

TEST_F(warm_texts, AreStoredWhileTheirRuleIsSuspended) {
    for (int second = 0; second < 35; ++second) {
        for (int n = 0; n < 20; ++n) {
            (void)c.read(read_t, "select t, 2");
            c.run(write_t, "UPDATE 1", 'I');
        }
        w.now += 1s;
        w.face.sweep(w.now);
    }
    ASSERT_EQ(c.read(read_t, "select t, 2"), "rule_suspended");
    EXPECT_TRUE(fetch(c, "select t"));
}

TEST_F(warm_texts, AreStoredAtFirstSightThoughLarge) {
    cache_limits limits = world::limits(consistency::after_commit);
    limits.memory = 256 << 10;
    limits.threads = 1;
    cache small(limits);
    auto rule = test::rule_named("all");
    rule.warm = {"warm"};
    small.set_rules(test::rules_of({rule}));
    auto& database = small.database({7, 1}, "shop");
    database.install(test::make_catalog(database.catalog_version()));
    cache_session session(small, w.memo);
    session.set_identity(database, "shop", "app", "test");
    const auto fill = [&](const std::string& text) {
        auto d = session.begin_statement({reply_shape::simple, text, {}, {}}, {read_t}, w.now);
        test::feed(*d.fill, test::reply_of(std::string(10 << 10, 'x')));
        (void)session.on_command_complete("SELECT 1");
        (void)session.on_ready('I');
        return session.finish_capture(std::move(d.fill), w.now + 1ms);
    };
    for (int i = 0; i < 40; ++i)
        (void)fill("other " + std::to_string(i));
    EXPECT_TRUE(fill("warm"));
}

TEST_F(warm_texts, FetchedByTheDaemonCountForNoClient) {
    client daemon{w};
    daemon.session.set_warming(true);
    ASSERT_TRUE(fetch(daemon, "select t"));
    EXPECT_EQ(totals().misses, 0U);
    EXPECT_EQ(totals().stores, 0U);
    EXPECT_EQ(totals().misses_timed, 0U);
    EXPECT_EQ(totals().warmed, 1U);
    EXPECT_TRUE(fetch(daemon, "select t")) << "it is not answered from memory";
    EXPECT_EQ(totals().hits, 0U);
    EXPECT_EQ(c.read(read_t, "select t"), "hit");
    EXPECT_EQ(totals().hits, 1U);
}

TEST_F(warm_texts, AreLookedAtWithoutBeingCounted) {
    const auto kept = fetch(c, "select t");
    ASSERT_TRUE(kept);
    EXPECT_EQ(look(*kept), cache::presence::unused);
    EXPECT_EQ(look(*kept), cache::presence::unused) << "a look is no use";
    EXPECT_EQ(c.read(read_t, "select t"), "hit");
    EXPECT_EQ(look(*kept), cache::presence::used);
    EXPECT_EQ(totals().hits, 1U);
    w.now += 61s;
    EXPECT_EQ(look(*kept), cache::presence::absent) << "expired";
    const auto again = fetch(c, "select t");
    EXPECT_EQ(look(*again), cache::presence::unused);
    c.run(write_t, "UPDATE 1", 'I');
    EXPECT_EQ(look(*again), cache::presence::absent) << "written";
    EXPECT_EQ(fetch(c, "select t")->uses(), 0U);
    w.face.set_rules(test::rules_of({test::rule_named("other")}));
    EXPECT_EQ(look(*again), cache::presence::absent) << "of no rule";
}

}  // namespace
}  // namespace weir::querycache

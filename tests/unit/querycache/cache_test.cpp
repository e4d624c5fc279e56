#include "querycache/cache.hpp"

#include "tests/unit/querycache/world.hpp"

#include <gtest/gtest.h>

namespace weir::querycache {
namespace {

using namespace std::chrono_literals;
using test::client;
using test::reading;
using test::share;
using test::world;

const auto read_t = share(reading({"t"}));
const auto read_u = share(reading({"u"}));

TEST(Cache, KnowsOneDatabaseByItsIdentity) {
    world w;
    EXPECT_EQ(&w.face.database({7, 16384}, "an alias"), &w.database);
    EXPECT_NE(&w.face.database({7, 16385}, "shop"), &w.database);
    EXPECT_NE(&w.face.database({8, 16384}, "shop"), &w.database);
    EXPECT_NE(&w.face.database({7, 16384, 1}, "a physical copy"), &w.database);
    EXPECT_EQ(w.face.databases().size(), 4U);
}

TEST(Cache, InvalidateTableDropsItsEntriesAtOnceAndCountsThem) {
    world w;
    client c{w};
    (void)c.read(read_t, "select 1 from t");
    (void)c.read(read_t, "select 2 from t");
    (void)c.read(read_u, "select u");
    EXPECT_EQ(w.face.invalidate_table("public.t"), 2U);
    EXPECT_EQ(w.face.invalidate_table("t"), 0U);
    EXPECT_EQ(c.read(read_u, "select u"), "hit");
    EXPECT_EQ(c.read(read_t, "select 1 from t"), "miss");
    EXPECT_TRUE(w.face.knows_table("t"));
    EXPECT_FALSE(w.face.knows_table("tt"));
}

TEST(Cache, InvalidationDoesNotCountTheDead) {
    world w;
    client c{w};
    (void)c.read(read_t, "select t");
    (void)c.read(share(reading({"t", "u"})), "select t, u");
    w.database.versions().slot(test::u_oid)->bump(bump_cause::write);
    EXPECT_EQ(w.face.invalidate_table("t"), 1U);
    EXPECT_EQ(w.face.totals().entries, 0U);
}

TEST(Cache, CountsBumpsUnderTheirOwnCause) {
    world w;
    auto* const slot = w.database.versions().slot(test::t_oid);
    const auto counted = [&](bump_cause cause) {
        for (const auto& row : w.face.bump_counts()) {
            if (row.cause == cause) return row.count;
        }
        return std::uint64_t{99};
    };
    const auto writes = counted(bump_cause::write);
    slot->bump(bump_cause::write);
    slot->bump(bump_cause::write);
    const auto admins = counted(bump_cause::admin);
    slot->bump(bump_cause::admin);
    EXPECT_EQ(counted(bump_cause::write), writes + 2) << "the last cause took all";
    EXPECT_EQ(counted(bump_cause::admin), admins + 1);
    EXPECT_EQ(counted(bump_cause::none), 99U);
}

TEST(Cache, CountsOfARuleDoNotFallWhenItGoesAndComesBack) {
    world w;
    client c{w};
    const auto reload = [&](const std::vector<rule>& rules) {
        const auto before = w.face.rules();
        w.face.set_rules(test::rules_of(rules, {}, before.get()));
    };
    const auto hits = [&] {
        std::uint64_t sum = 0;
        for (const auto& row : w.face.rule_counts()) {
            if (row.rule == "of t") sum += row.totals.hits;
        }
        return sum;
    };
    reload({test::rule_named("of t")});
    (void)c.read(read_t, "select t");
    EXPECT_EQ(c.read(read_t, "select t"), "hit");
    EXPECT_EQ(hits(), 1U);
    reload({});
    EXPECT_EQ(hits(), 1U);
    EXPECT_TRUE(w.face.show_cache().empty());
    reload({test::rule_named("of t")});
    EXPECT_EQ(hits(), 1U);
    EXPECT_EQ(c.read(read_t, "select t"), "hit") << "the entry of the same rule is good again";
    EXPECT_EQ(hits(), 2U);
    EXPECT_EQ(w.face.invalidate_rule("of t"), 1U) << "the entry was stored under an older one";
}

TEST(Cache, InvalidateRuleDropsOnlyItsEntries) {
    world w;
    auto of_t = test::rule_named("of t");
    of_t.tables = {"t"};
    w.face.set_rules(test::rules_of({of_t, test::rule_named("others")}));
    client c{w};
    (void)c.read(read_t, "select t");
    (void)c.read(read_u, "select u");
    EXPECT_EQ(w.face.invalidate_rule("of t"), 1U);
    EXPECT_EQ(c.read(read_t, "select t"), "miss");
    EXPECT_EQ(c.read(read_u, "select u"), "hit");
    EXPECT_TRUE(w.face.knows_rule("others"));
    EXPECT_FALSE(w.face.knows_rule("other"));
}

TEST(Cache, InvalidateRuleOutdatesCapturesUnderWay) {
    world w;
    client c{w};
    auto d = c.session.begin_statement({reply_shape::simple, "select t", {}, {}}, {read_t}, w.now);
    w.face.invalidate_rule("all");
    test::feed(*d.fill, test::reply_of("v"));
    (void)c.ready('I');
    c.session.finish_capture(std::move(d.fill), w.now);
    EXPECT_EQ(c.read(read_t, "select t"), "miss");
}

TEST(Cache, InvalidateAllReachesEveryDatabase) {
    world w;
    client c{w};
    auto& second = w.face.database({7, 20000}, "other");
    second.install(test::make_catalog(second.catalog_version()));
    client d{w};
    d.session.set_identity(second, "other", "app", "");
    (void)c.read(read_t, "select t");
    EXPECT_EQ(d.read(read_t, "select t"), "miss") << "another database's table";
    EXPECT_EQ(w.face.invalidate_database(second), 1U);
    EXPECT_EQ(c.read(read_t, "select t"), "hit");
    EXPECT_EQ(w.face.invalidate_all(), 1U);
    EXPECT_EQ(c.read(read_t, "select t"), "miss");
}

TEST(Cache, ShowsARowARule) {
    world w;
    client c{w};
    (void)c.read(read_t, "select t");
    w.now += 10s;
    (void)c.read(read_t, "select t");
    const auto rows = w.face.show_cache();
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0].rule, "all");
    EXPECT_EQ(rows[0].entries, 1);
    EXPECT_GT(rows[0].bytes, 0);
    EXPECT_DOUBLE_EQ(rows[0].hit_ratio(), 0.5);
    EXPECT_EQ(rows[0].totals.stores, 1U);
}

TEST(Cache, ShowsARowATableWithTheCause) {
    world w;
    client c{w};
    (void)c.read(read_t, "select t");
    c.run(share(test::writing({"u"})), "UPDATE 1", 'I');
    w.face.invalidate_table("t");
    const auto rows = w.face.show_tables();
    ASSERT_EQ(rows.size(), 4U);
    EXPECT_EQ(rows[0].table, "(all)");
    EXPECT_EQ(rows[1].table, "(catalog)");
    EXPECT_EQ(rows[2].table, "public.t");
    EXPECT_EQ(rows[2].last_cause, "admin");
    EXPECT_EQ(rows[2].dependants, 0U);
    EXPECT_EQ(rows[3].table, "public.u");
    EXPECT_EQ(rows[3].last_cause, "write");
    EXPECT_EQ(rows[3].invalidations, 1U);
}

TEST(Cache, ExplainsARead) {
    world w;
    const auto e = w.face.explain(*read_t, w.database, {"shop", "app", "", "TimeZone=UTC"});
    EXPECT_EQ(e.statement_class, "read");
    EXPECT_EQ(e.tables_read, std::vector<std::string>{"public.t"});
    EXPECT_EQ(e.rule, "all");
    EXPECT_TRUE(e.reasons.empty());
    EXPECT_EQ(e.key_parts.size(), 4U);
}

TEST(Cache, ExplainsAWriteWithItsClosure) {
    world w;
    const auto e = w.face.explain(test::writing({"p"}), w.database, {"shop", "app", "", ""});
    EXPECT_EQ(e.statement_class, "write");
    EXPECT_EQ(e.tables_written, (std::vector<std::string>{"public.p", "public.c"}));
    EXPECT_FALSE(e.writes_everything);
    EXPECT_EQ(e.reasons, std::vector<std::string>{"not_a_read"});
    const auto opaque = w.face.explain(test::writing({"tr"}), w.database, {"shop", "app", "", ""});
    EXPECT_TRUE(opaque.writes_everything);
}

TEST(Cache, ExplainsARefusal) {
    world w;
    const auto e =
        w.face.explain(reading({"guarded", "twice"}), w.database, {"shop", "app", "", ""});
    EXPECT_EQ(e.reasons, (std::vector<std::string>{"ambiguous_name", "row_security"}));
}

TEST(Cache, KeepsShardsLargeEnoughForTheLargestReply) {
    cache_limits small;
    small.memory = 8 << 20;
    small.max_result = 4 << 20;
    small.threads = 8;
    cache face(small);
    EXPECT_GE(face.entries().largest_entry(), small.max_result);
}

TEST(Cache, AppliesNewLimits) {
    world w;
    client c{w};
    (void)c.read(read_t, "select t");
    auto limits = world::limits(consistency::linearizable);
    limits.memory = 0;
    w.face.set_limits(limits);
    EXPECT_EQ(w.face.totals().entries, 0U);
    EXPECT_EQ(w.face.mode(), consistency::linearizable);
}

}  // namespace
}  // namespace weir::querycache

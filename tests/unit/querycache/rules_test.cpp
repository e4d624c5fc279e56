#include "querycache/rules.hpp"

#include "tests/unit/querycache/world.hpp"

#include <gtest/gtest.h>

namespace weir::querycache {
namespace {

using namespace std::chrono_literals;
using test::reading;
using test::rule_named;
using test::rules_of;

/// The name of the rule that admits the statement, "" for none.
std::string admitted(
    const rule_set& set, const sql::statement& facts, const session_rules& session
) {
    const auto c = test::make_catalog(1);
    std::vector<const relation_row*> relations;
    for (const auto& name : facts.reads)
        relations.push_back(c->resolve(name).relation);
    const auto* found = set.match(session, facts, relations);
    return found == nullptr ? "" : set.at(*found).source.name;
}

std::string admitted(const rule& r, const sql::statement& facts) {
    const auto set = rules_of({r});
    return admitted(*set, facts, set->for_session("shop", "app", "web"));
}

TEST(RuleSet, FirstMatchWins) {
    auto narrow = rule_named("narrow");
    narrow.tables = {"t"};
    const auto set = rules_of({narrow, rule_named("wide")});
    const auto session = set->for_session("shop", "app", "web");
    EXPECT_EQ(admitted(*set, reading({"t"}), session), "narrow");
    EXPECT_EQ(admitted(*set, reading({"u"}), session), "wide");
}

TEST(RuleSet, AdmitsNothingWithoutRules) {
    EXPECT_EQ(admitted(*rule_set::none(), reading({"t"}), {}), "");
}

TEST(RuleSet, TablesMustListEveryTableOfTheQuery) {
    auto r = rule_named("r");
    r.tables = {"t", "public.u"};
    EXPECT_EQ(admitted(r, reading({"t"})), "r");
    EXPECT_EQ(admitted(r, reading({"t", "u"})), "r");
    EXPECT_EQ(admitted(r, reading({"t", "hot"})), "");
    EXPECT_EQ(admitted(r, reading({})), "") << "a query without tables names none that is listed";
}

TEST(RuleSet, AQualifiedTableMeansThatSchemaOnly) {
    auto r = rule_named("r");
    r.tables = {"other.t"};
    EXPECT_EQ(admitted(r, reading({"t"})), "");
}

TEST(RuleSet, PatternIsFoundAnywhereWithoutRegardToCase) {
    auto r = rule_named("r");
    r.pattern = "^SELECT .* T$";
    auto facts = reading({"t"});
    facts.normalised = "select a\nfrom t";
    EXPECT_EQ(admitted(r, facts), "r");
    facts.normalised = "select a from t2";
    EXPECT_EQ(admitted(r, facts), "");
}

TEST(RuleSet, FingerprintIsCompared) {
    auto r = rule_named("r");
    r.fingerprint = {"00000000000000ff"};
    auto facts = reading({"t"});
    facts.fingerprint = 255;
    EXPECT_EQ(admitted(r, facts), "r");
    facts.fingerprint = 254;
    EXPECT_EQ(admitted(r, facts), "");
}

TEST(RuleSet, SessionSelectorsMustAllHold) {
    auto r = rule_named("r");
    r.databases = {"shop"};
    r.users = {"app", "web"};
    r.applications = {"dashboard"};
    const auto set = rules_of({r});
    EXPECT_EQ(set->for_session("shop", "app", "dashboard").rules.size(), 1U);
    EXPECT_TRUE(set->for_session("other", "app", "dashboard").rules.empty());
    EXPECT_TRUE(set->for_session("shop", "root", "dashboard").rules.empty());
    EXPECT_TRUE(set->for_session("shop", "app", "psql").rules.empty());
}

TEST(RuleSet, ReportsEveryErrorWithItsField) {
    auto bad = rule_named("");
    bad.ttl = 0s;
    bad.pattern = "(";
    bad.fingerprint = {"00000000000000ff", "xyz"};
    bad.tables = {"a.b.c"};
    auto result = rule_set::compile({rule_named("a"), bad, rule_named("a")});
    const auto& errors = std::get<std::vector<rule_error>>(result);
    std::vector<std::string> fields;
    for (const auto& e : errors) {
        fields.push_back(std::to_string(e.rule) + "." + e.field + "." + std::to_string(e.item));
        EXPECT_FALSE(e.what.empty());
        EXPECT_FALSE(e.remedy.empty());
    }
    EXPECT_EQ(
        fields,
        (std::vector<std::string>{
            "1.name.0", "1.ttl.0", "1.tables.0", "1.fingerprint.1", "1.pattern.0", "2.name.0"})
    );
}

TEST(RuleSet, LineageChangesWithTheRuleAndWithThoseBeforeIt) {
    const auto lineage_of_last = [](std::vector<rule> rules) {
        return rules_of(std::move(rules))->for_session("shop", "app", "").rules.back().lineage;
    };
    const auto base = lineage_of_last({rule_named("r")});
    EXPECT_EQ(lineage_of_last({rule_named("r", 5s)}), base) << "ttl is applied at the hit";
    auto changed = rule_named("r");
    changed.tables = {"t"};
    EXPECT_NE(lineage_of_last({changed}), base);
    EXPECT_NE(lineage_of_last({rule_named("before"), rule_named("r")}), base);
    auto others = rule_named("before");
    others.users = {"someone"};
    EXPECT_EQ(lineage_of_last({others, rule_named("r")}), base) << "does not concern this session";
}

TEST(RuleSet, CountersFollowTheName) {
    const auto before = rules_of({rule_named("a"), rule_named("b")});
    before->rules()[1].counters->count_miss();
    const auto after = rules_of({rule_named("b"), rule_named("c")}, {}, before.get());
    EXPECT_EQ(after->rules()[0].counters->totals().misses, 1U);
    EXPECT_EQ(after->rules()[1].counters->totals().misses, 0U);
}

TEST(RuleSet, EffectsCoverTheNamesTheyDeclare) {
    const auto set = rules_of({}, {{"audit", {"logins"}}, {"s.f", {}}});
    EXPECT_NE(set->effect_of("", "audit"), nullptr);
    EXPECT_NE(set->effect_of("any", "audit"), nullptr);
    EXPECT_NE(set->effect_of("s", "f"), nullptr);
    EXPECT_EQ(set->effect_of("", "f"), nullptr);
    EXPECT_EQ(set->effect_of("", "other"), nullptr);
}

}  // namespace
}  // namespace weir::querycache

#include "daemon/advising/plan_uses.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weir::daemon::advising {
namespace {

using enum test_kind;
using tests = std::vector<column_test>;

TEST(ReadCondition, FindsComparisonsWithValues) {
    EXPECT_EQ(
        read_condition("(orders.customer_id = $1)"), (tests{{"orders", "customer_id", equal}})
    );
    EXPECT_EQ(read_condition("(o.id = ANY ($1))"), (tests{{"o", "id", equal}}));
    EXPECT_EQ(read_condition("(o.id = ANY (ARRAY[$4, $5]))"), (tests{{"o", "id", equal}}));
    EXPECT_EQ(read_condition("(o.created_at > $2)"), (tests{{"o", "created_at", range}}));
    EXPECT_EQ(
        read_condition("(o.created_at <= (now() - $1))"), (tests{{"o", "created_at", range}})
    );
    EXPECT_EQ(read_condition("($1 = o.customer_id)"), (tests{{"o", "customer_id", equal}}));
    EXPECT_EQ(read_condition("((o.status)::text = $1)"), (tests{{"o", "status", equal}}));
    EXPECT_EQ(
        read_condition("((o.status)::text = ('x'::character varying)::text)"),
        (tests{{"o", "status", equal}})
    );
}

TEST(ReadCondition, TakesAndApart) {
    EXPECT_EQ(
        read_condition("((o.deleted_at IS NULL) AND (o.created_at > $2) AND (o.status = $1) AND "
                       "(o.paid_at IS NOT NULL))"),
        (tests{
            {"o", "deleted_at", null},
            {"o", "created_at", range},
            {"o", "status", equal},
            {"o", "paid_at", not_null}})
    );
}

TEST(ReadCondition, KnowsNamesInQuotes) {
    EXPECT_EQ(read_condition("(c.\"Id\" = $1)"), (tests{{"c", "Id", equal}}));
    EXPECT_EQ(read_condition("(\"C 1\".\"a\"\"b\" = $1)"), (tests{{"C 1", "a\"b", equal}}));
}

TEST(ReadCondition, AJoinIsATestOfBothSides) {
    EXPECT_EQ(
        read_condition("(o.customer_id = c.\"Id\")"),
        (tests{{"o", "customer_id", join}, {"c", "Id", join}})
    );
}

TEST(ReadCondition, LeavesOutWhatAnIndexOfColumnsDoesNotServe) {
    for (const auto* const text :
         {"(lower(o.note) = $1)",
          "(o.a = o.b)",
          "((o.a = $1) OR (o.b = $2))",
          "(o.note ~~ $1)",
          "(o.a <> $1)",
          "(NOT o.active)",
          "o.active",
          "(o.a > c.b)",
          "(o.a = (c.b + 1))",
          "((o.a + 1) = $1)",
          "(o.a IS DISTINCT FROM $1)",
          "(o.a IS TRUE)",
          "((SubPlan 1) = $1)",
          "(o.row).x = $1",
          "((o.at)::date = $1)",
          "(o.name = ($1 COLLATE \"C\"))",
          "(o.id = ALL ($1))",
          "(o.a = 'open end)",
          "(o.a =",
          "((((",
          ""}) {
        EXPECT_TRUE(read_condition(text).empty()) << text;
    }
}

TEST(ReadSortKey, IsAPlainColumn) {
    EXPECT_EQ(read_sort_key("o.created_at"), (sort_key{"o", "created_at", false}));
    EXPECT_EQ(read_sort_key("o.created_at DESC"), (sort_key{"o", "created_at", true}));
    EXPECT_EQ(read_sort_key("c.\"Id\""), (sort_key{"c", "Id", false}));
    for (const auto* const other :
         {"lower(o.a)",
          "(o.a + 1)",
          "o.a NULLS FIRST",
          "o.a COLLATE \"C\"",
          "(count(*)) DESC",
          "a",
          ""})
        EXPECT_FALSE(read_sort_key(other)) << other;
}

std::string scan(
    const std::string& table, const std::string& alias, const std::string& filter = ""
) {
    return R"({"Node Type": "Seq Scan", "Relation Name": ")" + table +
           R"(", "Schema": "public", "Alias": ")" + alias + R"(", "Total Cost": 10, "Filter": ")" +
           filter + "\"}";
}

TEST(ReadPlan, KnowsTablesTestsSortAndLimit) {
    const auto plan = read_plan(
        R"x([{"Plan": {"Node Type": "Limit", "Total Cost": 99.5, "Plans": [
             {"Node Type": "Sort", "Sort Key": ["o.at DESC", "o.id"], "Plans": [
               {"Node Type": "Hash Join", "Hash Cond": "(o.c = k.id)", "Plans": [)x" +
        scan("orders", "o", "(o.status = $1)") + R"x(, {"Node Type": "Hash", "Plans": [)x" +
        scan("customers", "k") + "]}]}]}]}}]"
    );
    ASSERT_TRUE(plan);
    EXPECT_EQ(plan->cost, 99.5);
    EXPECT_TRUE(plan->has_limit);
    ASSERT_EQ(plan->tables.size(), 2U);
    EXPECT_EQ(plan->tables[0].table, "orders");
    EXPECT_TRUE(plan->tables[0].is_scanned);
    EXPECT_EQ(plan->tables[0].tests, (tests{{"o", "c", join}, {"o", "status", equal}}));
    EXPECT_EQ(plan->tables[1].tests, (tests{{"k", "id", join}}));
    EXPECT_EQ(plan->sort, (std::vector<sort_key>{{"o", "at", true}, {"o", "id", false}}));
}

TEST(ReadPlan, DoesNotGuessWhichOfSeveralSortsCounts) {
    const auto plan = read_plan(
        R"([{"Plan": {"Node Type": "Sort", "Sort Key": ["o.a"], "Plans": [
             {"Node Type": "Sort", "Sort Key": ["o.b"]}]}}])"
    );
    ASSERT_TRUE(plan);
    EXPECT_TRUE(plan->sort.empty());
}

TEST(ReadPlan, CountsTheTargetOfAWriteOnce) {
    const auto plan = read_plan(
        R"([{"Plan": {"Node Type": "ModifyTable", "Relation Name": "orders", "Alias": "orders",
             "Schema": "public", "Plans": [)" +
        scan("orders", "orders", "(orders.id = $1)") + "]}}]"
    );
    ASSERT_TRUE(plan);
    ASSERT_EQ(plan->tables.size(), 1U);
    EXPECT_EQ(plan->tables[0].tests.size(), 1U);
}

TEST(ReadPlan, TakesNullAboveAJoinForNothing) {
    const auto plan = read_plan(
        R"x([{"Plan": {"Node Type": "Hash Join", "Filter": "(o.a IS NULL)", "Plans": [)x" +
        scan("orders", "o", "(o.b IS NULL)") + "]}}]"
    );
    ASSERT_TRUE(plan);
    EXPECT_EQ(plan->tables.at(0).tests, (tests{{"o", "b", null}}));
}

TEST(ReadPlan, IsNothingForOtherTexts) {
    for (const auto* const text :
         {"", "Seq Scan", "[]", "{}", "[1]", "[{}]", R"([{"Plan": 1}])", "[{\"Plan\""})
        EXPECT_FALSE(read_plan(text)) << text;
}

}  // namespace
}  // namespace weir::daemon::advising

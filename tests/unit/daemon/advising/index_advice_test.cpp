#include "daemon/advising/index_advice.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace weir::daemon::advising {
namespace {

using enum test_kind;

table_facts orders(double rows = 100'000) {
    return {
        "public",
        "orders",
        rows,
        {{"id", -1, 0},
         {"customer_id", 5000, 0},
         {"status", 4, 0},
         {"at", -0.9, 0},
         {"deleted_at", 100, 0.1},
         {"paid_at", 100, 0.9}}};
}

plan_uses plan_with(std::vector<column_test> tests, bool is_scanned = true) {
    for (auto& test : tests)
        test.alias = "o";
    plan_uses plan;
    plan.cost = 1000;
    plan.tables.push_back({"public", "orders", "o", is_scanned, std::move(tests)});
    return plan;
}

std::vector<std::string> columns_of(const std::vector<index_proposal>& all) {
    std::vector<std::string> out;
    for (const auto& each : all) {
        std::string columns;
        for (const auto& column : each.columns) {
            columns +=
                (columns.empty() ? "" : ",") + column.name + (column.is_descending ? " desc" : "");
        }
        if (!each.null_column.empty()) columns += " where " + each.null_column;
        out.push_back(columns);
    }
    return out;
}
using texts = std::vector<std::string>;

index_facts index(const std::string& name, std::vector<std::string> columns) {
    index_facts made;
    made.schema = "public";
    made.table = "orders";
    made.name = name;
    made.method = "btree";
    made.bytes = 10U << 20U;
    made.column_kinds.assign(columns.size(), "1978/0/0");
    made.columns = std::move(columns);
    made.definition = "CREATE INDEX " + name + " ON public.orders USING btree (...)";
    return made;
}

TEST(Propose, TheMostSelectiveOfEqualColumnsFirst) {
    const auto plan = plan_with({{"", "status", equal}, {"", "customer_id", equal}});
    const auto all = propose(plan, {orders()}, {});
    ASSERT_FALSE(all.empty());
    EXPECT_EQ(columns_of(all), (texts{"customer_id,status"}));
    EXPECT_DOUBLE_EQ(all[0].share, 1.0 / 5000 / 4);
}

TEST(Propose, ARangeBehindEqualColumnsAndWithoutIt) {
    const auto plan = plan_with({{"", "at", range}, {"", "status", equal}});
    EXPECT_EQ(columns_of(propose(plan, {orders()}, {})), (texts{"status,at", "status"}));
}

TEST(Propose, TheOrderBehindEqualColumns) {
    auto plan = plan_with({{"", "customer_id", equal}});
    plan.sort = {{"o", "at", true}};
    EXPECT_EQ(
        columns_of(propose(plan, {orders()}, {})), (texts{"customer_id,at desc", "customer_id"})
    );
}

TEST(Propose, TheOrderAloneOnlyWithALimit) {
    auto plan = plan_with({});
    plan.sort = {{"o", "at", true}};
    EXPECT_TRUE(propose(plan, {orders()}, {}).empty());
    plan.has_limit = true;
    EXPECT_EQ(columns_of(propose(plan, {orders()}, {})), (texts{"at"})) << "read from behind";
    plan.sort = {{"o", "at", true}, {"o", "id", false}};
    EXPECT_EQ(columns_of(propose(plan, {orders()}, {})), (texts{"at desc,id"}));
}

TEST(Propose, JoinColumnsAloneAndBehindEqualOnes) {
    const auto plan = plan_with({{"", "customer_id", join}, {"", "status", equal}});
    EXPECT_EQ(
        columns_of(propose(plan, {orders()}, {})),
        (texts{"status", "customer_id", "status,customer_id"})
    );
}

TEST(Propose, APartialOneWhereFewRowsAreNull) {
    EXPECT_EQ(
        columns_of(propose(
            plan_with({{"", "customer_id", equal}, {"", "deleted_at", null}}), {orders()}, {}
        )),
        (texts{"customer_id where deleted_at"})
    );
    EXPECT_EQ(
        columns_of(
            propose(plan_with({{"", "customer_id", equal}, {"", "paid_at", null}}), {orders()}, {})
        ),
        (texts{"customer_id"})
    );
}

TEST(Propose, NothingThatIsThere) {
    const auto plan = plan_with({{"", "customer_id", equal}});
    EXPECT_TRUE(propose(plan, {orders()}, {index("i", {"customer_id", "status"})}).empty());
    EXPECT_FALSE(propose(plan, {orders()}, {index("i", {"status", "customer_id"})}).empty());
    auto broken = index("i", {"customer_id"});
    broken.is_valid = false;
    EXPECT_FALSE(propose(plan, {orders()}, {broken}).empty());
    auto partial = index("i", {"customer_id"});
    partial.predicate = "(status = 1)";
    EXPECT_FALSE(propose(plan, {orders()}, {partial}).empty());
}

TEST(Propose, NothingForSmallTablesAndIndexScans) {
    EXPECT_TRUE(propose(plan_with({{"", "customer_id", equal}}), {orders(500)}, {}).empty());
    EXPECT_TRUE(propose(plan_with({{"", "customer_id", equal}}, false), {orders()}, {}).empty());
    EXPECT_TRUE(propose(plan_with({{"", "customer_id", equal}}), {}, {}).empty());
    EXPECT_TRUE(propose(plan_with({}), {orders()}, {}).empty());
}

TEST(Propose, AFewAtMost) {
    std::vector<column_test> tests;
    for (const auto* const name : {"a", "b", "c", "d", "e", "f", "g", "h"}) {
        tests.push_back({"", name, equal});
        tests.push_back({"", std::string{name} + "2", join});
    }
    const auto all = propose(plan_with(tests), {orders()}, {});
    EXPECT_LE(all.size(), 6U);
    for (const auto& each : all)
        EXPECT_LE(each.columns.size(), 4U);
}

TEST(IndexSql, IsInQuotes) {
    index_proposal wanted;
    wanted.schema = "My \"shop\"";
    wanted.table = "Order";
    wanted.columns = {{"select"}, {"at", true}};
    wanted.null_column = "x";
    const auto name = name_of(wanted);
    EXPECT_EQ(
        create_sql(wanted, true),
        "CREATE INDEX CONCURRENTLY \"" + name +
            "\" ON \"My \"\"shop\"\"\".\"Order\" USING btree (\"select\", \"at\" DESC) WHERE \"x\" "
            "IS NULL"
    );
    EXPECT_EQ(create_sql(wanted, false).find("CONCURRENTLY"), std::string::npos);
    EXPECT_EQ(drop_sql("s", "a\"b"), "DROP INDEX CONCURRENTLY IF EXISTS \"s\".\"a\"\"b\"");
}

TEST(IndexName, IsShortPlainAndItsOwn) {
    index_proposal wanted;
    wanted.schema = "public";
    wanted.table = "orders";
    wanted.columns = {{"customer_id"}};
    EXPECT_EQ(name_of(wanted), "pgweir_orders_customer_id_idx");
    wanted.columns.push_back({std::string(80, 'x')});
    const auto one = name_of(wanted);
    wanted.columns.back().name += 'y';
    EXPECT_NE(one, name_of(wanted));
    EXPECT_LE(one.size(), 63U);
    wanted.columns = {{"\xC3\xA4\n'"}};
    for (const char c : name_of(wanted))
        EXPECT_TRUE((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_') << c;
}

TEST(IsServedBy, ALongerOneOfTheSameBeginning) {
    index_proposal one;
    one.table = "orders";
    one.columns = {{"a"}};
    auto two = one;
    two.columns.push_back({"b"});
    EXPECT_TRUE(is_served_by(one, two));
    EXPECT_FALSE(is_served_by(two, one));
    two.null_column = "c";
    EXPECT_FALSE(is_served_by(one, two));
}

std::string dropped(const std::vector<insight::advice_row>& rows) {
    std::string all;
    for (const auto& row : rows)
        all += row.kind + ":" + row.apply.substr(row.apply.rfind('.') + 1) + " ";
    return all;
}

TEST(SuperfluousRows, NameTheShorterOfTwo) {
    auto one = index("one", {"a"});
    auto two = index("two", {"a", "b"});
    one.scans = two.scans = 5;
    const auto rows = superfluous_rows("shop", {one, two}, "");
    EXPECT_EQ(dropped(rows), "duplicate_index:\"one\" ");
    EXPECT_EQ(rows[0].database, "shop");
    EXPECT_EQ(rows[0].undo, "CREATE INDEX CONCURRENTLY one ON public.orders USING btree (...)");
}

TEST(SuperfluousRows, NameOneOfTwoEqualOnes) {
    auto one = index("one", {"a"});
    auto two = index("two", {"a"});
    one.scans = two.scans = 5;
    EXPECT_EQ(dropped(superfluous_rows("", {one, two}, "")), "duplicate_index:\"two\" ");
    one.is_constraint = one.is_unique = false;
    two.is_constraint = two.is_unique = true;
    EXPECT_EQ(dropped(superfluous_rows("", {one, two}, "")), "duplicate_index:\"one\" ");
}

TEST(SuperfluousRows, LeaveWhatDiffersOrIsNeeded) {
    auto one = index("one", {"a"});
    auto two = index("two", {"a", "b"});
    one.scans = two.scans = 5;
    auto other = two;
    other.column_kinds[0] = "1979/0/0";
    EXPECT_EQ(dropped(superfluous_rows("", {one, other}, "")), "");
    other = two;
    other.predicate = "x";
    EXPECT_EQ(dropped(superfluous_rows("", {one, other}, "")), "");
    other = two;
    other.is_valid = false;
    EXPECT_EQ(dropped(superfluous_rows("", {one, other}, "")), "");
    other = two;
    other.table = "else";
    EXPECT_EQ(dropped(superfluous_rows("", {one, other}, "")), "");
    auto unique = one;
    unique.is_unique = true;
    EXPECT_EQ(dropped(superfluous_rows("", {unique, two}, "")), "");
}

TEST(SuperfluousRows, DoNotDropBothOfTwo) {
    const auto rows = superfluous_rows("", {index("one", {"a"}), index("two", {"a", "b"})}, "");
    EXPECT_EQ(dropped(rows), "duplicate_index:\"one\" ");
}

TEST(SuperfluousRows, LeaveWhatDoesMore) {
    for (const auto* const more :
         {" INCLUDE (b)", " NULLS NOT DISTINCT", " WITH (fillfactor='70')"}) {
        auto one = index("one", {"a"});
        auto two = index("two", {"a", "b"});
        one.scans = two.scans = 5;
        one.definition += more;
        EXPECT_EQ(dropped(superfluous_rows("", {one, two}, "")), "") << more;
    }
}

TEST(SuperfluousRows, NameWhatIsNeverRead) {
    auto one = index("one", {"a"});
    const auto rows = superfluous_rows("", {one}, "2026-01-01 00:00");
    EXPECT_EQ(dropped(rows), "unused_index:\"one\" ");
    EXPECT_NE(rows[0].advice.find("since 2026-01-01"), std::string::npos);
    one.is_unique = true;
    EXPECT_EQ(dropped(superfluous_rows("", {one}, "")), "");
    one = index("one", {"a"});
    one.bytes = 8192;
    EXPECT_EQ(dropped(superfluous_rows("", {one}, "")), "");
}

}  // namespace
}  // namespace weir::daemon::advising

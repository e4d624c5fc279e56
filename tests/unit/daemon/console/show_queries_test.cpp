#include "daemon/console/show_queries.hpp"

#include "daemon/console/columns.hpp"

#include <gtest/gtest.h>

#include <string_view>

namespace weir::daemon::console {
namespace {

using namespace std::chrono_literals;

std::string cell(const row& one, const columns::list& names, std::string_view name) {
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i].name == name) return one.at(i).value_or("NULL");
    }
    return "no such column";
}

insight::statement_report report() {
    insight::statement_report made;
    auto& row = made.rows.emplace_back();
    row.database = "shop";
    row.user = "ann";
    row.fingerprint = 0x1F;
    row.query = "SELECT $1";
    row.kind = insight::query_kind::read;
    row.calls = 4;
    row.total = 10ms;
    row.wait = 1ms;
    row.latency.buckets[40] = 4;
    row.latency.shortest = 2ms;
    row.latency.longest = 3ms;
    row.reason = querycache::bypass_reason::no_rule;
    return made;
}

TEST(ShowQueries, HasAValueForEachColumn) {
    const auto rows = query_rows(report());
    ASSERT_EQ(rows.size(), 1U);
    ASSERT_EQ(rows[0].size(), columns::queries.size());
    EXPECT_EQ(cell(rows[0], columns::queries, "fingerprint"), "000000000000001f");
    EXPECT_EQ(cell(rows[0], columns::queries, "calls"), "4");
    EXPECT_EQ(cell(rows[0], columns::queries, "total_ms"), "10.000");
    EXPECT_EQ(cell(rows[0], columns::queries, "mean_ms"), "2.500");
    EXPECT_EQ(cell(rows[0], columns::queries, "wait_ms"), "1.000");
    EXPECT_EQ(cell(rows[0], columns::queries, "max_ms"), "3.000");
    EXPECT_EQ(cell(rows[0], columns::queries, "cache"), "no_rule");
}

TEST(ShowSlow, TellsWhatIsKnownOfTheStatementAsAWhole) {
    insight::slow_statement slow;
    slow.database = "shop";
    slow.user = "ann";
    slow.fingerprint = 0x1F;
    slow.query = "SELECT $1";
    slow.total = 3ms;
    slow.cache = "none";
    auto unknown = slow;
    unknown.fingerprint = 5;
    const auto rows = slow_rows({slow, unknown}, report());
    ASSERT_EQ(rows.size(), 2U);
    ASSERT_EQ(rows[0].size(), columns::slow.size());
    ASSERT_EQ(rows[1].size(), columns::slow.size());
    EXPECT_EQ(cell(rows[0], columns::slow, "duration_ms"), "3.000");
    EXPECT_EQ(cell(rows[0], columns::slow, "calls"), "4");
    EXPECT_EQ(cell(rows[0], columns::slow, "max_ms"), "3.000");
    EXPECT_EQ(cell(rows[1], columns::slow, "calls"), "NULL");
    EXPECT_EQ(cell(rows[1], columns::slow, "sqlstate"), "NULL");
}

}  // namespace
}  // namespace weir::daemon::console

#include "daemon/console/show_stats.hpp"

#include "daemon/console/columns.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::console {
namespace {

using namespace std::chrono_literals;
using time_point = stats_window::time_point;

const time_point start{1'000'000s};

insight::pool_totals shop() {
    insight::pool_totals t;
    t.database = "shop";
    t.transactions = 10;
    t.transaction_time = 50ms;
    t.queries[0] = 20;
    t.query_seconds[0].sum = 30ms;
    t.query_seconds[1].sum = 10ms;
    t.wait_seconds.sum = 2ms;
    t.bytes_from_client = 100;
    t.bytes_to_client = 200;
    t.logins = 3;
    return t;
}

value at(const row& values, columns::list columns, std::string_view name) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
        if (columns[i].name == name) return values.at(i);
    }
    ADD_FAILURE() << "no column " << name;
    return {};
}

TEST(StatsRows, TellTotalsInMicroseconds) {
    const auto counters = count_stats({shop()});
    const auto rows = stats_rows(counters, {start, {}}, start + 10s, stats_part::all);
    ASSERT_EQ(rows.size(), 1U);
    ASSERT_EQ(rows[0].size(), columns::stats.size());
    EXPECT_EQ(at(rows[0], columns::stats, "total_xact_count"), "10");
    EXPECT_EQ(at(rows[0], columns::stats, "total_query_count"), "20");
    EXPECT_EQ(at(rows[0], columns::stats, "total_xact_time"), "50000");
    EXPECT_EQ(at(rows[0], columns::stats, "total_query_time"), "40000");
    EXPECT_EQ(at(rows[0], columns::stats, "total_wait_time"), "2000");
    EXPECT_EQ(at(rows[0], columns::stats, "total_received"), "100");
    EXPECT_EQ(at(rows[0], columns::stats, "total_sent"), "200");
    EXPECT_EQ(at(rows[0], columns::stats, "total_client_login_count"), "3");
}

TEST(StatsRows, AverageCountsOverTimeAndTimesOverCounts) {
    const auto counters = count_stats({shop()});
    const auto rows = stats_rows(counters, {start, {}}, start + 10s, stats_part::averages);
    ASSERT_EQ(rows[0].size(), columns::stats_averages.size());
    EXPECT_EQ(at(rows[0], columns::stats_averages, "xact_count"), "1");
    EXPECT_EQ(at(rows[0], columns::stats_averages, "query_count"), "2");
    EXPECT_EQ(at(rows[0], columns::stats_averages, "xact_time"), "5000");
    EXPECT_EQ(at(rows[0], columns::stats_averages, "query_time"), "2000");
    EXPECT_EQ(at(rows[0], columns::stats_averages, "wait_time"), "200");
}

TEST(StatsRows, AverageNothingOverNoQueries) {
    const auto counters = count_stats({shop()});
    const auto rows = stats_rows(counters, {start, counters}, start, stats_part::averages);
    for (std::size_t i = 1; i < rows.at(0).size(); ++i)
        EXPECT_EQ(rows[0][i], "0");
}

TEST(StatsRows, HaveTheColumnsOfTheTotals) {
    const auto rows =
        stats_rows(count_stats({shop()}), {start, {}}, start + 1s, stats_part::totals);
    EXPECT_EQ(rows.at(0).size(), columns::stats_totals.size());
}

TEST(TotalRows, AddDatabasesUp) {
    auto other = shop();
    other.database = "blog";
    const auto rows = total_rows(count_stats({shop(), other}), {start, {}}, start + 10s);
    ASSERT_EQ(rows.size(), 24U);
    EXPECT_EQ(rows[1], (row{text("total_xact_count"), text("20")}));
    EXPECT_EQ(rows[3], (row{text("total_client_bytes"), text("200")}));
    EXPECT_EQ(rows[13], (row{text("avg_xact_count"), text("2")}));
}

TEST(StatsWindow, BeginsAtTheStartOfTheDaemon) {
    stats_window window{start};
    EXPECT_EQ(window.look(start + 1h, count_stats({shop()})).at, start);
    EXPECT_EQ(window.look(start + 1h + 1s, {}).at, start);
}

TEST(StatsWindow, IsNeverShorterThanAMinuteLater) {
    stats_window window{start};
    for (int second = 3600; second < 4000; ++second) {
        const auto now = start + std::chrono::seconds{second};
        const auto length = now - window.look(now, {}).at;
        EXPECT_GE(length, 60s);
        if (second > 3720) {
            EXPECT_LE(length, 121s);
        }
    }
}

}  // namespace
}  // namespace weir::daemon::console

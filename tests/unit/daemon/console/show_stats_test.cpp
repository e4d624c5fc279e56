#include "daemon/console/show_stats.hpp"

#include "daemon/console/columns.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::console {
namespace {

using namespace std::chrono_literals;
const stats_time start{1'000'000s};

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

stats_span since_start(const stats_by_database& now, std::chrono::seconds length) {
    return {{start, {}}, {start + length, now}};
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
    const auto rows = stats_rows(counters, since_start(counters, 10s), stats_part::all);
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
    const auto rows = stats_rows(counters, since_start(counters, 10s), stats_part::averages);
    ASSERT_EQ(rows[0].size(), columns::stats_averages.size());
    EXPECT_EQ(at(rows[0], columns::stats_averages, "xact_count"), "1");
    EXPECT_EQ(at(rows[0], columns::stats_averages, "query_count"), "2");
    EXPECT_EQ(at(rows[0], columns::stats_averages, "xact_time"), "5000");
    EXPECT_EQ(at(rows[0], columns::stats_averages, "query_time"), "2000");
    EXPECT_EQ(at(rows[0], columns::stats_averages, "wait_time"), "200");
}

TEST(StatsRows, AverageNothingOverNoQueries) {
    const auto counters = count_stats({shop()});
    const auto rows =
        stats_rows(counters, {{start, counters}, {start, counters}}, stats_part::averages);
    for (std::size_t i = 1; i < rows.at(0).size(); ++i)
        EXPECT_EQ(rows[0][i], "0");
}

TEST(StatsRows, HaveTheColumnsOfTheTotals) {
    const auto counters = count_stats({shop()});
    const auto rows = stats_rows(counters, since_start(counters, 1s), stats_part::totals);
    EXPECT_EQ(rows.at(0).size(), columns::stats_totals.size());
}

TEST(TotalRows, AddDatabasesUp) {
    auto other = shop();
    other.database = "blog";
    const auto counters = count_stats({shop(), other});
    const auto rows = total_rows(counters, since_start(counters, 10s));
    ASSERT_EQ(rows.size(), 24U);
    EXPECT_EQ(rows[1], (row{text("total_xact_count"), text("20")}));
    EXPECT_EQ(rows[3], (row{text("total_client_bytes"), text("200")}));
    EXPECT_EQ(rows[13], (row{text("avg_xact_count"), text("2")}));
}

TEST(StatsPeriods, BeginAtTheStartOfTheDaemon) {
    const stats_periods periods{start};
    const auto span = periods.last(start + 10s, count_stats({shop()}));
    EXPECT_EQ(span.from.at, start);
    EXPECT_EQ(span.until.at, start + 10s);
    EXPECT_EQ(span.until.counters.size(), 1U);
}

TEST(StatsPeriods, AverageTheLastWholePeriodWhoeverAsks) {
    stats_periods periods{start};
    auto traffic = shop();
    const auto count = [&] { return count_stats({traffic}); };
    for (int second = 1; second <= 200; ++second) {
        traffic.transactions = 6 * static_cast<std::uint64_t>(second);
        if (second > 100) traffic.transactions = 600;
        periods.tick(start + std::chrono::seconds{second}, count);
    }
    const auto now = start + 200s;
    const auto span = periods.last(now, count());
    EXPECT_EQ(span.from.at, start + 120s);
    EXPECT_EQ(span.until.at, start + 180s);
    const auto rows = stats_rows(count(), span, stats_part::all);
    EXPECT_EQ(at(rows.at(0), columns::stats, "total_xact_count"), "600");
    EXPECT_EQ(at(rows.at(0), columns::stats, "avg_xact_count"), "0") << "nothing for a minute";
}

}  // namespace
}  // namespace weir::daemon::console

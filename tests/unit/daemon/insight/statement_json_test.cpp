#include "daemon/insight/statement_json.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace weir::daemon::insight {
namespace {

using namespace std::chrono_literals;

TEST(CacheVerdict, IsWhatMemoryDidOrWhyItDidNothing) {
    statement_totals row;
    EXPECT_EQ(cache_verdict(row), "");
    row.reason = querycache::bypass_reason::no_rule;
    EXPECT_EQ(cache_verdict(row), "no_rule");
    row.misses = 2;
    EXPECT_EQ(cache_verdict(row), "miss");
    row.hits = 3;
    EXPECT_EQ(cache_verdict(row), "hit");
}

TEST(StatementsJson, ShowsTheFirstRowsAndHowManyThereAre) {
    statement_report report;
    report.limit = 500;
    report.evicted = 3;
    for (std::size_t i = 0; i < statements_in_json + 5; ++i) {
        auto& row = report.rows.emplace_back();
        row.database = "sh\"op";
        row.fingerprint = i;
        row.query = "SELECT \n\xFF";
        row.calls = 4;
        row.total = 10ms;
        row.latency.buckets[10] = 4;
        row.latency.shortest = 2ms;
        row.latency.longest = 3ms;
    }
    json_writer json;
    write_statements(json, report);
    const auto parsed = boost::json::parse(json.take()).as_object();
    EXPECT_EQ(parsed.at("tracked").to_number<std::size_t>(), statements_in_json + 5);
    EXPECT_EQ(parsed.at("limit").to_number<int>(), 500);
    EXPECT_EQ(parsed.at("evicted").to_number<int>(), 3);
    const auto& rows = parsed.at("rows").as_array();
    ASSERT_EQ(rows.size(), statements_in_json);
    const auto& row = rows[1].as_object();
    EXPECT_EQ(row.at("database").as_string(), "sh\"op");
    EXPECT_EQ(row.at("fingerprint").as_string(), "0000000000000001");
    EXPECT_EQ(row.at("calls").to_number<int>(), 4);
    EXPECT_EQ(row.at("total_ms").to_number<double>(), 10);
    EXPECT_EQ(row.at("mean_ms").to_number<double>(), 2.5);
    EXPECT_EQ(row.at("max_ms").to_number<double>(), 3);
}

TEST(NPlusOneJson, IsAnArray) {
    n_plus_one_pattern one;
    one.query = "SELECT lines";
    one.parent = "SELECT orders";
    one.runs = 4;
    one.repeats = 10;
    json_writer json;
    write_n_plus_one(json, {one});
    const auto parsed = boost::json::parse(json.take()).as_array();
    ASSERT_EQ(parsed.size(), 1U);
    EXPECT_EQ(parsed[0].at("count").to_number<int>(), 4);
    EXPECT_EQ(parsed[0].at("parent").as_string(), "SELECT orders");
    EXPECT_EQ(parsed[0].at("last_seen").as_string(), "1970-01-01T00:00:00.000Z");
}

}  // namespace
}  // namespace weir::daemon::insight

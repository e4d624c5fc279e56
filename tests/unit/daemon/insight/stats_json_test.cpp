#include "daemon/insight/stats_json.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace weir::daemon::insight {
namespace {

using namespace std::chrono_literals;

TEST(BreakersJson, HasARowAHost) {
    breaker_gauges breakers;
    breakers.hosts = {
        {"db1:5432",
         "open",
         5,
         std::chrono::milliseconds{2'000},
         std::chrono::milliseconds{13'250},
         "no \"route\""},
        {"db2:5432", "closed", 0, {}, {}, ""}};
    breakers.transitions = 1;
    EXPECT_EQ(
        breakers_json(breakers),
        R"({"breakers":[{"upstream":"db1:5432","state":"open","failures":5,"since_s":2.000,)"
        R"("next_try_s":13.250,"last_error":"no \"route\""},{"upstream":"db2:5432",)"
        R"("state":"closed","failures":0,"since_s":0.000,"next_try_s":null,"last_error":null}],)"
        R"("transitions":1})"
    );
}

TEST(StatsJson, ParsesBackWithItsFigures) {
    counter_registry registry;
    auto& pool = registry.add_worker().pool("a\"\xFF", "u");
    pool.query_finished(query_kind::write, answer_source::server, 2ms);
    pool.client_waited(1ms);
    metrics_input input;
    input.version = "1";
    input.counters = registry.totals();
    input.gauges.clients.active = 7;
    auto& gauges = input.gauges.pools.emplace_back();
    gauges.database = "a\"\xFF";
    gauges.servers.idle = 4;
    input.gauges.pins.push_back({"listen", 2});
    const auto parsed = boost::json::parse(stats_json(input, {}));
    EXPECT_EQ(parsed.at("clients").at("active").as_int64(), 7);
    EXPECT_EQ(parsed.at("clients").at("pinned").at("listen").as_int64(), 2);
    EXPECT_EQ(parsed.at("pools").at(0).at("servers").at("idle").as_int64(), 4);
    const auto& database = parsed.at("databases").at(0);
    EXPECT_EQ(database.at("database").as_string(), "a\"\xEF\xBF\xBD");
    EXPECT_EQ(database.at("queries").at("write").as_int64(), 1);
    EXPECT_EQ(database.at("server").at("count").as_int64(), 1);
    EXPECT_NEAR(database.at("server").at("p99_ms").as_double(), 2.0, 1.0);
    EXPECT_EQ(database.at("wait").at("count").as_int64(), 1);
    EXPECT_EQ(boost::json::serialize(database.at("server").at("buckets")), "[[2.048E0,1]]");
    EXPECT_EQ(boost::json::serialize(database.at("cache").at("buckets")), "[]");
}

TEST(StatsJson, OfNothingIsValid) {
    const auto parsed = boost::json::parse(stats_json({}, {}));
    EXPECT_TRUE(parsed.at("pools").as_array().empty());
}

TEST(CacheStatsJson, TellsWhatTheConsoleTells) {
    cache_gauges cache;
    cache.rules = {{"a", 3, 1, 0}, {"gone", 0, 0, 5}};
    cache.bypasses = {{"locking", 5}};
    cache_details details;
    details.rules.resize(2);
    details.rules[0] = {"a", 2, 300, 3, 1, 0, 1, 0, 1.5, 250.25, 7};
    details.rules[1].name = "b";
    details.tables = {
        {"shop", "public.\"t\"", 4, 1, 2, 3, "event"}, {"shop", "(all)", 0, 0, 0, 0, ""}};
    details.reasons = {{"locking", 5, "select $1 for update"}, {"no_rule", 1, ""}};
    const auto parsed = boost::json::parse(cache_stats_json(cache, details));
    EXPECT_DOUBLE_EQ(parsed.at("hit_ratio").as_double(), 0.75);
    EXPECT_EQ(parsed.at("bypasses").at("locking").as_int64(), 5);
    const auto& rules = parsed.at("rules").as_array();
    ASSERT_EQ(rules.size(), 2U);
    EXPECT_EQ(rules.at(0).at("entries").as_int64(), 2);
    EXPECT_DOUBLE_EQ(rules.at(0).at("hit_ratio").as_double(), 0.75);
    EXPECT_DOUBLE_EQ(rules.at(0).at("avg_miss_us").as_double(), 250.25);
    EXPECT_EQ(rules.at(1).at("rule").as_string(), "b");
    EXPECT_DOUBLE_EQ(rules.at(1).at("hit_ratio").as_double(), 0.0);
    const auto& tables = parsed.at("tables").as_array();
    EXPECT_EQ(tables.at(0).at("table").as_string(), "public.\"t\"");
    EXPECT_EQ(tables.at(0).at("dependants").as_int64(), 2);
    EXPECT_EQ(tables.at(0).at("last_cause").as_string(), "event");
    EXPECT_TRUE(tables.at(1).at("last_cause").is_null());
    const auto& reasons = parsed.at("reasons").as_array();
    EXPECT_EQ(reasons.at(0).at("last_query").as_string(), "select $1 for update");
    EXPECT_TRUE(reasons.at(1).at("last_query").is_null());
}

TEST(SlowJson, HoldsTheLinesAndCounts) {
    slow_statement statement;
    statement.query = "SELECT \"x\"\n";
    const auto parsed = boost::json::parse(slow_json({statement, statement}, {5, 6, 7}));
    EXPECT_EQ(parsed.at("dropped").as_int64(), 6);
    EXPECT_EQ(parsed.at("statements").as_array().size(), 2U);
    EXPECT_EQ(parsed.at("statements").at(1).at("query").as_string(), "SELECT \"x\"\n");
}

}  // namespace
}  // namespace weir::daemon::insight

#include "daemon/insight/advice_row.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace weir::daemon::insight {
namespace {

using namespace std::chrono_literals;

statement_totals read(std::uint64_t calls, std::uint64_t seen_values) {
    statement_totals row;
    row.database = "sh\"op";
    row.user = "ann";
    row.fingerprint = 0xAB;
    row.query = "select $1";
    row.kind = query_kind::read;
    row.calls = calls;
    row.server = 10s;
    row.reason = querycache::bypass_reason::no_rule;
    row.seen_values = seen_values;
    return row;
}

TEST(Variants, AreEstimatedFromTheirHashes) {
    statement_totals row;
    EXPECT_EQ(row.variants(), 0);
    row.seen_values = 1;
    EXPECT_NEAR(row.variants(), 1, 0.1);
    row.seen_values = 0xFFFF;
    EXPECT_NEAR(row.variants(), 18.4, 0.1);
    row.seen_values = ~std::uint64_t{0};
    EXPECT_GT(row.variants(), 1e9);
}

TEST(CachingRows, AdviseWhatIsRepeatedWithEqualValues) {
    statement_report report;
    report.rows = {read(1000, 1)};
    const auto rows = caching_rows(report);
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0].kind, "cacheable");
    EXPECT_EQ(rows[0].count, 1000U);
    EXPECT_NE(rows[0].apply.find("databases: [\"sh\\\"op\"]"), std::string::npos) << rows[0].apply;
    EXPECT_NE(rows[0].apply.find("fingerprint: [\"00000000000000ab\"]"), std::string::npos);
    EXPECT_NE(rows[0].gain.find("100 % of 1000 calls, 10.0 s"), std::string::npos) << rows[0].gain;
}

TEST(CachingRows, DoNotAdviseWhatWouldNotHelp) {
    auto few = read(50, 1);
    auto ever_other_values = read(1000, ~std::uint64_t{0});
    auto fast = read(1000, 1);
    fast.server = 100ms;
    auto write = read(1000, 1);
    write.kind = query_kind::write;
    auto not_cacheable = read(1000, 1);
    not_cacheable.reason = querycache::bypass_reason::clock_or_identity;
    auto by_a_rule = read(1000, 1);
    by_a_rule.reason.reset();
    statement_report report;
    report.rows = {few, ever_other_values, fast, write, not_cacheable, by_a_rule};
    EXPECT_TRUE(caching_rows(report).empty());
}

TEST(CachingRows, BeginWithWhatSavesMost) {
    auto small = read(1000, 1);
    small.server = 1s;
    small.fingerprint = 1;
    statement_report report;
    report.rows = {small, read(1000, 1)};
    const auto rows = caching_rows(report);
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[1].apply.find("00ab"), std::string::npos);
}

TEST(NPlusOneRows, NameTheParent) {
    n_plus_one_pattern pattern;
    pattern.database = "shop";
    pattern.query = "select lines";
    pattern.runs = 4;
    EXPECT_EQ(n_plus_one_rows({pattern})[0].advice.find("behind"), std::string::npos);
    pattern.parent = "select orders";
    const auto rows = n_plus_one_rows({pattern});
    EXPECT_EQ(rows[0].kind, "n_plus_one");
    EXPECT_EQ(rows[0].count, 4U);
    EXPECT_NE(rows[0].advice.find("behind: select orders"), std::string::npos);
}

TEST(AdviceJson, IsJsonForAnyBytes) {
    advice_row row;
    row.database = "\xFF\"";
    row.kind = "cacheable";
    row.apply = "a\nb";
    json_writer json;
    write_advice(json, {row});
    const auto parsed = boost::json::parse(json.take()).as_array();
    EXPECT_EQ(parsed.at(0).at("apply").as_string(), "a\nb");
    EXPECT_EQ(parsed.at(0).at("kind").as_string(), "cacheable");
}

}  // namespace
}  // namespace weir::daemon::insight

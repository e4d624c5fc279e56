#include "daemon/insight/plan.hpp"

#include "protocol/query.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace weir::daemon::insight {
namespace {

constexpr std::string_view explained = R"json([
  {"Plan": {"Node Type": "Index Scan", "Relation Name": "orders", "Alias": "o",
    "Index Cond": "((customer_id = 4711) AND (state = 'secret ''one'''::text))",
    "Startup Cost": 0.29, "Plan Rows": 3,
    "Output": ["name", "'hidden'::text"],
    "Plans": [{"Node Type": "Function Scan", "Function Name": "f", "Filter": "(x ~~ '%who%')"}]}}
])json";

TEST(PlanToLog, LeavesOutTheValues) {
    const auto line = plan_to_log(explained, false);
    EXPECT_EQ(line.find('\n'), std::string::npos);
    for (const auto* value : {"4711", "secret", "'one", "hidden", "who"})
        EXPECT_EQ(line.find(value), std::string::npos) << line;
    const auto parsed = boost::json::parse(line);
    const auto& plan = parsed.at("Plan").as_object();
    EXPECT_EQ(plan.at("Node Type").as_string(), "Index Scan");
    EXPECT_EQ(plan.at("Relation Name").as_string(), "orders");
    EXPECT_EQ(plan.at("Plan Rows").to_number<int>(), 3);
    EXPECT_EQ(plan.at("Index Cond").as_string(), "((customer_id = $1) and (state = $2::text))");
    EXPECT_EQ(plan.at("Plans").as_array().size(), 1U);
}

TEST(PlanToLog, ShowsThemWhereTheyAreWanted) {
    EXPECT_NE(plan_to_log(explained, true).find("4711"), std::string::npos);
}

TEST(PlanToLog, HidesAnExpressionThatCannotBeRead) {
    const auto line = plan_to_log(R"json([{"Plan": {"Filter": "(a = 'open end)"}}])json", false);
    EXPECT_EQ(boost::json::parse(line).at("Plan").at("Filter").as_string(), "?");
}

TEST(PlanToLog, IsNothingWithoutJson) {
    EXPECT_EQ(plan_to_log("Seq Scan on orders", false), "");
    EXPECT_EQ(plan_to_log("", false), "");
}

TEST(PlanToLog, TakesDeepPlans) {
    std::string deep = R"({"Node Type": "Result"})";
    for (int i = 0; i < 100; ++i)
        deep = R"({"Node Type": "Append", "Plans": [)" + deep + "]}";
    EXPECT_FALSE(plan_to_log(R"([{"Plan": )" + deep + "}]", false).empty());
}

std::string number(std::size_t value, int bytes) {
    std::string out;
    for (int i = bytes - 1; i >= 0; --i)
        out += static_cast<char>((value >> (8 * i)) & 0xFFU);
    return out;
}
std::string tail_of(
    const std::vector<std::optional<std::string>>& values, const std::vector<int>& formats = {}
) {
    std::string tail = number(formats.size(), 2);
    for (const int format : formats)
        tail += number(static_cast<std::size_t>(format), 2);
    tail += number(values.size(), 2);
    for (const auto& value : values) {
        tail += value ? number(value->size(), 4) + *value : number(0xFFFFFFFFU, 4);
    }
    return tail + number(0, 2);
}

TEST(ValuesToLog, AreTextsNullsAndHex) {
    EXPECT_EQ(values_to_log(tail_of({R"(a"b)", std::nullopt, "7"})), R"(["a\"b",null,"7"])");
    EXPECT_EQ(
        values_to_log(tail_of({std::string("\0\x2A", 2), "x"}, {1, 0})), R"(["\\x002a","x"])"
    );
}

TEST(ValuesToLog, AreCut) {
    EXPECT_EQ(values_to_log(tail_of({std::string(100, 'x')}), 8), R"(["xxxxxxxx..."])");
    EXPECT_EQ(values_to_log(tail_of({std::string(100, 'x')}, {1}), 8), R"(["\\x78787878..."])");
}

TEST(ValuesToLog, AreNothingWithoutParametersOrWhenTheyAreBroken) {
    EXPECT_EQ(values_to_log(tail_of({})), "");
    EXPECT_EQ(values_to_log(""), "");
    EXPECT_EQ(values_to_log("\x01"), "");
}

}  // namespace
}  // namespace weir::daemon::insight

#include "daemon/console/show_cache.hpp"

#include "daemon/console/columns.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::console {
namespace {

command parse(std::string_view text) {
    const auto statements = split_statements(text);
    return std::get<command>(parse_command(std::get<0>(statements).at(0), true));
}

config::config configuration_of(std::initializer_list<const char*> databases) {
    config::config c;
    for (const auto* name : databases)
        c.databases[name].name = name;
    return c;
}

std::shared_ptr<const querycache::rule_set> one_rule() {
    querycache::rule r;
    r.name = "goods";
    r.tables = {"goods"};
    r.ttl = std::chrono::seconds{1};
    return std::get<0>(querycache::rule_set::compile({r}));
}

TEST(CacheRows, HaveAValueAColumn) {
    querycache::cache_row one;
    one.rule = "goods";
    one.totals.hits = 1;
    one.totals.misses = 1;
    const querycache::time_point now{std::chrono::seconds{100}};
    one.suspended_until = now + std::chrono::milliseconds{4200};
    const auto rows = cache_rows({one}, now);
    ASSERT_EQ(rows.at(0).size(), columns::cache.size());
    EXPECT_EQ(rows[0][0], "goods");
    EXPECT_EQ(rows[0][8], "0.500");
    EXPECT_EQ(rows[0].back(), "5");
    EXPECT_EQ(cache_rows({one}, now + std::chrono::seconds{5})[0].back(), "0");
}

TEST(CacheTableRows, HaveAValueAColumn) {
    EXPECT_EQ(cache_table_rows({{}}).at(0).size(), columns::cache_tables.size());
}

TEST(CacheReasonRows, HaveAValueAColumn) {
    const auto rows = cache_reason_rows({{querycache::bypass_reason::no_rule, 3, "select $1"}});
    EXPECT_EQ(rows.at(0), (row{text("no_rule"), text("3"), text("select $1")}));
    EXPECT_EQ(rows[0].size(), columns::cache_reasons.size());
}

TEST(WarmAnswer, CountsInItsTagAndWarnsOfEach) {
    warm_report report;
    report.asked = 3;
    report.kept = 2;
    report.complaints = {{"query 2 failed", "correct it"}};
    const auto r = warm_answer("goods", report);
    EXPECT_FALSE(r.error);
    EXPECT_EQ(r.tag, "WARM 3");
    ASSERT_EQ(r.notices.size(), 1U);
    EXPECT_EQ(r.notices[0].message, "query 2 failed");
    EXPECT_EQ(r.notices[0].hint, "correct it");
}

TEST(WarmAnswer, IsAnErrorWhenNothingWasKept) {
    warm_report report;
    report.asked = 1;
    report.complaints = {{"query 1 failed", "correct it"}, {"query 2 failed", "x"}};
    const auto r = warm_answer("goods", report);
    ASSERT_TRUE(r.error);
    EXPECT_EQ(r.error->sqlstate, "55000");
    EXPECT_EQ(r.error->message, "query 1 failed");
    EXPECT_EQ(r.error->hint, "correct it");
    EXPECT_FALSE(r.error->detail.empty());
}

TEST(WarmAnswer, TellsARuleThatIsNotThereFromOneThatIsNotWarm) {
    warm_report report;
    report.problem = "no";
    report.hint = "remedy";
    EXPECT_EQ(warm_answer("goods", report).error->sqlstate, "55000");
    report.is_unknown = true;
    EXPECT_EQ(warm_answer("goods", report).error->sqlstate, "42704");
    EXPECT_EQ(warm_answer("goods", report).error->hint, "remedy");
}

TEST(WarmAnswer, SaysWhyNobodyIsAskedFor) {
    const auto r = warm_answer("goods", {});
    EXPECT_EQ(r.tag, "WARM 0");
    ASSERT_EQ(r.notices.size(), 1U);
    EXPECT_FALSE(r.notices[0].hint.empty());
}

TEST(Invalidate, CountsInItsTag) {
    querycache::cache cache{{}};
    EXPECT_EQ(invalidate(cache, parse("INVALIDATE ALL"), {}).tag, "INVALIDATE 0");
}

TEST(Invalidate, WarnsOfATableThatNobodyKnows) {
    querycache::cache cache{{}};
    const auto r = invalidate(cache, parse("INVALIDATE TABLE Goods"), {});
    EXPECT_EQ(r.tag, "INVALIDATE 0");
    ASSERT_EQ(r.notices.size(), 1U);
    EXPECT_NE(r.notices[0].message.find("\"goods\""), std::string::npos);
}

TEST(Invalidate, RefusesAnUnknownRuleAndNamesTheNearest) {
    querycache::cache cache{{}};
    cache.set_rules(one_rule());
    EXPECT_FALSE(invalidate(cache, parse("INVALIDATE RULE goods"), {}).error);
    const auto r = invalidate(cache, parse("INVALIDATE RULE godos"), {});
    ASSERT_TRUE(r.error);
    EXPECT_EQ(r.error->sqlstate, "42704");
    EXPECT_NE(r.error->hint.find("goods"), std::string::npos);
}

TEST(Invalidate, RefusesAnUnknownEventAndListsTheKnown) {
    querycache::cache cache{{}};
    config::config configuration;
    const auto none = invalidate(cache, parse("INVALIDATE EVENT e"), configuration);
    ASSERT_TRUE(none.error);
    EXPECT_NE(none.error->hint.find("cache.events"), std::string::npos) << none.error->hint;
    configuration.cache.events["order.created"].tables = {"orders"};
    configuration.cache.events["stock"].tables = {"goods"};
    const auto r = invalidate(cache, parse("INVALIDATE EVENT order.create"), configuration);
    ASSERT_TRUE(r.error);
    EXPECT_EQ(r.error->sqlstate, "42704");
    EXPECT_EQ(
        r.error->hint,
        "Did you mean order.created? The events of cache.events are: order.created, stock."
    );
}

TEST(Invalidate, CarriesOutAnEventAndWarnsOfATableThatNobodyKnows) {
    querycache::cache cache{{}};
    cache.set_rules(one_rule());
    config::config configuration;
    configuration.cache.events["order.created"] = {{"orders"}, {"goods"}};
    const auto r = invalidate(cache, parse("INVALIDATE EVENT order.created"), configuration);
    ASSERT_FALSE(r.error);
    EXPECT_EQ(r.tag, "INVALIDATE 0");
    ASSERT_EQ(r.notices.size(), 1U);
    EXPECT_NE(r.notices[0].message.find("\"orders\""), std::string::npos);
}

TEST(Invalidate, RefusesADatabaseThatIsNotConfigured) {
    querycache::cache cache{{}};
    const auto configuration = configuration_of({"shop"});
    EXPECT_EQ(
        invalidate(cache, parse("INVALIDATE DATABASE shup"), configuration).error->sqlstate, "3D000"
    );
    EXPECT_FALSE(invalidate(cache, parse("INVALIDATE DATABASE shop"), configuration).error);
}

TEST(ParseExplain, TakesTheOnlyDatabase) {
    const auto parsed = parse_explain(
        parse("EXPLAIN CACHE  SELECT * FROM goods"), configuration_of({"shop"}), "admin"
    );
    const auto& request = std::get<explain_request>(parsed);
    EXPECT_EQ(request.database, "shop");
    EXPECT_EQ(request.user, "admin");
    EXPECT_EQ(request.sql, "SELECT * FROM goods");
}

TEST(ParseExplain, TakesDatabaseAndUser) {
    const auto parsed = parse_explain(
        parse("EXPLAIN CACHE USER anna DATABASE blog SELECT 1"),
        configuration_of({"shop", "blog"}),
        "admin"
    );
    const auto& request = std::get<explain_request>(parsed);
    EXPECT_EQ(request.database, "blog");
    EXPECT_EQ(request.user, "anna");
    EXPECT_EQ(request.sql, "SELECT 1");
}

TEST(ParseExplain, KeepsTheCommentsBeforeTheStatement) {
    for (const std::string options : {"", "DATABASE shop", "database shop user anna"}) {
        for (const std::string hint : {"/* pgweir: nocache */ ", "-- pgweir: nocache\n", ""}) {
            const auto sql = hint + "select 1 /* tail */";
            const auto parsed = parse_explain(
                parse("EXPLAIN CACHE " + options + " " + sql), configuration_of({"shop"}), "admin"
            );
            EXPECT_EQ(std::get<explain_request>(parsed).sql, sql) << options;
        }
    }
}

TEST(ParseExplain, TakesTheOneDatabaseThatHasAName) {
    const auto parsed =
        parse_explain(parse("EXPLAIN CACHE SELECT 1"), configuration_of({"*", "shop"}), "admin");
    EXPECT_EQ(std::get<explain_request>(parsed).database, "shop");
}

TEST(ParseExplain, AsksForADatabaseWhenThereAreSeveral) {
    for (const auto& configuration :
         {configuration_of({"shop", "blog"}), configuration_of({"*"}), configuration_of({})}) {
        const auto parsed = parse_explain(parse("EXPLAIN CACHE SELECT 1"), configuration, "admin");
        const auto* const error = std::get_if<client_error>(&parsed);
        ASSERT_NE(error, nullptr);
        EXPECT_NE(error->hint.find("EXPLAIN CACHE [DATABASE name]"), std::string::npos);
    }
}

TEST(ParseExplain, AsksForAStatement) {
    const auto parsed =
        parse_explain(parse("EXPLAIN CACHE DATABASE shop"), configuration_of({"shop"}), "admin");
    // Two words: they might be a statement as well as a database without one.
    EXPECT_TRUE(std::holds_alternative<client_error>(parsed));
}

TEST(ExplanationRows, JoinTheReasonsOfTextAndDatabase) {
    querycache::explanation e;
    e.statement_class = "read";
    e.reasons = {"no_rule"};
    const auto rows = explanation_rows(
        {"shop", "anna", "select 1"},
        e,
        querycache::sql::reason_bit(querycache::sql::text_reason::hint_nocache),
        std::chrono::milliseconds{-1}
    );
    EXPECT_EQ(rows.at(0), (row{text("verdict"), text("not cached")}));
    EXPECT_EQ(rows.at(1), (row{text("reason"), text("no_rule")}));
    EXPECT_EQ(rows.at(2), (row{text("reason"), text("hint_nocache")}));
    EXPECT_EQ(rows.at(3), (row{text("class"), text("read")}));
}

TEST(ExplanationRows, SayCachedWithoutAReason) {
    const auto rows = explanation_rows(
        {"shop", "anna", "select 1"}, querycache::explanation{}, 0, std::chrono::milliseconds{-1}
    );
    EXPECT_EQ(rows.at(0), (row{text("verdict"), text("cached")}));
}

TEST(ExplanationRows, TellWhatTheTextSaysOfAnUnknownDatabase) {
    querycache::sql::statement facts;
    facts.kind = querycache::sql::statement_class::write;
    facts.writes = {{"s", "t"}};
    const auto rows = explanation_rows({"shop", "anna", "x"}, facts, 0);
    EXPECT_EQ(rows.at(0).at(1), "not cached");
    EXPECT_NE(rows.at(1).at(1)->find("no rule names it"), std::string::npos);
    EXPECT_EQ(rows.at(4), (row{text("tables written"), text("s.t")}));
}

}  // namespace
}  // namespace weir::daemon::console

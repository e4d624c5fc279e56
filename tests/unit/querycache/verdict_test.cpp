#include "querycache/verdict.hpp"

#include "tests/unit/querycache/world.hpp"

#include <gtest/gtest.h>

namespace weir::querycache {
namespace {

using test::reading;
using test::rule_named;
using test::rules_of;
using test::some_rows;
using test::statement_class;
using test::statement_of;
using test::t_oid;
using test::writing;

class verdict_on_statement : public ::testing::Test {
protected:
    verdict_on_statement() { load(some_rows()); }

    void load(catalog_rows rows) {
        snapshot = test::make_catalog(database.catalog_version(), std::move(rows));
        database.install(snapshot);
    }
    verdict judge(const sql::statement& facts) {
        session = rules->for_session("shop", "app", "");
        return bind(facts, database, database.snapshot().get(), *rules, session);
    }
    std::string reason(const sql::statement& facts) {
        const auto v = judge(facts);
        return v.reason ? std::string(to_string(*v.reason)) : "";
    }
    static sql::statement calling(
        std::string name,
        sql::function_call::kind what = sql::function_call::kind::function,
        bool unknown_writer = true
    ) {
        auto facts = reading({"t"});
        facts.functions.push_back({what, "", std::move(name), 1});
        facts.writes_unknown = facts.calls_decide = unknown_writer;
        return facts;
    }

    database_state database{{1, 2}, "shop"};
    std::shared_ptr<catalog> snapshot;
    std::shared_ptr<const rule_set> rules = rules_of({rule_named("all")});
    session_rules session;
};

TEST_F(verdict_on_statement, AdmitsAPlainReadAndNamesItsTables) {
    const auto v = judge(reading({"t", "u"}));
    EXPECT_FALSE(v.reason);
    ASSERT_NE(v.rule, nullptr);
    ASSERT_EQ(v.reads.size(), 2U);
    EXPECT_EQ(v.reads[0], database.versions().slot(t_oid));
    EXPECT_TRUE(v.writes.empty());
    EXPECT_EQ(v.generation, database.catalog_version());
}

TEST_F(verdict_on_statement, RefusesWithoutARule) {
    rules = rule_set::none();
    EXPECT_EQ(reason(reading({"t"})), "no_rule");
}

TEST_F(verdict_on_statement, RefusesEveryTextReason) {
    constexpr auto last = static_cast<unsigned>(sql::text_reason::too_complex);
    for (unsigned bit = 1; bit <= last; ++bit) {
        auto facts = reading({"t"});
        facts.reasons = sql::reason_set{1} << bit;
        EXPECT_EQ(reason(facts), to_string(static_cast<bypass_reason>(bit)));
    }
    EXPECT_EQ(reason(writing({"t"})), "not_a_read");
}

TEST_F(verdict_on_statement, RefusesWhatWasOnlyLexed) {
    auto facts = reading({"t"});
    facts.parsed = false;
    EXPECT_EQ(reason(facts), "not_parsed");
    EXPECT_TRUE(judge(facts).writes.everything) << "it may read a view";
    EXPECT_TRUE(judge(facts).writes.hidden_code);
}

TEST_F(verdict_on_statement, RefusesTablesThatTheCatalogDoesNotClear) {
    EXPECT_EQ(reason(reading({"guarded"})), "row_security");
    EXPECT_EQ(reason(reading({"twice"})), "ambiguous_name");
    EXPECT_EQ(reason(reading({"nothing"})), "unknown_relation");
    EXPECT_EQ(reason(reading({"pg_class"})), "system_catalog");
    EXPECT_EQ(reason(reading({"t", "guarded"})), "row_security");
    EXPECT_EQ(reason(reading({"tr"})), "") << "its trigger concerns writers";
    EXPECT_EQ(reason(reading({"c"})), "");
}

TEST_F(verdict_on_statement, ListsAllReasons) {
    auto facts = reading({"guarded", "nothing"});
    facts.reasons = sql::reason_bit(sql::text_reason::locking);
    const std::vector<bypass_reason> all{
        bypass_reason::locking, bypass_reason::unknown_relation, bypass_reason::row_security};
    EXPECT_EQ(judge(facts).reasons, all);
}

TEST_F(verdict_on_statement, RefusesBeforeAndDuringALoad) {
    const auto facts = reading({"t"});
    database.versions().catalog()->bump(bump_cause::ddl);
    EXPECT_EQ(reason(facts), "catalog_refreshing");
    const auto v = bind(facts, database, nullptr, *rules, session);
    EXPECT_EQ(v.reason, bypass_reason::catalog_missing);
}

TEST_F(verdict_on_statement, AllowsOnlyFunctionsThatDependOnTheirArguments) {
    EXPECT_EQ(reason(calling("lower", {}, false)), "");
    EXPECT_EQ(reason(calling("now", {}, false)), "clock_or_identity");
    EXPECT_EQ(reason(calling("wf")), "user_function");
}

TEST_F(verdict_on_statement, DistrustsABuiltinNameThatAUserHasToo) {
    auto rows = some_rows();
    rows.functions.push_back(test::user_function("lower", 1));
    load(std::move(rows));
    const auto v = judge(calling("lower", {}, false));
    EXPECT_EQ(v.reason, bypass_reason::user_function);
    EXPECT_TRUE(v.writes.everything);
}

TEST_F(verdict_on_statement, TrustsAnExtensionThatHasABuiltinNameToo) {
    auto rows = some_rows();
    rows.functions.push_back(test::pure_function("lower", 1));
    rows.functions.push_back(test::pure_function("similarity", 1));
    rows.functions.push_back(test::user_function("lower", 2));
    auto stable = test::pure_function("unaccent", 1);
    stable.is_pure = false;
    rows.functions.push_back(stable);
    load(std::move(rows));
    for (const char* name : {"lower", "similarity"}) {
        EXPECT_EQ(reason(calling(name)), "") << name;
        EXPECT_TRUE(judge(calling(name)).writes.empty()) << name;
    }
    EXPECT_EQ(reason(calling("unaccent")), "user_function");
    EXPECT_TRUE(judge(calling("unaccent")).writes.empty()) << "it reads what it likes";
}

TEST_F(verdict_on_statement, KnowsTheFunctionsOfInformationSchema) {
    auto rows = some_rows();
    rows.functions.push_back({.schema = "pg_catalog", .name = "query_to_xml"});
    rows.functions.push_back({.schema = "information_schema", .name = "_pg_expandarray"});
    load(std::move(rows));
    auto facts = calling("_pg_expandarray");
    facts.functions.back().schema = "information_schema";
    EXPECT_TRUE(judge(facts).writes.empty());
    EXPECT_TRUE(judge(facts).reason);
    EXPECT_TRUE(judge(calling("query_to_xml")).writes.hidden_code) << "runs SQL from a text";
}

TEST_F(verdict_on_statement, TakesAColumnThatMayBeAFunctionForACall) {
    auto rows = some_rows();
    rows.functions.push_back(test::user_function("wut"));
    rows.functions.back().takes_one = true;
    load(std::move(rows));
    auto facts = reading({"t"});
    facts.attributes = {"id", "wut"};
    EXPECT_EQ(reason(facts), "user_function");
    EXPECT_TRUE(judge(facts).writes.everything);
    EXPECT_TRUE(judge(facts).writes.hidden_code);
    facts.attributes = {"id", "wf"};
    EXPECT_EQ(reason(facts), "") << "takes no row";
}

TEST_F(verdict_on_statement, CodeBehindWhatIsReadWritesEverything) {
    auto rows = some_rows();
    rows.relations[0].kind = 'v';
    rows.relations[0].read_runs_code = true;
    rows.relations[1].kind = 'v';
    load(std::move(rows));
    auto of_write = writing({"hot"});
    of_write.reads.push_back({"", "t"});
    auto of_copy = statement_of(statement_class::noop);
    of_copy.reads.push_back({"", "t"});
    for (const auto& facts : {reading({"t"}), of_write, of_copy}) {
        EXPECT_TRUE(judge(facts).writes.everything);
        EXPECT_TRUE(judge(facts).writes.hidden_code);
        EXPECT_FALSE(judge(facts).writes.catalog);
    }
    EXPECT_TRUE(judge(reading({"nothing"})).writes.everything);
    EXPECT_FALSE(judge(reading({"nothing"})).writes.runs_unknown_code()) << "a temporary table";
    EXPECT_TRUE(judge(reading({"u"})).writes.empty()) << "a view of plain tables";
    EXPECT_TRUE(judge(reading({"twice"})).writes.empty()) << "neither runs code";
    EXPECT_TRUE(judge(reading({"pg_class"})).writes.empty());
}

TEST_F(verdict_on_statement, HiddenCodeIsDdlWhereAnyCodeMayBe) {
    auto rows = some_rows();
    rows.hidden.may_change_catalog = true;
    load(std::move(rows));
    EXPECT_TRUE(judge(writing({"tr"})).writes.catalog);
    EXPECT_TRUE(judge(calling("wf")).writes.catalog);
    EXPECT_FALSE(judge(writing({"t"})).writes.catalog);
    EXPECT_FALSE(judge(writing({"nothing"})).writes.catalog) << "a temporary table";
    EXPECT_FALSE(judge(reading({"nothing"})).writes.catalog);
}

TEST_F(verdict_on_statement, MaintenanceMayRunCodeToo) {
    auto facts = statement_of(statement_class::noop);
    facts.maintains = true;
    EXPECT_TRUE(judge(facts).writes.empty());
    auto rows = some_rows();
    rows.maintenance_runs_code = true;
    load(rows);
    EXPECT_TRUE(judge(facts).writes.hidden_code);
    rows.maintenance_runs_code = false;
    rows.hidden.event_triggers = true;
    load(rows);
    EXPECT_TRUE(judge(facts).writes.hidden_code);
    EXPECT_TRUE(judge(statement_of(statement_class::noop)).writes.empty());
}

TEST_F(verdict_on_statement, AReadUnderAnOldSnapshotMayBeOfAView) {
    database.versions().catalog()->bump(bump_cause::ddl);
    EXPECT_TRUE(judge(reading({"t"})).writes.everything);
    EXPECT_FALSE(judge(reading({"t"})).writes.catalog) << "no snapshot would ever be new";
    EXPECT_FALSE(judge(reading({"t"})).writes.runs_unknown_code());
    EXPECT_TRUE(bind(reading({"t"}), database, nullptr, *rules, session).writes.everything);
}

TEST_F(verdict_on_statement, TakesAUserFunctionForAWriterOfEverything) {
    const auto v = judge(calling("wf"));
    EXPECT_TRUE(v.writes.everything);
    EXPECT_TRUE(v.writes.runs_unknown_code());
    EXPECT_FALSE(v.writes.catalog) << "no code of this database holds DDL";
    EXPECT_TRUE(judge(calling("not_there_yet")).writes.catalog);
}

TEST_F(verdict_on_statement, BelievesARuleThatVouches) {
    auto r = rule_named("r");
    r.functions = {"wf"};
    rules = rules_of({r});
    const auto v = judge(calling("wf"));
    EXPECT_FALSE(v.reason);
    EXPECT_TRUE(v.writes.empty());
}

TEST_F(verdict_on_statement, BelievesDeclaredEffects) {
    rules = rules_of({rule_named("all")}, {{"wf", {"u"}}});
    const auto v = judge(calling("wf"));
    EXPECT_FALSE(v.writes.everything);
    ASSERT_EQ(v.writes.slots.size(), 1U);
    EXPECT_EQ(v.writes.slots[0], database.versions().slot(test::u_oid));
    EXPECT_TRUE(v.reason) << "what writes is not answered from memory";
}

TEST_F(verdict_on_statement, JudgesTypesAndOperators) {
    using kind = sql::function_call::kind;
    auto rows = some_rows();
    rows.types = {{"public", "mood", 'e'}, {"public", "dom", 'd'}};
    rows.operators = {{"<<<<", true}, {"%", false}};
    load(rows);
    EXPECT_EQ(reason(calling("mood", kind::type)), "");
    EXPECT_EQ(reason(calling("dom", kind::type)), "user_type");
    EXPECT_EQ(reason(calling("@@@@", kind::operation)), "") << "of C code, immutable";
    EXPECT_EQ(reason(calling("<<<<", kind::operation)), "user_operator");
    auto similar = reading({"t"});
    similar.operators = {"%"};
    EXPECT_EQ(reason(similar), "user_operator");
    EXPECT_TRUE(judge(similar).writes.empty());
    EXPECT_EQ(reason(reading({"t"})), "") << "others do not use it";
    rows.operators = {{"=", true}};
    load(rows);
    EXPECT_EQ(reason(reading({"t"})), "user_operator");
    EXPECT_TRUE(judge(reading({"t"})).writes.everything);
    rows.operators.clear();
    rows.hidden.impure_casts = true;
    load(rows);
    EXPECT_EQ(reason(reading({"t"})), "user_cast");
    EXPECT_FALSE(judge(writing({"t"})).writes.everything);
    rows.hidden.casts = true;
    load(rows);
    EXPECT_EQ(reason(reading({"t"})), "user_cast");
    EXPECT_TRUE(judge(writing({"t"})).writes.everything);
}

TEST_F(verdict_on_statement, AWriteMarksItsTableAndWhatCascades) {
    const auto plain = judge(writing({"t"}));
    EXPECT_FALSE(plain.writes.everything);
    EXPECT_EQ(plain.writes.slots.size(), 1U);
    EXPECT_TRUE(plain.writes.zero_rows_are_nothing);
    const auto cascade = judge(writing({"p"}));
    EXPECT_EQ(cascade.writes.slots.size(), 2U);
    EXPECT_FALSE(cascade.writes.zero_rows_are_nothing);
}

TEST_F(verdict_on_statement, AWriteOfUnknownExtentMarksEverything) {
    auto cascading_truncate = writing({"t"});
    cascading_truncate.writes_unknown = true;
    EXPECT_TRUE(judge(cascading_truncate).writes.everything);
    EXPECT_TRUE(judge(writing({"tr"})).writes.everything);
    EXPECT_TRUE(judge(writing({"tr"})).writes.hidden_code);
    EXPECT_TRUE(judge(writing({"nothing"})).writes.everything);
    EXPECT_TRUE(judge(writing({"twice"})).writes.everything);
}

TEST_F(verdict_on_statement, AWriteUnderAnOldSnapshotMarksEverything) {
    database.versions().catalog()->bump(bump_cause::ddl);
    EXPECT_TRUE(judge(writing({"t"})).writes.everything);
    EXPECT_FALSE(judge(writing({"t"})).writes.catalog);
}

TEST_F(verdict_on_statement, DdlAndTheUnknownMarkTheCatalogToo) {
    for (const auto kind : {statement_class::ddl, statement_class::unknown}) {
        const auto v = judge(statement_of(kind));
        EXPECT_TRUE(v.writes.everything);
        EXPECT_TRUE(v.writes.catalog);
    }
    EXPECT_TRUE(unknown_statement().writes.everything);
    EXPECT_TRUE(unknown_statement().writes.catalog);
    const auto prepared = judge(test::transaction(sql::transaction_control::commit_prepared));
    EXPECT_TRUE(prepared.writes.everything);
    EXPECT_TRUE(prepared.writes.catalog);
}

TEST_F(verdict_on_statement, WhatTouchesNoDataMarksNothing) {
    for (const auto kind :
         {statement_class::noop, statement_class::session, statement_class::transaction}) {
        EXPECT_TRUE(judge(statement_of(kind)).writes.empty());
    }
}

TEST_F(verdict_on_statement, IsRememberedUntilTheCatalogOrTheRulesChange) {
    binding_memo memo;
    const auto facts = test::share(reading({"t"}));
    const auto of = [&]() -> const verdict& {
        const auto list = memo.rules_for(rules, "shop", "app", "");
        return memo.find(facts, database, rules, list);
    };
    const auto* first = &of();
    EXPECT_EQ(&of(), first);
    EXPECT_FALSE(of().reason);
    database.versions().catalog()->bump(bump_cause::ddl);
    EXPECT_EQ(of().reason, bypass_reason::catalog_refreshing);
    auto rows = some_rows();
    rows.relations[0].row_security = true;
    load(std::move(rows));
    EXPECT_EQ(of().reason, bypass_reason::row_security);
    load(some_rows());
    EXPECT_FALSE(of().reason) << "changed by someone else, found by a poll";
    rules = rule_set::none();
    EXPECT_EQ(of().reason, bypass_reason::no_rule);
}

TEST_F(verdict_on_statement, MemoStaysBounded) {
    constexpr std::size_t limit = 1U << 20U;
    binding_memo memo(limit);
    const auto list = memo.rules_for(rules, "shop", "app", "");
    for (int i = 0; i < 2000; ++i) {
        auto facts = reading({"t"});
        facts.normalised.assign(static_cast<std::size_t>(i) * 4, 'x');
        (void)memo.find(test::share(std::move(facts)), database, rules, list);
        EXPECT_LE(memo.bytes(), limit);
    }
    EXPECT_GT(memo.size(), 0U);
    // One that would push out most others is judged each time.
    auto large = reading({"t"});
    large.normalised.assign(limit / 8, 'x');
    const auto before = memo.size();
    const auto shared = test::share(std::move(large));
    EXPECT_FALSE(memo.find(shared, database, rules, list).reason);
    EXPECT_EQ(memo.size(), before);
    EXPECT_EQ(shared.use_count(), 1);
}

TEST_F(verdict_on_statement, WhatDependsOnKeyedSettingsMayBeRead) {
    for (const char* name :
         {"date_trunc",
          "extract",
          "to_char",
          "concat",
          "concat_ws",
          "format",
          "json_agg",
          "jsonb_agg",
          "timezone",
          "jsonb_build_object",
          "row_to_json",
          "to_jsonb",
          "array_to_string",
          "to_date",
          "generate_series",
          "to_timestamp",
          "to_tsvector",
          "quote_literal"}) {
        EXPECT_EQ(reason(calling(name, {}, false)), "") << name;
    }
    for (const char* name : {"age", "json_to_record", "jsonb_to_recordset", "timetz"}) {
        EXPECT_EQ(reason(calling(name, {}, false)), "function_not_allowed") << name;
    }
}

TEST_F(verdict_on_statement, CastToADateNeedsAColumnThatHoldsNoTexts) {
    auto cast = reading({"t"});
    cast.moment_columns = {"created"};
    EXPECT_EQ(reason(cast), "clock_or_identity");
    auto rows = some_rows();
    rows.moment_columns = {"created"};
    load(std::move(rows));
    EXPECT_EQ(reason(cast), "");
    cast.moment_columns.push_back("note");
    EXPECT_EQ(reason(cast), "clock_or_identity");
}

TEST_F(verdict_on_statement, ZoneOfATimeOfDayIsTodays) {
    auto facts = calling("timezone", {}, false);
    EXPECT_EQ(reason(facts), "");
    facts.times_of_day = true;
    EXPECT_EQ(reason(facts), "clock_or_identity");
    facts.times_of_day = false;
    auto rows = some_rows();
    rows.times_of_day = {test::t_oid};
    load(std::move(rows));
    EXPECT_EQ(reason(facts), "clock_or_identity");
}

TEST_F(verdict_on_statement, CustomSettingsMatterToWhatUsersHaveMade) {
    const auto reads_custom = [this](const sql::statement& facts) {
        const auto v = judge(facts);
        EXPECT_FALSE(v.reason);
        return v.reads_custom_settings;
    };
    EXPECT_FALSE(reads_custom(reading({"t", "u"})));
    EXPECT_FALSE(reads_custom(calling("lower", {}, false)));
    auto rows = some_rows();
    rows.functions.push_back(test::pure_function("tenant"));
    load(rows);
    EXPECT_FALSE(reads_custom(reading({"t"})));
    EXPECT_TRUE(reads_custom(calling("tenant"))) << "what calls itself immutable may not be";
    rows.types = {{"public", "money2", 'b'}};
    load(rows);
    EXPECT_TRUE(reads_custom(reading({"t"}))) << "a value's type is a user's";
    rows.types = {{"public", "colour", 'e'}};
    load(rows);
    EXPECT_FALSE(reads_custom(reading({"t"})));
    rows.operator_functions = {{40001, 40002}};
    load(rows);
    EXPECT_TRUE(reads_custom(reading({"t"}))) << "an operator may be a user's";
    load(some_rows());
    auto naming = rule_named("all");
    naming.settings = {"app.tenant"};
    rules = rules_of({naming});
    EXPECT_TRUE(reads_custom(reading({"t"})));
    EXPECT_TRUE(reads_custom(reading({"guarded"})));
}

TEST_F(verdict_on_statement, CustomSettingsMatterToViewsThatCallUsersCode) {
    auto rows = some_rows();
    auto view = test::table(20020, "v");
    view.kind = 'v';
    rows.relations.push_back(view);
    rewrite_row query{20020, true, {}};
    query.tree.relations = {t_oid};
    rows.rewrites = {query};
    load(rows);
    EXPECT_FALSE(judge(reading({"v"})).reads_custom_settings);
    auto pure = test::pure_function("tenant");
    pure.id = 40003;
    rows.functions.push_back(pure);
    rows.rewrites[0].tree.functions = {40003};
    load(rows);
    EXPECT_FALSE(judge(reading({"v"})).reason);
    EXPECT_TRUE(judge(reading({"v"})).reads_custom_settings);
}

}  // namespace
}  // namespace weir::querycache

#include "pool/prepared_statements.hpp"

#include "pool/errc.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace weir::pool {
namespace {

using outcome = change_outcome;
using presence = server_statements::presence;

client_statement made_of(std::string_view text) {
    return {make_unnamed_statement(text, {}, 0), {}};
}

std::string text_of(const client_statements& names, std::string_view name) {
    const auto* found = names.find(name);
    return found == nullptr ? "(none)" : found->statement->text;
}

// --- statement_registry

TEST(StatementRegistry, SharesEqualStatements) {
    statement_registry registry;
    const auto a = registry.intern("select $1", std::string("\0\0", 2), 0);
    const auto b = registry.intern("select $1", std::string("\0\0", 2), 0);
    EXPECT_EQ(a, b);
    EXPECT_EQ(a->text, "select $1");
    EXPECT_EQ(a->parameter_types, std::string("\0\0", 2));
    EXPECT_NE(a->id, 0U);
    EXPECT_EQ(a->server_name, "pgweir_" + std::to_string(a->id));
    EXPECT_EQ(registry.size(), 1U);
}

TEST(StatementRegistry, TellsParameterTypesApart) {
    statement_registry registry;
    const auto a = registry.intern("select $1", std::string("\0\1\0\0\0\x17", 6), 0);
    const auto b = registry.intern("select $1", std::string("\0\1\0\0\0\x19", 6), 0);
    EXPECT_NE(a->id, b->id);
    // The border between text and types is part of the key.
    EXPECT_NE(registry.intern("ab", "c", 0)->id, registry.intern("a", "bc", 0)->id);
}

TEST(StatementRegistry, ForgetsAStatementWithItsLastHolder) {
    statement_registry registry;
    auto first = registry.intern("select 1", {}, 0);
    const auto id = first->id;
    auto second = first;
    first.reset();
    EXPECT_EQ(registry.size(), 1U);
    second.reset();
    EXPECT_EQ(registry.size(), 0U);
    EXPECT_NE(registry.intern("select 1", {}, 0)->id, id) << "servers may still have the old one";
}

TEST(StatementRegistry, IsOutlivedByItsStatements) {
    statement_ptr kept;
    {
        statement_registry registry;
        kept = registry.intern("select 1", {}, 0);
    }
    EXPECT_EQ(kept->text, "select 1");
    kept.reset();
}

TEST(StatementRegistry, IsThreadSafe) {
    statement_registry registry;
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int worker = 0; worker < 4; ++worker) {
        threads.emplace_back([&registry, &wrong] {
            for (int i = 0; i < 5'000; ++i) {
                const auto text = "select " + std::to_string(i % 7);
                const auto a = registry.intern(text, {}, 0);
                const auto b = registry.intern(text, {}, 0);
                if (a != b || a->text != text) ++wrong;
            }
        });
    }
    for (auto& thread : threads)
        thread.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(registry.size(), 0U);
}

TEST(StatementRegistry, KeepsUnnamedStatementsOut) {
    const auto unnamed = make_unnamed_statement("select 1", "xy", 0);
    EXPECT_EQ(unnamed->id, 0U);
    EXPECT_EQ(unnamed->server_name, "");
    EXPECT_EQ(unnamed->text, "select 1");
    EXPECT_EQ(unnamed->parameter_types, "xy");
}

TEST(StatementRegistry, TellsSettingsApart) {
    statement_registry registry;
    const auto a = registry.intern("select '1/2/2023'::date", {}, 7);
    EXPECT_EQ(registry.intern("select '1/2/2023'::date", {}, 7), a);
    EXPECT_EQ(a->settings, 7U);
    EXPECT_NE(registry.intern("select '1/2/2023'::date", {}, 8)->id, a->id);
}

TEST(StatementRegistry, GivesAnOwnStatementToNobodyElse) {
    statement_registry registry;
    const auto own = registry.make_own("select 1", {}, 7);
    EXPECT_NE(registry.make_own("select 1", {}, 7)->id, own->id);
    EXPECT_NE(registry.intern("select 1", {}, 7)->id, own->id);
    EXPECT_EQ(own->server_name, "pgweir_" + std::to_string(own->id));
    EXPECT_NE(next_own_signature(), next_own_signature());
}

// --- client_statements

TEST(ClientStatements, ShowAParseToTheBindBehindItAtOnce) {
    client_statements names;
    EXPECT_EQ(names.find("a"), nullptr);
    EXPECT_FALSE(names.stage_parse(1, 1, "a", made_of("select 1")));
    EXPECT_EQ(text_of(names, "a"), "select 1");
    EXPECT_TRUE(names.has_unresolved());
    names.resolve(1, outcome::succeeded);
    EXPECT_EQ(text_of(names, "a"), "select 1");
    EXPECT_FALSE(names.has_unresolved());
    EXPECT_EQ(names.size(), 1U);
}

TEST(ClientStatements, UndoAParseThatFailedOrDidNotRun) {
    for (const auto result : {outcome::failed, outcome::dropped}) {
        client_statements names;
        EXPECT_FALSE(names.stage_parse(1, 1, "a", made_of("select")));
        names.resolve(1, result);
        EXPECT_EQ(names.find("a"), nullptr);
        EXPECT_EQ(names.size(), 0U);
        EXPECT_EQ(names.charged_bytes(), 0U);
    }
}

TEST(ClientStatements, ReportANameThatIsTaken) {
    client_statements names;
    EXPECT_FALSE(names.stage_parse(1, 1, "a", made_of("select 1")));
    EXPECT_EQ(names.stage_parse(2, 1, "a", made_of("select 2")), errc::duplicate_statement);
    EXPECT_EQ(text_of(names, "a"), "select 1");
    names.resolve(1, outcome::succeeded);
    EXPECT_EQ(names.stage_parse(3, 2, "a", made_of("select 2")), errc::duplicate_statement);
}

TEST(ClientStatements, LetANameBeUsedAgainAfterClose) {
    client_statements names;
    EXPECT_FALSE(names.stage_parse(1, 1, "a", made_of("select 1")));
    names.stage_close(2, 1, "a");
    EXPECT_EQ(names.find("a"), nullptr);
    EXPECT_FALSE(names.stage_parse(3, 1, "a", made_of("select 2")));
    EXPECT_EQ(text_of(names, "a"), "select 2");
    names.resolve(1, outcome::succeeded);
    names.resolve(2, outcome::succeeded);
    EXPECT_EQ(text_of(names, "a"), "select 2");
    names.resolve(3, outcome::failed);
    EXPECT_EQ(names.find("a"), nullptr);
}

TEST(ClientStatements, BringBackWhatACloseThatDidNotRunHid) {
    client_statements names;
    EXPECT_FALSE(names.stage_parse(1, 1, "a", made_of("select 1")));
    names.resolve(1, outcome::succeeded);
    names.stage_close(2, 2, "a");
    EXPECT_EQ(names.find("a"), nullptr);
    names.resolve(2, outcome::dropped);
    EXPECT_EQ(text_of(names, "a"), "select 1");
}

TEST(ClientStatements, TakeACloseOfAnUnknownNameForNoError) {
    client_statements names;
    names.stage_close(1, 1, "a");
    EXPECT_FALSE(names.has_unresolved());
}

TEST(ClientStatements, SettleACloseBehindACloseThatDidNotRun) {
    client_statements names;
    EXPECT_FALSE(names.stage_parse(1, 1, "a", made_of("select 1")));
    names.resolve(1, outcome::succeeded);
    names.stage_close(2, 2, "a");
    names.stage_close(3, 3, "a");
    names.resolve(2, outcome::dropped);
    names.resolve(3, outcome::succeeded);
    EXPECT_EQ(names.find("a"), nullptr);
}

TEST(ClientStatements, SayWhenANameHangsOnAnEarlierSegment) {
    client_statements names;
    EXPECT_FALSE(names.in_doubt("a", 1));
    EXPECT_FALSE(names.stage_parse(1, 1, "a", made_of("select 1")));
    EXPECT_FALSE(names.in_doubt("a", 1)) << "an error would drop the rest of this segment too";
    EXPECT_TRUE(names.in_doubt("a", 2));
    names.resolve(1, outcome::succeeded);
    EXPECT_FALSE(names.in_doubt("a", 2));
}

TEST(ClientStatements, DeallocateAllTakesOnlyWhatWasThereWhenItWasSent) {
    client_statements names;
    EXPECT_FALSE(names.stage_parse(1, 1, "a", made_of("select 1")));
    names.resolve(1, outcome::succeeded);
    names.stage_deallocate_all(2, 2);
    EXPECT_FALSE(names.stage_parse(3, 3, "a", made_of("select 2"))) << "PgBouncer #1535";
    EXPECT_FALSE(names.stage_parse(4, 3, "b", made_of("select 3")));
    names.resolve(2, outcome::succeeded);
    names.resolve(3, outcome::succeeded);
    names.resolve(4, outcome::succeeded);
    EXPECT_EQ(text_of(names, "a"), "select 2");
    EXPECT_EQ(text_of(names, "b"), "select 3");
}

TEST(ClientStatements, DeallocateAllThatWasNotForeseenSparesWhatWasSentBehindIt) {
    client_statements names;
    EXPECT_FALSE(names.stage_parse(1, 1, "a", made_of("select 1")));
    EXPECT_FALSE(names.stage_parse(2, 1, "b", made_of("select 2")));
    names.resolve(1, outcome::succeeded);
    names.resolve(2, outcome::succeeded);
    EXPECT_FALSE(names.stage_parse(5, 3, "c", made_of("select 3")));
    names.deallocate_all();
    EXPECT_EQ(names.find("a"), nullptr);
    EXPECT_EQ(names.find("b"), nullptr);
    EXPECT_EQ(text_of(names, "c"), "select 3");
    EXPECT_EQ(names.size(), 1U);
    names.resolve(5, outcome::succeeded);
    EXPECT_EQ(text_of(names, "c"), "select 3");
}

TEST(ClientStatements, DeallocateAllSparesTheUnnamedStatement) {
    client_statements names;
    EXPECT_FALSE(names.stage_parse(1, 1, "", made_of("select 1")));
    names.resolve(1, outcome::succeeded);
    names.stage_deallocate_all(2, 1);
    names.resolve(2, outcome::succeeded);
    names.deallocate_all();
    EXPECT_EQ(text_of(names, ""), "select 1");
}

TEST(ClientStatements, ReplaceTheUnnamedStatementWithoutClose) {
    client_statements names;
    EXPECT_FALSE(names.stage_parse(1, 1, "", made_of("select 1")));
    EXPECT_FALSE(names.stage_parse(2, 1, "", made_of("select 2")));
    EXPECT_EQ(text_of(names, ""), "select 2");
    names.resolve(1, outcome::succeeded);
    names.resolve(2, outcome::succeeded);
    EXPECT_EQ(text_of(names, ""), "select 2");
    EXPECT_EQ(names.size(), 0U) << "it does not count as a name";
    EXPECT_EQ(names.charged_bytes(), 0U);
}

TEST(ClientStatements, LoseTheUnnamedStatementToAFailedParseButNotToADroppedOne) {
    client_statements names;
    EXPECT_FALSE(names.stage_parse(1, 1, "", made_of("select 1")));
    names.resolve(1, outcome::succeeded);
    EXPECT_FALSE(names.stage_parse(2, 1, "", made_of("select")));
    names.resolve(2, outcome::dropped);
    EXPECT_EQ(text_of(names, ""), "select 1");
    EXPECT_FALSE(names.stage_parse(3, 2, "", made_of("select")));
    names.resolve(3, outcome::failed);
    EXPECT_EQ(names.find(""), nullptr);
}

TEST(ClientStatements, LoseTheUnnamedStatementToAnyQueryThatRuns) {
    for (const auto result : {outcome::succeeded, outcome::failed, outcome::dropped}) {
        client_statements names;
        EXPECT_FALSE(names.stage_parse(1, 1, "", made_of("select 1")));
        EXPECT_FALSE(names.stage_parse(2, 1, "a", made_of("select 2")));
        names.resolve(1, outcome::succeeded);
        names.resolve(2, outcome::succeeded);
        names.stage_query(3, 2);
        EXPECT_EQ(names.find(""), nullptr);
        names.resolve(3, result);
        EXPECT_EQ(names.find("") != nullptr, result == outcome::dropped);
        EXPECT_EQ(text_of(names, "a"), "select 2");
    }
}

TEST(ClientStatements, FindTheUnnamedStatementByItsText) {
    client_statements names;
    EXPECT_EQ(names.unnamed_like("select 1", "", 0), nullptr);
    const auto value = made_of("select 1");
    EXPECT_FALSE(names.stage_parse(1, 1, "", value));
    ASSERT_NE(names.unnamed_like("select 1", "", 0), nullptr);
    EXPECT_EQ(names.unnamed_like("select 1", "", 0)->statement, value.statement);
    EXPECT_EQ(names.unnamed_like("select 2", "", 0), nullptr);
    EXPECT_EQ(names.unnamed_like("select 1", "x", 0), nullptr);
}

TEST(ClientStatements, KeepTheFactsBesideTheStatement) {
    client_statements names;
    const auto facts = std::make_shared<const int>(42);
    EXPECT_FALSE(names.stage_parse(1, 1, "a", {make_unnamed_statement("select 1", {}, 0), facts}));
    names.resolve(1, outcome::succeeded);
    EXPECT_EQ(names.find("a")->facts, facts);
}

TEST(ClientStatements, BoundNames) {
    client_statements names(2);
    EXPECT_FALSE(names.stage_parse(1, 1, "a", made_of("x")));
    EXPECT_FALSE(names.stage_parse(2, 1, "b", made_of("x")));
    EXPECT_EQ(names.stage_parse(3, 1, "c", made_of("x")), errc::too_many_statements);
    EXPECT_FALSE(names.stage_parse(4, 1, "", made_of("x"))) << "the unnamed one is always free";
    names.stage_close(5, 1, "a");
    EXPECT_FALSE(names.stage_parse(6, 1, "c", made_of("x")));
}

TEST(ClientStatements, BoundBytes) {
    client_statements names(100, 10);
    EXPECT_FALSE(names.stage_parse(1, 1, "a", made_of("12345")));
    EXPECT_EQ(names.charged_bytes(), 6U);
    EXPECT_EQ(names.stage_parse(2, 1, "b", made_of("1234")), errc::too_many_statements);
    EXPECT_FALSE(names.stage_parse(3, 1, "b", made_of("123")));
    EXPECT_EQ(names.charged_bytes(), 10U);
    names.stage_close(4, 1, "a");
    EXPECT_FALSE(names.stage_parse(5, 1, "c", made_of("12345")));
    names.resolve(1, outcome::succeeded);
    names.resolve(3, outcome::succeeded);
    names.resolve(4, outcome::dropped);
    names.resolve(5, outcome::dropped);
    EXPECT_EQ(names.charged_bytes(), 10U);
}

TEST(ClientStatements, TakeSkippedTagsForDropped) {
    client_statements names;
    EXPECT_FALSE(names.stage_parse(1, 1, "a", made_of("x")));
    EXPECT_FALSE(names.stage_parse(2, 1, "b", made_of("x")));
    names.resolve(2, outcome::succeeded);
    EXPECT_EQ(names.find("a"), nullptr);
    EXPECT_EQ(text_of(names, "b"), "x");
    names.resolve(7, outcome::succeeded);
}

TEST(ClientStatements, LetTagsWrap) {
    client_statements names;
    EXPECT_FALSE(names.stage_parse(UINT32_MAX, 1, "a", made_of("x")));
    EXPECT_FALSE(names.stage_parse(0, 1, "b", made_of("x")));
    names.resolve(UINT32_MAX, outcome::succeeded);
    EXPECT_EQ(text_of(names, "a"), "x");
    EXPECT_TRUE(names.has_unresolved());
    names.resolve(0, outcome::failed);
    EXPECT_EQ(names.find("b"), nullptr);
}

TEST(ClientStatements, SurviveAPipelineThatIsNeverEmpty) {
    client_statements names;
    constexpr change_tag length = 1'000;
    for (change_tag tag = 0; tag < length; ++tag) {
        EXPECT_FALSE(names.stage_parse(tag, tag, "n" + std::to_string(tag), made_of("x")));
        if (tag > 0) names.resolve(tag - 1, tag % 2 == 0 ? outcome::succeeded : outcome::failed);
    }
    names.resolve(length - 1, outcome::succeeded);
    EXPECT_EQ(names.size(), length / 2);
    EXPECT_EQ(text_of(names, "n1"), "x");
    EXPECT_EQ(names.find("n2"), nullptr);
}

TEST(ClientStatements, KnowTheNameOfAStatement) {
    statement_registry registry;
    const auto one = registry.intern("x", {}, 0);
    client_statements names;
    ASSERT_FALSE(names.stage_parse(1, 1, "s", {one, {}}));
    EXPECT_EQ(names.name_of(one->id), "s");
    EXPECT_EQ(names.name_of(one->id + 1), "");
}

TEST(ClientStatements, ReplaceWhatANameStandsFor) {
    client_statements names;
    ASSERT_FALSE(names.stage_parse(1, 1, "s", made_of("x")));
    names.resolve(1, outcome::succeeded);
    const auto anew = make_unnamed_statement("x", {}, 7);
    names.stage_close(2, 2, "s");
    names.replace("s", anew);
    EXPECT_EQ(names.find("s"), nullptr) << "closed by now";
    names.resolve(2, outcome::dropped);
    names.replace("s", anew);
    EXPECT_EQ(names.find("s")->statement, anew);
    names.stage_close(3, 3, "s");
    names.resolve(3, outcome::dropped);
    EXPECT_EQ(names.find("s")->statement, anew);
    names.replace("t", anew);
    EXPECT_EQ(names.find("t"), nullptr);
}

// --- server_statements

// Of a text that does not matter here.
shared_statement numbered(std::uint64_t id, settings_signature settings = 0) {
    shared_statement made;
    made.id = id;
    made.settings = settings;
    return made;
}

presence use(server_statements& prepared, std::uint64_t id, std::uint64_t segment) {
    return prepared.use(numbered(id), 0, segment);
}

TEST(ServerStatements, SayWhatIsPrepared) {
    server_statements prepared(10);
    EXPECT_EQ(use(prepared, 1, 1), presence::absent);
    prepared.stage_parse(1, 1, numbered(1));
    EXPECT_EQ(use(prepared, 1, 1), presence::present);
    EXPECT_EQ(use(prepared, 1, 2), presence::in_doubt);
    prepared.resolve(1, outcome::succeeded);
    EXPECT_EQ(use(prepared, 1, 2), presence::present);
    EXPECT_EQ(prepared.size(), 1U);
}

TEST(ServerStatements, UndoAParseThatFailedOrDidNotRun) {
    for (const auto result : {outcome::failed, outcome::dropped}) {
        server_statements prepared(10);
        prepared.stage_parse(1, 1, numbered(1));
        prepared.resolve(1, result);
        EXPECT_EQ(use(prepared, 1, 1), presence::absent);
        EXPECT_EQ(prepared.size(), 0U);
    }
}

TEST(ServerStatements, CloseTheLeastRecentlyUsed) {
    server_statements prepared(2);
    prepared.stage_parse(1, 1, numbered(10));
    prepared.stage_parse(2, 1, numbered(20));
    EXPECT_FALSE(prepared.surplus());
    prepared.resolve(1, outcome::succeeded);
    prepared.resolve(2, outcome::succeeded);
    EXPECT_EQ(use(prepared, 10, 1), presence::present);
    prepared.stage_parse(3, 1, numbered(30));
    EXPECT_EQ(prepared.surplus(), 20U);
    prepared.stage_close(4, 1, 20);
    EXPECT_FALSE(prepared.surplus());
    EXPECT_EQ(use(prepared, 20, 1), presence::absent);
    EXPECT_EQ(use(prepared, 20, 2), presence::in_doubt) << "its Close may be dropped";
    for (change_tag tag = 3; tag <= 4; ++tag)
        prepared.resolve(tag, outcome::succeeded);
    EXPECT_EQ(use(prepared, 20, 2), presence::absent);
}

// The Close of a statement whose Parse then fails would be spent on nothing, and the list would
// stay too long for good.
TEST(ServerStatements, CloseNothingThatMayNotBeThere) {
    server_statements prepared(1);
    prepared.stage_parse(1, 1, numbered(10));
    prepared.stage_parse(2, 1, numbered(20));
    EXPECT_FALSE(prepared.surplus());
    prepared.resolve(1, outcome::failed);
    prepared.resolve(2, outcome::succeeded);
    prepared.stage_parse(3, 2, numbered(30));
    EXPECT_EQ(prepared.surplus(), 20U);
}

TEST(ServerStatements, RememberAStatementWhoseCloseDidNotRun) {
    server_statements prepared(1);
    prepared.stage_parse(1, 1, numbered(10));
    prepared.resolve(1, outcome::succeeded);
    prepared.stage_parse(2, 2, numbered(20));
    prepared.stage_close(3, 2, 10);
    prepared.resolve(2, outcome::succeeded);
    prepared.resolve(3, outcome::dropped);
    EXPECT_EQ(use(prepared, 10, 3), presence::present);
    EXPECT_EQ(prepared.size(), 2U);
    EXPECT_EQ(prepared.surplus(), 20U) << "10 was used last";
}

TEST(ServerStatements, NameTheUnclosedStatementAsTheNextToGo) {
    server_statements prepared(1);
    prepared.stage_parse(1, 1, numbered(10));
    prepared.stage_parse(2, 1, numbered(20));
    prepared.stage_close(3, 1, 10);
    prepared.resolve(1, outcome::succeeded);
    prepared.resolve(2, outcome::succeeded);
    prepared.resolve(3, outcome::dropped);
    EXPECT_EQ(prepared.surplus(), 10U);
}

TEST(ServerStatements, AreRightAgainAfterCloseAndParseOfADoubtfulOne) {
    for (const auto result : {outcome::succeeded, outcome::dropped}) {
        server_statements prepared(10);
        prepared.stage_parse(1, 1, numbered(10));
        ASSERT_EQ(use(prepared, 10, 2), presence::in_doubt);
        prepared.stage_close(2, 2, 10);
        prepared.stage_parse(3, 2, numbered(10));
        EXPECT_EQ(use(prepared, 10, 2), presence::present);
        prepared.resolve(1, result);
        prepared.resolve(2, outcome::succeeded);
        prepared.resolve(3, outcome::succeeded);
        EXPECT_EQ(use(prepared, 10, 3), presence::present);
        EXPECT_EQ(prepared.size(), 1U);
    }
}

TEST(ServerStatements, ForgetEverythingThatDeallocateAllTook) {
    server_statements prepared(10);
    prepared.stage_parse(1, 1, numbered(10));
    prepared.resolve(1, outcome::succeeded);
    prepared.stage_deallocate_all(2, 2);
    EXPECT_EQ(use(prepared, 10, 2), presence::absent);
    prepared.stage_parse(3, 2, numbered(10));
    prepared.resolve(2, outcome::succeeded);
    prepared.resolve(3, outcome::succeeded);
    EXPECT_EQ(use(prepared, 10, 3), presence::present);

    prepared.stage_parse(4, 3, numbered(20));
    prepared.deallocate_all();
    EXPECT_EQ(use(prepared, 10, 3), presence::absent);
    EXPECT_EQ(use(prepared, 20, 3), presence::present) << "sent behind it";
    prepared.resolve(4, outcome::succeeded);
    EXPECT_EQ(use(prepared, 20, 4), presence::present);
}

TEST(ServerStatements, AreEmptyAfterAReset) {
    server_statements prepared(10);
    prepared.stage_parse(1, 1, numbered(10));
    prepared.clear();
    EXPECT_EQ(prepared.size(), 0U);
    EXPECT_EQ(use(prepared, 10, 2), presence::absent);
    EXPECT_FALSE(prepared.has_unresolved());
    prepared.resolve(1, outcome::succeeded);
}

TEST(ServerStatements, HoldAtLeastOne) {
    server_statements prepared(0);
    prepared.stage_parse(1, 1, numbered(10));
    EXPECT_FALSE(prepared.surplus());
    prepared.resolve(1, outcome::succeeded);
    prepared.stage_parse(2, 1, numbered(20));
    EXPECT_EQ(prepared.surplus(), 10U);
}

TEST(ServerStatements, ShrinkWhenTheBoundIsLowered) {
    server_statements prepared(3);
    for (change_tag tag = 1; tag <= 3; ++tag) {
        prepared.stage_parse(tag, 1, numbered(tag * 10));
        prepared.resolve(tag, outcome::succeeded);
    }
    prepared.set_max_prepared(1);
    std::vector<std::uint64_t> closed;
    change_tag tag = 4;
    while (const auto id = prepared.surplus()) {
        prepared.stage_close(tag, 2, *id);
        prepared.resolve(tag++, outcome::succeeded);
        closed.push_back(*id);
    }
    EXPECT_EQ(closed, (std::vector<std::uint64_t>{10, 20}));
}

TEST(ServerStatements, LendAStatementToOneOtherSetOfSettings) {
    server_statements prepared(10);
    const auto mine = numbered(1, 7);
    prepared.stage_parse(1, 1, mine);
    prepared.resolve(1, outcome::succeeded);
    EXPECT_EQ(prepared.use(mine, 7, 2), presence::present);
    EXPECT_EQ(prepared.use(mine, 8, 2), presence::present) << "it keeps its literals";
    EXPECT_EQ(prepared.use(mine, 8, 2), presence::present);
    EXPECT_EQ(prepared.use(mine, 9, 2), presence::stale);
    EXPECT_EQ(prepared.use(mine, 7, 2), presence::stale) << "8 may have changed its meaning";

    prepared.stage_close(2, 2, 1);
    prepared.stage_parse(3, 2, mine);
    EXPECT_EQ(prepared.use(mine, 7, 2), presence::present);
    prepared.resolve(2, outcome::dropped);
    prepared.resolve(3, outcome::dropped);
    EXPECT_EQ(prepared.use(mine, 7, 3), presence::stale) << "nothing became of it";

    prepared.stage_close(4, 3, 1);
    prepared.stage_parse(5, 3, mine);
    prepared.resolve(4, outcome::succeeded);
    prepared.resolve(5, outcome::succeeded);
    EXPECT_EQ(prepared.use(mine, 7, 4), presence::present);
}

TEST(ServerStatements, KeepAnOwnStatementForItsClient) {
    server_statements prepared(10);
    auto own = numbered(1, 7);
    own.is_own = true;
    prepared.stage_parse(1, 1, own);
    prepared.resolve(1, outcome::succeeded);
    for (const settings_signature now : {7U, 8U, 9U, 7U})
        EXPECT_EQ(prepared.use(own, now, 2), presence::present);
}

TEST(ServerStatements, ServeNobodyWhoHasPreparedAfterAChange) {
    server_statements prepared(10);
    const auto use_since = [&prepared](schema_age since, std::uint64_t segment) {
        return prepared.use(numbered(1), 0, segment, since);
    };
    prepared.stage_parse(1, 1, numbered(1), 5);
    EXPECT_EQ(use_since(5, 1), presence::present) << "in its own segment";
    prepared.resolve(1, outcome::succeeded);
    EXPECT_EQ(use_since(0, 2), presence::present);
    EXPECT_EQ(use_since(5, 2), presence::present);
    EXPECT_EQ(use_since(6, 2), presence::stale);
    EXPECT_EQ(use_since(4, 2), presence::present) << "who had it before";

    prepared.stage_close(2, 2, 1);
    prepared.stage_parse(3, 2, numbered(1), 6);
    EXPECT_EQ(use_since(6, 2), presence::present);
    EXPECT_EQ(use_since(6, 3), presence::in_doubt);
    prepared.resolve(2, outcome::succeeded);
    prepared.resolve(3, outcome::succeeded);
    EXPECT_EQ(use_since(6, 3), presence::present);
    EXPECT_EQ(use_since(7, 3), presence::stale);
}

TEST(ServerStatements, TrustNoneThatTheServerRefused) {
    server_statements prepared(10);
    auto own = numbered(2, 7);
    own.is_own = true;
    prepared.stage_parse(1, 1, numbered(1));
    prepared.stage_parse(2, 1, own);
    prepared.resolve(1, outcome::succeeded);
    prepared.resolve(2, outcome::succeeded);
    prepared.distrust(1);
    prepared.distrust(2);
    prepared.distrust(3);
    EXPECT_EQ(use(prepared, 1, 2), presence::stale);
    EXPECT_EQ(prepared.use(own, 7, 2), presence::stale);
}

}  // namespace
}  // namespace weir::pool

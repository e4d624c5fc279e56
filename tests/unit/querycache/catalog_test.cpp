#include "querycache/catalog.hpp"

#include "tests/unit/querycache/world.hpp"

#include <gtest/gtest.h>

namespace weir::querycache {
namespace {

using test::make_catalog;
using test::some_rows;
using test::t_oid;

TEST(Catalog, ResolvesAnUnqualifiedNameThatIsUnique) {
    const auto c = make_catalog(1);
    const auto found = c->resolve({"", "t"});
    ASSERT_NE(found.relation, nullptr);
    EXPECT_EQ(found.relation->id, t_oid);
}

TEST(Catalog, RefusesAnUnqualifiedNameOfTwoSchemas) {
    const auto c = make_catalog(1);
    EXPECT_EQ(c->resolve({"", "twice"}).relation, nullptr);
    EXPECT_EQ(c->resolve({"", "twice"}).reason, bypass_reason::ambiguous_name);
    EXPECT_EQ(c->resolve({"other", "twice"}).relation->id, 20010U);
}

TEST(Catalog, TellsUnknownNamesFromAmbiguousOnes) {
    const auto c = make_catalog(1);
    EXPECT_EQ(c->resolve({"", "nothing"}).reason, bypass_reason::unknown_relation);
    EXPECT_EQ(c->resolve({"nowhere", "t"}).reason, bypass_reason::unknown_relation);
}

TEST(Catalog, CountsSystemTablesAsNamesToo) {
    auto rows = some_rows();
    rows.relations.push_back(test::table(30000, "pg_class"));
    const auto c = make_catalog(1, std::move(rows));
    EXPECT_EQ(c->resolve({"", "pg_class"}).reason, bypass_reason::ambiguous_name);
}

TEST(Catalog, KnowsUserFunctionsFromPostgreSQLs) {
    const auto c = make_catalog(1);
    EXPECT_TRUE(c->has_user_function("", "wf"));
    EXPECT_TRUE(c->has_user_function("public", "wf"));
    EXPECT_FALSE(c->has_user_function("other", "wf"));
    EXPECT_FALSE(c->has_user_function("", "lower"));
    EXPECT_TRUE(c->has_builtin_function("lower"));
}

TEST(Catalog, TakesATypeForAnEnumerationOnlyIfAllOfTheNameAre) {
    auto rows = some_rows();
    rows.types = {{"public", "mood", 'e'}, {"public", "size", 'e'}, {"other", "size", 'd'}};
    const auto c = make_catalog(1, std::move(rows));
    EXPECT_TRUE(c->is_enumeration("", "mood"));
    EXPECT_FALSE(c->is_enumeration("", "size"));
    EXPECT_TRUE(c->is_enumeration("public", "size"));
    EXPECT_FALSE(c->is_enumeration("", "nothing"));
}

TEST(Catalog, TellsUnsafeComparisonsFromOtherUnsafeOperators) {
    auto rows = some_rows();
    rows.operators = {{"===="}, {"%"}};
    const auto odd = make_catalog(1, rows);
    EXPECT_NE(odd->find_unsafe_operator("===="), nullptr);
    EXPECT_EQ(odd->find_unsafe_operator("+"), nullptr);
    EXPECT_EQ(odd->unsafe_comparison(), nullptr);
    rows.operators = {{"<", true}};
    ASSERT_NE(make_catalog(1, rows)->unsafe_comparison(), nullptr);
    EXPECT_TRUE(make_catalog(1, rows)->unsafe_comparison()->runs_code);
}

TEST(Catalog, TellsFunctionsByTheNumberOfArguments) {
    auto rows = some_rows();
    auto pair = test::pure_function("f", 2);
    pair.most = 3;
    rows.functions.push_back(pair);
    rows.functions.push_back(test::user_function("f", 4));
    const auto c = make_catalog(1, std::move(rows));
    EXPECT_FALSE(c->find_functions("", "f", 1).any);
    for (const std::uint16_t n : std::initializer_list<std::uint16_t>{2, 3}) {
        EXPECT_TRUE(c->find_functions("", "f", n).any);
        EXPECT_FALSE(c->find_functions("", "f", n).impure);
    }
    EXPECT_TRUE(c->find_functions("public", "f", 4).runs_code);
    EXPECT_TRUE(c->find_functions("", "f", 4).impure);
    EXPECT_FALSE(c->find_functions("other", "f", 4).any);
}

TEST(Catalog, InformationSchemaMakesNoNameAmbiguous) {
    auto rows = some_rows();
    rows.relations.push_back(test::table(13000, "columns", "information_schema"));
    rows.relations.push_back(test::table(13001, "t", "information_schema"));
    const auto c = make_catalog(1, rows);
    EXPECT_EQ(c->resolve({"", "t"}).relation, c->find(t_oid));
    EXPECT_EQ(c->resolve({"information_schema", "t"}).relation, c->find(13001));
    EXPECT_EQ(c->resolve({"", "columns"}).relation, c->find(13000));
    rows.relations.push_back(test::table(20020, "t", "other"));
    EXPECT_EQ(
        make_catalog(1, std::move(rows))->resolve({"", "t"}).reason, bypass_reason::ambiguous_name
    );
}

TEST(Catalog, AReadRunsCodeWhereAnythingOfTheNameDoes) {
    auto rows = some_rows();
    rows.note({{code_row::place::read, t_oid}, {code_row::place::read, 20010}});
    rows.relations.push_back(test::table(13000, "columns", "information_schema"));
    rows.relations.back().read_runs_code = true;
    const auto c = make_catalog(1, std::move(rows));
    EXPECT_EQ(c->read_runs_code({"", "t"}), true);
    EXPECT_EQ(c->read_runs_code({"", "u"}), false);
    EXPECT_EQ(c->read_runs_code({"", "twice"}), true);
    EXPECT_EQ(c->read_runs_code({"other", "twice"}), true);
    EXPECT_EQ(c->read_runs_code({"public", "twice"}), false);
    EXPECT_EQ(c->read_runs_code({"", "nothing"}), std::nullopt);
    EXPECT_EQ(c->read_runs_code({"nowhere", "u"}), std::nullopt);
    EXPECT_EQ(c->read_runs_code({"", "columns"}), false) << "initdb made it";
}

TEST(Catalog, NotesOnWhatCodeHangs) {
    auto rows = some_rows();
    rows.note({{code_row::place::write, t_oid}});
    EXPECT_TRUE(rows.relations[0].runs_functions);
    EXPECT_FALSE(rows.relations[0].read_runs_code || rows.relations[1].runs_functions);
    EXPECT_FALSE(rows.has_unsafe_domains || rows.maintenance_runs_code);
    rows.note({{code_row::place::domain, 30000}, {code_row::place::maintenance, t_oid}});
    EXPECT_TRUE(rows.has_unsafe_domains);
    EXPECT_TRUE(rows.maintenance_runs_code);
}

TEST(Catalog, DigestIgnoresTheOrderOfRowsAndNothingElse) {
    auto rows = some_rows();
    const auto digest = make_catalog(1, rows)->digest();
    std::reverse(rows.relations.begin(), rows.relations.end());
    EXPECT_EQ(make_catalog(2, rows)->digest(), digest);
    rows.looks = "another default of TimeZone";
    EXPECT_NE(make_catalog(1, rows)->digest(), digest);
    rows.looks.clear();
    EXPECT_EQ(make_catalog(1, rows)->digest(), digest);
    rows.relations[0].has_triggers = !rows.relations[0].has_triggers;
    EXPECT_NE(make_catalog(1, rows)->digest(), digest);
}

TEST(DatabaseState, IsDueForALoadUntilASnapshotOfTheNewestVersionIsThere) {
    database_state db({1, 2}, "shop");
    EXPECT_TRUE(db.needs_refresh());
    EXPECT_TRUE(db.install(make_catalog(db.catalog_version())));
    EXPECT_FALSE(db.needs_refresh());
    const auto before = db.catalog_version();
    db.versions().catalog()->bump(bump_cause::ddl);
    EXPECT_TRUE(db.needs_refresh());
    EXPECT_FALSE(db.install(make_catalog(before))) << "loaded before the DDL";
    EXPECT_TRUE(db.install(make_catalog(db.catalog_version())));
    EXPECT_FALSE(db.needs_refresh());
}

TEST(DatabaseState, OutdatesAllWhenSomeoneElseChangedTheCatalog) {
    database_state db({1, 2}, "shop");
    db.install(make_catalog(db.catalog_version()));
    const auto version = db.catalog_version();
    const auto serial = db.snapshot_serial();
    db.install(make_catalog(version));
    EXPECT_EQ(db.catalog_version(), version) << "nothing new, nothing lost";
    EXPECT_EQ(db.snapshot_serial(), serial);
    auto rows = some_rows();
    rows.relations.pop_back();
    EXPECT_TRUE(db.install(make_catalog(version, std::move(rows))));
    EXPECT_GT(db.catalog_version(), version);
    EXPECT_FALSE(db.needs_refresh());
}

}  // namespace
}  // namespace weir::querycache

// What a snapshot says that the loader has read from a real catalog.
#include "tests/unit/daemon/upstream/loader_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

namespace weir::daemon {
namespace {

using querycache::bypass_reason;

constexpr const char* shop = R"sql(
CREATE SCHEMA s1;
CREATE TABLE plain(id int PRIMARY KEY, v int);
CREATE TABLE s1.plain2(id int PRIMARY KEY);
CREATE TABLE twin(x int);
CREATE TABLE s1.twin(x int);
CREATE VIEW seen AS SELECT * FROM plain;
CREATE TABLE parts(k int) PARTITION BY RANGE (k);
CREATE TABLE part1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE logbook(n int);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO logbook VALUES (1); RETURN NULL; END$$;
CREATE TABLE watched(x int);
CREATE TRIGGER w AFTER INSERT ON watched FOR EACH STATEMENT EXECUTE FUNCTION note();
CREATE TABLE p(id int PRIMARY KEY);
CREATE TABLE c(id int PRIMARY KEY, pid int REFERENCES p ON DELETE CASCADE);
CREATE TABLE guarded(x int);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE FUNCTION counted() RETURNS int LANGUAGE plpgsql AS $$BEGIN RETURN 1; END$$;
CREATE TABLE running(x int DEFAULT counted());
)sql";

class loaded_shop : public testing::Test {
protected:
    static void SetUpTestSuite() {
        make_database("shop");
        postgres().execute(shop, "shop");
    }
    void SetUp() override { snapshot = world.loaded("shop").snapshot(); }

    const querycache::relation_row* relation(std::string_view name) {
        const auto listed = snapshot->listed(name);
        return listed.size() == 1 ? listed.front() : nullptr;
    }
    std::optional<bypass_reason> refusal(std::string_view name) {
        const auto* const found = relation(name);
        if (found == nullptr)
            throw std::runtime_error("no relation, or several: " + std::string(name));
        return snapshot->why_not_readable(*found);
    }

    loader_world world;
    std::shared_ptr<const querycache::catalog> snapshot;
};

TEST_F(loaded_shop, PlainTablesMayBeRead) {
    EXPECT_EQ(refusal("plain"), std::nullopt);
    EXPECT_EQ(refusal("s1.plain2"), std::nullopt);
    EXPECT_EQ(refusal("logbook"), std::nullopt);
}

TEST_F(loaded_shop, OidsArePostgresOwn) {
    ASSERT_NE(relation("plain"), nullptr);
    EXPECT_EQ(
        std::to_string(relation("plain")->id),
        postgres().scalar("SELECT 'public.plain'::regclass::oid", "shop")
    );
    EXPECT_EQ(relation("plain")->schema, "public");
    EXPECT_EQ(relation("plain")->kind, 'r');
    EXPECT_EQ(relation("plain")->persistence, 'p');
}

TEST_F(loaded_shop, EveryTrapHasItsReason) {
    EXPECT_EQ(relation("seen")->kind, 'v');
    EXPECT_NE(refusal("seen"), std::nullopt);
    EXPECT_TRUE(relation("parts")->has_children);
    EXPECT_NE(refusal("parts"), std::nullopt);
    EXPECT_TRUE(relation("part1")->is_partition);
    EXPECT_TRUE(relation("part1")->has_parents);
    EXPECT_NE(refusal("part1"), std::nullopt);
    EXPECT_TRUE(relation("watched")->has_triggers);
    EXPECT_TRUE(relation("guarded")->row_security);
    EXPECT_NE(refusal("guarded"), std::nullopt);
    EXPECT_TRUE(relation("running")->runs_functions);
    EXPECT_FALSE(relation("plain")->runs_functions);
}

TEST_F(loaded_shop, WritesFollowForeignKeys) {
    const auto of_parent = snapshot->writes({{.schema = "", .name = "p"}});
    ASSERT_FALSE(of_parent.everything);
    EXPECT_FALSE(of_parent.plain);
    EXPECT_NE(
        std::find(of_parent.relations.begin(), of_parent.relations.end(), relation("c")->id),
        of_parent.relations.end()
    );
    EXPECT_TRUE(snapshot->writes({{.schema = "", .name = "watched"}}).everything);
    const auto of_plain = snapshot->writes({{.schema = "", .name = "plain"}});
    EXPECT_FALSE(of_plain.everything);
    EXPECT_EQ(of_plain.relations, std::vector{relation("plain")->id});
}

TEST_F(loaded_shop, NamesOfTwoSchemasLeadNowhere) {
    EXPECT_EQ(snapshot->listed("twin").size(), 2U);
    EXPECT_EQ(snapshot->resolve({.schema = "", .name = "twin"}).relation, nullptr);
    EXPECT_NE(snapshot->resolve({.schema = "s1", .name = "twin"}).relation, nullptr);
}

TEST_F(loaded_shop, FunctionsAndTypesAreKnown) {
    EXPECT_TRUE(snapshot->has_user_function("", "counted"));
    EXPECT_FALSE(snapshot->has_user_function("", "lower"));
    EXPECT_TRUE(snapshot->has_builtin_function("lower"));
    EXPECT_TRUE(snapshot->is_enumeration("", "mood"));
    EXPECT_FALSE(snapshot->has_unsafe_casts());
    EXPECT_FALSE(snapshot->has_unsafe_domains());
}

TEST(CatalogLoader, UnsafeOperatorsCastsAndDomainsAreSeen) {
    make_database("unsafe");
    postgres().execute(
        R"sql(
CREATE FUNCTION odd(int, int) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RETURN true; END$$;
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = odd);
CREATE FUNCTION is_fine(int) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RETURN true; END$$;
CREATE DOMAIN fine AS int CHECK (is_fine(VALUE));
CREATE TYPE pair AS (a int, b int);
CREATE FUNCTION to_pair(int) RETURNS pair LANGUAGE sql AS 'SELECT $1, $1';
CREATE CAST (int AS pair) WITH FUNCTION to_pair(int);)sql",
        "unsafe"
    );
    loader_world world;
    const auto snapshot = world.loaded("unsafe").snapshot();
    EXPECT_TRUE(snapshot->has_unsafe_operator("==="));
    EXPECT_FALSE(snapshot->has_unsafe_operator("="));
    EXPECT_TRUE(snapshot->has_unsafe_domains());
    EXPECT_TRUE(snapshot->has_unsafe_casts());
}

TEST(CatalogLoader, AskedAtOnceItLoadsWhatDdlHasMade) {
    make_database("changing");
    loader_world world;
    auto& state = world.loaded("changing");
    EXPECT_TRUE(state.snapshot()->listed("later").empty());
    postgres().execute("CREATE TABLE later(x int)", "changing");
    state.versions().catalog()->bump(querycache::bump_cause::ddl);
    ASSERT_TRUE(state.needs_refresh());
    world.databases.refresh("changing", true);
    EXPECT_EQ(world.loaded("changing").snapshot()->listed("later").size(), 1U);
}

TEST(CatalogLoader, AskedSoonItFindsWhatPassedElsewhere) {
    make_database("changing");
    loader_world world;
    auto& state = world.loaded("changing");
    const auto before = state.catalog_version();
    postgres().execute("CREATE TABLE elsewhere(x int)", "changing");
    world.databases.refresh("changing", false);
    test::wait_until(
        [&] { return state.snapshot()->listed("elsewhere").size() == 1; }, "the new table"
    );
    EXPECT_GT(state.catalog_version(), before) << "entries of the old catalog are still served";
    EXPECT_FALSE(state.needs_refresh());
}

TEST(CatalogLoader, LoadsAgainUntilItHasCaughtUpWithDdl) {
    make_database("changing");
    loader_world world;
    auto& state = world.loaded("changing");
    // Each request may be answered by a load that began before the next bump.
    for (int i = 0; i < 50; ++i) {
        state.versions().catalog()->bump(querycache::bump_cause::ddl);
        world.databases.refresh("changing", true);
    }
    test::wait_until([&] { return !state.needs_refresh(); }, "a current snapshot");
    EXPECT_EQ(control_connections("changing"), 1);
}

TEST(CatalogLoader, NeedsNoPrivilege) {
    make_database("strict");
    postgres().execute(
        "DROP ROLE IF EXISTS nobody_special; CREATE ROLE nobody_special LOGIN;"
        "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC",
        "strict"
    );
    loader_world world;
    const auto as_nobody = target_at(tcp_address(postgres().port()), "strict", "nobody_special");
    auto& state = world.loaded("strict", as_nobody);
    EXPECT_NE(state.identity().system_identifier, 0U);
    EXPECT_NE(state.identity().database, 0U);
    EXPECT_EQ(world.told("pg_control_system() is refused"), 1U);
}

}  // namespace
}  // namespace weir::daemon

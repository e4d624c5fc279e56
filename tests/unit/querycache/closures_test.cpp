#include "querycache/catalog.hpp"
#include "tests/unit/querycache/world.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace weir::querycache {
namespace {

using test::make_catalog;
using test::some_rows;
using test::t_oid;
using test::u_oid;

constexpr oid lower_oid = 870, now_oid = 1299;

std::vector<oid> sorted(std::vector<oid> list) {
    std::sort(list.begin(), list.end());
    return list;
}

/// The query of a view, or a rule, over these.
rewrite_row stored(oid relation, bool is_query, std::vector<oid> relations) {
    rewrite_row row;
    row.relation = relation;
    row.is_query = is_query;
    row.tree.relations = std::move(relations);
    return row;
}

/// some_rows() and: w over v over t, both of them views; parent <- child <- grandchild, neighbour;
/// mv.
class closures : public testing::Test {
protected:
    static constexpr oid v_oid = 21000, w_oid = 21001, parent = 21010, child = 21011,
                         grandchild = 21012, neighbour = 21013, mv_oid = 21020;

    closures() {
        for (const auto& [id, name, kind] :
             {std::tuple(v_oid, "v", 'v'),
              {w_oid, "w", 'v'},
              {parent, "parent", 'p'},
              {child, "child", 'p'},
              {grandchild, "grandchild", 'r'},
              {neighbour, "neighbour", 'r'},
              {mv_oid, "mv", 'm'}}) {
            rows.relations.push_back(test::table(id, name));
            rows.relations.back().kind = kind;
        }
        // The query of a view names the view, too.
        rows.rewrites = {
            stored(v_oid, true, {t_oid, v_oid}), stored(w_oid, true, {u_oid, v_oid, w_oid})};
        rows.inheritance = {{child, parent}, {grandchild, child}, {neighbour, parent}};
        rows.builtins = {{lower_oid, "lower", false}, {now_oid, "now", false}};
    }

    relation_row& relation(std::string_view name) {
        for (auto& r : rows.relations) {
            if (r.name == name) return r;
        }
        throw std::logic_error("no such relation");
    }
    read_closure reads(std::string_view name) {
        const auto c = make_catalog(1, rows);
        return c->reads(*c->resolve({"", std::string(name)}).relation);
    }
    std::string refusal(std::string_view name) {
        const auto closure = reads(name);
        if (closure.reasons.empty()) return closure.calls.empty() ? "" : closure.calls[0].name;
        return std::string(to_string(closure.reasons.front()));
    }
    write_closure writes(std::string_view name, cascade keys = cascade::by_actions) {
        return make_catalog(1, rows)->writes({{"", std::string(name)}}, declared, keys);
    }
    std::vector<oid> written(std::string_view name) {
        const auto closure = writes(name);
        return closure.everything ? std::vector<oid>{0} : sorted(closure.relations);
    }

    catalog_rows rows = some_rows();
    declared_writes declared;
};

TEST_F(closures, ReadsOfATableStandOnTheTable) {
    for (const char* name : {"t", "tr", "p", "c", "q", "r", "mv", "parent", "child"}) {
        EXPECT_EQ(refusal(name), "") << name;
        EXPECT_EQ(reads(name).relations, std::vector<oid>{relation(name).id}) << name;
    }
    relation("t").persistence = 'u';
    EXPECT_EQ(refusal("t"), "");
}

TEST_F(closures, AWriteToPostgresqlsOwnTablesIsDdl) {
    const auto own = writes("pg_class");
    EXPECT_TRUE(own.everything);
    EXPECT_TRUE(own.catalog);
    EXPECT_FALSE(writes("t").catalog);
    relation("tr").runs_functions = true;
    EXPECT_TRUE(writes("tr").everything);
    EXPECT_FALSE(writes("tr").catalog);
}

TEST_F(closures, ReadsOfAViewStandOnWhatIsBehindIt) {
    EXPECT_EQ(reads("v").relations, std::vector<oid>{t_oid});
    EXPECT_EQ(sorted(reads("w").relations), (std::vector<oid>{t_oid, u_oid}));
}

TEST_F(closures, ReadsAreRefusedForWhatIsBehindAViewAsForItself) {
    struct {
        std::string_view reason;
        void (*change)(relation_row&);
    } const cases[] = {
        {"foreign_table", [](relation_row& r) { r.kind = 'f'; }},
        {"sequence", [](relation_row& r) { r.kind = 'S'; }},
        {"other_relation", [](relation_row& r) { r.kind = 'x'; }},
        {"temporary_table", [](relation_row& r) { r.persistence = 't'; }},
        {"system_catalog", [](relation_row& r) { r.schema = "pg_catalog"; }},
        {"system_catalog", [](relation_row& r) { r.schema = "information_schema"; }}};
    for (const auto& one : cases) {
        auto& t = relation("t");
        const auto before = t;
        one.change(t);
        EXPECT_EQ(refusal("t"), one.reason);
        EXPECT_EQ(refusal("w"), one.reason);
        t = before;
    }
    rows.rewrites[0].tree.relations.push_back(1);
    EXPECT_EQ(refusal("w"), "unknown_relation");
}

TEST_F(closures, ReadsBehindRowSecurityStandOnWhatPoliciesRead) {
    relation("t").row_security = true;
    EXPECT_TRUE(reads("w").row_security);
    EXPECT_FALSE(reads("u").row_security);
    policy_row policy{t_oid, {}};
    policy.condition.relations = {test::hot_oid};
    policy.condition.reads_identity = true;
    rows.policies = {policy};
    EXPECT_EQ(sorted(reads("t").relations), (std::vector<oid>{t_oid, test::hot_oid}));
    EXPECT_EQ(refusal("t"), "");
    rows.builtins.push_back({2077, "current_setting", false});
    rows.policies[0].condition.functions = {2077};
    EXPECT_EQ(refusal("t"), "");
    rows.rewrites[1].tree.functions = {2077};
    EXPECT_EQ(refusal("w"), "current_setting") << "the view itself asks for it";
    rows.policies[0].condition.functions = {now_oid};
    EXPECT_EQ(refusal("t"), "now");
    rows.policies[0].condition = {};
    rows.policies[0].condition.reads_moment = true;
    EXPECT_EQ(refusal("t"), "clock_or_identity");
    rows.policies[0].condition.is_understood = false;
    EXPECT_EQ(refusal("t"), "row_security");
}

TEST_F(closures, ReadsOfAnOddQueryAreRefused) {
    auto& tree = rows.rewrites[0].tree;
    tree.is_understood = false;
    EXPECT_EQ(refusal("w"), "view");
    tree = {};
    tree.locks = true;
    EXPECT_EQ(refusal("w"), "locking");
    tree = {};
    tree.reads_moment = true;
    EXPECT_EQ(refusal("w"), "clock_or_identity");
    tree = {};
    tree.reads_identity = true;
    EXPECT_EQ(refusal("w"), "clock_or_identity");
    rows.rewrites.clear();
    EXPECT_EQ(refusal("w"), "view");
}

TEST_F(closures, ReadsTellWhatAViewCalls) {
    auto& tree = rows.rewrites[0].tree;
    tree.functions = {lower_oid};
    EXPECT_EQ(refusal("w"), "");
    tree.functions = {now_oid};
    EXPECT_EQ(refusal("w"), "now");
    tree.functions = {lower_oid + 1};
    EXPECT_EQ(refusal("w"), "view") << "a function that nobody knows";
    tree.functions = {30002};
    rows.functions.push_back(test::pure_function("similar"));
    rows.functions.back().id = 30002;
    EXPECT_EQ(refusal("w"), "");
    rows.functions.back().is_pure = false;
    EXPECT_EQ(refusal("w"), "similar");
}

TEST_F(closures, ReadsTellWhatAUsersOperatorCalls) {
    rows.rewrites[0].tree.operators = {30010};
    EXPECT_EQ(refusal("w"), "user_operator");
    rows.operator_functions = {{30010, 30002}};
    rows.functions.push_back(test::pure_function("similar"));
    rows.functions.back().id = 30002;
    EXPECT_EQ(refusal("w"), "");
    rows.functions.back().is_pure = false;
    EXPECT_EQ(refusal("w"), "similar");
}

TEST_F(closures, TheZoneOfATimeOfDayIsTodays) {
    rows.rewrites[0].tree.functions = {2037};
    rows.builtins.push_back({2037, "timezone", false});
    EXPECT_EQ(refusal("w"), "");
    rows.builtins.back().takes_time_of_day = true;
    EXPECT_EQ(refusal("w"), "timezone");
}

TEST_F(closures, AForeignPartitionMakesTheWholeForeign) {
    relation("grandchild").kind = 'f';
    EXPECT_EQ(refusal("parent"), "foreign_table");
    EXPECT_EQ(refusal("neighbour"), "");
}

TEST_F(closures, WriteToAPlainTableIsToTheTable) {
    const auto closure = writes("t");
    EXPECT_FALSE(closure.everything);
    EXPECT_TRUE(closure.plain);
    EXPECT_EQ(closure.relations, std::vector<oid>{t_oid});
    EXPECT_EQ(written("mv"), std::vector<oid>{mv_oid});
}

TEST_F(closures, WriteReachesWholesAndPartsButNoNeighbours) {
    EXPECT_EQ(written("parent"), (std::vector<oid>{parent, child, grandchild, neighbour}));
    EXPECT_EQ(written("child"), (std::vector<oid>{parent, child, grandchild}));
    EXPECT_EQ(written("grandchild"), (std::vector<oid>{parent, child, grandchild}));
    EXPECT_TRUE(writes("parent").plain);
}

TEST_F(closures, WriteReachesAllThatAPartBelongsTo) {
    rows.inheritance.push_back({neighbour, u_oid});
    EXPECT_EQ(written("parent"), (std::vector<oid>{u_oid, parent, child, grandchild, neighbour}));
    EXPECT_EQ(written("neighbour"), (std::vector<oid>{u_oid, parent, neighbour}));
    EXPECT_EQ(written("child"), (std::vector<oid>{parent, child, grandchild}));
}

TEST_F(closures, WriteFollowsForeignKeysWithAnActionTransitively) {
    rows.foreign_keys.push_back({20008, 20006, 'a', 'n'});  // r -> c ON UPDATE SET NULL
    rows.foreign_keys.push_back({20005, 20008, 'd', 'a'});  // and back to p: a cycle
    rows.foreign_keys.push_back({child, 20008, 'c', 'a'});
    const auto closure = writes("p");
    EXPECT_FALSE(closure.everything);
    EXPECT_FALSE(closure.plain);
    EXPECT_EQ(
        sorted(closure.relations),
        (std::vector<oid>{20005, 20006, 20008, parent, child, grandchild})
    );
    EXPECT_EQ(written("q"), std::vector<oid>{20007}) << "its key has no action";
}

TEST_F(closures, TruncateCascadeFollowsEveryKey) {
    EXPECT_EQ(
        sorted(writes("q", cascade::by_every_key).relations), (std::vector<oid>{20007, 20008})
    );
}

TEST_F(closures, WriteThroughAViewReachesWhatIsBehindIt) {
    const auto closure = writes("w");
    EXPECT_EQ(sorted(closure.relations), (std::vector<oid>{t_oid, u_oid, v_oid, w_oid}));
    EXPECT_FALSE(closure.plain);
    rows.rewrites[0].tree.is_understood = false;
    EXPECT_TRUE(writes("w").everything);
}

TEST_F(closures, WriteToATableWithARuleReachesWhatTheRuleNames) {
    relation("t").has_rules = true;
    EXPECT_TRUE(writes("t").everything) << "nobody has read the rule";
    rows.rewrites.push_back(stored(t_oid, false, {t_oid, test::hot_oid}));
    EXPECT_EQ(written("t"), (std::vector<oid>{t_oid, test::hot_oid}));
    EXPECT_FALSE(writes("t").plain);
    rows.rewrites.back().tree.functions = {lower_oid};
    EXPECT_FALSE(writes("t").everything);
    rows.rewrites.back().tree.functions = {30001};
    EXPECT_TRUE(writes("t").everything) << "a function that nobody knows";
    rows.rewrites.back().tree = {};
    rows.rewrites.back().tree.is_understood = false;
    EXPECT_TRUE(writes("t").everything);
}

TEST_F(closures, WriteThatFiresATriggerReachesWhatIsDeclaredForIt) {
    EXPECT_TRUE(writes("tr").everything);
    const std::vector<std::string> tables{"hot"};
    declared = [&](std::string_view schema, std::string_view name) {
        return schema == "public" && name == "note" ? &tables : nullptr;
    };
    EXPECT_EQ(written("tr"), (std::vector<oid>{test::hot_oid, 20004}));
    EXPECT_FALSE(writes("tr").plain) << "it fires for no row at all";
    rows.foreign_keys.push_back({20004, 20006, 'c', 'a'});
    EXPECT_EQ(written("p"), (std::vector<oid>{test::hot_oid, 20004, 20005, 20006}));
    declared = {};
    EXPECT_TRUE(writes("p").everything);
    EXPECT_FALSE(writes("u").everything);
}

TEST_F(closures, TriggersThatWriteNothingCostNothing) {
    rows.triggers[0] = {20004, 2800, "pg_catalog", "tsvector_update_trigger", {}};
    EXPECT_EQ(written("tr"), std::vector<oid>{20004});
    rows.triggers[0] = {20004, 30002, "public", "moddatetime", {}};
    rows.functions.push_back(test::pure_function("moddatetime"));
    rows.functions.back().id = 30002;
    EXPECT_EQ(written("tr"), std::vector<oid>{20004});
    rows.functions.back().runs_code = true;
    EXPECT_TRUE(writes("tr").everything);
    rows.known_writes = {{30002, {{"", "hot"}, {"", "p"}}}};
    EXPECT_EQ(written("tr"), (std::vector<oid>{test::hot_oid, 20004, 20005, 20006}));
    rows.known_writes = {{30002, {{"", "nothing"}}}};
    EXPECT_TRUE(writes("tr").everything) << "a temporary table, for what is known";
}

TEST_F(closures, ConditionsOfTriggersRunCodeToo) {
    rows.triggers[0] = {20004, 2800, "pg_catalog", "tsvector_update_trigger", {}};
    rows.triggers[0].condition.functions = {lower_oid};
    EXPECT_FALSE(writes("tr").everything);
    rows.triggers[0].condition.functions = {30001};
    EXPECT_TRUE(writes("tr").everything);
    rows.triggers[0].condition = {};
    rows.triggers[0].condition.is_understood = false;
    EXPECT_TRUE(writes("tr").everything);
}

TEST_F(closures, TriggerOfAWholeOrAPartCounts) {
    rows.triggers.push_back({parent, 30001, "public", "note", {}});
    for (const char* name : {"parent", "child", "grandchild"})
        EXPECT_TRUE(writes(name).everything) << name;
    rows.triggers.back().relation = grandchild;
    EXPECT_TRUE(writes("parent").everything);
    EXPECT_FALSE(writes("neighbour").everything);
}

TEST_F(closures, WriteIsToEverythingForWhatRunsCodeOrIsNotKnown) {
    const auto c = make_catalog(1);
    for (const char* name : {"tr", "twice", "nothing"}) {
        EXPECT_TRUE(c->writes({{"", "t"}, {"", name}}).everything) << name;
    }
    void (*const changes[])(relation_row&) = {
        [](relation_row& r) { r.kind = 'v'; },
        [](relation_row& r) { r.kind = 'f'; },
        [](relation_row& r) { r.persistence = 't'; },
        [](relation_row& r) { r.has_triggers = true; },
        [](relation_row& r) { r.read_runs_code = true; },
        [](relation_row& r) { r.runs_functions = true; }};
    for (const auto change : changes) {
        const auto before = relation("t");
        change(relation("t"));
        EXPECT_TRUE(writes("t").everything);
        relation("t") = before;
    }
    rows.hidden.event_triggers = true;
    EXPECT_TRUE(writes("mv").everything);
    EXPECT_FALSE(writes("t").everything);
}

}  // namespace
}  // namespace weir::querycache

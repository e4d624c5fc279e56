#include "querycache/node_tree.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::querycache {
namespace {

// CREATE VIEW seen AS SELECT lower(name) FROM items WHERE id > 3, shortened.
constexpr const char* of_a_view =
    "<> ({QUERY :commandType 1 :querySource 0 :canSetTag true :utilityStmt <> :hasForUpdate false "
    ":cteList <> :rtable ({RTE :alias {ALIAS :aliasname old :colnames <>} :eref {ALIAS :aliasname "
    "old :colnames (\"lower\")} :rtekind 0 :relid 16410 :relkind v :rellockmode 1 :tablesample <> "
    ":lateral false :inh false} {RTE :alias <> :eref {ALIAS :aliasname items :colnames (\"id\" "
    "\"name\")} :rtekind 0 :relid 16390 :relkind r :rellockmode 1 :tablesample <>}) :jointree "
    "{FROMEXPR :fromlist ({RANGETBLREF :rtindex 3}) :quals {OPEXPR :opno 521 :opfuncid 147 "
    ":opresulttype 16 :args ({VAR :varno 3 :varattno 1 :vartype 23} {CONST :consttype 23 "
    ":constvalue 4 [ 3 0 0 0 0 0 0 0 ]})}} :targetList ({TARGETENTRY :expr {FUNCEXPR :funcid 870 "
    ":funcresulttype 25 :args ({VAR :varno 3 :varattno 2})} :resno 1 :resname lower}) :rowMarks "
    "<>})";

std::string with(std::string_view piece) {
    return "({QUERY :targetList ({TARGETENTRY :expr " + std::string(piece) + "})})";
}

TEST(NodeTree, TellsWhatAViewStandsOn) {
    const auto tree = read_node_tree(of_a_view);
    EXPECT_TRUE(tree.is_understood);
    EXPECT_FALSE(tree.locks || tree.reads_moment);
    EXPECT_EQ(tree.relations, (std::vector<oid>{16390, 16410}));
    EXPECT_EQ(tree.functions, std::vector<oid>{870});
    EXPECT_TRUE(tree.operators.empty()) << "PostgreSQL's own";
}

TEST(NodeTree, FindsFunctionsOfEveryKind) {
    EXPECT_EQ(read_node_tree(with("{AGGREF :aggfnoid 2803}")).functions, std::vector<oid>{2803});
    EXPECT_EQ(
        read_node_tree(with("{WINDOWFUNC :winfnoid 3100}")).functions, std::vector<oid>{3100}
    );
    EXPECT_EQ(
        read_node_tree(with("{FUNCEXPR :funcid 9 :args ({FUNCEXPR :funcid 8} {FUNCEXPR :funcid 9})}"
                       ))
            .functions,
        (std::vector<oid>{8, 9})
    );
}

TEST(NodeTree, FindsUsersOperatorsOfEveryKind) {
    for (const char* piece :
         {"{OPEXPR :opno 16500}",
          "{SCALARARRAYOPEXPR :opno 16500 :useOr true}",
          "{SORTGROUPCLAUSE :tleSortGroupRef 1 :eqop 96 :sortop 16500}",
          "{SORTGROUPCLAUSE :tleSortGroupRef 1 :eqop 16500 :sortop 97}",
          "{ROWCOMPAREEXPR :rctype 1 :opnos (o 97 16500)}"}) {
        const auto tree = read_node_tree(with(piece));
        EXPECT_TRUE(tree.is_understood) << piece;
        EXPECT_EQ(tree.operators, std::vector<oid>{16500}) << piece;
    }
}

TEST(NodeTree, SeesLocksAndMoments) {
    EXPECT_TRUE(read_node_tree("{QUERY :hasForUpdate true}").locks);
    EXPECT_TRUE(read_node_tree("{QUERY :rowMarks ({ROWMARKCLAUSE :rti 1})}").locks);
    for (const int op : {0, 3, 7, 8, 13, 14})
        EXPECT_TRUE(
            read_node_tree(with("{SQLVALUEFUNCTION :op " + std::to_string(op) + "}")).reads_moment
        );
    for (const int op : {9, 10, 11, 12}) {
        const auto tree = read_node_tree(with("{SQLVALUEFUNCTION :op " + std::to_string(op) + "}"));
        EXPECT_TRUE(tree.reads_identity);
        EXPECT_FALSE(tree.reads_moment);
    }
}

TEST(NodeTree, DoesNotUnderstandWhatNobodyHasJudged) {
    for (const char* piece :
         {"{XMLEXPR :op 0}",
          "{NEXTVALUEEXPR :seqid 16400}",
          "{TABLESAMPLECLAUSE :tsmhandler 3313}",
          "{COERCETODOMAIN :resulttype 16600}",
          "{JSONEXPR :op 0}",
          "{VAR :varno 1 :varattno -1}",
          "{VAR :varno 1 :varattno}",
          "{FUNCEXPR :funcid x}",
          "{FUNCEXPR :funcid -3}",
          "{RELABELTYPE :arg {VAR :varno 1 :varattno 1} :resulttype 2205}",
          "{ROWCOMPAREEXPR :opnos 97}",
          "{ROWCOMPAREEXPR :opnos (o 97",
          "{"}) {
        EXPECT_FALSE(read_node_tree(with(piece)).is_understood) << piece;
    }
    EXPECT_FALSE(read_node_tree("").is_understood);
    EXPECT_TRUE(read_node_tree("<> <>").is_understood) << "a rule that does nothing";
}

TEST(NodeTree, ATextBecomesAMomentByTheClock) {
    const auto cast_to = [](int type) {
        return with(
            "{COERCEVIAIO :arg {FUNCEXPR :funcid 870 :args ({VAR :varattno 1})} :resulttype " +
            std::to_string(type) + " :coerceformat 1}"
        );
    };
    EXPECT_TRUE(read_node_tree(cast_to(25)).is_understood);
    EXPECT_TRUE(read_node_tree(cast_to(23)).is_understood);
    for (const int type : {1082, 1083, 1114, 1184, 1186, 1266, 1182, 2249, 16600})
        EXPECT_FALSE(read_node_tree(cast_to(type)).is_understood) << type;
    EXPECT_TRUE(read_node_tree(with("{RELABELTYPE :resulttype 1114}")).is_understood);
}

TEST(NodeTree, NamesThatLookLikeFieldsHideNothing) {
    const auto tree = read_node_tree(
        "{QUERY :rtable ({RTE :eref {ALIAS :aliasname :relid :colnames (\":funcid\" \"a\\ b\")} "
        ":relid 16390})}"
    );
    EXPECT_FALSE(tree.is_understood);
    EXPECT_EQ(tree.relations, std::vector<oid>{16390});
    EXPECT_TRUE(read_node_tree("{ALIAS :aliasname \\{XMLEXPR\\ :colnames <>}").is_understood);
}

TEST(NodeTree, ItsDigestIsOfAllOfIt) {
    EXPECT_NE(
        read_node_tree(with("{CONST :constvalue 4 [ 1 0 0 0 ]}")).digest,
        read_node_tree(with("{CONST :constvalue 4 [ 2 0 0 0 ]}")).digest
    );
}

}  // namespace
}  // namespace weir::querycache

// Which texts share a skeleton and thus facts, and which must not.
#include "querycache/sql/lexer.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>

namespace weir::querycache::sql {
namespace {

std::string skeleton_of(std::string_view text) {
    lexer reader;
    reader.run(text);
    return std::string{reader.skeleton()};
}

using pair_of_texts = std::pair<std::string_view, std::string_view>;

TEST(SkeletonSharing, HoldsForLiteralsCommentsCaseAndSpace) {
    for (const auto& [one, other] :
         {pair_of_texts{"SELECT 1", "select 42"},
          pair_of_texts{"SELECT 'a'", "SELECT E'\\'b'"},
          pair_of_texts{"SELECT $$a$$", "SELECT 'b'"},
          pair_of_texts{"SELECT 1.5", "SELECT 99999999999"},
          pair_of_texts{"SELECT a FROM t -- x", "SELECT/**/a\nFROM\tt"},
          pair_of_texts{"SELECT a=1", "SELECT a = 2"},
          pair_of_texts{"SELECT f( a )", "SELECT F(a)"},
          pair_of_texts{"SELECT -1", "SELECT - 5"},
          pair_of_texts{"SELECT 'now'", "SELECT 'then'"},
          pair_of_texts{"/* pgweir: nocache */ SELECT 1", "SELECT 1"},
          pair_of_texts{"SELECT interval '1' day", "SELECT INTERVAL '2' DAY"},
          pair_of_texts{"SELECT float(53) LIMIT 10", "SELECT float(1) LIMIT 20"}}) {
        EXPECT_EQ(skeleton_of(one), skeleton_of(other)) << one << " | " << other;
    }
}

TEST(SkeletonSharing, NeverJoinsTextsWithDifferentFacts) {
    for (const auto& [one, other] :
         {pair_of_texts{"SELECT 1", "SELECT '1'"},
          pair_of_texts{"SELECT 1", "SELECT 1.0"},
          pair_of_texts{"SELECT NULL", "SELECT ''"},
          pair_of_texts{"SELECT TRUE", "SELECT FALSE"},
          pair_of_texts{"SELECT t FROM a", "SELECT \"T\" FROM a"},
          pair_of_texts{"SELECT \"T\"", "SELECT \"t\""},
          pair_of_texts{"SELECT $1", "SELECT $2"},
          pair_of_texts{"SELECT a < = b", "SELECT a <= b"},
          pair_of_texts{"SELECT a - - b", "SELECT a -- b"},
          pair_of_texts{"SELECT a b", "SELECT ab"},
          pair_of_texts{"SELECT 1", "SELECT -1"},
          pair_of_texts{"SELECT B'1'", "SELECT '1'"},
          pair_of_texts{"SELECT X'1'", "SELECT B'1'"},
          pair_of_texts{"SELECT b'1'", "SELECT b '1'"},
          pair_of_texts{"SELECT N'1'", "SELECT '1'"},
          pair_of_texts{"SELECT 'a' 'b'", "SELECT 'a'\n'b'"},
          pair_of_texts{"SELECT (1)", "SELECT 1"},
          pair_of_texts{"SET x = 1", "SET x = 2"},
          pair_of_texts{"SET x = 'a'", "SET x = 'b'"},
          pair_of_texts{"SELECT set_config('a','b',true)", "SELECT set_config('a','c',true)"},
          pair_of_texts{"EXPLAIN (ANALYZE 0) SELECT 1", "EXPLAIN (ANALYZE 1) SELECT 1"},
          pair_of_texts{"PREPARE TRANSACTION 'a'", "PREPARE TRANSACTION 'b'"},
          pair_of_texts{"ROLLBACK PREPARED 'a'", "ROLLBACK PREPARED 'b'"},
          pair_of_texts{"SELECT U&\"!0061\" UESCAPE '!'", "SELECT U&\"!0061\" UESCAPE '#'"},
          pair_of_texts{"SELECT a FROM t", "SELECT a FROM t;"},
          pair_of_texts{"a .. b", "a . . b"},
          pair_of_texts{"a :: b", "a : : b"},
          pair_of_texts{"a. 5", "a.5"},
          pair_of_texts{"SELECT a.b", "SELECT a b"},
          pair_of_texts{"SELECT '' || DELETE", "SELECT ''; DELETE"}}) {
        EXPECT_NE(skeleton_of(one), skeleton_of(other)) << one << " | " << other;
    }
}

}  // namespace
}  // namespace weir::querycache::sql

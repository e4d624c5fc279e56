#include "daemon/session/statement_facts.hpp"

#include "querycache/sql/lexed_statement.hpp"

#include <gtest/gtest.h>

namespace weir::daemon {
namespace {

using names = std::vector<std::string>;

TEST(DeallocatedNames, OfPlainStatements) {
    EXPECT_EQ(deallocated_names("DEALLOCATE a"), names{"a"});
    EXPECT_EQ(deallocated_names("deallocate PREPARE A ;"), names{"a"});
    EXPECT_EQ(deallocated_names("DEALLOCATE \"A b;c\""), names{"A b;c"});
    EXPECT_EQ(deallocated_names("DEALLOCATE\"x\""), names{"x"});
    EXPECT_EQ(deallocated_names("DEALLOCATE prepare"), names{"prepare"});
    EXPECT_EQ(deallocated_names("DEALLOCATE \"a\"\"b\""), names{"a\"b"});
    EXPECT_EQ(deallocated_names("DEALLOCATE \"\"\"\"\"\""), names{"\"\""});
    EXPECT_EQ(deallocated_names("/* x */ DEALLOCATE /* /* y */ */ a -- z"), names{"a"});
    EXPECT_EQ(deallocated_names("-- x\nDEALLOCATE a; -- y\n DEALLOCATE b"), (names{"a", "b"}));
    EXPECT_EQ(
        deallocated_names(";deallocate b;\n DEALLOCATE PREPARE c;;deallocate prepare"),
        (names{"b", "c", "prepare"})
    );
}

TEST(DeallocatedNames, OfNothingElse) {
    for (const auto* text :
         {"",
          "DEALLOCATE",
          "DEALLOCATE ALL",
          "DEALLOCATE PREPARE ALL",
          "DEALLOCATE a b",
          "DEALLOCATE a; SELECT 1",
          "DEALLOCATE /* a",
          "DEALLOCATE /* /* */ a",
          "DEALLOCATE \"a",
          "DEALLOCATE \"\"",
          "DEALLOCATE \"a\"\"b",
          "DEALLOCATE \"\"\"",
          "DEALLOCATE a \"b\"",
          "DEALLOCATE U&\"a\"",
          "DEALLOCATE -- a",
          "SELECT 1"}) {
        EXPECT_EQ(deallocated_names(text), names{}) << text;
    }
}

TEST(LeavesBlockOpen, WhenTheTextEndsInsideABlock) {
    for (const auto* text :
         {"BEGIN",
          "begin work",
          "START TRANSACTION ISOLATION LEVEL SERIALIZABLE",
          "BEGIN; SELECT 1",
          "SELECT 1; BEGIN;",
          "BEGIN; COMMIT; BEGIN",
          "BEGIN; SAVEPOINT a; ROLLBACK TO a",
          "BEGIN; COMMIT AND CHAIN",
          "BEGIN; ROLLBACK AND CHAIN; SELECT 1"}) {
        EXPECT_TRUE(leaves_block_open(*querycache::sql::lex_statement(text))) << text;
    }
}

TEST(LeavesBlockOpen, NotWhenItEndsWhatItBegins) {
    for (const auto* text :
         {"",
          "SELECT 'BEGIN'",
          "BEGIN; SELECT 1; COMMIT",
          "BEGIN; SELECT 1; END;",
          "START TRANSACTION; ROLLBACK",
          "BEGIN; ABORT",
          "BEGIN; COMMIT AND CHAIN; COMMIT",
          "BEGIN; PREPARE TRANSACTION 'a'",
          "COMMIT",
          "SAVEPOINT a",
          "SET x = 1",
          "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END"}) {
        EXPECT_FALSE(leaves_block_open(*querycache::sql::lex_statement(text))) << text;
    }
}

}  // namespace
}  // namespace weir::daemon

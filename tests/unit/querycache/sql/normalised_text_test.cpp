#include "querycache/sql/lexed_statement.hpp"

#include <gtest/gtest.h>

namespace weir::querycache::sql {
namespace {

std::string normalised(std::string_view text) {
    return lex_statement(text)->normalised;
}

TEST(NormalisedText, NumbersConstants) {
    EXPECT_EQ(
        normalised("SELECT a FROM t WHERE b = 'x' AND c < 5"),
        "select a from t where b = $1 and c < $2"
    );
    EXPECT_EQ(normalised("SELECT B'1', 2.5, N'x'"), "select $1, $2, $3");
}

TEST(NormalisedText, NumbersOnFromTheHighestParameter) {
    EXPECT_EQ(normalised("SELECT $2, 'x', $1, 7"), "select $2, $3, $1, $4");
    EXPECT_EQ(normalised("SELECT $99999999999, 1"), "select $99999999999, $65536");
}

TEST(NormalisedText, ShowsNoValueOfALiteralSensitiveText) {
    EXPECT_EQ(normalised("SET app.secret = 'hunter2'"), "set app.secret = $1");
    EXPECT_EQ(
        normalised("SELECT set_config('a', 'hunter2', true)"), "select set_config($1, $2, true)"
    );
    EXPECT_EQ(normalised("PREPARE TRANSACTION 'g'"), "prepare transaction $1");
}

TEST(NormalisedText, LeavesOutCommentsAndSpace) {
    EXPECT_EQ(normalised("/* x */ SELECT\n\n 1 -- y"), "select $1");
}

TEST(NormalisedText, HidesTheMarkOfMalformedTexts) {
    EXPECT_EQ(normalised("SELECT 'a"), "select ?");
}

}  // namespace
}  // namespace weir::querycache::sql

#include "daemon/session/statement_names.hpp"

#include "pool/errc.hpp"

#include <gtest/gtest.h>

#include <string_view>

namespace weir::daemon {
namespace {

using pool::change_outcome;

pool::client_statement statement(std::string_view text) {
    return {pool::make_unnamed_statement(text, {}, 0), nullptr};
}
std::string_view text_of(const pool::client_statement* found) {
    return found == nullptr ? std::string_view{} : std::string_view{found->statement->text};
}

TEST(StatementNames, AreSettledInTheOrderOfRequests) {
    statement_names names;
    const change_tag first = names.next_tag();
    EXPECT_FALSE(names.parse(first, "a", statement("SELECT 1")));
    EXPECT_EQ(text_of(names.find("a")), "SELECT 1");
    EXPECT_FALSE(names.in_doubt("a"));  // an error would take the rest of the segment with it
    names.end_segment();
    EXPECT_TRUE(names.in_doubt("a"));
    names.resolve(first, change_outcome::failed);
    EXPECT_EQ(names.find("a"), nullptr);
    EXPECT_FALSE(names.in_doubt("a"));
}

TEST(StatementNames, ChangeAtOnceWhereNoServerIsAsked) {
    statement_names names;
    EXPECT_FALSE(names.parse_here("a", statement("SELECT 1")));
    names.end_segment();
    EXPECT_FALSE(names.in_doubt("a"));
    EXPECT_EQ(names.parse_here("a", statement("SELECT 2")), pool::errc::duplicate_statement);
    EXPECT_EQ(text_of(names.find("a")), "SELECT 1");
    names.close_here("a");
    EXPECT_EQ(names.find("a"), nullptr);
    names.close_here("a");  // no error in PostgreSQL either
}

TEST(StatementNames, AServerThatJudgesNamesMayReplaceOne) {
    statement_names names;
    EXPECT_FALSE(names.parse_here("a", statement("SELECT 1")));
    const change_tag tag = names.next_tag();
    names.parse_over(tag, "a", statement("SELECT 2"));
    names.resolve(tag, change_outcome::succeeded);
    EXPECT_EQ(text_of(names.find("a")), "SELECT 2");
}

TEST(StatementNames, AServersNameIsForeignUnlessTheClientHasGivenIt) {
    statement_names names;
    EXPECT_FALSE(names.is_foreign("a"));
    EXPECT_TRUE(names.is_foreign("pgweir_1"));
    EXPECT_FALSE(names.parse_here("pgweir_1", statement("SELECT 1")));
    EXPECT_FALSE(names.is_foreign("pgweir_1"));
}

TEST(StatementNames, AQueryTakesTheUnnamedStatementAway) {
    statement_names names;
    EXPECT_FALSE(names.parse_here("", statement("SELECT 1")));
    names.query(names.next_tag());
    EXPECT_EQ(names.find(""), nullptr);
}

TEST(StatementNames, NoServerHasAnUnnamedStatementThatThereIsNot) {
    statement_names names;
    EXPECT_FALSE(names.is_unnamed(0));
}

TEST(StatementNames, TheUnnamedStatementHasANumberOfItsOwn) {
    statement_names names;
    statement_names other;
    const auto number = names.number_unnamed();
    EXPECT_EQ(names.number_unnamed(), number);
    EXPECT_TRUE(names.is_unnamed(number));
    EXPECT_FALSE(other.is_unnamed(number));
    EXPECT_NE(other.renew_unnamed(), number);
    EXPECT_NE(names.renew_unnamed(), number);
    EXPECT_FALSE(names.is_unnamed(number));
}

TEST(StatementNames, AnUnnamedParseWithoutAServerIsAnotherStatement) {
    statement_names names;
    const auto number = names.renew_unnamed();
    EXPECT_FALSE(names.parse_here("a", statement("SELECT 1")));
    EXPECT_TRUE(names.is_unnamed(number));
    EXPECT_FALSE(names.parse_here("", statement("SELECT 1")));
    EXPECT_FALSE(names.is_unnamed(number));
}

}  // namespace
}  // namespace weir::daemon

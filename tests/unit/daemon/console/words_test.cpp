#include "daemon/console/words.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::console {
namespace {

std::vector<statement_words> split(std::string_view text) {
    auto result = split_statements(text);
    EXPECT_TRUE(std::holds_alternative<std::vector<statement_words>>(result)) << text;
    auto* const found = std::get_if<0>(&result);
    return found != nullptr ? std::move(*found) : std::vector<statement_words>{};
}

/// The words of the only statement, with a bar between.
std::string words_of(std::string_view text) {
    const auto statements = split(text);
    EXPECT_EQ(statements.size(), 1U) << text;
    std::string all;
    for (const auto& one : statements.at(0).words)
        all += (all.empty() ? "" : "|") + one.text;
    return all;
}

TEST(SplitStatements, TakesWordsAtWhiteSpace) {
    EXPECT_EQ(words_of("  SHOW\n\tPools  "), "SHOW|Pools");
}

TEST(SplitStatements, FoldsOnlyWhatIsNotQuoted) {
    const auto words = split("pause \"My Db\"").at(0).words;
    EXPECT_TRUE(words[0].is("pause"));
    EXPECT_EQ(words[1].folded, "My Db");
    EXPECT_FALSE(words[1].is("My Db"));
    EXPECT_EQ(split("PAUSE MyDb").at(0).words[1].folded, "mydb");
    EXPECT_EQ(split("PAUSE MyDb").at(0).words[1].text, "MyDb");
}

TEST(SplitStatements, KeepsQuotedPartsTogether) {
    EXPECT_EQ(words_of("INVALIDATE TABLE \"Odd\".\"na\"\"me\""), "INVALIDATE|TABLE|Odd.na\"me");
    EXPECT_EQ(words_of("PAUSE my-db.x"), "PAUSE|my-db.x");
}

TEST(SplitStatements, MakesSignsWordsOfTheirOwn) {
    EXPECT_EQ(words_of("set a=b"), "set|a|=|b");
    EXPECT_EQ(words_of("select version()"), "select|version|(|)");
}

TEST(SplitStatements, EndsStatementsAtSemicolons) {
    const auto statements = split("SHOW POOLS; ;SHOW VERSION;");
    ASSERT_EQ(statements.size(), 2U);
    EXPECT_EQ(statements[0].text, "SHOW POOLS");
    EXPECT_EQ(statements[1].text, "SHOW VERSION");
    EXPECT_EQ(statements[1].words[1].begin, 5U);
}

TEST(SplitStatements, FindsNothingInNothing) {
    EXPECT_TRUE(split("").empty());
    EXPECT_TRUE(split(" ;; -- only a comment").empty());
}

TEST(SplitStatements, LeavesSemicolonsInsideOfQuotesAndComments) {
    EXPECT_EQ(
        split("explain cache select ';', \";\", $$;$$, $a$;$$;$a$, E'\\';' -- ;\n /* ; /* ; */ ; */"
        )
            .size(),
        1U
    );
}

TEST(SplitStatements, DropsComments) {
    EXPECT_EQ(words_of("SHOW/* a /* b */ c */POOLS -- all"), "SHOW|POOLS");
}

TEST(SplitStatements, TellsParametersAndNamesFromDollarQuotes) {
    EXPECT_EQ(words_of("a $1 b$c$d $12$"), "a|$1|b$c$d|$12$");
}

TEST(SplitStatements, RefusesWhatDoesNotEnd) {
    for (const auto* text :
         {"SHOW 'x", "SHOW \"x", "SHOW /* x", "SHOW $$x", "SHOW $a$x$$", "'x\\"}) {
        const auto result = split_statements(text);
        const auto* const error = std::get_if<client_error>(&result);
        ASSERT_NE(error, nullptr) << text;
        EXPECT_EQ(error->sqlstate, "42601");
        EXPECT_FALSE(error->hint.empty());
    }
}

TEST(SplitStatements, EndsForEveryPrefixOfAText) {
    const std::string text =
        "EXPLAIN CACHE select $a$;$a$, E'\\'', \"q\"\"q\" /* c /* d */ */ -- e\n; x";
    for (std::size_t size = 0; size <= text.size(); ++size) {
        const auto result = split_statements(std::string_view{text}.substr(0, size));
        if (const auto* const all = std::get_if<0>(&result)) {
            EXPECT_LE(all->size(), 2U);
        }
    }
}

}  // namespace
}  // namespace weir::daemon::console

// Properties that hold for every text: random token soup and random bytes.
#include "querycache/sql/lexed_statement.hpp"
#include "querycache/sql/lexer.hpp"
#include "querycache/sql/parser.hpp"
#include "querycache/sql/tokens.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace weir::querycache::sql {
namespace {

const std::vector<std::string_view> pieces{
    "select",   "FROM",        "t",         "a.b",        "\"Q\"\"x\"", "'str'",   "'it''s'",
    "E'\\''",   "$$x$$",       "$t$ y $t$", "1",          "2.5",        ".5",      "1.",
    "1..2",     "99999999999", "$1",        "(",          ")",          "[",       "]",
    ",",        ";",           ".",         "::",         ":",          ":=",      "..",
    "-",        "+",           "*",         "->>",        "<=",         "<",       "=",
    "!",        "@-",          "/",         "--c\n",      "/*c*/",      "/*",      "*/",
    "b'1'",     "b",           "x'f'",      "n'n'",       "u&'x'",      "u&\"i\"", "u",
    "&",        "set",         "case",      "end",        "and",        "not",     "union",
    "join",     "explain",     "prepare",   "set_config", "uescape",    "\n",      "\t",
    "'",        "\"",          "$",         "$a",         "$a$",        "\\",      "12ab",
    "\xC3\xA4", "\xFF",        "into",      "with",       "begin",      "atomic",  "create",
    "commit",   "prepared",    "temp",
};

std::string soup(std::mt19937& random, std::size_t length) {
    std::string text;
    for (std::size_t i = 0; i < length; ++i) {
        text += pieces[random() % pieces.size()];
        if (random() % 2 == 0) text += ' ';
    }
    return text;
}

TEST(LexerProperty, SkeletonOfAWellFormedSkeletonIsItself) {
    std::mt19937 random{4711};
    lexer reader;
    lexer again;
    int well_formed = 0;
    for (int round = 0; round < 60'000; ++round) {
        const std::string text = soup(random, 1 + random() % 8);
        if (reader.run(text).malformed) continue;
        ++well_formed;
        again.run(reader.skeleton());
        ASSERT_EQ(again.skeleton(), reader.skeleton()) << text;
    }
    EXPECT_GT(well_formed, 10'000);
}

TEST(LexerProperty, TokensOfTextAndSkeletonAgree) {
    std::mt19937 random{815};
    lexer reader;
    for (int round = 0; round < 20'000; ++round) {
        const std::string text = soup(random, 1 + random() % 12);
        const lexed facts = reader.run(text);
        if (facts.malformed) continue;
        const token_list tokens{reader.skeleton()};
        ASSERT_EQ(tokens.size(), facts.tokens) << text;
        std::string joined;
        for (std::size_t i = 0; i < tokens.size(); ++i) {
            joined += tokens.text(i);
        }
        std::string without_spaces;
        for (std::size_t i = 0; i < tokens.size(); ++i) {
            const std::size_t end =
                i + 1 < tokens.size() ? tokens[i + 1].offset : tokens.skeleton().size();
            ASSERT_LE(tokens[i].offset + tokens[i].size, end);
            ASSERT_LE(end - tokens[i].offset - tokens[i].size, 1U)
                << "at most one blank between tokens";
            without_spaces += tokens.text(i);
        }
        ASSERT_EQ(joined, without_spaces);
    }
}

TEST(LexerProperty, RandomBytesNeverReadOutside) {
    std::mt19937 random{99};
    lexer reader;
    for (int round = 0; round < 20'000; ++round) {
        // On the heap and exactly as long as the text, so that a sanitizer sees one byte too many.
        std::vector<char> bytes(random() % 40);
        for (char& byte : bytes) {
            byte = static_cast<char>(
                random() % 4 == 0 ? random()
                                  : std::string_view{"'\"$-/*eEuU&.:1a \n\\"}[random() % 17]
            );
        }
        const lexed& facts = reader.run({bytes.data(), bytes.size()});
        ASSERT_LE(facts.tokens, 2 * bytes.size() + 2);
    }
}

TEST(LexerProperty, EveryPrefixOfAStatementIsRead) {
    const std::string text =
        "SELECT a.\"b\", 'it''s', E'\\'', $x$ y $x$, 1.5e-3, U&'\\0041' /* /* c */ */ FROM t -- "
        "end\n WHERE a->>'k' = $1";
    lexer reader;
    for (std::size_t length = 0; length <= text.size(); ++length) {
        const std::vector<char> prefix(
            text.begin(), text.begin() + static_cast<std::ptrdiff_t>(length)
        );
        const lexed& facts = reader.run({prefix.data(), prefix.size()});
        ASSERT_LE(facts.tokens, length + 1);
    }
    EXPECT_FALSE(reader.run(text).malformed);
}

TEST(LexerProperty, FactsOfAnyTextAreSafe) {
    std::mt19937 random{7};
    for (int round = 0; round < 3000; ++round) {
        const std::string text = soup(random, 1 + random() % 15);
        const auto lexed_facts = lex_statement(text);
        ASSERT_TRUE(lexed_facts->kind < statement_class::write || lexed_facts->writes_unknown)
            << text;
        const auto facts = parse_statement(text);
        ASSERT_TRUE(facts->parsed);
        ASSERT_TRUE(facts->kind != statement_class::unknown || facts->writes_unknown) << text;
    }
}

}  // namespace
}  // namespace weir::querycache::sql

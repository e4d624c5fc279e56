#include "querycache/sql/lexer.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace weir::querycache::sql {
namespace {

struct skeleton_case {
    std::string_view text;
    std::string_view skeleton;
};

std::string skeleton_of(std::string_view text) {
    lexer reader;
    reader.run(text);
    return std::string{reader.skeleton()};
}

lexed facts_of(std::string_view text) {
    lexer reader;
    return reader.run(text);
}

class skeleton_of_text : public testing::TestWithParam<skeleton_case> {};

TEST_P(skeleton_of_text, IsAsExpected) {
    EXPECT_EQ(skeleton_of(GetParam().text), GetParam().skeleton) << GetParam().text;
    EXPECT_FALSE(facts_of(GetParam().text).malformed) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    Words,
    skeleton_of_text,
    testing::Values(
        skeleton_case{"", ""},
        skeleton_case{"  \t\r\n\f ", ""},
        skeleton_case{"SELECT", "select"},
        skeleton_case{"Select A_1$b", "select a_1$b"},
        skeleton_case{"\"A b\"", "\"A b\""},
        skeleton_case{"\"a\"\"b\"", "\"a\"\"b\""},
        skeleton_case{"a.b", "a.b"},
        skeleton_case{"a . b", "a.b"},
        skeleton_case{"t.*", "t.*"},
        skeleton_case{"\xC3\x84x", "\xC3\x84x"},
        skeleton_case{"U&\"d\\0061t\"", "u&\"d\\0061t\""},
        skeleton_case{"u & \"x\"", "u & \"x\""},
        skeleton_case{"TRUE false NULL", "true false null"}
    )
);

INSTANTIATE_TEST_SUITE_P(
    Strings,
    skeleton_of_text,
    testing::Values(
        skeleton_case{"'a'", "''"},
        skeleton_case{"''", "''"},
        skeleton_case{"'it''s'", "''"},
        skeleton_case{"'a\\'", "''"},
        skeleton_case{"E'\\''", "''"},
        skeleton_case{"e'a\\\\'", "''"},
        skeleton_case{"E'a''b\\'c'", "''"},
        skeleton_case{"B'01'", "b''"},
        skeleton_case{"x'1F'", "x''"},
        skeleton_case{"N'x'", "n''"},
        skeleton_case{"U&'\\0041'", "u&''"},
        skeleton_case{"b '01'", "b ''"},
        skeleton_case{"$$a$$", "''"},
        skeleton_case{"$tag$ $$ 'x' $tag$", "''"},
        skeleton_case{"$a$ $b$ $a$", "''"},
        skeleton_case{"$\xC3\xA4$x$\xC3\xA4$", "''"},
        skeleton_case{"'a'\n'b'", "''"},
        skeleton_case{"'a' -- c\n 'b'", "''"},
        skeleton_case{"'a' 'b'", "'' ''"},
        skeleton_case{"'a' /* \n */ 'b'", "'' ''"},
        skeleton_case{"'-- no comment'", "''"},
        skeleton_case{"'/* none'", "''"},
        skeleton_case{"'a'::text", "''::text"}
    )
);

INSTANTIATE_TEST_SUITE_P(
    Numbers,
    skeleton_of_text,
    testing::Values(
        skeleton_case{"1", "0"},
        skeleton_case{"2147483647", "0"},
        skeleton_case{"2147483648", "0.0"},
        skeleton_case{"0000000000001", "0"},
        skeleton_case{"1.5", "0.0"},
        skeleton_case{".5", "0.0"},
        skeleton_case{"1.", "0.0"},
        skeleton_case{"1e3", "0.0"},
        skeleton_case{"1E-3", "0.0"},
        skeleton_case{"1.5e+3", "0.0"},
        skeleton_case{"1..2", "0 .. 0"},
        skeleton_case{"a[1:2]", "a[0 : 0]"},
        skeleton_case{"a.5", "a 0.0"},
        skeleton_case{"$1", "$1"},
        skeleton_case{"$12::int", "$12::int"},
        skeleton_case{"($1)", "($1)"}
    )
);

INSTANTIATE_TEST_SUITE_P(
    Operators,
    skeleton_of_text,
    testing::Values(
        skeleton_case{"1-1", "0 - 0"},
        skeleton_case{"1 -1", "0 - 0"},
        skeleton_case{"1--1", "0"},
        skeleton_case{"1- -1", "0 - - 0"},
        skeleton_case{"a=-1", "a = - 0"},
        skeleton_case{"a@-1", "a @- 0"},
        skeleton_case{"a<>b", "a <> b"},
        skeleton_case{"a!=b", "a != b"},
        skeleton_case{"a < = b", "a < = b"},
        skeleton_case{"a<=b", "a <= b"},
        skeleton_case{"a->>'b'", "a ->> ''"},
        skeleton_case{"a#>>'{b}'", "a #>> ''"},
        skeleton_case{"a?'b'", "a ? ''"},
        skeleton_case{"a*/*c*/b", "a * b"},
        skeleton_case{"a+--c\nb", "a + b"},
        skeleton_case{"a*-1", "a * - 0"},
        skeleton_case{"a||b", "a || b"},
        skeleton_case{"a::int", "a::int"},
        skeleton_case{"a : : b", "a : : b"},
        skeleton_case{"f(a=>1)", "f(a => 0)"},
        skeleton_case{"a:=1", "a := 0"}
    )
);

INSTANTIATE_TEST_SUITE_P(
    Spacing,
    skeleton_of_text,
    testing::Values(
        skeleton_case{"SELECT count ( * ) FROM t", "select count(*) from t"},
        skeleton_case{"x IN(1,2 , 3)", "x in (0, 0, 0)"},
        skeleton_case{"(a,b)=(1,2)", "(a, b) = (0, 0)"},
        skeleton_case{"SELECT 1;", "select 0;"},
        skeleton_case{"a;b", "a; b"},
        skeleton_case{"ARRAY[1,2]", "array[0, 0]"},
        skeleton_case{"(a).b", "(a).b"}
    )
);

INSTANTIATE_TEST_SUITE_P(
    Comments,
    skeleton_of_text,
    testing::Values(
        skeleton_case{"a/*x*/b", "a b"},
        skeleton_case{"a/* /* n */ */b", "a b"},
        skeleton_case{"a--x", "a"},
        skeleton_case{"a--x\nb", "a b"},
        skeleton_case{"a--x\rb", "a b"},
        skeleton_case{"/*'*/a", "a"},
        skeleton_case{"/**/a", "a"},
        skeleton_case{"--\n--\na", "a"}
    )
);

TEST(Lexer, MarksWhatPostgreSqlRejects) {
    for (const std::string_view text :
         {"'a",
          "E'a\\'",
          "$$a",
          "$a$ $b$",
          "/* a",
          "/* /* */",
          "\"a",
          "\"\"",
          "12ab",
          "0x1F",
          "1_000",
          "1e",
          "1ee",
          "$1a",
          "\\",
          "{",
          "}",
          "a $ b",
          "a\vb"}) {
        EXPECT_TRUE(facts_of(text).malformed) << text;
    }
    EXPECT_TRUE(facts_of(std::string_view{"a\0b", 3}).malformed);
}

TEST(Lexer, KeepsMalformedTextsApart) {
    EXPECT_NE(skeleton_of("SELECT 12ab"), skeleton_of("SELECT 12 ab"));
    EXPECT_NE(skeleton_of("SELECT 'a"), skeleton_of("SELECT "));
    EXPECT_NE(skeleton_of("SELECT 1 /* a"), skeleton_of("SELECT 1"));
}

TEST(Lexer, TellsInvalidUtf8) {
    EXPECT_FALSE(facts_of("SELECT '\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x90\x98'").invalid_utf8);
    for (const std::string_view bytes :
         {"\xFF",
          "\xC3",
          "\xC0\x80",
          "\xE0\x80\x80",
          "\xED\xA0\x80",
          "\xF4\x90\x80\x80",
          "\x80",
          "\xE2\x82",
          "\xF5\x80\x80\x80"}) {
        EXPECT_TRUE(facts_of(std::string{"SELECT 'abcdefgh'"} + std::string{bytes}).invalid_utf8);
    }
}

TEST(Lexer, FlagsClockWordsInEveryKindOfString) {
    for (const std::string_view text :
         {"SELECT 'now'",
          "SELECT 'NOW'::timestamp(0)",
          "SELECT date ' Today '",
          "SELECT E'tomorrow'",
          "SELECT $$yesterday$$",
          "SELECT $x$allballs$x$",
          "SELECT N'now'",
          "WHERE d = 'yesterday'",
          "SELECT 'today 12:00'",
          "SELECT 'Jan now'",
          "SELECT 'no'\n'w'",
          "SELECT U&'n\\006fw'",
          "SELECT E'n\\x6fw'",
          "SELECT E'n\\157w'",
          "SELECT E'no\\w'",
          "SELECT E'\\u006eow'"}) {
        EXPECT_TRUE(facts_of(text).has_clock_word) << text;
    }
    for (const std::string_view text :
         {"SELECT 'nowhere'",
          "SELECT now",
          "SELECT \"today\"",
          "SELECT 'epoch', 'infinity'",
          "SELECT ''",
          "SELECT 'known'",
          "/* now */ SELECT 1",
          "-- today\nSELECT 1",
          "SELECT E'a\\nb\\\\c\\'d'"}) {
        EXPECT_FALSE(facts_of(text).has_clock_word) << text;
    }
}

TEST(Lexer, KeepsLiteralsWhereFactsNeedThem) {
    EXPECT_EQ(skeleton_of("SET x = 'A b'"), "set x = 'A b'");
    EXPECT_EQ(skeleton_of("SELECT 1; SET x TO 5"), "select 1; set x to 5");
    EXPECT_EQ(skeleton_of("EXPLAIN (ANALYZE 0) SELECT 7"), "explain (analyze 0) select 7");
    EXPECT_EQ(
        skeleton_of("SELECT \"set_config\"('a', 'b', false)"),
        "select \"set_config\"('a', 'b', false)"
    );
    EXPECT_EQ(
        skeleton_of("SELECT U&\"set_config\"($1, 'b', false)"),
        "select u&\"set_config\"($1, 'b', false)"
    );
    EXPECT_EQ(
        skeleton_of("SELECT 'a', set_config('b', E'c\\'', $$d$$)"),
        "select 'a', set_config('b', E'c\\'', $$d$$)"
    );
    EXPECT_EQ(skeleton_of("COMMIT PREPARED 'g1'"), "commit prepared 'g1'");
    EXPECT_EQ(skeleton_of("SELECT U&\"d!0061\" UESCAPE '!'"), "select u&\"d!0061\" uescape '!'");
    EXPECT_EQ(skeleton_of("UPDATE t SET x = 5"), "update t set x = 0");
    EXPECT_TRUE(facts_of("PREPARE p AS SELECT 1").literal_sensitive);
    EXPECT_FALSE(facts_of("SELECT prepare FROM t").literal_sensitive);
}

TEST(Lexer, CountsTokens) {
    EXPECT_EQ(facts_of("SELECT a, 1").tokens, 4U);
    EXPECT_EQ(facts_of("SET x = 1").tokens, 4U) << "the second pass must not count again";
    EXPECT_TRUE(facts_of("a /**/").has_comments);
    EXPECT_FALSE(facts_of("a").has_comments);
}

TEST(Lexer, BoundsTheDepthOfTheTree) {
    const auto repeated =
        [](std::string_view head, std::string_view part, int times, std::string_view tail) {
            std::string text{head};
            for (int i = 0; i < times; ++i) {
                text += part;
            }
            return text + std::string{tail};
        };
    EXPECT_TRUE(facts_of(repeated("SELECT 1", "+1", 2000, "")).too_complex);
    EXPECT_FALSE(facts_of(repeated("SELECT 1", "+1", 500, "")).too_complex);
    EXPECT_TRUE(facts_of(repeated("SELECT ", "(", 501, "1")).too_complex);
    EXPECT_FALSE(facts_of(repeated("SELECT ", "(1),", 5000, "1")).too_complex)
        << "commas end a chain";
    EXPECT_FALSE(facts_of(repeated("SELECT 1 WHERE a=1", " OR (a=1 AND b=2)", 2000, "")).too_complex
    );
    EXPECT_TRUE(facts_of(repeated("SELECT 1", " UNION SELECT a, b", 1200, "")).too_complex);
    EXPECT_FALSE(
        facts_of(repeated("SELECT * FROM t", " UNION ALL SELECT * FROM t", 200, "")).too_complex
    );
    EXPECT_TRUE(facts_of(repeated("SELECT a", "::int", 1200, "")).too_complex);
    EXPECT_TRUE(facts_of(repeated("SELECT ", "NOT ", 1200, "a")).too_complex);
    EXPECT_TRUE(facts_of(repeated("SELECT ", "CASE WHEN a THEN ", 600, "b")).too_complex);
    EXPECT_TRUE(
        facts_of(repeated("SELECT ", "(", 400, "") + repeated("1", "+1", 700, "")).too_complex
    );
    EXPECT_TRUE(facts_of(repeated("SELECT ", "a,", 40'000, "a")).too_complex) << "tokens, bytes";
}

TEST(Lexer, DoesNotCallALongLiteralComplex) {
    const std::string text = "SELECT '" + std::string(200'000, 'x') + "'";
    EXPECT_FALSE(facts_of(text).too_complex);
    EXPECT_EQ(skeleton_of(text), "select ''");
}

TEST(Lexer, GivesBackTheBufferOfAGiantText) {
    lexer reader;
    std::string text = "SELECT 1";
    for (int i = 0; i < 300'000; ++i) {
        text += ", abc";
    }
    reader.run(text);
    EXPECT_EQ(reader.skeleton().size(), text.size());
    reader.run("SELECT 2");
    EXPECT_EQ(reader.skeleton(), "select 0");
}

TEST(Lexer, CanBeMoved) {
    lexer first;
    first.run("SELECT 1");
    lexer second = std::move(first);
    EXPECT_EQ(second.skeleton(), "select 0");
    second.run("SELECT 'a'");
    EXPECT_EQ(second.skeleton(), "select ''");
}

TEST(Lexer, ReasonsOfACallComeFromItsLiteralsAndComments) {
    EXPECT_EQ(call_reasons(facts_of("SELECT 1")), 0U);
    EXPECT_EQ(
        call_reasons(facts_of("/* pgweir: nocache */ SELECT 1")),
        reason_bit(text_reason::hint_nocache)
    );
    EXPECT_EQ(
        call_reasons(facts_of("/* pgweir: nocahe */ SELECT 1")),
        reason_bit(text_reason::hint_invalid)
    );
    EXPECT_EQ(call_reasons(facts_of("SELECT 'now'")), reason_bit(text_reason::clock_word));
    EXPECT_EQ(call_reasons(facts_of("SELECT '")), reason_bit(text_reason::parse_error));
}

TEST(KeyedHash, DependsOnKeyAndBytes) {
    hash_key one;
    hash_key other;
    for (std::size_t i = 0; i < one.secret.size(); ++i) {
        one.secret[i] = static_cast<unsigned char>(i * 7 + 3);
        other.secret[i] = static_cast<unsigned char>(i * 13 + 5);
    }
    EXPECT_EQ(keyed_hash("select 0", one), keyed_hash("select 0", one));
    EXPECT_FALSE(keyed_hash("select 0", one) == keyed_hash("select 0", other));
    EXPECT_FALSE(keyed_hash("select 0", one) == keyed_hash("select ''", one));
    const std::string large(5000, 'x');
    EXPECT_FALSE(keyed_hash(large, one) == keyed_hash(large, other));
}

TEST(Fingerprint, IsTheSameInEveryProcess) {
    EXPECT_EQ(fingerprint_of("select 0"), fingerprint_of("select 0"));
    // Published: a figure in a log must mean the same after an update.
    EXPECT_EQ(fingerprint_of(""), 0x2d06800538d394c2ULL);
}

}  // namespace
}  // namespace weir::querycache::sql

// Statements that are made to hurt who looks at them: they reach PostgreSQL as they are, are not
// kept, with a reason, and cost the daemon neither much memory nor the time of others.
#include "tests/integration/cache_traps_fixture.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace weir::test {
namespace {

constexpr std::size_t mib = 1U << 20U;

std::string repeated(std::string_view part, int times) {
    std::string text;
    for (int i = 0; i < times; ++i)
        text += part;
    return text;
}

class cache_traps_bad_input : public cache_traps {
protected:
    /// As PostgreSQL answers it, twice, and never from memory.
    std::string expect_bypass(std::string const& sql) {
        auto past = direct();
        auto const straight = past.execute(sql);
        std::string const wanted = straight.ok() ? straight.value(0, 0) : straight.sqlstate();
        std::string how;
        for (int turn = 0; turn < 2; ++turn) {
            auto const got = read(sql);
            EXPECT_EQ(got.value, wanted) << sql.substr(0, 60);
            EXPECT_NE(got.how, "hit") << sql.substr(0, 60);
            EXPECT_NE(got.how, "miss") << sql.substr(0, 60);
            how = got.how;
        }
        prove("SELECT v FROM t WHERE id = 1");  // others are served as before
        return how;
    }
};

TEST_F(cache_traps_bad_input, ChainsAndNests) {
    EXPECT_EQ(expect_bypass("SELECT v" + repeated(" + 1", 64'000) + " FROM t"), "too_complex");
    EXPECT_EQ(expect_bypass("SELECT v" + repeated(" || ''", 20'000) + " FROM t"), "too_complex");
    EXPECT_EQ(
        expect_bypass("SELECT " + repeated("(", 10'000) + "v" + repeated(")", 10'000) + " FROM t"),
        "too_complex"
    );
    EXPECT_EQ(
        expect_bypass("SELECT v FROM t" + repeated(" JOIN t ON true", 20'000)), "too_complex"
    );
}

TEST_F(cache_traps_bad_input, UnionsOfMany) {
    auto const sql = "SELECT v FROM t WHERE id = 1" +
                     repeated(" UNION ALL SELECT v FROM t WHERE id = 1", 200) + " LIMIT 1";
    auto const wanted = truth(sql);
    for (int turn = 0; turn < 3; ++turn)
        EXPECT_EQ(read(sql).value, wanted);
    writer_->must("UPDATE t SET v = v + 1 WHERE id = 1");
    EXPECT_EQ(read(sql).value, truth(sql));
}

TEST_F(cache_traps_bad_input, LongTexts) {
    auto const before = daemon_->memory_used().peak_bytes;
    ASSERT_GT(before, 0U);
    std::string list = "SELECT count(*) FROM t WHERE id IN (1";
    for (int i = 2; list.size() < mib - 100; ++i)
        list += "," + std::to_string(i);
    EXPECT_EQ(expect_bypass(list + ")"), "too_complex");
    EXPECT_EQ(
        expect_bypass("SELECT count(*) FROM t WHERE '" + std::string(mib - 100, 'x') + "' <> ''"),
        "too_big"
    );
    auto const long_text =
        "SELECT v FROM t WHERE id = 1 AND '" + std::string(100 * mib, 'x') + "' <> ''";
    auto const got = read(long_text);
    EXPECT_EQ(got.value, truth("SELECT v FROM t WHERE id = 1"));
    EXPECT_EQ(got.how, "too_complex");
    EXPECT_LT(daemon_->memory_used().peak_bytes - before, daemon_->allowed(48 * mib))
        << "it passes in pieces";
}

TEST_F(cache_traps_bad_input, BytesThatAreNoText) {
    EXPECT_EQ(read("SELECT v AS \"\xff\xfe\" FROM t").value, "22021");
    EXPECT_EQ(read("SELECT '\xc3' || v FROM t").value, "22021");
    EXPECT_EQ(read("SELECT '\xf5\x80\x80\x80' FROM t").value, "22021");
    prove("SELECT v FROM t WHERE id = 1");
}

TEST_F(cache_traps_bad_input, TextsThatShareASkeleton) {
    writer_->must("CREATE TABLE words(w text)");
    writer_->must("INSERT INTO words VALUES ('a'), ('1'), ('a''b'), ('E'), ('x')");
    for (int turn = 0; turn < 3; ++turn) {
        for (std::string const literal :
             {"'a'",
              "'b'",
              "'a''b'",
              "E'a\\'b'",
              "$$a'b$$",
              "$x$E$x$",
              "U&'\\0061'",
              "'1'",
              "1::text",
              "'x'/* 'a' */",
              "/* 'a' */'x'",
              "'x'--'a'\n"}) {
            auto const sql = "SELECT count(*) FROM words WHERE w = " + literal;
            EXPECT_EQ(read(sql).value, truth(sql)) << sql;
        }
    }
    writer_->must("UPDATE words SET w = 'b' WHERE w = 'a'");
    EXPECT_EQ(read("SELECT count(*) FROM words WHERE w = 'a'").value, "0");
    EXPECT_EQ(read("SELECT count(*) FROM words WHERE w = 'b'").value, "1");
}

}  // namespace
}  // namespace weir::test

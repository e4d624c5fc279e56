#include "daemon/session/database_code.hpp"

#include "querycache/sql/lexed_statement.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::daemon {
namespace {

using names = std::vector<std::string>;
using hook = code_reading::hook;
using std::chrono::seconds;

code_reading reading(
    names found,
    std::string digest,
    std::map<std::string, std::string, std::less<>> defaults = {},
    std::uint64_t changes = 0
) {
    code_reading out;
    out.names = std::move(found);
    out.digest = std::move(digest);
    out.defaults = std::move(defaults);
    out.changes = changes;
    return out;
}

class code_of_a_pool : public testing::Test {
protected:
    code_of_a_pool() { code_.adopt(database_, 0); }

    std::shared_ptr<int> database_ = std::make_shared<int>();
    database_code code_;
    database_code::time_point now_{seconds{1000}};
};

TEST_F(code_of_a_pool, IsReadFirstAndThenFromTimeToTime) {
    EXPECT_TRUE(code_.is_due(now_));
    code_.on_newest("1");
    (void)code_.on_read(reading({"a.b"}, "digest"), now_);
    EXPECT_FALSE(code_.is_due(now_));
    EXPECT_FALSE(code_.is_due(now_ + database_code::max_age - seconds{1}));
    EXPECT_TRUE(code_.is_due(now_ + database_code::max_age));
    code_.on_newest("1");
    EXPECT_FALSE(code_.is_due(now_));
    code_.on_newest("2");
    EXPECT_TRUE(code_.is_due(now_)) << "there is a new function";
    (void)code_.on_read(reading({"a.b"}, "digest"), now_);
    code_.adopt(database_, 0);
    EXPECT_FALSE(code_.is_due(now_));
    code_.adopt(database_, 1);
    EXPECT_TRUE(code_.is_due(now_)) << "a client has changed one";
}

// Another client has changed code while the answer was on its way.
TEST_F(code_of_a_pool, ThatWasReadBeforeAChangeIsReadAgain) {
    code_.adopt(database_, 7);
    (void)code_.on_read(reading({"a.b"}, "digest", {}, 6), now_);
    EXPECT_TRUE(code_.is_due(now_));
    (void)code_.on_read(reading({"a.b"}, "digest", {}, 7), now_);
    EXPECT_FALSE(code_.is_due(now_));
}

TEST_F(code_of_a_pool, BelongsToItsDatabase) {
    (void)code_.on_read(reading({"a.b"}, "digest", {{"a.b", "v"}}), now_);
    EXPECT_TRUE(code_.knows("a.b"));
    EXPECT_EQ(code_.default_of("a.b"), "v");
    EXPECT_EQ(code_.default_of("a.c"), "");
    code_.adopt(std::make_shared<int>(), 0);
    EXPECT_FALSE(code_.knows("a.b"));
    EXPECT_EQ(code_.default_of("a.b"), "");
    EXPECT_TRUE(code_.is_due(now_));
}

TEST_F(code_of_a_pool, TellsWhetherItHasChanged) {
    EXPECT_FALSE(code_.on_read(reading({"a.b"}, "1"), now_)) << "nothing was known about any code";
    EXPECT_FALSE(code_.on_read(reading({}, "1"), now_));
    EXPECT_TRUE(code_.knows("a.b")) << "of the same digest they are not told again";
    EXPECT_EQ(code_.digest(), "1");
    EXPECT_TRUE(code_.on_read(reading({"a.b"}, "2"), now_));
    EXPECT_TRUE(code_.on_read(reading({}, "3"), now_));
    EXPECT_FALSE(code_.knows("a.b"));
}

TEST_F(code_of_a_pool, KeepsWhatTextsHaveSet) {
    code_.on_set("a.b");
    code_.on_set("a.b");
    EXPECT_EQ(code_.names(), names{"a.b"});
    (void)code_.on_read(reading({"c.d"}, "1"), now_);
    EXPECT_EQ(code_.names(), (names{"c.d", "a.b"}));
    (void)code_.on_read(reading({"a.b"}, "2"), now_);
    EXPECT_EQ(code_.names(), names{"a.b"});
}

TEST_F(code_of_a_pool, HasBoundedAndPlainNames) {
    names many;
    for (std::size_t i = 0; i < 2 * database_code::max_of_sources; ++i)
        many.push_back("a.x" + std::to_string(i));
    (void)code_.on_read(reading(many, "1"), now_);
    EXPECT_EQ(code_.names().size(), database_code::max_of_sources);
    for (int i = 0; i < 1000; ++i)
        code_.on_set("b.x" + std::to_string(i));
    EXPECT_EQ(code_.names().size(), database_code::max_of_sources + database_code::max_of_texts);
    (void)code_.on_read(reading({"a.b'", "a", "\xe9.b", "a.b"}, "2"), now_);
    EXPECT_EQ(code_.names().front(), "a.b");
}

TEST_F(code_of_a_pool, IsRenewedWhenItWasRead) {
    EXPECT_FALSE(code_.has_to_be_renewed(now_));
    (void)code_.on_read(reading({}, "1"), now_);
    EXPECT_FALSE(code_.has_to_be_renewed(now_));
    const auto later = now_ + database_code::max_age;
    EXPECT_TRUE(code_.has_to_be_renewed(later));
    code_.on_asked(later);
    EXPECT_FALSE(code_.has_to_be_renewed(later + seconds{1})) << "a server is at it";
    EXPECT_TRUE(code_.is_due(later + seconds{1})) << "nothing is trusted meanwhile";
    EXPECT_TRUE(code_.has_to_be_renewed(later + database_code::longest_reading + seconds{1}));
}

TEST_F(code_of_a_pool, ThatCannotBeReadIsAskedForLater) {
    const auto calls = querycache::sql::lex_statement("SELECT f(1)");
    EXPECT_FALSE(code_.may_leave(*calls));
    code_.on_read_failed(now_);
    EXPECT_FALSE(code_.is_due(now_));
    EXPECT_TRUE(code_.is_due(now_ + database_code::max_age));
    EXPECT_TRUE(code_.may_leave(*calls)) << "any code, up to then";
    (void)code_.on_read(reading({}, "1"), now_);
    EXPECT_FALSE(code_.may_leave(*calls));
}

class code_that_leaves : public testing::Test {
protected:
    void read(names leaving, hook hooked = hook::nothing) {
        code_reading what;
        what.digest = std::to_string(++readings_);
        what.leaving = std::move(leaving);
        what.hooked = hooked;
        (void)code_.on_read(std::move(what), {});
    }
    bool may_leave(std::string_view text) {
        return code_.may_leave(*querycache::sql::lex_statement(text));
    }

    int readings_ = 0;
    database_code code_;
};

TEST_F(code_that_leaves, IsNowhereWhileNothingWasRead) {
    EXPECT_FALSE(may_leave("SELECT f()"));
    EXPECT_FALSE(may_leave("INSERT INTO t VALUES (1)"));
}

TEST_F(code_that_leaves, IsFoundByItsName) {
    read({"f", "take_role"});
    for (const auto* const text :
         {"SELECT f()",
          "SELECT public.F (1)",
          "SELECT * FROM \"f\"(1)",
          "INSERT INTO t SELECT take_role('x')",
          "CALL Take_Role()"}) {
        EXPECT_TRUE(may_leave(text)) << text;
        EXPECT_TRUE(may_leave(text)) << text << ", once more";
    }
    for (const auto* const text :
         {"SELECT 'f', g(1), f1(), _f() FROM ff",
          "SELECT f, t.take_role FROM f AS t WHERE (f) > 1",
          "INSERT INTO t VALUES (1)",
          "CALL p()",
          "SELECT 1 -- f",
          ""}) {
        EXPECT_FALSE(may_leave(text)) << text;
        EXPECT_FALSE(may_leave(text)) << text << ", once more";
    }
    read({"g"});
    EXPECT_FALSE(may_leave("SELECT f()")) << "the code has changed";
    EXPECT_TRUE(may_leave("SELECT g(1)"));
}

TEST_F(code_that_leaves, RunsBehindWrites) {
    read({"of_a_trigger"}, hook::writes);
    EXPECT_TRUE(may_leave("INSERT INTO t VALUES (1)"));
    EXPECT_TRUE(may_leave("CREATE TABLE t (a int)"));
    EXPECT_TRUE(may_leave("CALL p()"));
    EXPECT_TRUE(may_leave("SELECT f(1)")) << "it may write";
    EXPECT_FALSE(may_leave("SELECT * FROM t"));
    EXPECT_FALSE(may_leave("COMMIT"));
}

TEST_F(code_that_leaves, RunsBehindEverything) {
    read({"of_a_view"}, hook::everything);
    for (const auto* const text : {"SELECT * FROM t", "FETCH c", "INSERT INTO t VALUES (1)"})
        EXPECT_TRUE(may_leave(text)) << text;
    EXPECT_FALSE(may_leave("BEGIN")) << "it runs nothing";
}

TEST_F(code_that_leaves, OfANameThatIsNoWordIsAnyCode) {
    read({"*"});
    EXPECT_TRUE(may_leave("SELECT f()"));
    EXPECT_TRUE(may_leave("INSERT INTO t VALUES (1)"));
    EXPECT_FALSE(may_leave("SELECT lower(a) FROM t"));
    names many;
    for (std::size_t i = 0; i <= database_code::max_leaving; ++i)
        many.push_back("f" + std::to_string(i));
    read(std::move(many));
    EXPECT_TRUE(may_leave("SELECT g()"));
    read({"f"});
    EXPECT_FALSE(may_leave("SELECT g()"));
}

}  // namespace
}  // namespace weir::daemon

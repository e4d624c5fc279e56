#include "daemon/session/settable_names.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon {
namespace {

using names = std::vector<std::string>;
using std::chrono::seconds;

names in(std::string_view text) {
    names out;
    add_settable_names(text, out);
    return out;
}

TEST(SettableNames, AreLiteralsAndWhatFollowsSet) {
    EXPECT_EQ(in("SELECT set_config('app.user', 'x', false)"), names{"app.user"});
    EXPECT_EQ(in("SET app.x = 1; set session B.y TO 2"), (names{"app.x", "b.y"}));
    EXPECT_EQ(in("DO $$ BEGIN SET\n\t\"App\".\"x\" = 'y'; END $$"), names{"app.x"});
    EXPECT_EQ(in("SELECT f('SET a.b = ''c''')"), names{"a.b"});
    EXPECT_EQ(in("EXECUTE 'SELECT set_config(''a.b.c'', $1, false)'"), names{"a.b.c"});
    EXPECT_EQ(in("'a.b' 'a.B' 'c.d'"), (names{"a.b", "c.d"})) << "each once";
}

TEST(SettableNames, AreNothingElse) {
    for (const auto* const text :
         {"",
          ".",
          "'.'",
          "'a.'",
          "'.a'",
          "'a..b'",
          "a.b",
          "SELECT a.b FROM s.t",
          "SET LOCAL a.b = 1",
          "offset a.b",
          "SETa.b",
          "set",
          "'1.5'",
          "'a.1'",
          "'bob@example.org'",
          "'/tmp/a.txt'",
          "'a b.c'",
          "'\xc3\xa9.b'",
          "'a\\.b'"}) {
        EXPECT_EQ(in(text), names{}) << text;
    }
    EXPECT_EQ(in("'a." + std::string(settable_names::max_name_bytes, 'b') + "'"), names{});
}

TEST(SettableNames, OfATextAreBounded) {
    std::string text;
    for (int i = 0; i < 1000; ++i)
        text += "'a.x" + std::to_string(i) + "' ";
    EXPECT_EQ(in(text).size(), settable_names::max_of_texts);
}

class settable_names_of_a_pool : public testing::Test {
protected:
    settable_names_of_a_pool() { names_.adopt(database_, 0); }

    std::shared_ptr<int> database_ = std::make_shared<int>();
    settable_names names_;
    settable_names::time_point now_{seconds{1000}};
};

TEST_F(settable_names_of_a_pool, AreReadFirstAndThenFromTimeToTime) {
    EXPECT_TRUE(names_.is_due(now_));
    names_.on_newest("1");
    (void)names_.on_read({{"a.b"}, "digest", {}}, now_);
    EXPECT_FALSE(names_.is_due(now_));
    EXPECT_FALSE(names_.is_due(now_ + settable_names::max_age - seconds{1}));
    EXPECT_TRUE(names_.is_due(now_ + settable_names::max_age));
    names_.on_newest("1");
    EXPECT_FALSE(names_.is_due(now_));
    names_.on_newest("2");
    EXPECT_TRUE(names_.is_due(now_)) << "there is a new function";
    (void)names_.on_read({{"a.b"}, "digest", {}}, now_);
    names_.adopt(database_, 0);
    EXPECT_FALSE(names_.is_due(now_));
    names_.adopt(database_, 1);
    EXPECT_TRUE(names_.is_due(now_)) << "a client has changed one";
}

// Another client has changed code while the answer was on its way.
TEST_F(settable_names_of_a_pool, ThatWereReadBeforeAChangeAreReadAgain) {
    names_.adopt(database_, 7);
    (void)names_.on_read({{"a.b"}, "digest", {}, 6}, now_);
    EXPECT_TRUE(names_.is_due(now_));
    (void)names_.on_read({{"a.b"}, "digest", {}, 7}, now_);
    EXPECT_FALSE(names_.is_due(now_));
}

TEST_F(settable_names_of_a_pool, BelongToTheirDatabase) {
    (void)names_.on_read({{"a.b"}, "digest", {{"a.b", "v"}}}, now_);
    EXPECT_TRUE(names_.knows("a.b"));
    EXPECT_EQ(names_.default_of("a.b"), "v");
    EXPECT_EQ(names_.default_of("a.c"), "");
    names_.adopt(std::make_shared<int>(), 0);
    EXPECT_FALSE(names_.knows("a.b"));
    EXPECT_EQ(names_.default_of("a.b"), "");
    EXPECT_TRUE(names_.is_due(now_));
}

TEST_F(settable_names_of_a_pool, TellWhetherCodeHasChanged) {
    EXPECT_FALSE(names_.on_read({{"a.b"}, "1", {}}, now_)) << "nothing was known about any code";
    EXPECT_FALSE(names_.on_read({{}, "1", {}}, now_));
    EXPECT_TRUE(names_.knows("a.b")) << "of the same digest they are not told again";
    EXPECT_EQ(names_.digest(), "1");
    EXPECT_TRUE(names_.on_read({{"a.b"}, "2", {}}, now_));
    EXPECT_TRUE(names_.on_read({{}, "3", {}}, now_));
    EXPECT_FALSE(names_.knows("a.b"));
}

TEST_F(settable_names_of_a_pool, KeepWhatTextsHaveSet) {
    names_.on_set("a.b");
    names_.on_set("a.b");
    EXPECT_EQ(names_.names(), names{"a.b"});
    (void)names_.on_read({{"c.d"}, "1", {}}, now_);
    EXPECT_EQ(names_.names(), (names{"c.d", "a.b"}));
    (void)names_.on_read({{"a.b"}, "2", {}}, now_);
    EXPECT_EQ(names_.names(), names{"a.b"});
}

TEST_F(settable_names_of_a_pool, AreBoundedAndPlain) {
    names many;
    for (std::size_t i = 0; i < 2 * settable_names::max_of_sources; ++i)
        many.push_back("a.x" + std::to_string(i));
    (void)names_.on_read({many, "1", {}}, now_);
    EXPECT_EQ(names_.names().size(), settable_names::max_of_sources);
    for (int i = 0; i < 1000; ++i)
        names_.on_set("b.x" + std::to_string(i));
    EXPECT_EQ(names_.names().size(), settable_names::max_of_sources + settable_names::max_of_texts);
    (void)names_.on_read({{"a.b'", "a", "\xe9.b", "a.b"}, "2", {}}, now_);
    EXPECT_EQ(names_.names().front(), "a.b");
}

}  // namespace
}  // namespace weir::daemon

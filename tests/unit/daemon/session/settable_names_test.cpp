#include "daemon/session/settable_names.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon {
namespace {

using names = std::vector<std::string>;

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
    EXPECT_EQ(in("'a." + std::string(max_settable_name, 'b') + "'"), names{});
}

TEST(SettableNames, OfATextAreBounded) {
    std::string text;
    for (int i = 0; i < 1000; ++i)
        text += "'a.x" + std::to_string(i) + "' ";
    EXPECT_EQ(in(text).size(), max_settable_names);
}

}  // namespace
}  // namespace weir::daemon

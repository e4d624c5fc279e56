#include "daemon/config/pgbouncer_settings.hpp"

#include "daemon/config/options.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace weir::daemon::config {
namespace {

using enum pgbouncer_section;

TEST(PgbouncerSettings, AreEachTreatedInOneWay) {
    for (const auto section : {global, databases, users, peers}) {
        std::set<std::string_view> names;
        for (const pgbouncer_setting& each : pgbouncer_settings(section)) {
            EXPECT_TRUE(names.insert(each.name).second) << each.name;
            const bool has_no_equal = each.effect == pgbouncer_effect::ignored ||
                                      each.effect == pgbouncer_effect::refused;
            EXPECT_EQ(each.path.empty(), has_no_equal) << each.name;
            EXPECT_FALSE(has_no_equal && each.advice.empty()) << each.name;
            EXPECT_EQ(find_pgbouncer_setting(section, each.name), &each);
        }
    }
    EXPECT_EQ(find_pgbouncer_setting(global, "pool_size"), nullptr);
    EXPECT_EQ(pgbouncer_settings(global).size(), 101U);
}

/// The names that the table of options has for its rows are PgBouncer's.
TEST(PgbouncerSettings, HoldEveryNameThatOptionsGive) {
    for (const option& row : options()) {
        if (row.pgbouncer.empty()) continue;
        EXPECT_TRUE(
            find_pgbouncer_setting(global, row.pgbouncer) != nullptr ||
            find_pgbouncer_setting(databases, row.pgbouncer) != nullptr
        ) << row.path;
    }
}

}  // namespace
}  // namespace weir::daemon::config

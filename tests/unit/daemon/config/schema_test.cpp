#include "daemon/config/schema.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::config {
namespace {

TEST(Schema, HoldsEveryRowAtItsPath) {
    for (const option& row : options()) {
        const schema_node* node = &schema();
        std::string_view rest = row.path;
        while (!rest.empty()) {
            const std::size_t dot = std::min(rest.find('.'), rest.size());
            std::string_view step = rest.substr(0, dot);
            rest.remove_prefix(std::min(dot + 1, rest.size()));
            const bool is_list = step.ends_with("[]");
            if (is_list) step.remove_suffix(2);
            node = step == "*" ? node->each.get() : node->find(step);
            ASSERT_NE(node, nullptr) << row.path;
            if (is_list) node = node->each.get();
        }
        EXPECT_EQ(node->row, &row) << row.path;
    }
}

TEST(Schema, GivesDatabasesAndUsersTheOptionsOfThePool) {
    const schema_node* defaults = schema().find("pool");
    for (const char* holder : {"databases", "users"}) {
        const schema_node* pool = schema().find(holder)->each->find("pool");
        ASSERT_NE(pool, nullptr);
        EXPECT_EQ(pool->keys(), defaults->keys());
        EXPECT_EQ(pool->find("size")->row, find_option("pool.size"));
    }
}

TEST(UnknownKey, IsHintedBySpelling) {
    EXPECT_EQ(hint_for_unknown(*schema().find("pool"), "sise"), "; did you mean \"size\"?");
    EXPECT_EQ(hint_for_unknown(schema(), "database"), "; did you mean \"databases\"?");
}

TEST(UnknownKey, IsHintedWhereSectionAndOptionRunTogether) {
    EXPECT_EQ(hint_for_unknown(*schema().find("pool"), "pool_size"), "; did you mean \"size\"?");
    const auto* const database = schema().find("databases")->each.get();
    EXPECT_EQ(hint_for_unknown(*database, "pool_size"), "; did you mean \"pool.size\"?");
    EXPECT_EQ(
        hint_for_unknown(*database->find("pool"), "pool_mode"),
        "; PgBouncer's pool_mode is \"pool.mode\" here"
    );
}

TEST(UnknownKey, IsHintedByPgbouncersName) {
    EXPECT_EQ(
        hint_for_unknown(schema(), "default_pool_size"),
        "; PgBouncer's default_pool_size is \"pool.size\" here"
    );
    EXPECT_EQ(
        hint_for_unknown(*schema().find("listen"), "max_client_conn"),
        "; PgBouncer's max_client_conn is \"listen.max_clients\" here"
    );
}

TEST(UnknownKey, IsHintedByItsRightPlace) {
    EXPECT_EQ(hint_for_unknown(schema(), "users_file"), "; it exists as \"auth.users_file\"");
    EXPECT_EQ(
        hint_for_unknown(*schema().find("listen"), "overflow"), "; it exists as \"pool.overflow\""
    );
}

TEST(UnknownKey, IsHintedByWhatIsKnown) {
    EXPECT_EQ(
        hint_for_unknown(*schema().find("http"), "banana"),
        "; known here: listen, token, view_token"
    );
    EXPECT_EQ(
        hint_for_unknown(*schema().find("http"), ""), "; known here: listen, token, view_token"
    );
}

}  // namespace
}  // namespace weir::daemon::config

#include "daemon/config/show.hpp"

#include "daemon/config/options.hpp"
#include "tests/unit/daemon/config/config_text.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::config {
namespace {

std::map<std::string, config_row> rows_of(std::string_view text) {
    const load_result result = parse_text(text);
    EXPECT_EQ(joined(errors_of(result)), "");
    std::map<std::string, config_row> rows;
    if (result.value) {
        for (const config_row& row : render_config(*result.value))
            rows.emplace(row.key, row);
    }
    return rows;
}

TEST(ShowConfig, ListsEveryOptionOfTheFileOnceInOrder) {
    const load_result result =
        parse_with_database("pool: {size: 7}\nusers: {bob: {pool: {size: 2}}}");
    ASSERT_NE(result.value, nullptr);
    const auto rows = render_config(*result.value);
    EXPECT_TRUE(std::ranges::is_sorted(rows, {}, &config_row::key));
    std::map<std::string, int> seen;
    for (const config_row& row : rows)
        EXPECT_EQ(++seen[row.key], 1) << row.key;
    for (const option& row : options()) {
        if (is_value(row.type) && row.path.find_first_of("*[") == std::string_view::npos) {
            EXPECT_TRUE(seen.contains(std::string(row.path))) << row.path;
        }
    }
    EXPECT_TRUE(seen.contains("users.bob.pool.size"));
    EXPECT_TRUE(seen.contains("databases.shop.upstream"));
}

TEST(ShowConfig, GivesValueDefaultAndChangeable) {
    const auto rows =
        rows_of("listen: {port: 7000}\npool: {idle_timeout: 60s}" + std::string(some_database));
    EXPECT_EQ(rows.at("listen.port").value, "7000");
    EXPECT_EQ(rows.at("listen.port").default_value, "6432");
    EXPECT_FALSE(rows.at("listen.port").changeable);
    EXPECT_EQ(rows.at("pool.idle_timeout").value, "1m");
    EXPECT_EQ(rows.at("pool.idle_timeout").default_value, "10m");
    EXPECT_TRUE(rows.at("pool.idle_timeout").changeable);
    EXPECT_EQ(rows.at("threads").value, "auto");
    EXPECT_EQ(rows.at("cache.memory").value, "256MiB");
}

TEST(ShowConfig, NeverShowsASecret) {
    const scratch_folder folder;
    const std::string file = folder.write("secret", "hunter2\n");
    const auto rows = rows_of(
        "http: {token: hunter2, view_token: hunter2}\nadmin: {users: [a, '${SECRET}']}\nauth: "
        "{type: trust}\n"
        "databases:\n"
        "  a: {upstream: 'host=db1 user=u password=hunter2'}\n"
        "  b: {upstream: 'postgres://u:hunter2@db1/x'}\n"
        "  c: {upstream: '${DSN}'}\n"
        "  d: {upstream: 'host=db1', user: u, password: hunter2}\n"
        "  e: {upstream: 'host=db1', user: u, password: 'file:" +
        file +
        "'}\n"
        "  f: {upstream: 'host=db1 user=u password=${SECRET}'}\n"
        "  'g.h': {upstream: 'host=db1', user: '${SECRET}'}\n"
    );
    EXPECT_EQ(rows.at("http.token").value, "********");
    EXPECT_EQ(rows.at("http.view_token").value, "********");
    EXPECT_EQ(rows.at("databases.a.upstream").value, "host=db1 port=5432 user=u password=********");
    EXPECT_EQ(
        rows.at("databases.b.upstream").value,
        "host=db1 port=5432 dbname=x user=u password=********"
    );
    EXPECT_EQ(rows.at("databases.c.upstream").value, "********");
    EXPECT_EQ(rows.at("databases.\"g.h\".user").value, "********");
    EXPECT_EQ(rows.at("auth.type").value, "trust");
    for (const auto& [key, row] : rows) {
        EXPECT_EQ((row.value + row.default_value).find("hunter"), std::string::npos) << key;
    }
}

TEST(Diff, IsEmptyForTheSameFile) {
    const auto one = parse_with_database("pool: {size: 7}").value;
    EXPECT_TRUE(diff(*one, *parse_with_database("pool: {size: 7}").value).empty());
    // Another way to write the same value is no change.
    EXPECT_TRUE(
        diff(*parse_with_database("pool: {lifetime: 60m}").value, *parse_with_database("").value)
            .empty()
    );
}

TEST(Diff, TellsWhatChangedAndWhatNeedsARestart) {
    const auto before =
        parse_with_database(
            "listen: {port: 7000}\npool: {size: 7}\nusers: {bob: {max_connections: 3}}"
        )
            .value;
    const auto after =
        parse_with_database(
            "listen: {port: 7001}\npool: {size: 8}\nusers: {eve: {max_connections: 4}}"
        )
            .value;
    const auto changes = diff(*before, *after);
    ASSERT_EQ(changes.size(), 4U);
    EXPECT_EQ(changes[0].key, "listen.port");
    EXPECT_EQ(changes[0].old_value, "7000");
    EXPECT_EQ(changes[0].new_value, "7001");
    EXPECT_TRUE(changes[0].needs_restart);
    EXPECT_EQ(changes[1].key, "pool.size");
    EXPECT_FALSE(changes[1].needs_restart);
    EXPECT_EQ(changes[2].key, "users.bob.max_connections");
    EXPECT_EQ(changes[2].new_value, "");
    EXPECT_EQ(changes[3].key, "users.eve.max_connections");
    EXPECT_EQ(changes[3].old_value, "");
}

TEST(Diff, NoticesAChangedSecretWithoutShowingIt) {
    const auto before = parse_with_database("http: {token: hunter2}").value;
    const auto after = parse_with_database("http: {token: hunter3}").value;
    const auto changes = diff(*before, *after);
    ASSERT_EQ(changes.size(), 1U);
    EXPECT_EQ(changes[0].old_value, "********");
    EXPECT_EQ(changes[0].new_value, "********");
}

}  // namespace
}  // namespace weir::daemon::config

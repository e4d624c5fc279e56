#include "daemon/config/build.hpp"

#include "daemon/config/options.hpp"
#include "daemon/config/pool_fields.hpp"
#include "tests/unit/daemon/config/config_text.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::config {
namespace {

using namespace std::chrono_literals;

bool same(const config& one, const config& other) {
    return one.listen == other.listen && one.threads == other.threads &&
           one.io_uring == other.io_uring && one.http == other.http && one.admin == other.admin &&
           one.auth == other.auth && one.pool == other.pool && one.databases == other.databases &&
           one.users == other.users && one.cache == other.cache &&
           one.statement_limit == other.statement_limit &&
           one.advisor_interval == other.advisor_interval && one.slow_log == other.slow_log &&
           one.log == other.log;
}

TEST(BuildConfig, DefaultsOfTheTableAreThoseOfTheStructs) {
    const load_result result = parse_with_database("");
    ASSERT_EQ(joined(errors_of(result)), "");
    const config plain;
    EXPECT_EQ(result.value->listen, plain.listen);
    EXPECT_EQ(result.value->threads, plain.threads);
    EXPECT_EQ(result.value->http, plain.http);
    EXPECT_EQ(result.value->admin, plain.admin);
    EXPECT_EQ(result.value->auth, plain.auth);
    EXPECT_EQ(result.value->pool, plain.pool);
    EXPECT_EQ(result.value->users, plain.users);
    EXPECT_EQ(result.value->cache, plain.cache);
    EXPECT_EQ(result.value->slow_log, plain.slow_log);
    EXPECT_EQ(result.value->log, plain.log);
    EXPECT_EQ(result.value->databases.at("shop").pool, plain.pool);
    EXPECT_EQ(result.value->databases.at("shop").tls.mode, tls_mode::prefer);
    EXPECT_EQ(result.value->file, "t.yaml");
}

/// A value of that row that is good and not the default; "" for rows that this version takes at the
/// default only.
std::string other_value(const option& row) {
    if (!row.not_yet.empty()) {
        const auto accepted = row.also_accepted;
        const std::string first(accepted.substr(0, accepted.find('|')));
        return first == row.default_text ? std::string(accepted.substr(accepted.find('|') + 1))
                                         : first;
    }
    switch (row.type) {
        case option_type::integer:
        case option_type::auto_or_integer:
            return row.path == "pool.min_idle" ? "3" : "17";
        case option_type::real:
            return "0.5";
        case option_type::duration:
        case option_type::duration_or_off:
            return "17s";
        case option_type::size:
            return "17MiB";
        case option_type::text_list:
            if (row.path == "cache.rules[].fingerprint") return "0123456789abcdef";
            if (row.path == "cache.rules[].warm") return "TABLE x";
            return row.path == "listen.host" ? "127.0.0.2" : "shop";
        case option_type::choice: {
            if (row.path == "listen.tls.mode") return "";  // needs certificates: see tls_test.cpp
            const std::string first(row.choices.substr(0, row.choices.find('|')));
            const std::string last(row.choices.substr(row.choices.rfind('|') + 1));
            return first == row.default_text ? last : first;
        }
        case option_type::text:
            if (row.path == "http.listen") return "127.0.0.1:1234";
            if (row.path == "listen.unix_socket_dir") return "/tmp";
            if (row.path == "databases.*.upstream") return "host=other";
            if (row.path.starts_with("auth.") && row.path.ends_with("_file")) return "/dev/null";
            if (row.path == "auth.query") return "SELECT a, b FROM c WHERE a = $1";
            if (row.path == "auth.dbname") return "shop";
            if (row.path == "databases.*.auth_query") return "SELECT a, b FROM c WHERE a = $1";
            if (row.path == "databases.*.auth_dbname") return "shop";
            return "other";
        case option_type::named_sections:
        case option_type::section_list:
        case option_type::pool_section:
            return "";
    }
    return "";
}

/// The YAML flow text that sets one option and nothing more, on top of the least that its section
/// needs.
std::string file_with(const option& row, const std::string& value) {
    std::string path(row.path);
    std::map<std::string, std::string> shop = {{"upstream", "host=127.0.0.1"}, {"user", "app"}};
    std::string text;
    if (path.starts_with("databases.*.")) {
        path.erase(0, std::string("databases.*.").size());
        if (path.starts_with("tls.")) {
            path.erase(0, std::string("tls.").size());
            // No certificate is read in mode disable.
            const std::string mode =
                path == "mode" || path == "negotiation" ? "" : ", mode: disable";
            return "databases: {shop: {upstream: host=127.0.0.1, user: app, tls: {" + path + ": " +
                   value + mode + "}}}";
        }
        if (path == "slow_log.threshold") {
            return "databases: {shop: {upstream: host=127.0.0.1, user: app, slow_log: "
                   "{threshold: " +
                   value + "}}}";
        }
        shop[path] = value;
        if (path == "auth_query" || path == "auth_dbname") shop["auth_user"] = "a";
    } else if (path.starts_with("users.*.")) {
        path.erase(0, std::string("users.*.").size());
        text = path == "slow_log.threshold"
                   ? "users: {bob: {slow_log: {threshold: " + value + "}}}\n"
                   : "users: {bob: {" + path + ": " + value + "}}\n";
    } else if (path.starts_with("cache.rules[].")) {
        path.erase(0, std::string("cache.rules[].").size());
        std::map<std::string, std::string> rule = {{"name", "r"}, {"tables", "[x]"}};
        rule[path] = value;
        text = "cache: {rules: [{";
        for (const auto& [key, held] : rule)
            text += key + ": " + held + ", ";
        text += "}]}\n";
    } else if (path.starts_with("cache.functions.*.")) {
        path.erase(0, std::string("cache.functions.*.").size());
        text = "cache: {functions: {f: {" + path + ": " + value + "}}}\n";
    } else if (path.starts_with("cache.events.*.")) {
        path.erase(0, std::string("cache.events.*.").size());
        const std::string other = path == "tables" ? "rules: shop" : "tables: x";
        text = "cache: {rules: [{name: shop, tables: [x]}], events: {a.b: {" + other + ", " + path +
               ": " + value + "}}}\n";
    } else {
        std::string closing;
        std::string rest = path;
        for (std::size_t dot = rest.find('.'); dot != std::string::npos; dot = rest.find('.')) {
            text += rest.substr(0, dot) + ": {";
            rest.erase(0, dot + 1);
            closing += "}";
        }
        const bool is_query = path == "auth.query" && value.find(',') != std::string::npos;
        if (path == "auth.query") text += "auth_user: a, ";
        text += rest + ": " + (is_query ? '"' + value + '"' : value) + closing + "\n";
    }
    text += "databases: {shop: {";
    for (const auto& [key, held] : shop)
        text += key + ": \"" + held + "\", ";
    return text + "}}\n";
}

TEST(BuildConfig, EveryOptionReachesTheSnapshot) {
    int checked = 0;
    for (const option& row : options()) {
        const std::string value = other_value(row);
        if (value.empty()) continue;
        const load_result changed = parse_text(file_with(row, value));
        ASSERT_EQ(joined(errors_of(changed)), "") << row.path << "\n" << file_with(row, value);
        // The same file with the option at its default differs in nothing but this option.
        std::string plain_value(row.default_text.empty() ? "" : row.default_text);
        if (row.path == "databases.*.upstream") plain_value = "host=127.0.0.1";
        if (row.path == "databases.*.user") plain_value = "app";
        if (row.path == "cache.rules[].name") plain_value = "r";
        if (row.path == "cache.rules[].tables") plain_value = "[x]";
        if (plain_value.empty()) plain_value = "''";
        if (row.path == "databases.*.password" || row.path == "databases.*.connect_query" ||
            row.path.starts_with("databases.*.auth_")) {
            plain_value = "";
        }
        const load_result plain = parse_text(file_with(row, plain_value));
        ASSERT_EQ(joined(errors_of(plain)), "") << row.path << "\n" << file_with(row, plain_value);
        EXPECT_FALSE(same(*changed.value, *plain.value)) << row.path << " changes nothing";
        ++checked;
    }
    EXPECT_GT(checked, 40);
}

TEST(BuildConfig, EveryPoolFieldIsAnOptionAndBack) {
    int fields = 0;
    pool_options pool;
    for_each_pool_field(pool, pool, [&](auto&, auto&, const char* name) {
        ++fields;
        EXPECT_NE(find_option(std::string("pool.") + name), nullptr) << name;
    });
    int rows = 0;
    for (const option& row : options())
        rows += row.path.starts_with("pool.") ? 1 : 0;
    EXPECT_EQ(fields, rows);
}

TEST(BuildConfig, PoolOptionsComeFromDefaultsThenDatabaseThenUser) {
    const load_result result = parse_text(
        "pool: {size: 2, overflow: 3, wait_timeout: 1s, reset_query: ''}\n"
        "databases:\n  shop: {upstream: host=x, pool: {overflow: 4, wait_timeout: 2s}}\n  '*': "
        "{upstream: host=y}\n"
        "users: {bob: {pool: {wait_timeout: 3s, mode: session}}}\n"
    );
    ASSERT_EQ(joined(errors_of(result)), "");
    const config& built = *result.value;
    const pool_options own = built.resolve("shop", "bob");
    EXPECT_EQ(own.size, 2);
    EXPECT_EQ(own.overflow, 4);
    EXPECT_EQ(own.wait_timeout, 3s);
    EXPECT_EQ(own.mode, pool_mode::session);
    EXPECT_EQ(own.reset_query, "");
    EXPECT_EQ(built.resolve("shop", "alice").wait_timeout, 2s);
    EXPECT_EQ(built.resolve("shop", "alice").mode, pool_mode::transaction);
    EXPECT_EQ(built.resolve("other", "alice").overflow, 3);
    EXPECT_EQ(built.resolve("other", "bob").wait_timeout, 3s);
}

TEST(BuildConfig, EveryPoolFieldCanBeOverriddenByAUser) {
    for (const option& row : options()) {
        if (!row.path.starts_with("pool.")) continue;
        if (row.path.starts_with("pool.breaker.")) continue;  // a host's, which pools share
        const std::string value = other_value(row);
        if (value.empty()) continue;
        const std::string key(row.path.substr(5));
        const load_result result =
            parse_with_database("users: {bob: {pool: {" + key + ": " + value + "}}}");
        ASSERT_EQ(joined(errors_of(result)), "") << row.path;
        EXPECT_NE(result.value->resolve("shop", "bob"), pool_options{}) << row.path;
        EXPECT_EQ(result.value->resolve("shop", "alice"), pool_options{}) << row.path;
    }
}

TEST(BuildConfig, FindsDatabasesByNameThenStar) {
    const load_result result =
        parse_text("databases: {shop: {upstream: host=x}, '*': {upstream: 'host=y'}}");
    ASSERT_EQ(joined(errors_of(result)), "");
    EXPECT_EQ(result.value->find_database("shop")->name, "shop");
    EXPECT_EQ(result.value->find_database("other")->name, "*");
    EXPECT_EQ(result.value->find_database("other")->server_dbname("other"), "other");
    EXPECT_EQ(result.value->find_database("shop")->server_dbname("shop"), "shop");
    EXPECT_EQ(parse_with_database("").value->find_database("other"), nullptr);
    EXPECT_EQ(parse_with_database("").value->find_user("other"), nullptr);
}

TEST(BuildConfig, TakesServerUserFromEitherPlace) {
    const auto built = parse_text(
                           "databases: {a: {upstream: 'host=x user=app password=pw dbname=real'}, "
                           "b: {upstream: host=x, user: app, password: pw}}"
    )
                           .value;
    ASSERT_NE(built, nullptr);
    for (const char* name : {"a", "b"}) {
        EXPECT_EQ(built->databases.at(name).user, "app");
        EXPECT_EQ(built->databases.at(name).password, "pw");
    }
    EXPECT_EQ(built->databases.at("a").server_dbname("a"), "real");
}

TEST(BuildConfig, TakesAWholeConnectionStringFromAReference) {
    const auto built = parse_text(
                           "databases: {a: {upstream: '${DSN}'}, b: {upstream: 'host=x user=u "
                           "password=${SECRET}'}}"
    )
                           .value;
    ASSERT_NE(built, nullptr);
    EXPECT_EQ(built->databases.at("a").upstream.hosts.at(0).host, "db9");
    EXPECT_EQ(built->databases.at("a").password, "hunter2");
    EXPECT_EQ(built->databases.at("b").password, "hunter2");
}

TEST(BuildConfig, ReadsRules) {
    const auto built = parse_with_database(
                           "cache:\n  max_result: 2MiB\n  rules:\n    - name: a\n      tables: [x, "
                           "public.y]\n      ttl: 5s\n"
                           "    - {name: b, pattern: '^SELECT', share: database, max_result: 1KiB, "
                           "cache_empty: false, databases: shop}\n"
    )
                           .value;
    ASSERT_NE(built, nullptr);
    ASSERT_EQ(built->cache.rules.size(), 2U);
    const cache_rule& first = built->cache.rules[0];
    EXPECT_EQ(first.tables, (std::vector<std::string>{"x", "public.y"}));
    EXPECT_EQ(first.ttl, 5s);
    EXPECT_EQ(first.max_result_bytes, 2U << 20U);
    EXPECT_EQ(first.share, rule_share::user);
    EXPECT_TRUE(first.cache_empty);
    EXPECT_EQ(first.at.line, 4);
    const cache_rule& second = built->cache.rules[1];
    EXPECT_EQ(second.databases, (std::vector<std::string>{"shop"}));
    EXPECT_EQ(second.share, rule_share::database);
    EXPECT_FALSE(second.cache_empty);
    EXPECT_EQ(second.max_result_bytes, 1024U);
    EXPECT_EQ(second.pattern_at, (place{7, 26}));
}

TEST(BuildConfig, LimitsResultsToASmallCache) {
    const auto built =
        parse_with_database("cache: {memory: 64KiB, rules: [{name: a, tables: [x], ttl: 5s}]}\n")
            .value;
    ASSERT_NE(built, nullptr);
    EXPECT_EQ(built->cache.max_result_bytes, 64U << 10U);
    EXPECT_EQ(built->cache.rules.at(0).max_result_bytes, 64U << 10U);
}

TEST(BuildConfig, LeavesTheLimitOfResultsWhereTheCacheIsOff) {
    const auto built = parse_with_database("cache: {memory: 0}\n").value;
    ASSERT_NE(built, nullptr);
    EXPECT_EQ(built->cache.max_result_bytes, 4U << 20U);
}

TEST(BuildConfig, ListensOnSeveralAddresses) {
    EXPECT_EQ(
        parse_with_database("listen: {host: [127.0.0.1, '::1']}").value->listen.hosts,
        (std::vector<std::string>{"127.0.0.1", "::1"})
    );
    EXPECT_EQ(
        parse_with_database("listen: {host: '*'}\nhttp: {listen: ''}").value->listen.hosts,
        (std::vector<std::string>{"*"})
    );
    EXPECT_FALSE(parse_with_database("http: {listen: ''}").value->http.enabled);
}

TEST(BuildConfig, AUsersSlowThresholdStandsAboveItsDatabases) {
    const auto loaded = parse_text(
        "databases:\n"
        "  shop: {upstream: host=h, slow_log: {threshold: 200ms}}\n"
        "  '*': {upstream: host=h}\n"
        "users:\n"
        "  report: {slow_log: {threshold: -1}}\n"
        "slow_log: {threshold: 0}\n"
    );
    ASSERT_TRUE(loaded.value);
    EXPECT_EQ(loaded.value->slow_threshold("shop", "ann").count(), 200);
    EXPECT_EQ(loaded.value->slow_threshold("other", "ann").count(), 0);
    EXPECT_LT(loaded.value->slow_threshold("shop", "report").count(), 0);
}

TEST(BuildConfig, ReadsTheUsersFileBesideTheConfiguration) {
    const scratch_folder folder;
    folder.write("users.txt", "\"bob\" \"hunter2\"\n");
    const std::string path =
        folder.write("t.yaml", "auth: {users_file: users.txt}" + std::string(some_database));
    const load_result good = load(path);
    ASSERT_EQ(joined(errors_of(good)), "");
    EXPECT_EQ(good.value->auth.users.at("bob").value, "hunter2");
    EXPECT_EQ(good.value->auth.users_file, folder / "users.txt");
    folder.write("users.txt", "\"bob\" \"hunter2\"\nalice\n");
    EXPECT_EQ(
        joined(errors_of(load(path))),
        (folder / "users.txt") +
            ":2:1: expected a user name in double quotes, as in \"name\" \"secret\"\n"
    );
    std::filesystem::remove(folder / "users.txt");
    EXPECT_EQ(
        joined(errors_of(load(path))),
        path + ":1:20: auth.users_file: cannot read " + (folder / "users.txt") +
            ": No such file or directory\n"
    );
}

}  // namespace
}  // namespace weir::daemon::config

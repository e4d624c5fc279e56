#include "daemon/config/load.hpp"

#include "daemon/config/show.hpp"
#include "tests/unit/daemon/config/config_text.hpp"

#include <gtest/gtest.h>

#include <random>
#include <sstream>

namespace weir::daemon::config {
namespace {

std::string contents(const std::string& path) {
    std::ifstream file(path);
    EXPECT_TRUE(file) << path;
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

TEST(Load, TellsEveryErrorInOneRun) {
    const load_result result = parse_text(
        "listen:\n"
        "  port: 70000\n"
        "  hots: 127.0.0.1\n"
        "threads: many\n"
        "pool:\n"
        "  mode: transation\n"
        "  wait_timeout: 30\n"
        "  size: 0\n"
        "auth:\n"
        "  type: hba\n"
        "  users_file: /nowhere/users.txt\n"
        "databases:\n"
        "  shop: {upstream: 'hots=x'}\n"
        "  blog: {pool: {size: x}}\n"
        "cache:\n"
        "  rules:\n"
        "    - {ttl: 0}\n"
        "    - {name: a, pattern: '('}\n"
        "log: {level: loud}\n"
    );
    EXPECT_EQ(
        joined(errors_of(result)),
        "t.yaml:2:9: listen.port: \"70000\" is above the greatest allowed, 65535\n"
        "t.yaml:3:3: unknown option \"hots\" in listen; did you mean \"host\"?\n"
        "t.yaml:4:10: threads: expected \"auto\" or a whole number, found \"many\"\n"
        "t.yaml:6:9: pool.mode: \"transation\" is not one of session, transaction, statement; did "
        "you mean transaction?\n"
        "t.yaml:7:17: pool.wait_timeout: expected a duration such as 250ms, 30s, 5m, 1h or 0, "
        "found \"30\"; did you mean 30s?\n"
        "t.yaml:8:9: pool.size: \"0\" is below the least allowed, 1\n"
        "t.yaml:10:9: auth.type: hba needs a file of rules; add hba_file: ...\n"
        "t.yaml:11:15: auth.users_file: cannot read /nowhere/users.txt: No such file or directory\n"
        "t.yaml:13:20: databases.shop.upstream: unknown keyword \"hots\" in the connection string; "
        "did you mean host?\n"
        "t.yaml:14:3: databases.blog: has no upstream; write e.g. upstream: \"host=127.0.0.1 "
        "port=5432 dbname=blog\"\n"
        "t.yaml:14:23: databases.blog.pool.size: expected a whole number, found \"x\"\n"
        "t.yaml:17:7: cache.rules[0]: has no name; add name: ...\n"
        "t.yaml:17:7: cache.rules[0]: would cache every statement; give at least one of databases, "
        "users, applications, "
        "tables, pattern, fingerprint\n"
        "t.yaml:17:13: cache.rules[0].ttl: \"0\" is below the least allowed, 1ms\n"
        "t.yaml:18:26: cache.rules[1].pattern: bad regular expression: missing ): (; the syntax "
        "is RE2's: no look-around, no back-references\n"
        "t.yaml:19:14: log.level: \"loud\" is not one of trace, debug, info, warning, error\n"
    );
    EXPECT_EQ(result.value, nullptr);
}

TEST(Load, TakesTheFilesInEtcWithoutError) {
    for (const char* name : {"/etc/pgweir.yaml", "/etc/pgweir-minimal.yaml"}) {
        const load_result result = load(std::string(WEIR_ROOT) + name);
        EXPECT_EQ(joined(errors_of(result)), "") << name;
        ASSERT_NE(result.value, nullptr);
        EXPECT_EQ(
            result.value->find_database("any")->upstream.hosts.at(0),
            (upstream_host{"127.0.0.1", "", 5432})
        );
    }
}

TEST(Load, FindsEverythingInEtcAtItsDefault) {
    const load_result result = load(std::string(WEIR_ROOT) + "/etc/pgweir.yaml");
    ASSERT_NE(result.value, nullptr);
    for (const config_row& row : render_config(*result.value)) {
        if (row.key != "databases.*.upstream") {
            EXPECT_EQ(row.value, row.default_value) << row.key;
        }
    }
}

/// The text with the "#" of its examples taken away: those lines have no single blank behind it.
std::string with_examples(const std::string& text) {
    std::istringstream lines(text);
    std::string result;
    for (std::string line; std::getline(lines, line);) {
        const bool is_prose = line == "#" || (line.starts_with("# ") && !line.starts_with("#  "));
        if (line.starts_with('#') && !is_prose) line.erase(0, 1);
        result += line + "\n";
    }
    return result;
}

TEST(Load, TakesTheExamplesInEtcAsFarAsTheyAreSupported) {
    const std::string text = contents(std::string(WEIR_ROOT) + "/etc/pgweir.yaml");
    std::string uncommented = with_examples(text);
    ASSERT_NE(uncommented, text);
    const std::string secret = "file:/run/secrets/shop\n";
    ASSERT_NE(uncommented.find(secret), std::string::npos);
    uncommented.replace(uncommented.rfind(secret), secret.size(), "${SECRET}\n");
    for (const std::string& error : errors_of(parse_text(uncommented))) {
        EXPECT_NE(error.find("is not supported yet"), std::string::npos) << error;
    }
}

TEST(Load, SaysWhyAFileCannotBeRead) {
    const scratch_folder folder;
    EXPECT_EQ(
        joined(errors_of(load("/nowhere/t.yaml"))),
        "/nowhere/t.yaml:1:1: cannot read the configuration: No such file or directory\n"
    );
    EXPECT_EQ(
        joined(errors_of(load(folder.path()))),
        folder.path() + ":1:1: cannot read the configuration: is a folder\n"
    );
    EXPECT_EQ(
        joined(errors_of(load("/dev/zero"))),
        "/dev/zero:1:1: cannot read the configuration: is larger than 4 MiB\n"
    );
    EXPECT_EQ(
        joined(errors_of(parse_text(std::string((4U << 20U) + 1, '#')))),
        "t.yaml:1:1: is larger than 4 MiB\n"
    );
}

TEST(Load, ReadsTheRealEnvironment) {
    ASSERT_EQ(::setenv("PGWEIR_TEST_TOKEN", "hunter2", 1), 0);
    const load_result result =
        parse("http: {token: '${PGWEIR_TEST_TOKEN}'}" + std::string(some_database), "t.yaml");
    ASSERT_NE(result.value, nullptr);
    EXPECT_EQ(result.value->http.token, "hunter2");
    ::unsetenv("PGWEIR_TEST_TOKEN");
}

TEST(Load, NeverPrintsASecretInAProblem) {
    const std::vector<std::string> cases = {
        "http: {token: [hunter2]}",
        "http: {token: {hunter2: x}}",
        "http: {token hunter2}",
        "listen: {port: '${SECRET}'}",
        "log: {level: '${SECRET}'}",
        "pool: {mode: '${SECRET}', size: '${SECRET}', wait_timeout: '${SECRET}'}",
        "cache: {memory: '${SECRET}', redis: 'redis://:hunter2@h'}",
        "cache: {rules: [{name: a, pattern: '${SECRET}', databases: ['${SECRET}']}]}",
        "slow_log: {sample: '${SECRET}'}",
        "auth: {query: '${SECRET}', type: '${SECRET}'}",
        "databases: {shop: 'host=x password=hunter2'}",
        "databases: {shop: {upstream: 'host=x password=a hunter2'}}",
        "databases: {shop: {upstream: 'postgres://u:hunter2@h:x/y'}}",
        "databases: {shop: {upstream: '${SECRET}'}}",
        "databases: {shop: {upstream: host=x, password: hunter2}}",
        "databases: {shop: {upstream: host=x, user: u, password: [hunter2]}}",
        "databases: ['host=x password=hunter2']",
        "databases: 'host=x password=hunter2'",
        "'password hunter2'",
    };
    int errors = 0;
    for (const std::string& text : cases) {
        for (const bool add_database : {false, true}) {
            const load_result result = add_database ? parse_with_database(text) : parse_text(text);
            for (const problem& each : result.problems) {
                ++errors;
                // hunter2 as the key of a map cannot be told from a key; it is the one that is
                // shown.
                EXPECT_EQ(to_string(each).find("hunter2"), std::string::npos) << text << "\n"
                                                                              << to_string(each);
            }
        }
    }
    EXPECT_GT(errors, 30);
}

/// Random edits of real files: whatever they say, the loader answers with problems or a snapshot,
/// never with a crash.
TEST(Load, SurvivesRandomEdits) {
    const std::vector<std::string> seeds = {
        "pool: &a {size: 5, breaker: {open: 15s}}\ndatabases: {shop: {upstream: 'host=a,b port=1', "
        "pool: *a}}\n",
        "cache:\n  rules:\n    - {name: a, tables: [x], pattern: '^S(E|L)+'}\n    - name: b\n      "
        "users: [x, y]\n",
        "listen: {host: [127.0.0.1, '::1'], tls: {mode: disable}}\nhttp: {listen: '[::1]:80', "
        "token: ${SECRET}}\n",
        "users:\n  ? \"a b\"\n  : pool: {<<: {size: 3}}\n  bob: ~\nslow_log: {threshold: -1, "
        "sample: 0.5}\n",
    };
    const std::vector<std::string> pieces = {"{",         "}",
                                             "[",         "]",
                                             ":",         ": ",
                                             "\n",        "  ",
                                             "- ",        "&a ",
                                             "*a",        "<<: ",
                                             "!!x ",      "? ",
                                             "|\n",       ">-\n",
                                             "'",         "\"",
                                             "#",         "---\n",
                                             "...\n",     "%",
                                             "\t",        "~",
                                             "null",      "${",
                                             "}",         "file:",
                                             "\xff",      "\xef\xbb\xbf",
                                             "0",         "99999999999999999999",
                                             "databases", "cache",
                                             "rules",     "upstream",
                                             "=",         "@",
                                             "\\",        "@`"};
    std::mt19937 random(20240607);
    const auto below = [&](std::size_t limit) {
        return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random);
    };
    int good = 0;
    int bad = 0;
    for (int round = 0; round < 3000; ++round) {
        std::string text = seeds[below(seeds.size())];
        for (std::size_t edits = below(6); edits > 0; --edits) {
            const std::size_t at = below(text.size() + 1);
            switch (below(3)) {
                case 0:
                    text.insert(at, pieces[below(pieces.size())]);
                    break;
                case 1:
                    text.erase(at, below(8));
                    break;
                case 2:
                    text.insert(at, 1, static_cast<char>(below(256)));
                    break;
            }
        }
        const load_result result = parse_with_database(text);
        ASSERT_EQ(result.value == nullptr, has_error(result.problems)) << text;
        for (const problem& each : result.problems) {
            ASSERT_FALSE(each.message.empty());
            ASSERT_GE(each.line, 1) << text;
        }
        if (result.value) {
            ASSERT_FALSE(render_config(*result.value).empty());
            ++good;
        } else {
            ++bad;
        }
    }
    EXPECT_GT(good, 50);
    EXPECT_GT(bad, 500);
}

}  // namespace
}  // namespace weir::daemon::config

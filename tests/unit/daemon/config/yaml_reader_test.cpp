#include "daemon/config/yaml_reader.hpp"

#include "tests/unit/daemon/config/config_text.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::config {
namespace {

struct bad_file {
    const char* text;
    const char* error;
};

/// Each text alone has exactly this error; a database is added so that it would be good otherwise.
void expect_errors(const std::vector<bad_file>& cases) {
    for (const bad_file& each : cases) {
        const load_result result = parse_with_database(each.text);
        EXPECT_EQ(joined(errors_of(result)), std::string(each.error) + "\n") << each.text;
        EXPECT_EQ(result.value, nullptr);
    }
}

TEST(YamlReader, HintsAtUnknownKeys) {
    expect_errors({
        {"pool: {sise: 5}", "t.yaml:1:8: unknown option \"sise\" in pool; did you mean \"size\"?"},
        {"pool:\n  size: 5\n  overfow: 2",
         "t.yaml:3:3: unknown option \"overfow\" in pool; did you mean \"overflow\"?"},
        {"lisen: {port: 1}",
         "t.yaml:1:1: unknown option \"lisen\" at the top level; did you mean \"listen\"?"},
        {"port: 5432",
         "t.yaml:1:1: unknown option \"port\" at the top level; it exists as \"listen.port\""},
        {"listen_port: 5432",
         "t.yaml:1:1: unknown option \"listen_port\" at the top level; PgBouncer's listen_port is "
         "\"listen.port\" here"},
        {"http: {banana: 1}",
         "t.yaml:1:8: unknown option \"banana\" in http; known here: listen, token, view_token"},
        {"listen: {tls: {mod: disable}}",
         "t.yaml:1:16: unknown option \"mod\" in listen.tls; did you mean \"mode\"?"},
        {"users: {bob: {pol: {}}}",
         "t.yaml:1:15: unknown option \"pol\" in users.bob; did you mean \"pool\"?"},
        {"users: {bob: {pool: {breaker: {failurs: 5}}}}",
         "t.yaml:1:32: unknown option \"failurs\" in users.bob.pool.breaker; did you mean "
         "\"failures\"?"},
        {"users: {bob: {max_conections: 5}}",
         "t.yaml:1:15: unknown option \"max_conections\" in users.bob; did you mean "
         "\"max_connections\"?"},
        {"cache: {rules: [{name: a, tables: [x]}, {name: b, tabels: [x], tables: [y]}]}",
         "t.yaml:1:51: unknown option \"tabels\" in cache.rules[1]; did you mean \"tables\"?"},
    });
}

TEST(YamlReader, ChecksShapes) {
    expect_errors({
        {"pool: 5",
         "t.yaml:1:7: pool: expected a section (\"key: value\" lines), found a plain value"},
        {"pool: [size]",
         "t.yaml:1:7: pool: expected a section (\"key: value\" lines), found a list"},
        {"listen: {port: [1]}", "t.yaml:1:16: listen.port: expected a whole number, found a list"},
        {"listen: {port: {a: 1}}",
         "t.yaml:1:16: listen.port: expected a whole number, found a section"},
        {"listen: {port: }", "t.yaml:1:10: listen.port: has no value; remove the line"},
        {"log: {file: ~}", "t.yaml:1:7: log.file: has no value; remove the line or write \"\""},
        {"admin: {users: {a: 1}}",
         "t.yaml:1:16: admin.users: expected a text or a list of texts, found a section"},
        {"admin: {users: [a, [b]]}",
         "t.yaml:1:20: admin.users: expected a text in this list, found a list"},
        {"admin: {users: [a, '']}", "t.yaml:1:20: admin.users: an element of the list is empty"},
        {"admin: {users: [~]}",
         "t.yaml:1:17: admin.users: expected a text in this list, found nothing"},
        {"users: [a]",
         "t.yaml:1:8: users: expected a section (\"key: value\" lines), found a list; write NAME: "
         "{...} for each"},
        {"admin: ops",
         "t.yaml:1:8: admin: expected a section (\"key: value\" lines), found a plain value; known "
         "here: users, stats_users"},
        {"users: {'': {}}",
         "t.yaml:1:9: users: a name must not be empty or hold control characters"},
        {"users: {\"a\\nb\": {}}",
         "t.yaml:1:9: users: a name must not be empty or hold control characters"},
        {"cache: {rules: {a: 1}}",
         "t.yaml:1:16: cache.rules: expected a list of sections (lines that begin with \"-\"), "
         "found a section"},
        {"cache: {rules: [orders]}",
         "t.yaml:1:17: cache.rules[0]: expected a section (\"key: value\" lines), found a plain "
         "value"},
        {"? [a, b]\n: c", "t.yaml:1:3: a key must be a plain word"},
        {"log: {level: !!secret info}",
         "t.yaml:1:7: log.level: YAML tags are not supported; write the value without one"},
        {"log: !include x",
         "t.yaml:1:1: log: YAML tags are not supported; write the value without one"},
    });
}

TEST(YamlReader, ChecksTypesAndBounds) {
    expect_errors({
        {"listen: {port: abc}", "t.yaml:1:16: listen.port: expected a whole number, found \"abc\""},
        {"listen: {port: 0}", "t.yaml:1:16: listen.port: \"0\" is below the least allowed, 1"},
        {"listen: {port: 70000}",
         "t.yaml:1:16: listen.port: \"70000\" is above the greatest allowed, 65535"},
        {"listen:\n  max_clients: 0",
         "t.yaml:2:16: listen.max_clients: \"0\" is below the least allowed, 1"},
        {"threads: 0", "t.yaml:1:10: threads: \"0\" is below the least allowed, 1"},
        {"threads: all",
         "t.yaml:1:10: threads: expected \"auto\" or a whole number, found \"all\""},
        {"pool: {size: 0}", "t.yaml:1:14: pool.size: \"0\" is below the least allowed, 1"},
        {"pool: {overflow: -1}",
         "t.yaml:1:18: pool.overflow: \"-1\" is below the least allowed, 0"},
        {"pool: {wait_timeout: 30}",
         "t.yaml:1:22: pool.wait_timeout: expected a duration such as 250ms, 30s, 5m, 1h or 0, "
         "found \"30\"; did you mean 30s?"},
        {"pool: {connect_timeout: 0}",
         "t.yaml:1:25: pool.connect_timeout: \"0\" is below the least allowed, 1ms"},
        {"pool: {lifetime: 10000h}",
         "t.yaml:1:18: pool.lifetime: \"10000h\" is above the greatest allowed, 8760h"},
        {"pool: {mode: transation}",
         "t.yaml:1:14: pool.mode: \"transation\" is not one of session, transaction, statement; "
         "did you mean transaction?"},
        {"cache: {memory: 1GB}",
         "t.yaml:1:17: cache.memory: expected a size such as 64KiB, 256MiB or plain bytes, found "
         "\"1GB\"; did you mean 1GiB?"},
        {"cache: {rules: [{name: a, tables: [x], ttl: 0}]}",
         "t.yaml:1:45: cache.rules[0].ttl: \"0\" is below the least allowed, 1ms"},
        {"slow_log: {sample: 2}",
         "t.yaml:1:20: slow_log.sample: \"2\" is above the greatest allowed, 1"},
        {"slow_log: {threshold: -2}",
         "t.yaml:1:23: slow_log.threshold: expected a duration such as 250ms, 30s, 5m, 1h or 0, or "
         "-1, found \"-2\""},
        {"log: {level: verbose}",
         "t.yaml:1:14: log.level: \"verbose\" is not one of trace, debug, info, warning, error"},
        {"log: {level: warn}",
         "t.yaml:1:14: log.level: \"warn\" is not one of trace, debug, info, warning, error; did "
         "you "
         "mean warning?"},
        {"users: {bob: {pool: {size: x}}}",
         "t.yaml:1:28: users.bob.pool.size: expected a whole number, found \"x\""},
        {"users: {bob: {max_connections: x}}",
         "t.yaml:1:32: users.bob.max_connections: expected a whole number, found \"x\""},
    });
}

TEST(YamlReader, RefusesWhatIsNotSupportedYet) {
    const std::string tail = "is not supported yet in this version; ";
    const std::vector<std::pair<const char*, std::string>> cases = {
        {"cache: {external_writers: wal}",
         "1:27: cache.external_writers: \"wal\" " + tail +
             "use none, and cache only tables that are written through pgweir"},
        {"cache: {redis: 'redis://:hunter2@h'}",
         "1:16: cache.redis: " + tail + "remove it; every daemon keeps a cache of its own"},
    };
    for (const auto& [text, error] : cases) {
        EXPECT_EQ(joined(errors_of(parse_with_database(text))), "t.yaml:" + error + "\n") << text;
    }
}

TEST(YamlReader, TellsSyntaxErrorsWithTheirPlace) {
    for (const char* text :
         {"pool: {size: 5",
          "pool: [",
          "a: b: c",
          "\tpool: 1",
          "pool: \"x",
          "*nowhere",
          "pool: *nowhere",

          "{a: }}",
          "a: 'x\n",
          "%YAML 3"}) {
        const load_result result = parse_text(text);
        ASSERT_EQ(result.problems.size(), 1U) << text << joined(errors_of(result));
        EXPECT_EQ(result.problems[0].message.rfind("YAML syntax: ", 0), 0U)
            << text << ": " << result.problems[0].message;
        EXPECT_GE(result.problems[0].line, 1);
        EXPECT_GE(result.problems[0].column, 1);
    }
    EXPECT_EQ(
        joined(errors_of(parse_text("pool: {reset_query: 'x}\nlog: {level: info}\n"))),
        "t.yaml:2:19: YAML syntax: illegal EOF in scalar; is a quote not closed?\n"
    );
    EXPECT_EQ(parse_text("pool:\n  size: 5\n size: 6\n").problems.at(0).line, 3);
    EXPECT_EQ(
        joined(errors_of(parse_text("log: {}\npool:\n\tsize: 3\n"))),
        "t.yaml:3:6: YAML syntax: illegal map value; this line is indented with a tab, YAML takes "
        "only spaces\n"
    );
    EXPECT_EQ(
        joined(errors_of(parse_text("listen: {host: *}\n"))),
        "t.yaml:1:17: YAML syntax: alias not found after *; a text that begins with * or & must be "
        "quoted, e.g. \"*\"\n"
    );
}

TEST(YamlReader, TellsRepeatedKeys) {
    expect_errors({
        {"pool: {size: 5}\nlog: {}\npool: {size: 6}",
         "t.yaml:3:1: \"pool\" is given twice, first in line 1"},
        {"pool:\n  size: 5\n  size: 6",
         "t.yaml:3:3: pool: \"size\" is given twice, first in line 2"},
        {"users:\n  bob: {}\n  bob: {}",
         "t.yaml:3:3: users: \"bob\" is given twice, first in line 2"},
    });
}

TEST(YamlReader, RefusesSecondDocumentsAndOtherRoots) {
    EXPECT_EQ(
        joined(errors_of(parse_text("databases: {a: {upstream: host=x}}\n---\nlog: {}"))),
        "t.yaml:3:1: a second YAML document begins here; only one is allowed\n"
    );
    const std::string expected =
        "t.yaml:1:1: expected a section with keys such as listen, pool and databases, found ";
    EXPECT_EQ(errors_of(parse_text("- a\n- b")).at(0), expected + "a list");
    EXPECT_EQ(errors_of(parse_text("hunter2")).at(0), expected + "a plain value");
}

TEST(YamlReader, TakesAnchorsAliasesAndMergeKeys) {
    const load_result result = parse_text(
        "pool: &base {size: 7, overflow: 3}\n"
        "databases:\n"
        "  a: &a {upstream: host=x, pool: *base}\n"
        "  b: {<<: *a, user: bob}\n"
        "  c: {<<: [*a], pool: {<<: *base, size: 9}}\n"
    );
    ASSERT_EQ(joined(errors_of(result)), "");
    EXPECT_EQ(result.value->databases.at("a").pool.size, 7);
    EXPECT_EQ(result.value->databases.at("b").user, "bob");
    EXPECT_EQ(result.value->databases.at("b").pool.overflow, 3);
    EXPECT_EQ(result.value->databases.at("c").pool.size, 9);
    EXPECT_EQ(result.value->databases.at("c").pool.overflow, 3);
}

TEST(YamlReader, RefusesMergeKeysThatAreNoSections) {
    expect_errors(
        {{"pool: {<<: 5}", "t.yaml:1:12: pool: a merge key (\"<<\") needs an alias of a section"}}
    );
}

TEST(YamlReader, SurvivesAliasesThatHoldThemselves) {
    EXPECT_NE(joined(errors_of(parse_with_database("pool: &p {<<: *p, size: 5}"))), "");
    EXPECT_NE(joined(errors_of(parse_with_database("users: &u {a: *u}"))), "");
    EXPECT_NE(joined(errors_of(parse_with_database("admin: {users: &l [a, *l]}"))), "");
}

TEST(YamlReader, BoundsWhatAliasesSpell) {
    std::string text = "x0: &x0 {a: 1}\n";
    for (int i = 1; i < 8; ++i) {
        text += "x" + std::to_string(i) + ": &x" + std::to_string(i) + " {<<: [";
        for (int j = 0; j < 12; ++j)
            text += std::string(j > 0 ? "," : "") + "*x" + std::to_string(i - 1);
        text += "]}\n";
    }
    text += "pool: {<<: *x7}\n";
    const auto errors = errors_of(parse_with_database(text));
    const std::string expected =
        "t.yaml:1:1: the file spells too many values; are there aliases inside aliases?";
    EXPECT_EQ(std::ranges::count(errors, expected), 1);
}

TEST(YamlReader, SurvivesDeepNesting) {
    EXPECT_NE(joined(errors_of(parse_text(std::string(100'000, '[')))), "");
    std::string deep;
    for (int i = 0; i < 100'000; ++i)
        deep += "{a: ";
    EXPECT_NE(joined(errors_of(parse_text(deep))), "");
}

TEST(YamlReader, TakesSectionsThatAreAllCommentedOut) {
    EXPECT_EQ(
        joined(errors_of(parse_with_database("pool:\n  # size: 5\nusers:\ncache:\n  rules:\nlog:\n")
        )),
        ""
    );
}

TEST(YamlReader, ResolvesReferencesAnywhere) {
    const load_result result =
        parse_with_database("listen: {port: '${PORT}'}\nadmin: {users: [a, '${SECRET}']}\n");
    ASSERT_EQ(joined(errors_of(result)), "");
    EXPECT_EQ(result.value->listen.port, 7000);
    EXPECT_EQ(result.value->admin.users, (std::vector<std::string>{"a", "hunter2"}));
    expect_errors({
        {"http: {token: '${NOT_SET}'}",
         "t.yaml:1:15: http.token: the environment variable NOT_SET is not set"},
        {"http: {token: file:/nowhere/x}",
         "t.yaml:1:15: http.token: cannot read /nowhere/x: No such file or directory"},
        {"http: {token: 'x${SECRET}'}",
         "t.yaml:1:15: http.token: ${NAME} must be the whole text, or keep the whole text in the "
         "variable or in a file"},
        {"listen: {port: '${SECRET}'}",
         "t.yaml:1:16: listen.port: expected a whole number, found the value"},
        {"listen: {host: '${SECRET}'}",
         "t.yaml:1:16: listen.host: the value is not an address; write numbers such as 127.0.0.1 "
         "or ::1, or \"*\""},
        {"http: {listen: '${SECRET}'}", "t.yaml:1:16: http.listen: the value is not HOST:PORT"},
    });
}

}  // namespace
}  // namespace weir::daemon::config

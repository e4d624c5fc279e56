#include "daemon/config/relations.hpp"

#include "tests/unit/daemon/config/config_text.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::config {
namespace {

struct bad_file {
    const char* text;
    const char* error;
};

TEST(Relations, AreToldAtTheValueToChange) {
    const std::vector<bad_file> cases = {
        {"listen: {host: ''}",
         "t.yaml:1:16: listen: there is nothing to listen on; give listen.host or "
         "listen.unix_socket_dir"},
        {"listen: {host: []}",
         "t.yaml:1:16: listen: there is nothing to listen on; give listen.host or "
         "listen.unix_socket_dir"},
        {"listen: {host: [127.0.0.1, db.internal]}",
         "t.yaml:1:28: listen.host: \"db.internal\" is not an address; write numbers such as "
         "127.0.0.1 or ::1, or \"*\""},
        {"listen: {host: db.internal}",
         "t.yaml:1:16: listen.host: \"db.internal\" is not an address; write numbers such as "
         "127.0.0.1 or ::1, or \"*\""},
        {"listen: {host: ['*', 127.0.0.1]}",
         "t.yaml:1:17: listen.host: \"*\" already means every address; it must stand alone"},
        {"listen: {host: [127.0.0.1, localhost]}",
         "t.yaml:1:28: listen.host: \"localhost\" is given twice"},
        {"listen: {unix_socket_dir: run}",
         "t.yaml:1:27: listen.unix_socket_dir: must be an absolute path such as /run/pgweir"},
        {"listen: {unix_socket_dir: /nowhere/x}",
         "t.yaml:1:27: listen.unix_socket_dir: /nowhere/x is not a folder; create it first"},
        {"listen: {unix_socket_dir: "
         "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaaa}",
         "t.yaml:1:27: listen.unix_socket_dir: longer than 92 bytes, too long for a socket's name"},
        {"http: {listen: 127.0.0.1:6432}",
         "t.yaml:1:16: http.listen: port 6432 of 127.0.0.1 is listen.port already; choose another"},
        {"listen: {host: '*', port: 9632}",
         "t.yaml:1:1: http.listen: port 9632 of * is listen.port already; choose another"},
        {"http: {listen: 9632}",
         "t.yaml:1:16: http.listen: \"9632\" is not HOST:PORT; did you mean 127.0.0.1:9632?"},
        {"http: {listen: 'localhost'}",
         "t.yaml:1:16: http.listen: \"localhost\" is not HOST:PORT; write 127.0.0.1:9632, "
         "[::1]:9632 or \"\""},
        {"http: {token: 'two words'}",
         "t.yaml:1:15: http.token: holds a blank, a control character or a letter beyond ASCII, "
         "which a header cannot carry; use letters and digits, e.g. of: openssl rand -hex 16"},
        {"http: {view_token: \"line\\n\"}",
         "t.yaml:1:20: http.view_token: holds a blank, a control character or a letter beyond "
         "ASCII, which a header cannot carry; use letters and digits, e.g. of: openssl rand -hex "
         "16"},
        {"auth: {users_file: /nowhere/x}",
         "t.yaml:1:20: auth.users_file: cannot read /nowhere/x: No such file or directory"},
        {"auth: {users_file: /tmp}", "t.yaml:1:20: auth.users_file: cannot read /tmp: is a folder"},
        {"cache: {memory: 1MiB, max_result: 2MiB}",
         "t.yaml:1:35: cache.max_result: is more than cache.memory"},
        {"cache: {rules: [{name: a, tables: [x], max_result: 1GiB}]}",
         "t.yaml:1:52: cache.rules[0].max_result: is more than cache.memory"},
        {"cache: {rules: [{tables: [x]}]}",
         "t.yaml:1:17: cache.rules[0]: has no name; add name: ..."},
        {"cache: {rules: [{name: '', tables: [x]}]}",
         "t.yaml:1:17: cache.rules[0]: has no name; add name: ..."},
        {"cache: {rules: [{name: a, ttl: 5s, users: []}]}",
         "t.yaml:1:17: cache.rules[0]: would cache every statement; give at least one of "
         "databases, users, applications, "
         "tables, pattern, fingerprint"},
        {"cache:\n  rules:\n    - {name: a, tables: [x]}\n    - {name: a, tables: [y]}",
         "t.yaml:4:14: cache.rules[1].name: the name is given twice, first in line 3"},
        {"cache: {rules: [{name: a, databases: [shop, sop]}]}",
         "t.yaml:1:45: cache.rules[0].databases: \"sop\" is not in databases; did you mean "
         "\"shop\"?"},
        {"cache: {rules: [{name: a, databases: [nothing]}]}",
         "t.yaml:1:39: cache.rules[0].databases: \"nothing\" is not in databases"},
        {"cache: {rules: [{name: a, pattern: 'a(b'}]}",
         "t.yaml:1:36: cache.rules[0].pattern: bad regular expression: missing ): a(b; the "
         "syntax is RE2's: no look-around, no back-references"},
        {"cache: {rules: [{name: a, fingerprint: ['0123456789abcdef', '12']}]}",
         "t.yaml:1:61: cache.rules[0].fingerprint: not a fingerprint: 12; copy the 16 hexadecimal "
         "digits that EXPLAIN CACHE prints"},
        {"cache: {rules: [7, {name: a, tables: [x, shop.public.y]}]}",
         "t.yaml:1:17: cache.rules[0]: expected a section (\"key: value\" lines), found a "
         "plain value\n"
         "t.yaml:1:42: cache.rules[1].tables: not a name: shop.public.y; write name or "
         "schema.name"},
        {"cache: {rules: [{name: a, pattern: '(?<=x)y'}]}",
         "t.yaml:1:36: cache.rules[0].pattern: bad regular expression: invalid perl operator: "
         "(?<; the syntax is RE2's: no look-around, no back-references"},
        {"cache: {events: {a.b: {}}}",
         "t.yaml:1:18: cache.events.\"a.b\": does nothing; give at least one of tables, rules"},
        {"cache: {events: {a: {tables: [], rules: []}}}",
         "t.yaml:1:18: cache.events.a: does nothing; give at least one of tables, rules"},
        {"cache: {events: {a: {tables: [x, shop.public.y]}}}",
         "t.yaml:1:34: cache.events.a.tables: not a name: \"shop.public.y\"; write name or "
         "schema.name"},
        {"cache: {events: {a: {tables: .y}}}",
         "t.yaml:1:30: cache.events.a.tables: not a name: \".y\"; write name or schema.name"},
        {"cache: {rules: [{name: dashboards, tables: [x]}], events: {a: {rules: [dashboard]}}}",
         "t.yaml:1:72: cache.events.a.rules: \"dashboard\" is no rule of cache.rules; did you mean "
         "\"dashboards\"?"},
        {"cache: {events: {a: {tables: [x], rules: [none]}}}",
         "t.yaml:1:43: cache.events.a.rules: \"none\" is no rule of cache.rules; add the rule, or "
         "take the name out of the event"},
        {"slow_log: {file: /nowhere/x/slow.json}",
         "t.yaml:1:18: slow_log.file: the folder /nowhere/x does not exist"},
        {"log: {file: /nowhere/x/log}",
         "t.yaml:1:13: log.file: the folder /nowhere/x does not exist"},
        {"log: {file: /tmp}", "t.yaml:1:13: log.file: /tmp is a folder, not a file"},
    };
    for (const bad_file& each : cases) {
        EXPECT_EQ(joined(errors_of(parse_with_database(each.text))), std::string(each.error) + "\n")
            << each.text;
    }
}

TEST(Relations, AnExplicitNoDatabaseIsTaken) {
    const load_result result = parse_text("databases: {}");
    EXPECT_NE(result.value, nullptr);
    EXPECT_NE(
        joined(warnings_of(result))
            .find("warning: databases: none is given, so only the console can be reached\n"),
        std::string::npos
    );
}

TEST(Relations, OfDatabasesAreTold) {
    const std::vector<bad_file> cases = {
        {"",
         "t.yaml:1:1: databases: none is given; add one, e.g. databases: {shop: {upstream: "
         "\"host=127.0.0.1 dbname=shop\"}}"},
        {"databases:",
         "t.yaml:1:1: databases: none is given; add one, e.g. databases: {shop: {upstream: "
         "\"host=127.0.0.1 dbname=shop\"}}"},
        {"databases: {shop: {}}",
         "t.yaml:1:13: databases.shop: has no upstream; write e.g. upstream: \"host=127.0.0.1 "
         "port=5432 dbname=shop\""},
        {"databases:\n  shop:",
         "t.yaml:2:3: databases.shop: has no upstream; write e.g. upstream: \"host=127.0.0.1 "
         "port=5432 dbname=shop\""},
        {"databases: {shop: {upstream: ''}}",
         "t.yaml:1:30: databases.shop: has no upstream; write e.g. upstream: \"host=127.0.0.1 "
         "port=5432 dbname=shop\""},
        {"databases: {shop: host=x}",
         "t.yaml:1:19: databases.shop: expected a section (\"key: value\" lines), found a plain "
         "value; did you mean {upstream: \"...\"}?"},
        {"databases: {pgweir: {upstream: host=x}}",
         "t.yaml:1:13: databases.pgweir: this name is the console's; choose another"},
        {"databases: {pgbouncer: {upstream: host=x}}",
         "t.yaml:1:13: databases.pgbouncer: this name is the console's; choose another"},
        {"databases: {a: {upstream: hots=x}}",
         "t.yaml:1:27: databases.a.upstream: unknown keyword \"hots\" in the connection string; "
         "did you mean host?"},
        {"databases: {a: {upstream: host=x user=u, user: v}}",
         "t.yaml:1:48: databases.a.user: differs from the user in upstream; remove one of them"},
        {"databases: {a: {upstream: host=x user=u password=hunter2, password: hunter3}}",
         "t.yaml:1:69: databases.a.password: differs from the password in upstream; remove one of "
         "them"},
        {"databases: {a: {upstream: host=x, password: hunter2}}",
         "t.yaml:1:45: databases.a.password: without a user it would be sent for every client's "
         "user; give user too"},
        {"databases: {a: {upstream: '${NOT_SET}'}}",
         "t.yaml:1:27: databases.a.upstream: the environment variable NOT_SET is not set"},
        {"databases: {a: {upstream: '${SECRET}'}}",
         "t.yaml:1:27: databases.a.upstream: not a connection string: there is a word without "
         "\"=\"; a value with a blank stands in single quotes"},
        {"databases: {a: {upstream: '${UPSTREAM}'}}",
         "t.yaml:1:27: databases.a.upstream: sslmode: use one of disable, allow, prefer, require, "
         "verify-ca, verify-full"},
        {"databases: {a: {upstream: '${MISTYPED}'}}",
         "t.yaml:1:27: databases.a.upstream: unknown keyword in the connection string; did you "
         "mean sslmode?"},
        {"databases: {a: {upstream: host=x, pool: {size: 0}}}",
         "t.yaml:1:48: databases.a.pool.size: \"0\" is below the least allowed, 1"},
    };
    for (const bad_file& each : cases) {
        EXPECT_EQ(joined(errors_of(parse_text(each.text))), std::string(each.error) + "\n")
            << each.text;
    }
}

TEST(Relations, TellAMinIdleThatIsTooLargeWhereItStands) {
    const std::string shop = "databases: {a: {upstream: host=x}, b: {upstream: host=x";
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"pool: {size: 2, min_idle: 3}\n" + shop + "}}",
         "t.yaml:1:27: pool.min_idle: 3, is more than size, 2; connections above size are for load "
         "only\n"},
        {shop + ", pool: {size: 2, min_idle: 3}}}",
         "t.yaml:1:84: databases.b.pool.min_idle: 3, is more than size, 2; connections above size "
         "are for load only\n"},
        {shop + "}}\nusers: {anna: {pool: {min_idle: 6}}}",
         "t.yaml:2:33: users.anna.pool.min_idle: 6, is more than size, 5; connections above size "
         "are "
         "for load only\n"},
        // A smaller pool has as many of those that stand above as it has room for.
        {"pool: {size: 4, min_idle: 3}\n" + shop + ", pool: {size: 2}}}", ""},
        {"pool: {min_idle: 2}\n" + shop + "}}\nusers: {anna: {pool: {size: 1}}}", ""}};
    for (const auto& [text, error] : cases)
        EXPECT_EQ(joined(errors_of(parse_text(text))), error) << text;
}

TEST(Relations, WarnOfAdministratorsWhoCannotLogIn) {
    const scratch_folder folder;
    const std::string users = folder.write("users.txt", "\"anna\" \"plain\"\n");
    EXPECT_EQ(
        joined(warnings_of(parse_with_database(
            "auth: {users_file: " + users +
            "}\nadmin: {users: [anna, ana, pgbouncer], stats_users: bert}"
        ))),
        "t.yaml:2:23: warning: admin.users: \"ana\" is not in auth.users_file and cannot log in\n"
        "t.yaml:2:53: warning: admin.stats_users: \"bert\" is not in auth.users_file and cannot "
        "log in\n"
    );
}

TEST(Relations, TellWhereConnectionKeywordsBelong) {
    EXPECT_EQ(
        joined(errors_of(parse_text("databases: {shop: {upstream: x=, dbname: shop}}"))),
        "t.yaml:1:30: databases.shop.upstream: unknown keyword \"x\" in the connection string\n"
        "t.yaml:1:34: unknown option \"dbname\" in databases.shop; it belongs into upstream: "
        "\"dbname=...\"\n"
    );
    EXPECT_EQ(
        joined(errors_of(parse_text("databases: [{name: shop}]"))),
        "t.yaml:1:12: databases: expected a section (\"key: value\" lines), found a list; write "
        "NAME: {...} for each\n"
    );
}

TEST(Relations, WarnWithoutStopping) {
    const load_result nobody = parse_with_database("auth: {users_file: ''}");
    EXPECT_EQ(
        joined(warnings_of(nobody)),
        "t.yaml:1:20: warning: auth.users_file: is empty, so nobody can log in; name a file of "
        "users, or an auth_user that asks PostgreSQL\n"
    );
    EXPECT_NE(nobody.value, nullptr);
    EXPECT_EQ(joined(warnings_of(parse_with_database("auth: {type: trust}"))), "");
    EXPECT_EQ(
        joined(warnings_of(parse_with_database("auth: {type: trust}\nhttp: {token: short}"))),
        "t.yaml:2:15: warning: http.token: is shorter than 16 characters and may be guessed; use "
        "e.g. openssl rand -hex 16\n"
    );
    EXPECT_EQ(
        joined(warnings_of(parse_with_database("auth: {type: trust}\nhttp: {view_token: short}"))),
        "t.yaml:2:20: warning: http.view_token: is shorter than 16 characters and may be guessed; "
        "use e.g. openssl rand -hex 16\n"
    );
    EXPECT_EQ(
        joined(
            warnings_of(parse_with_database("auth: {type: trust}\nhttp: {token: 0123456789abcdef}"))
        ),
        ""
    );
    EXPECT_EQ(
        joined(warnings_of(parse_with_database("auth: {type: trust}\nlisten: {host: '*'}"))),
        "t.yaml:1:14: warning: auth.type: trust lets everybody in, and listen.host is open to "
        "other machines\n"
    );
    EXPECT_EQ(
        joined(warnings_of(
            parse_with_database("auth: {type: trust}\nlisten: {max_clients: 20}\npool: {size: 30}")
        )),
        "t.yaml:3:14: warning: pool: size + overflow, 40, is more than listen.max_clients, 20; so "
        "many are never used\n"
    );
}

TEST(Relations, WarnOfSecretsThatTheTypeCannotCheck) {
    const scratch_folder folder;
    const std::string users = folder.write(
        "users.txt",
        "\"a\" \"plain\"\n"
        "\"b\" \"md50123456789abcdef0123456789abcdef\"\n"
        "\"c\" \"SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
        "\"\n"
    );
    const std::string database = "databases: {shop: {upstream: host=x}}";
    const auto warned = [&](const std::string& type) {
        return joined(warnings_of(
            parse_text("auth: {type: " + type + ", users_file: " + users + "}\n" + database)
        ));
    };
    EXPECT_EQ(
        warned("scram-sha-256"),
        "t.yaml:1:14: warning: auth.type: scram-sha-256 cannot check the md5 secrets of "
        "auth.users_file (1 of 3 users, first b), who cannot log in; give them SCRAM secrets or "
        "passwords, or use md5\n"
    );
    EXPECT_EQ(warned("plain"), "");
    EXPECT_EQ(warned("md5"), "");
}

std::string found_in_auth(
    const std::string& auth, const std::string& databases = "shop: {upstream: host=x}"
) {
    std::string out;
    for (const auto& one :
         parse_text("auth: {" + auth + "}\ndatabases: {" + databases + "}").problems)
        out += to_string(one) + "\n";
    return out;
}

TEST(Relations, AnyNeedsAUserOfEachDatabaseAndWarnsWhereItIsOpen) {
    EXPECT_EQ(
        found_in_auth("type: any"),
        "t.yaml:2:13: databases.shop: auth.type any takes every name of a client, so this database "
        "needs the user that logs in to PostgreSQL; add user: ...\n"
    );
    EXPECT_EQ(found_in_auth("type: any", "shop: {upstream: host=x, user: app}"), "");
    EXPECT_EQ(
        joined(warnings_of(parse_text(
            "auth: {type: any}\nlisten: {host: '*'}\ndatabases: {shop: {upstream: host=x user=a}}"
        ))),
        "t.yaml:1:14: warning: auth.type: any lets everybody in, and listen.host is open to other "
        "machines\n"
    );
}

TEST(Relations, CertNeedsTlsThatChecks) {
    EXPECT_EQ(
        found_in_auth("type: cert"),
        "t.yaml:1:14: auth.type: cert needs certificates of clients that are checked; set "
        "listen.tls.mode to verify-full\n"
    );
}

TEST(Relations, AuthQueryNeedsItsUserAndItsParameter) {
    EXPECT_EQ(
        found_in_auth("users_file: /dev/null, query: SELECT a FROM b WHERE c = $1"),
        "t.yaml:1:38: auth.query: needs a user to run as; add auth_user: ...\n"
    );
    EXPECT_EQ(
        found_in_auth("auth_user: a, query: SELECT a FROM b"),
        "t.yaml:1:29: auth.query: must ask for one user, whose name is $1\n"
    );
    EXPECT_EQ(
        found_in_auth("auth_user: a, dbname: none"),
        "t.yaml:1:30: auth.dbname: \"none\" is not in databases\n"
    );
    EXPECT_EQ(found_in_auth("auth_user: a, dbname: shop"), "");
}

TEST(Relations, AChannelCanBeBoundOnlyInTls) {
    EXPECT_EQ(
        found_in_auth(
            "type: trust", "shop: {upstream: host=x sslmode=disable channel_binding=require}"
        ),
        "t.yaml:2:30: databases.shop.upstream: channel_binding=require needs TLS, which is "
        "disabled; take out one of the two\n"
    );
}

TEST(Relations, AuthQueryOfADatabaseNeedsItsUserAndItsParameter) {
    EXPECT_EQ(
        found_in_auth(
            "users_file: /dev/null",
            "shop: {upstream: host=x, auth_query: SELECT a FROM b WHERE c = $1}"
        ),
        "t.yaml:2:50: databases.shop.auth_query: needs a user to run the query as; add auth_user: "
        "...\n"
    );
    EXPECT_EQ(
        found_in_auth(
            "users_file: /dev/null", "shop: {upstream: host=x, auth_user: a, auth_query: SELECT a}"
        ),
        "t.yaml:2:64: databases.shop.auth_query: must ask for one user, whose name is $1\n"
    );
    EXPECT_EQ(
        found_in_auth("auth_user: a", "shop: {upstream: host=x, auth_dbname: none}"),
        "t.yaml:2:51: databases.shop.auth_dbname: \"none\" is not in databases\n"
    );
    // One of a database is enough for the query of all.
    EXPECT_EQ(
        found_in_auth(
            "query: SELECT a FROM b WHERE c = $1", "shop: {upstream: host=x, auth_user: a}"
        ),
        ""
    );
}

TEST(Relations, HbaNeedsItsFileAndTellsItsLines) {
    const scratch_folder folder;
    EXPECT_EQ(
        found_in_auth("type: hba"),
        "t.yaml:1:14: auth.type: hba needs a file of rules; add hba_file: ...\n"
    );
    const std::string rules = folder.write(
        "hba.conf",
        "local all all peer map=ops\nhost all @names all md5\nhost all all all nonsense\n"
    );
    folder.write("names", "ann, bob");
    EXPECT_EQ(
        found_in_auth("type: hba, hba_file: " + rules),
        rules + ":1:1: map=ops: there is no auth.ident_file\n" + rules +
            ":3:18: \"nonsense\" is no method; it is scram-sha-256, md5, password, cert, peer, "
            "trust "
            "or reject\n"
    );
    const std::string maps = folder.write("ident.conf", "other root app\nops root\n");
    EXPECT_EQ(
        found_in_auth("type: hba, hba_file: " + rules + ", ident_file: " + maps),
        rules + ":1:1: map=ops: auth.ident_file has no line of that map\n" + rules +
            ":3:18: \"nonsense\" is no method; it is scram-sha-256, md5, password, cert, peer, "
            "trust "
            "or reject\n" +
            maps + ":2:1: a line is MAP SYSTEM-NAME USER, three words\n"
    );
    EXPECT_EQ(
        found_in_auth("type: hba, hba_file: /nowhere/hba.conf"),
        "t.yaml:1:29: auth.hba_file: cannot read /nowhere/hba.conf: No such file or directory\n"
    );
    const std::string good = folder.write("good.conf", "local all all trust\n");
    EXPECT_EQ(found_in_auth("type: hba, hba_file: " + good), "");
    EXPECT_EQ(
        found_in_auth("type: trust, hba_file: " + good),
        "t.yaml:1:31: warning: auth.hba_file: is not used with auth.type trust; use type hba\n"
    );
}

TEST(Relations, HoldForARuleOnAnyDatabaseWhenThereIsAStar) {
    EXPECT_EQ(
        joined(errors_of(parse_text(
            "databases: {'*': {upstream: host=x}}\ncache: {rules: [{name: a, databases: [any]}]}"
        ))),
        ""
    );
}

TEST(Relations, AreNotToldTwiceForOneMistake) {
    // Each of these values is wrong in itself; that it is then missing must not be told as well.
    EXPECT_EQ(errors_of(parse_text("databases: {a: {upstream: [x]}}")).size(), 1U);
    EXPECT_EQ(
        errors_of(parse_with_database("cache: {rules: [{name: [x], tables: [x]}]}")).size(), 1U
    );
    EXPECT_EQ(
        errors_of(parse_with_database("cache: {rules: [{name: x, tables: {a: b}}]}")).size(), 1U
    );
    EXPECT_EQ(errors_of(parse_with_database("listen: {host: {a: b}}")).size(), 1U);
    EXPECT_EQ(errors_of(parse_with_database("listen: {host: [nowhere]}")).size(), 1U);
    EXPECT_EQ(joined(warnings_of(parse_with_database("auth: {users_file: [x]}"))), "");
}

}  // namespace
}  // namespace weir::daemon::config

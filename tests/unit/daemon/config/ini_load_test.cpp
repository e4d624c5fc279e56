#include "daemon/config/load.hpp"
#include "daemon/config/show.hpp"
#include "tests/unit/daemon/config/config_text.hpp"

#include <gtest/gtest.h>

#include <random>

namespace weir::daemon::config {
namespace {

using namespace std::chrono_literals;

load_result parse_ini(std::string_view text) {
    return parse(text, "t.ini", test_world());
}

/// A file is complete with these lines in front.
std::string with_database(std::string_view global) {
    return "[databases]\nshop = host=127.0.0.1\n[pgbouncer]\nlisten_addr = 127.0.0.1\nauth_type = "
           "trust\n" +
           std::string(global);
}

TEST(IniLoad, HasPgbouncersDefaults) {
    const load_result result = parse_ini("[databases]\nshop =\n[pgbouncer]\n");
    EXPECT_EQ(joined(errors_of(result)), "");
    ASSERT_NE(result.value, nullptr);
    const config& made = *result.value;
    EXPECT_TRUE(made.listen.hosts.empty());
    EXPECT_EQ(made.listen.port, 6432);
    EXPECT_EQ(made.listen.unix_socket_dir, "/tmp");
    EXPECT_EQ(made.listen.max_clients, 100);
    EXPECT_FALSE(made.http.enabled);
    EXPECT_EQ(made.auth.type, auth_type::md5);
    EXPECT_EQ(made.pool.mode, pool_mode::session);
    EXPECT_EQ(made.pool.size, 20);
    EXPECT_EQ(made.pool.overflow, 0);
    EXPECT_EQ(made.pool.min_idle, 0);
    EXPECT_EQ(made.pool.wait_timeout, 120s);
    EXPECT_EQ(made.pool.wait_notice, 5s);
    EXPECT_EQ(made.pool.connect_timeout, 15s);
    EXPECT_EQ(made.pool.idle_timeout, 600s);
    EXPECT_EQ(made.pool.lifetime, 3600s);
    EXPECT_EQ(made.pool.check_after_idle, 30s);
    EXPECT_EQ(made.pool.reset_query, "DISCARD ALL");
    EXPECT_EQ(made.pool.max_prepared, 200);
    const database_options& shop = made.databases.at("shop");
    EXPECT_EQ(shop.upstream.hosts, (std::vector<upstream_host>{{"/tmp", "", 5432}}));
    EXPECT_EQ(shop.upstream.dbname, "");
    EXPECT_EQ(shop.pool, made.pool);
}

TEST(IniLoad, TakesWhatTheFileSays) {
    const load_result result = parse_ini(
        "[databases]\n"
        "shop = host=db1,db2 port=6000 dbname=store user=app password='it''s' pool_size=7 "
        "reserve_pool=2 pool_mode=Transaction min_pool_size=1 server_lifetime=0.5 "
        "client_encoding=UTF8 datestyle='ISO, MDY'\n"
        "* = host=/run/pg\n"
        "[users]\nbob = pool_mode=session pool_size=3 reserve_pool_size=0\n"
        "[pgbouncer]\n"
        "listen_addr = *\nlisten_port = 7000\nunix_socket_dir =\nauth_type = trust\n"
        "admin_users = alice, bob\nstats_users = carl\n"
        "pool_mode = transaction\ndefault_pool_size = 30\nreserve_pool_size = 5\n"
        "query_wait_timeout = 1.5\nserver_lifetime = 0\nmax_client_conn = 200\nverbose = 2\n"
        "server_connect_timeout = 0\ndefault_pool_size = 40\nso_reuseport = 1\n"
        ";pgweir: http.listen = 127.0.0.1:9999\n;pgweir: pool.overflow_idle = 9s\n"
    );
    EXPECT_EQ(joined(errors_of(result)), "");
    ASSERT_NE(result.value, nullptr);
    const config& made = *result.value;
    EXPECT_EQ(made.listen.hosts, std::vector<std::string>{"*"});
    EXPECT_EQ(made.listen.port, 7000);
    EXPECT_EQ(made.listen.unix_socket_dir, "");
    EXPECT_EQ(made.listen.reuse_port, port_sharing::yes);
    EXPECT_EQ(made.admin.users, (std::vector<std::string>{"alice", "bob"}));
    EXPECT_EQ(made.pool.mode, pool_mode::transaction);
    EXPECT_EQ(made.pool.size, 40);
    EXPECT_EQ(made.pool.overflow, 5);
    EXPECT_EQ(made.pool.wait_timeout, 1500ms);
    EXPECT_EQ(made.pool.lifetime, 1ms) << "PgBouncer uses such a server once";
    EXPECT_EQ(made.pool.connect_timeout, 8760h);
    EXPECT_EQ(made.pool.overflow_idle, 9s);
    EXPECT_EQ(made.log.level, log_level::debug);
    EXPECT_TRUE(made.http.enabled);
    EXPECT_EQ(made.http.port, 9999);
    const database_options& shop = made.databases.at("shop");
    EXPECT_EQ(
        shop.upstream.hosts, (std::vector<upstream_host>{{"db1", "", 6000}, {"db2", "", 6000}})
    );
    EXPECT_EQ(shop.upstream.load_balance_hosts, host_order::round_robin) << "as in PgBouncer";
    EXPECT_EQ(shop.upstream.dbname, "store");
    EXPECT_EQ(shop.upstream.options, "-c client_encoding=UTF8 -c datestyle=ISO,\\ MDY");
    EXPECT_EQ(shop.user, "app");
    EXPECT_EQ(shop.password, "it's");
    EXPECT_EQ(shop.pool.size, 7);
    EXPECT_EQ(shop.pool.overflow, 2);
    EXPECT_EQ(shop.pool.min_idle, 1);
    EXPECT_EQ(shop.pool.lifetime, 500ms);
    EXPECT_EQ(made.databases.at("*").upstream.hosts.at(0).host, "/run/pg");
    EXPECT_EQ(made.resolve("shop", "bob").size, 3);
    EXPECT_EQ(made.resolve("shop", "bob").overflow, 0);
    EXPECT_EQ(made.resolve("shop", "bob").mode, pool_mode::session);
    EXPECT_EQ(
        joined(warnings_of(result)),
        "t.ini:10:13: warning: auth.type: trust lets everybody in, and listen.host is open to "
        "other "
        "machines\n"
        "t.ini:20:1: warning: server_connect_timeout: 0 is no limit in PgBouncer; here it is a "
        "year\n"
        "t.ini:21:1: warning: default_pool_size: is given twice; this line counts, as in "
        "PgBouncer\n"
    );
}

TEST(IniLoad, TellsEveryErrorAtItsPlace) {
    const load_result result = parse_ini(
        "[databases]\n"
        "shop = hots=x pool_sise=3 pool_size=many\n"
        "blog = host=x listen_addr=y connect_query='select hunter2' port=0\n"
        "pgbouncer = host=x\n"
        "[users]\nbob = pool_mod=x\n"
        "[pgbouncer]\n"
        "listen_addr = 127.0.0.1\n"
        "pool_mod = session\n"
        "pool_mode = sesion\n"
        "pool_size = 5\n"
        "query_timeout_ = 1\n"
        "query_wait_timeout = soon\n"
        "default_pool_size = 20000\n"
        "listen_port = 6432 ; the usual\n"
        "server_round_robin = on\n"
        "disable_pqexec = 1\n"
        "auth_type = pam\n"
        "whatever = 1\n"
        ";pgweir: threds = 2\n"
        "[pgbouncers]\nx = y\nz = y\n"
    );
    EXPECT_EQ(
        joined(errors_of(result)),
        "t.ini:2:8: unknown setting \"hots\" in [databases] shop; did you mean \"host\"?\n"
        "t.ini:2:15: unknown setting \"pool_sise\" in [databases] shop; did you mean "
        "\"pool_size\"?\n"
        "t.ini:2:37: [databases] shop: pool_size: expected a whole number, found \"many\"\n"
        "t.ini:3:8: databases.blog.upstream: port: not a number from 1 to 65535\n"
        "t.ini:3:15: unknown setting \"listen_addr\" in [databases] blog; it belongs into "
        "[pgbouncer]\n"
        "t.ini:4:1: databases.pgbouncer: this name is the console's; choose another\n"
        "t.ini:6:7: unknown setting \"pool_mod\" in [users] bob; did you mean \"pool_mode\"?\n"
        "t.ini:9:1: unknown setting \"pool_mod\" in [pgbouncer]; did you mean \"pool_mode\"?\n"
        "t.ini:10:13: pool_mode: \"sesion\" is not one of session, transaction, statement; did you "
        "mean session?\n"
        "t.ini:11:1: unknown setting \"pool_size\" in [pgbouncer]; it belongs into [databases]\n"
        "t.ini:12:1: unknown setting \"query_timeout_\" in [pgbouncer]; did you mean "
        "\"query_timeout\"?\n"
        "t.ini:13:22: query_wait_timeout: expected seconds, such as 30 or 0.5, found \"soon\"\n"
        "t.ini:14:21: default_pool_size: \"20000\" is above the greatest allowed, 10000\n"
        "t.ini:15:15: listen_port: expected a whole number, found \"6432 ; the usual\"\n"
        "t.ini:16:22: server_round_robin: expected 0 or 1, found \"on\"\n"
        "t.ini:17:1: disable_pqexec: simple queries cannot be switched off; remove it if no "
        "application relies on that protection\n"
        "t.ini:18:1: auth_type: LDAP and PAM are not supported; use auth_query, auth_file or hba\n"
        "t.ini:19:1: unknown setting \"whatever\" in [pgbouncer]; it is none of PgBouncer's\n"
        "t.ini:20:10: unknown option \"threds\" of pgweir; did you mean \"threads\"?\n"
        "t.ini:22:1: stands in the unknown section [pgbouncers]; did you mean [pgbouncer]?\n"
    );
    EXPECT_EQ(result.value, nullptr);
}

TEST(IniLoad, WarnsOfWhatIsDoneAnotherWay) {
    const load_result result = parse_ini(with_database(
        "pkt_buf = 8192\npkt_buf = 4096\nsbuf_loopcnt = 6\nserver_reset_query_always = 1\n"
        "server_check_query = select 2\nauth_hba_file = hba.conf\nauth_query = select hunter2\n"
        "tcp_keepalive = 1\n[peers]\n1 = host=x\n"
    ));
    ASSERT_NE(result.value, nullptr) << joined(errors_of(result));
    EXPECT_EQ(
        joined(warnings_of(result)),
        "t.ini:7:1: warning: pkt_buf: is given twice; this line counts, as in PgBouncer\n"
        "t.ini:8:1: warning: sbuf_loopcnt: pgweir sizes its buffers itself\n"
        "t.ini:9:1: warning: server_reset_query_always: it runs in transaction mode, too, whenever "
        "a session left state behind\n"
        "t.ini:10:1: warning: server_check_query: a connection is tested with an empty query\n"
        "t.ini:11:1: warning: auth_hba_file: is not read with auth_type = trust\n"
        "t.ini:12:1: warning: auth_query: is not run without auth_user\n"
        "t.ini:15:1: warning: [peers] 1: one process serves with as many threads as there are "
        "cores, cancel requests find their way\n"
    );
}

TEST(IniLoad, NeedsNoDatabase) {
    const load_result result = parse_ini("[databases]\n[pgbouncer]\nauth_type = trust\n");
    ASSERT_NE(result.value, nullptr) << joined(errors_of(result));
    EXPECT_EQ(
        joined(warnings_of(result)),
        "t.ini:1:1: warning: databases: none is given, so only the console can be reached\n"
    );
}

TEST(IniLoad, TellsProblemsOfIncludedFilesAtTheirPlace) {
    const scratch_folder folder;
    (void)folder.write("db.ini", "\nshop = hots=x\n");
    const std::string path =
        folder.write("pgbouncer.ini", "[databases]\n%include db.ini\n[pgbouncer]\npool_mode = x\n");
    EXPECT_EQ(
        joined(errors_of(load(path))),
        (folder / "db.ini") +
            ":2:8: unknown setting \"hots\" in [databases] shop; did you mean "
            "\"host\"?\n" +
            path + ":4:13: pool_mode: \"x\" is not one of session, transaction, statement\n"
    );
}

TEST(IniLoad, TakesWhatOneDatabaseRunsAtConnectAndAsksForUsers) {
    const load_result result = parse_ini(
        "[databases]\n"
        "shop = host=x connect_query='SET datestyle = ''German''' auth_user=own "
        "auth_query='SELECT a, b FROM f($1)' auth_dbname=blog\n"
        "blog = host=x\n[pgbouncer]\nauth_type = md5\nauth_file = /dev/null\n"
        "auth_query = SELECT c, d FROM g($1)\n"
    );
    ASSERT_NE(result.value, nullptr) << joined(errors_of(result));
    const auto& shop = result.value->databases.at("shop");
    EXPECT_EQ(shop.connect_query, "SET datestyle = 'German'");
    EXPECT_EQ(shop.auth_user, "own");
    EXPECT_EQ(shop.auth_query, "SELECT a, b FROM f($1)");
    EXPECT_EQ(shop.auth_dbname, "blog");
    EXPECT_EQ(result.value->databases.at("blog").auth_query, "");
    EXPECT_EQ(result.value->auth.query, "SELECT c, d FROM g($1)");
    EXPECT_TRUE(result.value->auth.asks_server());
}

TEST(IniLoad, ResolvesSecretsAndShowsNone) {
    const load_result result = parse_ini(
        "[databases]\nshop = host=x user=u password=${SECRET}\nblog = host=x user=u "
        "password=hunter2 connect_query='SELECT hunter2'\n[pgbouncer]\nauth_type = trust\n"
    );
    ASSERT_NE(result.value, nullptr) << joined(errors_of(result));
    EXPECT_EQ(result.value->databases.at("shop").password, "hunter2");
    for (const config_row& row : render_config(*result.value))
        EXPECT_EQ(row.value.find("hunter2"), std::string::npos) << row.key;
}

TEST(IniLoad, NeverPrintsASecretInAProblem) {
    const std::vector<std::string> cases = {
        "[databases]\nx = password='hunter2\n",
        "[databases]\nx = password=a hunter2\n",
        "[databases]\nx = host=h password=hunter2\n",
        "[databases]\nx = connect_query='hunter2' hots=x\n",
        "[databases]\nx\n = password=hunter2\n",
        "[databases]\nx = host=h\n  password=hunter2\n",
        "[pgbouncer]\nauth_ldap_options = ldapbindpasswd=hunter2\n",
        "[pgbouncer]\n;pgweir: http.token = hunter2\n",
        "[pgbouncer]\n;pgweir: cache.redis = redis://:hunter2@h\n",
    };
    for (const std::string& text : cases) {
        const load_result result = parse_ini(text);
        ASSERT_FALSE(result.problems.empty()) << text;
        for (const problem& each : result.problems)
            EXPECT_EQ(to_string(each).find("hunter2"), std::string::npos) << to_string(each);
    }
}

/// Random edits of a real file: the loader answers with problems or a snapshot, never with a crash.
TEST(IniLoad, SurvivesRandomEdits) {
    const std::string seed =
        "[databases]\nshop = host=a,b port=1 password='it''s' user=x datestyle='a b'\n* =\n"
        "[users]\n\"a b\" = pool_size=3 pool_mode=session\n"
        "[pgbouncer]\nlisten_addr = 127.0.0.1, ::1\nauth_type = trust\nserver_lifetime = 0.5\n"
        ";pgweir: threads = 2\n%include /nowhere/x\n";
    const std::vector<std::string> pieces = {
        "[",     "]",   "=",         "'",         "''",        "\"",
        "\n",    " ",   ";",         "#",         "%include ", ";pgweir: ",
        "${",    "}",   "file:",     "\xff",      "0",         "99999999999999999999",
        "1e400", "nan", "-1",        "*",         ",",         "\\",
        "\t",    "\r",  "[users]\n", "[peers]\n", "pool_mode", "auth_user=",
        "\0"};
    std::mt19937 random(20240607);
    const auto below = [&](std::size_t limit) {
        return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random);
    };
    for (int round = 0; round < 3000; ++round) {
        std::string text = seed;
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
        const load_result result = parse_ini(text);
        ASSERT_EQ(result.value == nullptr, has_error(result.problems)) << text;
        for (const problem& each : result.problems) {
            ASSERT_FALSE(each.message.empty());
            ASSERT_GE(each.line, 1) << text;
        }
    }
}

}  // namespace
}  // namespace weir::daemon::config

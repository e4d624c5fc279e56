#include "daemon/config/ini_import.hpp"

#include "daemon/config/load.hpp"
#include "daemon/config/show.hpp"
#include "tests/unit/daemon/config/config_text.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::config {
namespace {

/// Settings of every kind, more than forty of them.
constexpr std::string_view many_settings =
    "[databases]\n"
    "shop = host=127.0.0.1 port=5433 dbname=store user=app password='it''s \"so\" \\ here'\n"
    "\"a b\" = host=db1 client_encoding=LATIN1 timezone='Europe/Zurich' application_name='a b'\n"
    "* = host=/run/postgresql pool_mode=transaction pool_size=3 reserve_pool=1 min_pool_size=2\n"
    "[users]\n"
    "report = pool_mode=session pool_size=2\n"
    "bare =\n"
    "[pgbouncer]\n"
    "logfile = /tmp/pgbouncer.log\n"
    "pidfile = /tmp/pgbouncer.pid\n"
    "listen_addr = 127.0.0.1, ::1\n"
    "listen_port = 6543\n"
    "listen_backlog = 256\n"
    "unix_socket_dir = /tmp\n"
    "unix_socket_mode = 0770\n"
    "auth_type = trust\n"
    "admin_users = alice, bob\n"
    "stats_users = carl\n"
    "pool_mode = transaction\n"
    "server_reset_query = DISCARD ALL\n"
    "server_reset_query_always = 1\n"
    "ignore_startup_parameters = extra_float_digits, options\n"
    "server_check_query = select 1\n"
    "server_check_delay = 10\n"
    "server_fast_close = 1\n"
    "application_name_add_host = 1\n"
    "stats_period = 30\n"
    "max_client_conn = 500\n"
    "default_pool_size = 25\n"
    "min_pool_size = 5\n"
    "reserve_pool_size = 5\n"
    "reserve_pool_timeout = 3\n"
    "server_round_robin = 1\n"
    "syslog = 1\n"
    "syslog_facility = local0\n"
    "log_connections = 0\n"
    "log_disconnections = 0\n"
    "log_stats = 0\n"
    "verbose = 1\n"
    "server_lifetime = 1200\n"
    "server_idle_timeout = 60.5\n"
    "server_connect_timeout = 5\n"
    "server_login_retry = 1\n"
    "query_wait_timeout = 20\n"
    "query_wait_notify = 2\n"
    "autodb_idle_timeout = 600\n"
    "pkt_buf = 8192\n"
    "sbuf_loopcnt = 10\n"
    "max_packet_size = 1000000\n"
    "tcp_keepalive = 1\n"
    "tcp_keepidle = 60\n"
    "dns_max_ttl = 5\n"
    "track_extra_parameters = IntervalStyle, search_path\n"
    "max_prepared_statements = 100\n"
    ";pgweir: threads = 2\n";

/// What both ways give, as lines; `file` is the one difference.
std::string described(const config& made) {
    std::string text;
    for (const config_row& row : render_config(made))
        text += row.key + " = " + row.value + "\n";
    for (const setting& each : made.settings)
        text += each.key + " is " + each.value + "\n";
    return text;
}

void expect_same(const config& one, const config& other) {
    EXPECT_EQ(described(one), described(other));
    EXPECT_EQ(one.listen, other.listen);
    EXPECT_EQ(one.threads, other.threads);
    EXPECT_EQ(one.http, other.http);
    EXPECT_EQ(one.admin, other.admin);
    EXPECT_EQ(one.auth, other.auth);
    EXPECT_EQ(one.pool, other.pool);
    EXPECT_EQ(one.databases, other.databases);
    EXPECT_EQ(one.users, other.users);
    EXPECT_EQ(one.cache, other.cache);
    EXPECT_EQ(one.slow_log, other.slow_log);
    EXPECT_EQ(one.log, other.log);
}

TEST(IniImport, WritesWhatLoadingTheFileGives) {
    const load_result native = parse(many_settings, "t.ini", test_world());
    ASSERT_NE(native.value, nullptr) << joined(errors_of(native));
    const import_result imported = import_ini_text(many_settings, "t.ini");
    ASSERT_TRUE(imported.yaml);
    const load_result again = parse(*imported.yaml, "t.yaml", test_world());
    ASSERT_NE(again.value, nullptr) << joined(errors_of(again)) << *imported.yaml;
    expect_same(*native.value, *again.value);
    EXPECT_EQ(again.value->databases.at("shop").password, "it's \"so\" \\ here");
    EXPECT_EQ(
        again.value->databases.at("a b").upstream.options,
        "-c client_encoding=LATIN1 -c timezone=Europe/Zurich -c application_name=a\\ b"
    );
}

TEST(IniImport, CommentsOnEachLineWithoutEqual) {
    const import_result imported = import_ini_text(
        "[databases]\nshop = host=db connect_query='select hunter2'\n[pgbouncer]\npkt_buf = 8192\n"
        "disable_pqexec = 1\nlisten_port = 7000\n",
        "t.ini"
    );
    ASSERT_TRUE(imported.yaml);
    EXPECT_EQ(
        *imported.yaml,
        "# Made by pgweir --import from t.ini.\n"
        "#\n"
        "# What has no equal in pgweir:\n"
        "#   line 4: pkt_buf = 8192: pgweir sizes its buffers itself\n"
        "#   line 5: disable_pqexec = 1: simple queries cannot be switched off; remove it if no "
        "application relies on that protection\n"
        "\n"
        "listen:\n"
        "  host: []  # as in PgBouncer: listen_addr\n"
        "  port: 7000\n"
        "  unix_socket_dir: \"/tmp\"  # as in PgBouncer: unix_socket_dir\n"
        "  max_clients: 100  # as in PgBouncer: max_client_conn\n"
        "http:\n"
        "  listen: \"\"  # as in PgBouncer: no HTTP\n"
        "auth:\n"
        "  type: md5  # as in PgBouncer: auth_type\n"
        "pool:\n"
        "  mode: session  # as in PgBouncer: pool_mode\n"
        "  size: 20  # as in PgBouncer: default_pool_size\n"
        "  overflow: 0  # as in PgBouncer: reserve_pool_size\n"
        "  wait_timeout: 2m  # as in PgBouncer: query_wait_timeout\n"
        "databases:\n"
        "  \"shop\":\n"
        "    upstream: \"host=db port=5432\"\n"
        "    connect_query: \"select hunter2\"\n"
    );
    EXPECT_EQ(imported.problems.size(), 2U) << "told on stderr, too";
}

TEST(IniImport, WritesFilesWithoutDatabases) {
    const std::string_view text = "[users]\nbare =\n[pgbouncer]\nlogfile = /tmp/log\n";
    const load_result native = parse(text, "t.ini", test_world());
    ASSERT_NE(native.value, nullptr) << joined(errors_of(native));
    const import_result imported = import_ini_text(text, "t.ini");
    ASSERT_TRUE(imported.yaml);
    const load_result again = parse(*imported.yaml, "t.yaml", test_world());
    ASSERT_NE(again.value, nullptr) << joined(errors_of(again)) << *imported.yaml;
    expect_same(*native.value, *again.value);
    EXPECT_EQ(again.value->users.size(), 1U);
}

TEST(IniImport, GivesNothingForAFileWithErrors) {
    const import_result imported = import_ini_text("[pgbouncer]\npool_mod = x\n", "t.ini");
    EXPECT_FALSE(imported.yaml);
    ASSERT_EQ(imported.problems.size(), 1U);
    EXPECT_EQ(
        to_string(imported.problems[0]),
        "t.ini:2:1: unknown setting \"pool_mod\" in [pgbouncer]; did you mean "
        "\"pool_mode\"?"
    );
    EXPECT_FALSE(import_ini_text("[databases]\n\"\xff\" = host=x\n", "t.ini").yaml);
    EXPECT_FALSE(import_ini("/nowhere/t.ini").yaml);
}

}  // namespace
}  // namespace weir::daemon::config

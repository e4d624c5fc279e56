// PgBouncer's own configuration, loaded, run, reloaded and imported: that of Debian's package, and
// one with more than forty settings.
#include "tests/integration/fixture.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <string>

namespace weir::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* debians_file = "/etc/pgbouncer/pgbouncer.ini";

constexpr const char* forty_settings =
    "[databases]\n"
    "shop = host=127.0.0.1 port={pg} dbname=shop pool_size=2 datestyle='German, DMY'\n"
    "other = host=127.0.0.1 port={pg} dbname=shop pool_mode=transaction reserve_pool=1\n"
    "* = host=127.0.0.1 port={pg}\n"
    "[users]\n"
    "report = pool_mode=session pool_size=1\n"
    "[pgbouncer]\n"
    ";pgweir: http.listen = 127.0.0.1:{http}\n"
    ";pgweir: threads = 2\n"
    "listen_addr = 127.0.0.1\n"
    "listen_port = {port}\n"
    "listen_backlog = 256\n"
    "unix_socket_dir = {dir}\n"
    "unix_socket_mode = 0777\n"
    "logfile = {dir}/daemon.log\n"
    "pidfile = {dir}/pgbouncer.pid\n"
    "auth_type = trust\n"
    "admin_users = postgres\n"
    "stats_users = report\n"
    "pool_mode = session\n"
    "server_reset_query = DISCARD ALL\n"
    "server_reset_query_always = 0\n"
    "ignore_startup_parameters = extra_float_digits\n"
    "server_check_query = select 1\n"
    "server_check_delay = 30\n"
    "server_fast_close = 0\n"
    "server_round_robin = 0\n"
    "application_name_add_host = 0\n"
    "stats_period = 60\n"
    "max_client_conn = 50\n"
    "default_pool_size = 3\n"
    "min_pool_size = 0\n"
    "reserve_pool_size = 0\n"
    "reserve_pool_timeout = 5\n"
    "max_db_connections = 0\n"
    "max_user_connections = 0\n"
    "syslog = 0\n"
    "log_connections = 1\n"
    "log_disconnections = 1\n"
    "log_pooler_errors = 1\n"
    "log_stats = 0\n"
    "verbose = 0\n"
    "server_lifetime = 3600\n"
    "server_idle_timeout = 600\n"
    "server_connect_timeout = 15\n"
    "server_login_retry = 15\n"
    "query_timeout = 0\n"
    "query_wait_timeout = 20\n"
    "client_idle_timeout = 0\n"
    "client_login_timeout = 60\n"
    "autodb_idle_timeout = 3600\n"
    "idle_transaction_timeout = 0\n"
    "suspend_timeout = 10\n"
    "pkt_buf = 8192\n"
    "sbuf_loopcnt = 5\n"
    "tcp_keepalive = 1\n"
    "tcp_keepidle = 30\n"
    "dns_max_ttl = 15\n"
    "max_prepared_statements = 100\n";

std::string shown(daemon_process const& daemon, std::string const& option) {
    return shown_by_console(daemon, "SHOW CONFIG", "key", option, "value");
}

/// What `--import` prints on stdout alone.
std::string imported(fs::path const& ini) {
    fs::path const yaml = ini.parent_path() / "imported.yaml";
    auto const done = run_to_end(
        {.command =
             {"sh",
              "-c",
              "\"$0\" --import \"$1\" > \"$2\"",
              daemon_binary(),
              ini.string(),
              yaml.string()}}
    );
    EXPECT_EQ(done.status, 0) << done.output;
    return read_file(yaml);
}

finished check(fs::path const& file) {
    return run_to_end({.command = {daemon_binary(), "--check", "--config", file.string()}});
}

TEST(PgbouncerIni, FortySettingsLoadRunAndReload) {
    prepare_shop();
    daemon_process daemon(forty_settings);
    EXPECT_EQ(pq_connection(daemon.dsn("shop")).scalar("SHOW datestyle"), "German, DMY");
    EXPECT_EQ(pq_connection(daemon.dsn("other")).scalar("SELECT count(*) FROM items"), "10");
    EXPECT_EQ(
        pq_connection(daemon.dsn("postgres")).scalar("SELECT current_database()"), "postgres"
    );
    EXPECT_EQ(shown(daemon, "pool.size"), "3");
    EXPECT_EQ(shown(daemon, "databases.other.pool.overflow"), "1");
    EXPECT_EQ(shown_by_console(daemon, "SHOW POOLS", "database", "shop", "pool_mode"), "session");
    EXPECT_EQ(
        shown_by_console(daemon, "SHOW POOLS", "database", "other", "pool_mode"), "transaction"
    );

    daemon.rewrite(
        replaced(forty_settings, "default_pool_size = 3\n", "default_pool_size = 4\npool_mod = x\n")
    );
    auto const refused = pq_connection(daemon.dsn("pgbouncer")).execute("RELOAD");
    EXPECT_EQ(refused.sqlstate(), "F0000");
    EXPECT_NE(
        refused.field(PG_DIAG_MESSAGE_DETAIL).find("did you mean \"pool_mode\"?"), std::string::npos
    ) << refused.message();
    EXPECT_EQ(shown(daemon, "pool.size"), "3");
    daemon.rewrite(replaced(forty_settings, "default_pool_size = 3", "default_pool_size = 4"));
    daemon.reload();
    EXPECT_EQ(shown(daemon, "pool.size"), "4");
}

TEST(PgbouncerIni, FortySettingsImportToWhatRunsAlike) {
    prepare_shop();
    temporary_folder folder;
    // With names instead of numbers: the YAML is to be run, too.
    write_file(
        folder.path() / "pgbouncer.ini",
        replaced(
            replaced(
                replaced(replaced(forty_settings, "{dir}", folder.path().string()), "{pg}", "5432"),
                "{http}",
                "9632"
            ),
            "{port}",
            "6432"
        )
    );
    std::string yaml = imported(folder.path() / "pgbouncer.ini");
    auto const clean = check(folder.path() / "imported.yaml");
    EXPECT_EQ(clean.status, 0) << clean.output;
    EXPECT_EQ(clean.output, "");

    daemon_process const native(forty_settings);
    yaml = replaced(yaml, folder.path().string(), "{dir}");
    yaml = replaced(replaced(replaced(yaml, "5432", "{pg}"), "9632", "{http}"), "6432", "{port}");
    daemon_process const other(yaml);
    pq_connection one(native.dsn("pgweir"));
    pq_connection two(other.dsn("pgweir"));
    auto const rows = [](pq_connection& from) {
        auto const all = from.must("SHOW CONFIG");
        std::string text;
        for (int i = 0; i < all.rows(); ++i) {
            std::string const key = all.value(i, 0);
            bool const is_own = key == "listen.port" || key == "http.listen" || key == "log.file" ||
                                key == "listen.unix_socket_dir";
            if (!is_own) text += key + " = " + all.value(i, 1) + "\n";
        }
        return text;
    };
    EXPECT_EQ(rows(one), rows(two));
    EXPECT_EQ(pq_connection(other.dsn("shop")).scalar("SHOW datestyle"), "German, DMY");
}

TEST(PgbouncerIni, DebiansFileLoadsRunsAndImports) {
    ASSERT_EQ(::access(debians_file, R_OK), 0)
        << debians_file << " cannot be read: `./dev test` installs pgbouncer, which gives it to "
        << "root and the group postgres";
    auto const loaded = check(debians_file);
    EXPECT_EQ(loaded.status, 0) << loaded.output;

    // Where it would write, and where it would be in another's way.
    std::string text = replaced(read_file(debians_file), "/var/log/postgresql", "{dir}");
    text = replaced(text, "listen_port = 6432", "listen_port = {port}");
    text = replaced(text, "/var/run/postgresql", "{dir}");
    text = ";pgweir: http.listen = 127.0.0.1:{http}\n" + text;
    daemon_process const daemon(text);
    // The user of the same name as in PgBouncer, on the unix socket.
    pq_connection admin(
        "host=" + daemon.dir().string() + " port=" + std::to_string(daemon.port()) +
        " dbname=pgbouncer user=pgbouncer"
    );
    EXPECT_EQ(admin.must("SHOW DATABASES").rows(), 0);

    temporary_folder folder;
    fs::copy_file(debians_file, folder.path() / "pgbouncer.ini");
    (void)imported(folder.path() / "pgbouncer.ini");
    auto const again = check(folder.path() / "imported.yaml");
    EXPECT_EQ(again.status, 0) << again.output;
}

}  // namespace
}  // namespace weir::test

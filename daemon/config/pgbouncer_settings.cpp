#include "daemon/config/pgbouncer_settings.hpp"

#include <algorithm>
#include <array>

namespace weir::daemon::config {
namespace {

using enum pgbouncer_value;
using enum pgbouncer_effect;

constexpr std::string_view by_the_system =
    "the operating system's value is used, with TCP_NODELAY and keep-alive on";
constexpr std::string_view own_buffers = "pgweir sizes its buffers itself";
constexpr std::string_view by_the_resolver =
    "names are resolved by the system at each connect, so that nothing goes stale";
constexpr std::string_view by_openssl = "OpenSSL's secure default is used, TLS 1.2 or newer";
constexpr std::string_view by_the_manager = "the service manager does that: see systemd/";
constexpr std::string_view no_syslog =
    "log lines go to log.file or to stderr, which systemd passes on to the journal";
constexpr std::string_view all_logged = "connections are counted in the metrics instead";
constexpr std::string_view single_process =
    "one process serves with as many threads as there are cores, cancel requests find their way";
constexpr std::string_view no_limit_size = "0 is no limit in PgBouncer; here it is 10000";
constexpr std::string_view no_limit_time = "0 is no limit in PgBouncer; here it is a year";
constexpr std::string_view year = "8760h";

constexpr auto global_settings = std::to_array<pgbouncer_setting>({
    // clang-format off
    {"logfile", text, "", becomes, "log.file"},
    {"pidfile", text, "", ignored, "", "", "no pid file is written; pgweir runs in the foreground under a service manager"},
    {"conffile", text, "", ignored, "", "", "RELOAD reads the file that --config named"},
    {"user", text, "", ignored, "", "", "start pgweir as that user, e.g. by User= of the systemd unit"},
    {"job_name", text, "pgbouncer", ignored, "", "", by_the_manager},
    {"service_name", text, "pgbouncer", ignored, "", "", by_the_manager},
    {"listen_addr", names, "", becomes, "listen.host"},
    {"listen_port", number, "6432", becomes, "listen.port"},
    {"listen_backlog", number, "128", ignored, "", "", "the longest that the system allows is used"},
    {"unix_socket_dir", text, "/tmp", becomes, "listen.unix_socket_dir"},
    {"unix_socket_mode", text, "0777", ignored, "", "", "the socket is open to every local user, who still has to log in; the rights of its folder restrict that"},
    {"unix_socket_group", text, "", ignored, "", "", "the socket is open to every local user, who still has to log in; the rights of its folder restrict that"},
    {"pool_mode", word, "session", becomes, "pool.mode"},
    {"max_client_conn", number, "100", becomes, "listen.max_clients"},
    {"default_pool_size", number, "20", becomes, "pool.size", "10000", no_limit_size},
    {"min_pool_size", number, "0", becomes, "pool.min_idle"},
    {"reserve_pool_size", number, "0", becomes, "pool.overflow"},
    {"reserve_pool_timeout", seconds, "5", ignored, "", "", "the reserve (pool.overflow) is used as soon as a client would have to wait"},
    {"max_db_connections", number, "0", each_database, "max_connections"},
    {"max_db_client_connections", number, "0", each_database, "max_client_connections"},
    {"max_user_connections", number, "0", each_user, "max_server_connections"},
    {"max_user_client_connections", number, "0", each_user, "max_connections"},
    {"server_round_robin", flag, "0", ignored, "", "", "the connection that was used last is used first, so that those that are not needed grow old and go"},
    {"track_extra_parameters", names, "IntervalStyle", ignored, "", "", "every SET of a client follows it to its next server"},
    {"ignore_startup_parameters", names, "", ignored, "", "", "start-up parameters are passed on to PostgreSQL, which knows them"},
    {"application_name_add_host", flag, "0", ignored, "", "", "application_name stays the client's; SHOW CLIENTS has the addresses"},
    {"disable_pqexec", flag, "0", refused, "", "", "simple queries cannot be switched off; remove it if no application relies on that protection"},
    {"peer_id", number, "0", ignored, "", "", single_process},
    {"stats_period", seconds, "60", ignored, "", "", "averages are taken over a minute"},
    {"max_prepared_statements", number, "200", becomes, "pool.max_prepared", "200", "prepared statements are always tracked, so 0 is 200"},
    {"scram_iterations", number, "4096", ignored, "", "", "secrets made from plain passwords have 4096 iterations"},
    {"login_notify_message", text, "", ignored, "", "", "no notice is sent at login"},

    {"auth_type", word, "md5", combined, "auth.type"},
    {"auth_file", text, "", becomes, "auth.users_file"},
    {"auth_hba_file", text, "", combined, "auth.hba_file"},
    {"auth_ident_file", text, "", combined, "auth.ident_file"},
    {"auth_user", text, "", combined, "auth.auth_user"},
    {"auth_query", text, "", combined, "auth.query"},
    {"auth_dbname", text, "", combined, "auth.dbname"},
    {"auth_ldap_options", text, "", refused, "", "", "LDAP is not supported; use auth_query or auth_file", true},

    {"syslog", flag, "0", ignored, "", "", no_syslog},
    {"syslog_ident", text, "pgbouncer", ignored, "", "", no_syslog},
    {"syslog_facility", text, "daemon", ignored, "", "", no_syslog},
    {"log_connections", flag, "1", ignored, "", "", all_logged},
    {"log_disconnections", flag, "1", ignored, "", "", all_logged},
    {"log_pooler_errors", flag, "1", ignored, "", "", "errors sent to clients are counted in the metrics instead"},
    {"log_stats", flag, "1", ignored, "", "", "statistics are in SHOW STATS and in the metrics, not in the log"},
    {"verbose", number, "0", combined, "log.level"},
    {"admin_users", names, "", becomes, "admin.users"},
    {"stats_users", names, "", becomes, "admin.stats_users"},

    {"server_reset_query", text, "DISCARD ALL", becomes, "pool.reset_query"},
    {"server_reset_query_always", flag, "0", ignored, "", "", "it runs in transaction mode, too, whenever a session left state behind"},
    {"server_check_delay", seconds, "30", combined, "pool.check_after_idle"},
    {"server_check_query", text, "<empty>", combined, "pool.check_after_idle"},
    {"server_fast_close", flag, "0", ignored, "", "", "a connection that must go is closed when its client has no more use for it"},
    {"server_lifetime", seconds, "3600", becomes, "pool.lifetime", "1ms"},
    {"server_idle_timeout", seconds, "600", becomes, "pool.idle_timeout"},
    {"server_connect_timeout", seconds, "15", becomes, "pool.connect_timeout", year, no_limit_time},
    {"server_login_retry", seconds, "15", ignored, "", "", "a failed connect is tried again after a pause that grows; clients are told at once"},
    {"client_login_timeout", seconds, "60", becomes, "listen.client_login_timeout"},
    {"autodb_idle_timeout", seconds, "3600", ignored, "", "", "pools that nobody has used for a while are dropped"},
    {"pool_idle_timeout", seconds, "0", ignored, "", "", "pools that nobody has used for a while are dropped"},
    {"query_wait_notify", seconds, "5", becomes, "pool.wait_notice"},
    {"query_wait_timeout", seconds, "120", becomes, "pool.wait_timeout"},
    {"cancel_wait_timeout", seconds, "10", ignored, "", "", "cancel requests do not wait for a connection of the pool"},
    {"query_timeout", seconds, "0", becomes, "pool.query_timeout"},
    {"client_idle_timeout", seconds, "0", becomes, "pool.client_idle_timeout"},
    {"idle_transaction_timeout", seconds, "0", becomes, "pool.idle_in_transaction_timeout"},
    {"transaction_timeout", seconds, "0", becomes, "pool.transaction_timeout"},
    {"suspend_timeout", seconds, "10", ignored, "", "", "there is no SUSPEND; restart with SHUTDOWN WAIT_FOR_CLIENTS or socket activation"},

    {"dns_max_ttl", seconds, "15", ignored, "", "", by_the_resolver},
    {"dns_nxdomain_ttl", seconds, "15", ignored, "", "", by_the_resolver},
    {"dns_zone_check_period", seconds, "0", ignored, "", "", by_the_resolver},
    {"resolv_conf", text, "", ignored, "", "", by_the_resolver},

    {"client_tls_sslmode", word, "disable", becomes, "listen.tls.mode"},
    {"client_tls_key_file", text, "", becomes, "listen.tls.key_file"},
    {"client_tls_cert_file", text, "", becomes, "listen.tls.cert_file"},
    {"client_tls_ca_file", text, "", becomes, "listen.tls.ca_file"},
    {"client_tls_protocols", text, "secure", ignored, "", "", by_openssl},
    {"client_tls_ciphers", text, "default", ignored, "", "", by_openssl},
    {"client_tls13_ciphers", text, "", ignored, "", "", by_openssl},
    {"client_tls_ecdhcurve", text, "auto", ignored, "", "", by_openssl},
    {"client_tls_dheparams", text, "auto", ignored, "", "", by_openssl},
    {"server_tls_sslmode", word, "prefer", each_database, "tls.mode"},
    {"server_tls_ca_file", text, "", each_database, "tls.ca_file"},
    {"server_tls_key_file", text, "", each_database, "tls.key_file"},
    {"server_tls_cert_file", text, "", each_database, "tls.cert_file"},
    {"server_tls_protocols", text, "secure", ignored, "", "", by_openssl},
    {"server_tls_ciphers", text, "default", ignored, "", "", by_openssl},
    {"server_tls13_ciphers", text, "", ignored, "", "", by_openssl},

    {"pkt_buf", number, "4096", ignored, "", "", own_buffers},
    {"max_packet_size", number, "2147483647", ignored, "", "", "messages that need not be whole are passed on in parts, others have a limit of their own"},
    {"sbuf_loopcnt", number, "5", ignored, "", "", own_buffers},
    {"so_reuseport", flag, "0", becomes, "listen.reuse_port"},
    {"tcp_defer_accept", number, "1", ignored, "", "", by_the_system},
    {"tcp_socket_buffer", number, "0", ignored, "", "", by_the_system},
    {"tcp_keepalive", flag, "1", ignored, "", "", by_the_system},
    {"tcp_keepcnt", number, "0", ignored, "", "", by_the_system},
    {"tcp_keepidle", number, "0", ignored, "", "", by_the_system},
    {"tcp_keepintvl", number, "0", ignored, "", "", by_the_system},
    {"tcp_user_timeout", whole_milliseconds, "0", ignored, "", "", by_the_system},
    // clang-format on
});

constexpr auto database_settings = std::to_array<pgbouncer_setting>({
    // clang-format off
    {"dbname", text, "", combined, "upstream"},
    {"host", text, "", combined, "upstream"},
    {"port", number, "5432", combined, "upstream"},
    {"user", text, "", becomes, "user"},
    {"password", text, "", combined, "password", "", "", true},
    {"auth_user", text, "", becomes, "auth_user"},
    {"auth_query", text, "", becomes, "auth_query"},
    {"auth_dbname", text, "", becomes, "auth_dbname"},
    {"pool_size", number, "", becomes, "pool.size", "10000", no_limit_size},
    {"min_pool_size", number, "", becomes, "pool.min_idle"},
    {"reserve_pool_size", number, "", becomes, "pool.overflow"},
    {"reserve_pool", number, "", becomes, "pool.overflow"},
    {"pool_mode", word, "", becomes, "pool.mode"},
    {"max_db_connections", number, "", becomes, "max_connections"},
    {"max_db_client_connections", number, "", becomes, "max_client_connections"},
    {"server_lifetime", seconds, "0", becomes, "pool.lifetime"},
    {"query_wait_timeout", seconds, "", becomes, "pool.wait_timeout"},
    {"load_balance_hosts", word, "round-robin", combined, "load_balance_hosts"},
    {"connect_query", text, "", becomes, "connect_query", "", "", true},
    {"client_encoding", text, "", combined, "upstream"},
    {"datestyle", text, "", combined, "upstream"},
    {"timezone", text, "", combined, "upstream"},
    {"application_name", text, "", combined, "upstream"},
    // clang-format on
});

constexpr auto user_settings = std::to_array<pgbouncer_setting>({
    // clang-format off
    {"pool_size", number, "", becomes, "pool.size", "10000", no_limit_size},
    {"reserve_pool_size", number, "", becomes, "pool.overflow"},
    {"pool_mode", word, "", becomes, "pool.mode"},
    {"max_user_connections", number, "", becomes, "max_server_connections"},
    {"max_user_client_connections", number, "", becomes, "max_connections"},
    {"query_timeout", seconds, "", becomes, "pool.query_timeout"},
    {"query_wait_timeout", seconds, "", becomes, "pool.wait_timeout"},
    {"idle_transaction_timeout", seconds, "", becomes, "pool.idle_in_transaction_timeout"},
    {"transaction_timeout", seconds, "", becomes, "pool.transaction_timeout"},
    {"client_idle_timeout", seconds, "", becomes, "pool.client_idle_timeout"},
    // clang-format on
});

constexpr auto peer_settings = std::to_array<pgbouncer_setting>({
    {"host", text, "", ignored, "", "", single_process},
    {"port", number, "", ignored, "", "", single_process},
    {"pool_size", number, "", ignored, "", "", single_process},
});

}  // namespace

std::span<const pgbouncer_setting> pgbouncer_settings(pgbouncer_section section) {
    switch (section) {
        case pgbouncer_section::global:
            return global_settings;
        case pgbouncer_section::databases:
            return database_settings;
        case pgbouncer_section::users:
            return user_settings;
        case pgbouncer_section::peers:
            return peer_settings;
    }
    return {};
}

const pgbouncer_setting* find_pgbouncer_setting(pgbouncer_section section, std::string_view name) {
    const auto known = pgbouncer_settings(section);
    const auto found = std::ranges::find(known, name, &pgbouncer_setting::name);
    return found == known.end() ? nullptr : &*found;
}

std::string_view section_name(pgbouncer_section section) {
    switch (section) {
        case pgbouncer_section::global:
            return "pgbouncer";
        case pgbouncer_section::databases:
            return "databases";
        case pgbouncer_section::users:
            return "users";
        case pgbouncer_section::peers:
            return "peers";
    }
    return "";
}

}  // namespace weir::daemon::config

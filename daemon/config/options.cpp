#include "daemon/config/options.hpp"

#include <algorithm>
#include <array>

namespace weir::daemon::config {
namespace {

using enum option_type;
using enum reload_effect;

constexpr std::int64_t year_ms = 365LL * 24 * 3600 * 1000;
constexpr std::int64_t kib = 1024;
constexpr std::int64_t tib = kib * kib * kib * kib;
constexpr std::string_view tls_modes = "disable|allow|prefer|require|verify-ca|verify-full";

// tests/lint/options_documented.py reads the rows from this text: each begins with `{.path = "`.
constexpr auto table = std::to_array<option>({
    // clang-format off
    {.path = "listen.host", .type = text_list, .default_text = "127.0.0.1", .reload = restart, .pgbouncer = "listen_addr",
     .about = "addresses for clients, one or a list; \"*\" = all, localhost = 127.0.0.1, \"\" = no TCP"},
    {.path = "listen.port", .type = integer, .default_text = "6432", .least = 1, .most = 65535, .reload = restart,
     .pgbouncer = "listen_port", .about = "TCP port for clients, also the number in the unix socket's name"},
    {.path = "listen.unix_socket_dir", .reload = restart, .pgbouncer = "unix_socket_dir",
     .about = "folder of the unix socket, e.g. /run/pgweir; empty = none"},
    {.path = "listen.reuse_port", .type = choice, .default_text = "no", .choices = "no|yes", .reload = restart,
     .pgbouncer = "so_reuseport", .about = "a second process may serve the same port and take over, for a restart that refuses nobody"},
    {.path = "listen.max_clients", .type = integer, .default_text = "5000", .least = 1, .most = 1'000'000,
     .pgbouncer = "max_client_conn", .about = "clients at the same time; one more is refused with SQLSTATE 53300, but admins reach the console"},
    {.path = "listen.client_login_timeout", .type = duration, .default_text = "60s", .most = year_ms,
     .pgbouncer = "client_login_timeout", .about = "a client that has not logged in by then is disconnected; 0 = no limit"},
    {.path = "listen.tls.mode", .type = choice, .default_text = "disable", .choices = tls_modes,
     .pgbouncer = "client_tls_sslmode",
     .about = "TLS towards clients: allow and prefer offer it, require demands it, verify-* demand a client certificate, too"},
    {.path = "listen.tls.cert_file", .pgbouncer = "client_tls_cert_file",
     .about = "certificate chain shown to clients, PEM; read again by a reload, like the next two"},
    {.path = "listen.tls.key_file", .pgbouncer = "client_tls_key_file",
     .about = "private key of cert_file, PEM"},
    {.path = "listen.tls.ca_file", .pgbouncer = "client_tls_ca_file",
     .about = "authorities that client certificates must come from, PEM"},
    {.path = "threads", .type = auto_or_integer, .default_text = "auto", .least = 1, .most = 256, .reload = restart,
     .about = "event loops; auto = one a core"},
    {.path = "io_uring", .type = choice, .default_text = "auto", .choices = "auto|off", .reload = restart,
     .about = "sends of many connections in one system call, where the kernel allows it; off = never"},
    {.path = "http.listen", .default_text = "127.0.0.1:9632", .reload = restart,
     .about = "HOST:PORT of metrics, health, JSON and the dashboard; \"\" = off"},
    {.path = "http.token", .is_secret = true,
     .about = "bearer token of POST /invalidate and /reload; empty = they are refused"},
    {.path = "http.view_token", .is_secret = true,
     .about = "bearer token of everything else but /health and /ready, http.token does as well; empty = anybody may look"},
    {.path = "admin.users", .type = text_list, .default_text = "[]", .pgbouncer = "admin_users",
     .about = "users that may run every console command; looked at when they log in"},
    {.path = "admin.stats_users", .type = text_list, .default_text = "[]", .pgbouncer = "stats_users",
     .about = "users that may run the console's SHOW commands; looked at when they log in"},
    {.path = "auth.type", .type = choice, .default_text = "scram-sha-256",
     .choices = "trust|plain|md5|scram-sha-256|cert|hba|any",
     .pgbouncer = "auth_type", .about = "how clients prove who they are"},
    {.path = "auth.users_file", .pgbouncer = "auth_file",
     .about = "names and secrets in the format of PgBouncer's userlist.txt; read again by a reload"},
    {.path = "auth.hba_file", .pgbouncer = "auth_hba_file",
     .about = "rules by address, database and user in the format of pg_hba.conf, for type hba; read again by a reload"},
    {.path = "auth.ident_file", .pgbouncer = "auth_ident_file",
     .about = "names of certificates and of the operating system in the format of pg_ident.conf; read again by a reload"},
    {.path = "auth.query", .pgbouncer = "auth_query",
     .about = "statement that fetches name and secret of user $1, run as auth_user; empty = from pg_authid, where the password has not expired"},
    {.path = "auth.auth_user", .pgbouncer = "auth_user",
     .about = "user that asks the server for the secrets of users that users_file does not know; empty = nobody does"},
    {.path = "auth.dbname", .pgbouncer = "auth_dbname",
     .about = "the one of databases where auth.query runs, for unknown databases, too, so that nobody can tell which exist; "
              "empty = the one that the client asks for"},
    {.path = "auth.cache_ttl", .type = duration, .default_text = "30s", .most = year_ms,
     .about = "how long a result of auth.query is good; one that found nobody at most 5 s"},
    {.path = "pool.mode", .type = choice, .default_text = "transaction", .choices = "session|transaction|statement",
     .pgbouncer = "pool_mode",
     .about = "when a server goes back to the pool; statement = as transaction, and a block over several messages is refused"},
    {.path = "pool.size", .type = integer, .default_text = "5", .least = 1, .most = 10'000,
     .pgbouncer = "default_pool_size", .about = "server connections kept for one database and user"},
    {.path = "pool.overflow", .type = integer, .default_text = "10", .most = 10'000, .pgbouncer = "reserve_pool_size",
     .about = "more connections under load, closed again when idle for overflow_idle"},
    {.path = "pool.overflow_idle", .type = duration, .default_text = "5s", .most = year_ms,
     .about = "idle time after which a connection above size is closed"},
    {.path = "pool.min_idle", .type = integer, .default_text = "0", .most = 10'000,
     .pgbouncer = "min_pool_size", .about = "idle connections opened ahead of need, for a pool that a client has used"},
    {.path = "pool.wait_timeout", .type = duration, .default_text = "30s", .most = year_ms,
     .pgbouncer = "query_wait_timeout", .about = "a client that waits longer for a server gets SQLSTATE 53300; 0 = no limit"},
    {.path = "pool.wait_notice", .type = duration, .default_text = "5s", .most = year_ms,
     .pgbouncer = "query_wait_notify", .about = "a client that waits longer gets a NOTICE; 0 = none"},
    {.path = "pool.connect_timeout", .type = duration, .default_text = "15s", .least = 1, .most = year_ms,
     .pgbouncer = "server_connect_timeout", .about = "time for connecting and logging in to a server"},
    {.path = "pool.idle_timeout", .type = duration, .default_text = "10m", .most = year_ms,
     .pgbouncer = "server_idle_timeout", .about = "an idle server is closed after this; 0 = never"},
    {.path = "pool.lifetime", .type = duration, .default_text = "1h", .most = year_ms, .pgbouncer = "server_lifetime",
     .about = "a server this old is closed when it becomes idle; 0 = never"},
    {.path = "pool.check_after_idle", .type = duration, .default_text = "30s", .most = year_ms,
     .pgbouncer = "server_check_delay", .about = "a server idle for longer is tested before it is used again; 0 = always"},
    {.path = "pool.reset_query", .default_text = "DISCARD ALL", .pgbouncer = "server_reset_query",
     .about = "run after a session, and after a transaction whose session left state behind; \"\" = such a server is closed"},
    {.path = "pool.query_timeout", .type = duration, .default_text = "0", .most = year_ms, .pgbouncer = "query_timeout",
     .about = "what one query message or Sync asks for is cancelled (57014) when it takes longer at its server, or at that of "
              "another client whose miss it waits for, and when that does not end it within 5 s the server is closed; "
              "0 = off: then who waits for a miss asks for himself after wait_timeout. Times of clients are looked at ten times "
              "a second: never early, up to 0.2 s late"},
    {.path = "pool.transaction_timeout", .type = duration, .default_text = "0", .most = year_ms,
     .pgbouncer = "transaction_timeout", .about = "a client whose transaction takes longer is disconnected (25P04); 0 = off"},
    {.path = "pool.idle_in_transaction_timeout", .type = duration, .default_text = "0", .most = year_ms,
     .pgbouncer = "idle_transaction_timeout",
     .about = "a client that lets its transaction wait for longer is disconnected (25P03); 0 = off"},
    {.path = "pool.client_idle_timeout", .type = duration, .default_text = "0", .most = year_ms,
     .pgbouncer = "client_idle_timeout",
     .about = "a client that asks for nothing for longer, outside a transaction, is disconnected (57P05), in session mode and "
              "with LISTEN, too; 0 = off"},
    {.path = "pool.max_prepared", .type = integer, .default_text = "200", .least = 1, .most = 100'000,
     .pgbouncer = "max_prepared_statements",
     .about = "prepared statements kept on a server connection; a reload changes it for new connections"},
    {.path = "pool.advise", .type = choice, .default_text = "false", .choices = "false|true",
     .about = "count the statements that keep a server or fail in transaction mode, by application, in any mode: SHOW ADVICE"},
    {.path = "pool.breaker.failures", .type = integer, .default_text = "5", .least = 1, .most = 10'000,
     .about = "failed connects within window after which a host is left alone; all pools count together"},
    {.path = "pool.breaker.window", .type = duration, .default_text = "10s", .least = 1, .most = year_ms,
     .about = "time over which failures are counted"},
    {.path = "pool.breaker.open", .type = duration, .default_text = "15s", .least = 1, .most = year_ms,
     .about = "longest time before such a host is tried again, by one connection; 1s at first, then a quarter of the time it has been away"},
    {.path = "databases", .type = named_sections,
     .about = "what a client may ask for as database; \"*\" takes any other name"},
    {.path = "databases.*.upstream", .is_secret = true,
     .about = "libpq connection string, keyword/value or postgres:// URI; several hosts allowed"},
    {.path = "databases.*.user", .about = "user at the server for every client; empty = the client's own"},
    {.path = "databases.*.password", .is_secret = true, .about = "password of user at the server"},
    {.path = "databases.*.load_balance_hosts", .type = choice, .default_text = "disable",
     .choices = "disable|random|round-robin", .pgbouncer = "load_balance_hosts",
     .about = "which of several hosts a new connection tries first; disable = in the order of the list"},
    {.path = "databases.*.max_connections", .type = integer, .default_text = "0", .most = 1'000'000,
     .pgbouncer = "max_db_connections",
     .about = "server connections of all this database's pools together; 0 = no limit of its own"},
    {.path = "databases.*.pool", .type = pool_section, .about = "this database's own pool options"},
    {.path = "databases.*.slow_log.threshold", .type = duration_or_off, .default_text = "500ms", .most = year_ms,
     .about = "instead of slow_log.threshold, for this database"},
    {.path = "databases.*.max_client_connections", .type = integer, .default_text = "0", .most = 1'000'000,
     .pgbouncer = "max_db_client_connections",
     .about = "clients of this database at the same time, for \"*\" of each name; 0 = no limit of its own"},
    {.path = "databases.*.connect_query", .is_secret = true, .pgbouncer = "connect_query",
     .about = "statements run on each new server connection before its first client, and again after reset_query; an error is "
              "logged and the connection used all the same; what they SET is the default of its clients until one says RESET"},
    {.path = "databases.*.auth_query", .pgbouncer = "auth_query",
     .about = "instead of auth.query, for the clients of this database; empty = auth.query"},
    {.path = "databases.*.auth_user", .pgbouncer = "auth_user",
     .about = "instead of auth.auth_user, for the clients of this database; empty = auth.auth_user"},
    {.path = "databases.*.auth_dbname", .pgbouncer = "auth_dbname",
     .about = "instead of auth.dbname, for the clients of this database; empty = auth.dbname"},
    {.path = "databases.*.tls.mode", .type = choice, .default_text = "prefer", .choices = tls_modes,
     .pgbouncer = "server_tls_sslmode", .about = "TLS towards the server, as libpq's sslmode"},
    {.path = "databases.*.tls.cert_file", .pgbouncer = "server_tls_cert_file",
     .about = "certificate shown to the server, PEM; empty = none"},
    {.path = "databases.*.tls.key_file", .pgbouncer = "server_tls_key_file",
     .about = "private key of cert_file, PEM"},
    {.path = "databases.*.tls.ca_file", .pgbouncer = "server_tls_ca_file",
     .about = "authorities that the server's certificate must come from, PEM; system = the operating system's"},
    {.path = "databases.*.tls.negotiation", .type = choice, .default_text = "postgres", .choices = "postgres|direct",
     .about = "direct = TLS from the first byte, which PostgreSQL 17 can, saves a round trip"},
    {.path = "users", .type = named_sections, .about = "what differs for one user"},
    {.path = "users.*.pool", .type = pool_section, .about = "this user's own pool options, above the database's"},
    {.path = "users.*.slow_log.threshold", .type = duration_or_off, .default_text = "500ms", .most = year_ms,
     .about = "instead of slow_log.threshold, for this user, above the database's"},
    {.path = "users.*.max_connections", .type = integer, .default_text = "0", .most = 1'000'000,
     .pgbouncer = "max_user_client_connections",
     .about = "clients of this user at the same time; 0 = no limit of its own"},
    {.path = "users.*.max_server_connections", .type = integer, .default_text = "0", .most = 1'000'000,
     .pgbouncer = "max_user_connections",
     .about = "server connections of this user's pools in all databases together; 0 = no limit of its own"},
    {.path = "cache.memory", .type = size, .default_text = "256MiB", .most = tib,
     .about = "memory for cached results in this process; 0 = nothing is cached"},
    {.path = "cache.max_result", .type = size, .default_text = "4MiB", .least = 1, .most = tib,
     .about = "a larger result is not cached"},
    {.path = "cache.consistency", .type = choice, .default_text = "after_commit", .choices = "after_commit|linearizable",
     .about = "what a cached read may miss: no commit that was acknowledged through pgweir; linearizable: none that was visible, so a table is not read from the cache while a write to it is under way"},
    {.path = "cache.verify", .type = integer, .default_text = "0", .most = 1'000'000'000,
     .about = "one hit in so many is run on the server as well and compared; pgweir_cache_shadow_total{result=\"different\"} must stay 0; 0 = none"},
    {.path = "cache.lock_probe", .type = choice, .default_text = "true", .choices = "false|true",
     .about = "before COMMIT, a transaction that ran code of unknown effect is asked which tables it holds locks on, so that those alone are invalidated and not everything"},
    {.path = "cache.external_writers", .type = choice, .default_text = "none", .choices = "none|wal|stat|notify",
     .not_yet = "use none, and cache only tables that are written through pgweir",
     .about = "how writes that bypass the daemon are noticed"},
    {.path = "cache.redis", .is_secret = true, .not_yet = "remove it; every daemon keeps a cache of its own",
     .about = "second level shared by daemons, e.g. redis://127.0.0.1:6379/0; empty = none"},
    {.path = "cache.rules", .type = section_list,
     .about = "white list, first match wins; no rule = nothing is cached"},
    {.path = "cache.rules[].name", .about = "the rule's name in SHOW CACHE and metrics; must be given"},
    {.path = "cache.rules[].databases", .type = text_list, .default_text = "[]", .about = "selector: databases; empty = any"},
    {.path = "cache.rules[].users", .type = text_list, .default_text = "[]", .about = "selector: users; empty = any"},
    {.path = "cache.rules[].applications", .type = text_list, .default_text = "[]",
     .about = "selector: application_name; empty = any"},
    {.path = "cache.rules[].tables", .type = text_list, .default_text = "[]",
     .about = "selector: every relation that the query names is listed; empty = any"},
    {.path = "cache.rules[].pattern", .about = "selector: RE2 regular expression on the normalised text; empty = any"},
    {.path = "cache.rules[].fingerprint", .type = text_list, .default_text = "[]",
     .about = "selector: fingerprints as EXPLAIN CACHE and the slow log print them; empty = any"},
    {.path = "cache.rules[].ttl", .type = duration, .default_text = "60s", .least = 1, .most = year_ms,
     .about = "an entry is never older than this"},
    {.path = "cache.rules[].max_result", .type = size, .default_text = "4MiB", .least = 1, .most = tib,
     .about = "a larger result is not cached; not given = cache.max_result"},
    {.path = "cache.rules[].in_transaction", .type = choice, .default_text = "never", .choices = "never|until_write",
     .about = "until_write: also in a READ COMMITTED transaction, until it does something other than plain reads"},
    {.path = "cache.rules[].share", .type = choice, .default_text = "user", .choices = "user|database",
     .about = "who may share an entry: one user's sessions, or all of the database"},
    {.path = "cache.rules[].cache_empty", .type = choice, .default_text = "true", .choices = "false|true",
     .about = "whether a result without rows is cached, too"},
    {.path = "cache.rules[].stale_while_revalidate", .type = duration, .default_text = "0", .most = year_ms,
     .about = "serve an entry past its ttl this long while one client fetches it anew; never one whose tables were written; 0 = never"},
    {.path = "cache.rules[].stale_if_error", .type = duration, .default_text = "0", .most = year_ms,
     .about = "serve an entry past its ttl this long when no server can be had; never one whose tables were written; 0 = never"},
    {.path = "cache.rules[].settings", .type = text_list, .default_text = "[]",
     .about = "settings that policies of row security ask for, e.g. app.tenant: with it, and share: user, what they guard may be cached"},
    {.path = "cache.rules[].functions", .type = text_list, .default_text = "[]",
     .about = "functions, f or schema.f, that this rule vouches for: they depend on their arguments and the tables that the query names"},
    {.path = "cache.rules[].warm", .type = text_list, .default_text = "[]",
     .about = "queries that are run at start and after invalidation, as clients ask for them; WARM RULE runs them at once"},
    {.path = "cache.functions", .type = named_sections,
     .about = "what user functions, f or schema.f, write; of those not listed their sources tell, or they invalidate everything"},
    {.path = "cache.functions.*.writes", .type = text_list, .default_text = "[]",
     .about = "tables that the function writes, t or schema.t; [] = none"},
    {.path = "cache.events", .type = named_sections,
     .about = "named invalidation: NOTIFY pgweir, 'NAME' in a database, or INVALIDATE EVENT NAME at the console, which waits"},
    {.path = "cache.events.*.tables", .type = text_list, .default_text = "[]",
     .about = "tables whose entries the event drops, t or schema.t; of NOTIFY in its own database, else in all"},
    {.path = "cache.events.*.rules", .type = text_list, .default_text = "[]",
     .about = "rules whose entries the event drops"},
    {.path = "statements.limit", .type = integer, .default_text = "10000", .most = 1'000'000,
     .about = "statements that each event loop keeps figures of, for SHOW QUERIES; what is least in use beyond them is folded "
              "into one row; 0 = none"},
    {.path = "advisor.interval", .type = duration, .default_text = "30s", .most = year_ms,
     .about = "how often the statements that cost most are looked at for missing and superfluous indexes (SHOW ADVICE), on a control "
              "connection as the pool's user; nothing is run but catalog queries and EXPLAIN; 0 = never"},
    {.path = "slow_log.threshold", .type = duration_or_off, .default_text = "500ms", .most = year_ms,
     .about = "statements that take longer are logged; 0 = every statement, -1 = off"},
    {.path = "slow_log.file", .about = "where JSON lines go; empty = with the log"},
    {.path = "slow_log.sample", .type = real, .default_text = "1.0", .most = 1,
     .about = "share of the slow statements that is logged, 0 to 1"},
    {.path = "slow_log.parameters", .type = choice, .default_text = "redact", .choices = "redact|show",
     .about = "whether values of parameters and literals are written; show writes personal data into the log"},
    {.path = "slow_log.explain", .type = choice, .default_text = "off", .choices = "off|plan",
     .about = "plan = EXPLAIN of the slow statement with its values, on a control connection as the pool's user; nothing is run"},
    {.path = "slow_log.explain_per_minute", .type = integer, .default_text = "6", .least = 1, .most = 6'000,
     .about = "at most so many EXPLAINs a minute"},
    {.path = "slow_log.n_plus_one.repeats", .type = integer, .default_text = "10", .most = 1'000'000,
     .about = "the same read with other parameters so many times within window, by one client or one request, is reported "
              "as N+1; 0 = off"},
    {.path = "slow_log.n_plus_one.window", .type = duration, .default_text = "1s", .least = 1, .most = year_ms,
     .about = "time over which repeats are counted"},
    {.path = "log.level", .type = choice, .default_text = "info", .choices = "trace|debug|info|warning|error",
     .about = "the least serious line that is written; trace is the same as debug so far"},
    {.path = "log.format", .type = choice, .default_text = "text", .choices = "text|json", .about = "one line an event, as text or as JSON"},
    {.path = "log.file", .pgbouncer = "logfile", .about = "empty = stderr; opened again on SIGUSR1 and SIGHUP"},
    // clang-format on
});

}  // namespace

std::span<const option> options() {
    return table;
}

const option* find_option(std::string_view path) {
    const auto* found = std::ranges::find(table, path, &option::path);
    return found == table.end() ? nullptr : found;
}

bool is_value(option_type type) {
    return type != named_sections && type != section_list && type != pool_section;
}

std::string_view describe(option_type type) {
    switch (type) {
        case integer:
            return "a whole number";
        case auto_or_integer:
            return "\"auto\" or a whole number";
        case real:
            return "a number";
        case duration:
            return "a duration such as 250ms, 30s, 5m, 1h or 0";
        case duration_or_off:
            return "a duration such as 250ms, 30s, 5m, 1h or 0, or -1";
        case size:
            return "a size such as 64KiB, 256MiB or plain bytes";
        case text:
            return "a text";
        case text_list:
            return "a text or a list of texts";
        case choice:
            return "one of the words";
        case named_sections:
            return "a section of names";
        case section_list:
            return "a list of sections";
        case pool_section:
            return "a section with the options of pool";
    }
    return "";
}

}  // namespace weir::daemon::config

// The configuration as the rest of the daemon sees it: one immutable snapshot of plain structs
// whose names are those of the YAML file. It is not the parser (daemon/config/load.hpp) and not the
// table of options (daemon/config/options.hpp); the defaults written here are checked against that
// table by a test. Thread rule: built on one thread, then shared as std::shared_ptr<const config>
// and never changed.
#pragma once

#include "pool/tls_context.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon::auth {
class hba_rules;
class ident_maps;
}  // namespace weir::daemon::auth

namespace weir::daemon::config {

using std::chrono::milliseconds;

// Enumerators stand in the order of the table's choices; load.cpp converts by index, a test
// compares the names.
using pool::binding_choice;
using pool::tls_mode;
enum class tls_negotiation { postgres, direct };
enum class io_uring_use { automatic, off };
enum class port_sharing { no, yes };
enum class auth_type { trust, plain, md5, scram_sha_256, cert, hba, any };
enum class pool_mode { session, transaction, statement };
enum class session_attrs { any, read_write, read_only, primary, standby, prefer_standby };
enum class host_order { disable, random, round_robin };
enum class cache_consistency { after_commit, linearizable };
enum class external_writers_source { none, wal, stat, notify };
enum class rule_in_transaction { never, until_write };
enum class rule_share { user, database };
enum class slow_log_parameters { redact, show };
enum class slow_log_explain { off, plan };
enum class log_level { trace, debug, info, warning, error };
enum class log_format { text, json };

/// The word the file uses, e.g. "scram-sha-256", "verify-full".
std::string_view to_string(tls_mode value);
std::string_view to_string(auth_type value);
std::string_view to_string(pool_mode value);
std::string_view to_string(host_order value);
std::string_view to_string(cache_consistency value);
std::string_view to_string(external_writers_source value);
std::string_view to_string(rule_in_transaction value);
std::string_view to_string(rule_share value);
std::string_view to_string(slow_log_parameters value);
std::string_view to_string(slow_log_explain value);
std::string_view to_string(log_level value);
std::string_view to_string(log_format value);

struct tls_options {
    tls_mode mode = tls_mode::disable;
    std::string cert_file = {};  // relative paths were taken from the configuration file's folder
    std::string key_file = {};
    std::string ca_file = {};
    tls_negotiation negotiation = tls_negotiation::postgres;  // towards servers
    pool::tls_context_ptr context = {};  // made from the files with the snapshot; none for disable

    [[nodiscard]] pool::tls_files files() const { return {cert_file, key_file, ca_file}; }
    friend bool operator==(const tls_options& one, const tls_options& other) {
        return one.mode == other.mode && one.files() == other.files() &&
               one.negotiation == other.negotiation && pool::is_same(one.context, other.context);
    }
};

struct listen_options {
    std::vector<std::string> hosts = {
        "127.0.0.1"};  // "*" stands alone and means every address of every family
    std::uint16_t port = 6432;
    std::string unix_socket_dir;  // empty = no unix socket
    port_sharing reuse_port = port_sharing::no;
    int max_clients = 5000;
    milliseconds client_login_timeout{60'000};  // 0 = no limit
    tls_options tls;

    friend bool operator==(const listen_options&, const listen_options&) = default;
};

struct http_options {
    bool enabled = true;  // false when http.listen is ""
    std::string host = "127.0.0.1";
    std::uint16_t port = 9632;
    std::string token;       // bearer token for POST; empty = POST is refused
    std::string view_token;  // for GET, but for /health and /ready; empty = anybody may look

    friend bool operator==(const http_options&, const http_options&) = default;
};

struct admin_options {
    std::vector<std::string> users;
    std::vector<std::string> stats_users;

    friend bool operator==(const admin_options&, const admin_options&) = default;
};

enum class secret_kind { none, plain, md5, scram_sha_256 };

/// One line of the users file. `value` is what the file holds: the password, "md5" and 32 hex
/// digits, or "SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>". A user with an empty
/// password is of kind none: known, but no password lets it in (PgBouncer refuses those, too).
struct user_secret {
    secret_kind kind = secret_kind::none;
    std::string value;

    friend bool operator==(const user_secret&, const user_secret&) = default;
};
using user_secrets = std::map<std::string, user_secret, std::less<>>;

struct auth_options {
    auth_type type = auth_type::scram_sha_256;
    std::string users_file;  // a relative path was taken from the configuration file's folder
    std::string hba_file;
    std::string ident_file;
    std::string query;  // empty = none, or the default one when there is an auth_user
    std::string auth_user;
    std::string dbname;  // the entry of `databases` where query runs; empty = the client's
    bool is_asked_somewhere = false;  // there is an auth_user, here or of one database
    milliseconds cache_ttl{30'000};
    user_secrets users;  // users_file's content, read with the snapshot
    // Content of hba_file and ident_file; never null for type hba.
    std::shared_ptr<const auth::hba_rules> hba;
    std::shared_ptr<const auth::ident_maps> ident;  // null = there is no ident_file

    /// Whether users that users_file does not know are looked for at some server. Which one, and
    /// how: auth::secret_lookup::source_of().
    [[nodiscard]] bool asks_server() const { return is_asked_somewhere; }

    friend bool operator==(const auth_options&, const auth_options&) = default;
};

struct breaker_options {
    int failures = 5;
    milliseconds window{10'000};
    milliseconds open{15'000};

    friend bool operator==(const breaker_options&, const breaker_options&) = default;
};

/// Numbers of one pool. A time of 0 means "off" (or "never"), except for wait_timeout: 0 = wait
/// without end.
struct pool_options {
    pool_mode mode = pool_mode::transaction;
    int size = 5;
    int overflow = 10;
    milliseconds overflow_idle{5'000};
    int min_idle = 0;
    milliseconds wait_timeout{30'000};
    milliseconds wait_notice{5'000};
    milliseconds connect_timeout{15'000};
    milliseconds idle_timeout{600'000};
    milliseconds lifetime{3'600'000};
    milliseconds check_after_idle{30'000};
    std::string reset_query = "DISCARD ALL";
    milliseconds query_timeout{0};
    milliseconds transaction_timeout{0};
    milliseconds idle_in_transaction_timeout{0};
    milliseconds client_idle_timeout{0};
    int max_prepared = 200;  // per server connection
    bool advise = false;
    breaker_options breaker;

    friend bool operator==(const pool_options&, const pool_options&) = default;
};

struct breaker_overrides {
    std::optional<int> failures;
    std::optional<milliseconds> window;
    std::optional<milliseconds> open;

    friend bool operator==(const breaker_overrides&, const breaker_overrides&) = default;
};

/// What a user's `pool:` sets; nothing means "as the database says".
struct pool_overrides {
    std::optional<pool_mode> mode;
    std::optional<int> size;
    std::optional<int> overflow;
    std::optional<milliseconds> overflow_idle;
    std::optional<int> min_idle;
    std::optional<milliseconds> wait_timeout;
    std::optional<milliseconds> wait_notice;
    std::optional<milliseconds> connect_timeout;
    std::optional<milliseconds> idle_timeout;
    std::optional<milliseconds> lifetime;
    std::optional<milliseconds> check_after_idle;
    std::optional<std::string> reset_query;
    std::optional<milliseconds> query_timeout;
    std::optional<milliseconds> transaction_timeout;
    std::optional<milliseconds> idle_in_transaction_timeout;
    std::optional<milliseconds> client_idle_timeout;
    std::optional<int> max_prepared;
    std::optional<bool> advise;
    breaker_overrides breaker;

    friend bool operator==(const pool_overrides&, const pool_overrides&) = default;
};

/// One address to try. `host` is a name, an address, or a folder ("/run/postgresql", then
/// `.s.PGSQL.<port>` in it).
struct upstream_host {
    std::string host;
    std::string hostaddr;  // when given, connect here and do not resolve `host`
    std::uint16_t port = 5432;

    [[nodiscard]] bool is_unix_socket() const { return hostaddr.empty() && host.starts_with('/'); }
    friend bool operator==(const upstream_host&, const upstream_host&) = default;
};

/// A parsed connection string. Hosts are in the file's order and never empty after loading.
struct upstream_options {
    std::vector<upstream_host> hosts;
    std::string dbname;   // empty = the name that the client asked for
    std::string options;  // PostgreSQL's `options` start-up parameter
    session_attrs target_session_attrs = session_attrs::any;
    host_order load_balance_hosts = host_order::disable;  // from here or from the key of that name
    binding_choice channel_binding = binding_choice::prefer;

    friend bool operator==(const upstream_options&, const upstream_options&) = default;
};

struct database_options {
    std::string name;  // "*" for the entry that takes any other name
    upstream_options upstream;
    std::string
        user;  // forced server user, from `user:` or the connection string; empty = the client's
    std::string password;     // from `password:` or the connection string
    pool_options pool;        // defaults with this database's own settings applied
    int max_connections = 0;  // to PostgreSQL, of all its pools together; 0 = no limit of its own
    int max_client_connections = 0;  // clients of one database's name; 0 = no limit of its own
    tls_options tls{.mode = tls_mode::prefer};
    std::optional<milliseconds> slow_threshold;  // instead of slow_log.threshold
    std::string connect_query;                   // run on each new server connection; empty = none
    // For clients of this database instead of auth.query, auth.auth_user and auth.dbname; each
    // empty = as those say.
    std::string auth_query;
    std::string auth_user;
    std::string auth_dbname;

    /// The database to ask the server for when the client asked for `requested`.
    [[nodiscard]] std::string_view server_dbname(std::string_view requested) const {
        if (!upstream.dbname.empty()) return upstream.dbname;
        return name == "*" ? requested : std::string_view(name);
    }

    friend bool operator==(const database_options&, const database_options&) = default;
};

struct user_options {
    std::string name;
    pool_overrides pool;
    int max_connections = 0;         // clients of this user; 0 = no limit of its own
    int max_server_connections = 0;  // to PostgreSQL, in all databases; 0 = no limit of its own
    std::optional<milliseconds> slow_threshold;  // instead of the database's

    friend bool operator==(const user_options&, const user_options&) = default;
};

/// Where a value stands in the file. Counted from 1; 0 = not from a file.
struct place {
    int line = 0;
    int column = 0;

    friend bool operator==(const place&, const place&) = default;
};

/// One entry of the white list, in the file's order. Every selector that is not empty must hold.
struct cache_rule {
    std::string name;
    std::vector<std::string> databases;
    std::vector<std::string> users;
    std::vector<std::string> applications;
    std::vector<std::string> tables;
    std::string pattern;  // RE2 syntax, compiled once by the loader to prove it
    std::vector<std::string> fingerprint;
    milliseconds ttl{60'000};
    std::size_t max_result_bytes = 4U << 20U;  // the rule's, or cache.max_result
    rule_in_transaction in_transaction = rule_in_transaction::never;
    rule_share share = rule_share::user;
    bool cache_empty = true;
    milliseconds stale_while_revalidate{0};
    milliseconds stale_if_error{0};
    std::vector<std::string> settings;
    std::vector<std::string> functions;
    std::vector<std::string> warm;
    place at;          // of the rule
    place pattern_at;  // of its pattern

    friend bool operator==(const cache_rule&, const cache_rule&) = default;
};

/// One of cache.events: what goes when it is told. The loader lets none pass that does nothing, and
/// none with a rule that is not there.
struct cache_event {
    std::vector<std::string> tables;  // `t` or `s.t`
    std::vector<std::string> rules;   // names

    friend bool operator==(const cache_event&, const cache_event&) = default;
};

/// One of cache.functions.
struct cache_function {
    std::vector<std::string> writes;  // `t` or `s.t`; empty: none

    friend bool operator==(const cache_function&, const cache_function&) = default;
};

struct cache_options {
    std::size_t memory_bytes = 256U << 20U;
    std::size_t max_result_bytes = 4U << 20U;
    cache_consistency consistency = cache_consistency::after_commit;
    int verify = 0;  // one hit in so many is run as well and compared; 0: none
    bool lock_probe = true;
    external_writers_source external_writers = external_writers_source::none;
    std::string redis;
    std::vector<cache_rule> rules;
    std::map<std::string, cache_function, std::less<>> functions;  // `f` or `s.f`
    std::map<std::string, cache_event, std::less<>> events;

    friend bool operator==(const cache_options&, const cache_options&) = default;
};

struct n_plus_one_options {
    int repeats = 10;
    milliseconds window{1'000};

    friend bool operator==(const n_plus_one_options&, const n_plus_one_options&) = default;
};

struct slow_log_options {
    milliseconds threshold{500};  // 0 = every statement, negative = off
    std::string file;             // empty = with the log
    double sample = 1.0;          // 0..1
    slow_log_parameters parameters = slow_log_parameters::redact;
    slow_log_explain explain = slow_log_explain::off;
    int explain_per_minute = 6;
    n_plus_one_options n_plus_one;

    friend bool operator==(const slow_log_options&, const slow_log_options&) = default;
};

struct log_options {
    log_level level = log_level::info;
    log_format format = log_format::text;
    std::string file;  // empty = stderr

    friend bool operator==(const log_options&, const log_options&) = default;
};

/// One row of the flat view that `SHOW CONFIG` and the reload's difference are made from. Print
/// `shown` only: `value` is what a reload compares and may hold a secret.
struct setting {
    std::string key;  // e.g. "databases.shop.pool.size", "cache.rules[0].ttl"
    std::string value;
    std::string shown;
    std::string default_value;
    bool is_live = true;  // false: a change needs a restart
};

struct config {
    listen_options listen;
    int threads = 0;  // event loops; 0 = one a core
    io_uring_use io_uring = io_uring_use::automatic;
    http_options http;
    admin_options admin;
    auth_options auth;
    pool_options pool;  // the defaults that databases and users start from
    std::map<std::string, database_options, std::less<>> databases;
    std::map<std::string, user_options, std::less<>> users;
    cache_options cache;
    int statement_limit = 10'000;  // rows of SHOW QUERIES that each event loop keeps; 0 = none
    milliseconds advisor_interval{30'000};  // 0 = never
    slow_log_options slow_log;
    log_options log;

    std::string file;               // the path that was loaded; what a reload reads again
    std::vector<setting> settings;  // sorted by key; filled by the loader

    /// The entry of that name, else the entry "*", else nullptr. Lifetime: the snapshot's.
    [[nodiscard]] const database_options* find_database(std::string_view name) const;
    /// The user's own entry, else nullptr.
    [[nodiscard]] const user_options* find_user(std::string_view name) const;
    /// The numbers of the pool (database, user): defaults, then the database's, then the user's.
    [[nodiscard]] pool_options resolve(std::string_view database, std::string_view user) const;
    /// From when on a statement of that pool is slow; negative: never.
    [[nodiscard]] milliseconds slow_threshold(std::string_view database, std::string_view user)
        const;
};

using config_ptr = std::shared_ptr<const config>;

}  // namespace weir::daemon::config

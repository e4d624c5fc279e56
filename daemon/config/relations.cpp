#include "daemon/config/relations.hpp"

#include "daemon/auth/hba_rules.hpp"
#include "daemon/auth/ident_maps.hpp"
#include "daemon/config/address.hpp"
#include "daemon/config/cache_names.hpp"
#include "daemon/config/cache_rules.hpp"
#include "daemon/config/nearest.hpp"
#include "daemon/config/warm_queries.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace weir::daemon::config {
namespace {

namespace fs = std::filesystem;

bool is_folder(const fs::path& path) {
    std::error_code ignored;
    return fs::is_directory(path, ignored);
}

/// A token that no header can carry, such as one with the newline of its file, would look set and
/// never match.
void check_token(const char* option, const std::string& token, const document& from, report& to) {
    const auto is_sendable = [](char c) { return c > ' ' && c <= '~'; };
    if (!std::ranges::all_of(token, is_sendable)) {
        to.error(
            from.place_of(option),
            fmt::format(
                "{}: holds a blank, a control character or a letter beyond ASCII, which a header "
                "cannot carry; use letters and digits, e.g. of: openssl rand -hex 16",
                option
            )
        );
    } else if (!token.empty() && token.size() < 16) {
        to.warning(
            from.place_of(option),
            fmt::format(
                "{}: is shorter than 16 characters and may be guessed; use e.g. openssl rand -hex "
                "16",
                option
            )
        );
    }
}

void check_listen(const config& built, const document& from, report& to) {
    const listen_options& listen = built.listen;
    const given_value* given = from.find("listen.host");
    const bool host_is_wrong = given == nullptr
                                   ? from.attempted.contains("listen.host")
                                   : given->held != option_value{std::vector<std::string>{}};
    if (listen.hosts.empty() && listen.unix_socket_dir.empty() && !host_is_wrong) {
        to.error(
            from.place_of("listen.host"),
            "listen: there is nothing to listen on; give listen.host or listen.unix_socket_dir"
        );
    }
    if (!listen.unix_socket_dir.empty()) {
        const place at = from.place_of("listen.unix_socket_dir");
        constexpr std::size_t longest =
            107 - std::string_view("/.s.PGSQL.65535").size();  // sockaddr_un::sun_path
        if (!listen.unix_socket_dir.starts_with('/')) {
            to.error(at, "listen.unix_socket_dir: must be an absolute path such as /run/pgweir");
        } else if (listen.unix_socket_dir.size() > longest) {
            to.error(
                at,
                fmt::format(
                    "listen.unix_socket_dir: longer than {} bytes, too long for a socket's name",
                    longest
                )
            );
        } else if (!is_folder(listen.unix_socket_dir)) {
            to.error(
                at,
                fmt::format(
                    "listen.unix_socket_dir: {} is not a folder; create it first",
                    listen.unix_socket_dir
                )
            );
        }
    }
    check_token("http.token", built.http.token, from, to);
    check_token("http.view_token", built.http.view_token, from, to);
    if (!built.http.enabled || built.http.port != listen.port) return;
    for (const std::string& host : listen.hosts) {
        if (!addresses_overlap(host, built.http.host)) continue;
        to.error(
            from.place_of("http.listen"),
            fmt::format(
                "http.listen: port {} of {} is listen.port already; choose another",
                built.http.port,
                host
            )
        );
        return;
    }
}

/// Users whose kind of secret the type of authentication cannot check: they would be refused with
/// the right password.
void check_secrets(const config& built, const document& from, report& to) {
    if (built.auth.type != auth_type::scram_sha_256) return;
    std::string first;
    int count = 0;
    for (const auto& [name, secret] : built.auth.users) {
        if (secret.kind != secret_kind::md5) continue;
        if (count++ == 0) first = name;
    }
    if (count == 0) return;
    to.warning(
        from.place_of("auth.type"),
        fmt::format(
            "auth.type: {} cannot check the md5 secrets of auth.users_file ({} of {} users, first "
            "{}), who cannot log in; give them SCRAM secrets or passwords, or use md5",
            to_string(built.auth.type),
            count,
            built.auth.users.size(),
            first
        )
    );
}

/// Everybody gets in: not for a port that other machines reach.
void check_open_to_all(const config& built, const document& from, report& to) {
    const bool is_open = std::ranges::any_of(built.listen.hosts, [](const std::string& host) {
        return !host.starts_with("127.") && host != "::1";
    });
    if (!is_open) return;
    to.warning(
        from.place_of("auth.type"),
        fmt::format(
            "auth.type: {} lets everybody in, and listen.host is open to other machines",
            to_string(built.auth.type)
        )
    );
}

/// Type any takes every name, so the name that logs in at the server must be another one.
void check_any(const config& built, const document& from, report& to) {
    for (const auto& [name, database] : built.databases) {
        const std::string key = "databases." + key_step(name);
        if (!database.user.empty() || from.attempted.contains(key + ".user")) continue;
        to.error(
            from.place_of(key),
            fmt::format(
                "{}: auth.type any takes every name of a client, so this database needs the user "
                "that logs in to PostgreSQL; add user: ...",
                key
            )
        );
    }
}

void check_hba(const config& built, const document& from, report& to) {
    if (built.auth.type != auth_type::hba) {
        if (!built.auth.hba_file.empty()) {
            to.warning(
                from.place_of("auth.hba_file"),
                fmt::format(
                    "auth.hba_file: is not used with auth.type {}; use type hba",
                    to_string(built.auth.type)
                )
            );
        }
        return;
    }
    if (built.auth.hba_file.empty() && !from.attempted.contains("auth.hba_file")) {
        to.error(
            from.place_of("auth.type"), "auth.type: hba needs a file of rules; add hba_file: ..."
        );
    }
    if (!built.auth.hba) return;
    for (const auth::hba_rule& rule : built.auth.hba->all()) {
        if (rule.map.empty() || (built.auth.ident && built.auth.ident->has(rule.map))) continue;
        to.problems().push_back(
            {rule.file,
             rule.line,
             1,
             fmt::format(
                 "map={}: {}",
                 rule.map,
                 built.auth.ident ? "auth.ident_file has no line of that map"
                                  : "there is no auth.ident_file"
             ),
             problem_severity::error}
        );
    }
}

/// What databases have of their own.
void check_auth_query_of(
    const database_options& database, const config& built, const document& from, report& to
) {
    const std::string key = "databases." + key_step(database.name);
    const bool has_user = !database.auth_user.empty() || !built.auth.auth_user.empty() ||
                          from.attempted.contains("auth.auth_user") ||
                          from.attempted.contains(key + ".auth_user");
    for (const auto& [name, value] :
         {std::pair{".auth_query", &database.auth_query},
          std::pair{".auth_dbname", &database.auth_dbname}}) {
        if (value->empty() || has_user) continue;
        to.error(
            from.place_of(key + name),
            fmt::format("{}{}: needs a user to run the query as; add auth_user: ...", key, name)
        );
    }
    if (!database.auth_query.empty() && database.auth_query.find("$1") == std::string::npos) {
        to.error(
            from.place_of(key + ".auth_query"),
            fmt::format("{}.auth_query: must ask for one user, whose name is $1", key)
        );
    }
    if (!database.auth_dbname.empty() && built.find_database(database.auth_dbname) == nullptr) {
        to.error(
            from.place_of(key + ".auth_dbname"),
            fmt::format("{}.auth_dbname: \"{}\" is not in databases", key, database.auth_dbname)
        );
    }
}

void check_auth_query(const config& built, const document& from, report& to) {
    for (const auto& [name, database] : built.databases)
        check_auth_query_of(database, built, from, to);
    if (!built.auth.query.empty() && !built.auth.asks_server() &&
        !from.attempted.contains("auth.auth_user")) {
        to.error(
            from.place_of("auth.query"), "auth.query: needs a user to run as; add auth_user: ..."
        );
    }
    if (!built.auth.query.empty() && built.auth.query.find("$1") == std::string::npos) {
        to.error(
            from.place_of("auth.query"), "auth.query: must ask for one user, whose name is $1"
        );
    }
    if (!built.auth.dbname.empty() && built.find_database(built.auth.dbname) == nullptr) {
        to.error(
            from.place_of("auth.dbname"),
            fmt::format("auth.dbname: \"{}\" is not in databases", built.auth.dbname)
        );
    }
}

void check_cert(const config& built, const document& from, report& to) {
    if (built.auth.type != auth_type::cert || from.attempted.contains("listen.tls.mode")) return;
    if (built.listen.tls.mode == tls_mode::verify_ca ||
        built.listen.tls.mode == tls_mode::verify_full) {
        return;
    }
    to.error(
        from.place_of("auth.type"),
        "auth.type: cert needs certificates of clients that are checked; set listen.tls.mode to "
        "verify-full"
    );
}

void check_auth(const config& built, const document& from, report& to) {
    check_hba(built, from, to);
    check_cert(built, from, to);
    check_auth_query(built, from, to);
    if (built.auth.type == auth_type::trust || built.auth.type == auth_type::any) {
        check_open_to_all(built, from, to);
        if (built.auth.type == auth_type::any) check_any(built, from, to);
        return;
    }
    check_secrets(built, from, to);
    if (built.auth.type == auth_type::cert || built.auth.type == auth_type::hba) return;
    // A path or a query that is wrong was told already.
    const auto is_wrong = [&](const char* key) {
        return from.attempted.contains(key) && from.find(key) == nullptr;
    };
    if (built.auth.users_file.empty() && !built.auth.asks_server() && !is_wrong("auth.query") &&
        !is_wrong("auth.auth_user") && !is_wrong("auth.users_file")) {
        to.warning(
            from.place_of("auth.users_file"),
            "auth.users_file: is empty, so nobody can log in; name a file of users, or an "
            "auth_user that asks PostgreSQL"
        );
    }
}

/// Names of administrators that no login can have: most likely a typing error. The console's own
/// two need no secret on the unix socket.
void check_admins(
    const std::string& key,
    const std::vector<std::string>& names,
    const config& built,
    const document& from,
    report& to
) {
    const given_value* given = from.find(key);
    if (given == nullptr || built.auth.users.empty() || built.auth.asks_server()) return;
    if (built.auth.type == auth_type::cert || built.auth.type == auth_type::hba) return;
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (built.auth.users.contains(names[i])) continue;
        if (names[i] == "pgweir" || names[i] == "pgbouncer") continue;
        to.warning(
            i < given->items_at.size() ? given->items_at[i] : given->at,
            fmt::format(
                "{}: {} is not in auth.users_file and cannot log in",
                key,
                given->is_reference ? "the value" : fmt::format("\"{}\"", names[i])
            )
        );
    }
}

void check_databases(const config& built, const document& from, report& to) {
    if (built.databases.empty() && from.attempted.contains("databases") &&
        from.sections.contains("databases")) {
        to.warning(
            from.place_of("databases"),
            "databases: none is given, so only the console can be reached"
        );
    } else if (built.databases.empty() && !from.attempted.contains("databases")) {
        to.error(
            from.place_of("databases"),
            "databases: none is given; add one, e.g. databases: {shop: {upstream: \"host=127.0.0.1 "
            "dbname=shop\"}}"
        );
    }
    for (const auto& [name, database] : built.databases) {
        const std::string key = "databases." + key_step(name);
        if (name == "pgweir" || name == "pgbouncer") {
            to.error(
                from.place_of(key),
                fmt::format("{}: this name is the console's; choose another", key)
            );
        }
        // A section that is not even a map was told already.
        const bool is_section = from.sections.contains(key);
        const given_value* upstream = from.find(key + ".upstream");
        const bool is_missing = upstream == nullptr && !from.attempted.contains(key + ".upstream");
        if (is_section && (is_missing || (upstream != nullptr &&
                                          std::get<std::string>(upstream->held).empty()))) {
            to.error(
                from.place_of(is_missing ? key : key + ".upstream"),
                fmt::format(
                    "{}: has no upstream; write e.g. upstream: \"host=127.0.0.1 port=5432 "
                    "dbname={}\"",
                    key,
                    name == "*" ? "shop" : name
                )
            );
        }
        if (!database.password.empty() && database.user.empty()) {
            to.error(
                from.place_of(key + ".password"),
                fmt::format(
                    "{}.password: without a user it would be sent for every client's user; give "
                    "user too",
                    key
                )
            );
        }
    }
}

/// Told where the file asks for the idle servers; a section that only makes a pool smaller keeps
/// as many of those from above as it has room for. Whether it was told.
bool check_min_idle(
    const std::string& key, const pool_options& pool, const document& from, report& to
) {
    const std::string option = key + ".min_idle";
    if (pool.min_idle <= pool.size || from.find(option) == nullptr) return false;
    to.error(
        from.place_of(option),
        fmt::format(
            "{}: {}, is more than size, {}; connections above size are for load only",
            option,
            pool.min_idle,
            pool.size
        )
    );
    return true;
}

/// A user's numbers meet those of each database; one that does not fit is enough.
void check_user_pools(const config& built, const document& from, report& to) {
    for (const auto& [name, user] : built.users) {
        const std::string key = fmt::format("users.{}.pool", key_step(name));
        for (const auto& [database, entry] : built.databases) {
            if (check_min_idle(key, built.resolve(database, name), from, to)) break;
        }
    }
}

void check_pool(
    const std::string& key,
    const pool_options& pool,
    const config& built,
    const document& from,
    report& to
) {
    const int most = pool.size + pool.overflow;
    check_min_idle(key, pool, from, to);
    const bool is_own =
        from.find(key + ".size") != nullptr || from.find(key + ".overflow") != nullptr;
    if (is_own && most > built.listen.max_clients) {
        const bool has_size = from.find(key + ".size") != nullptr;
        to.warning(
            from.place_of(key + (has_size ? ".size" : ".overflow")),
            fmt::format(
                "{}: size + overflow, {}, is more than listen.max_clients, {}; so many are never "
                "used",
                key,
                most,
                built.listen.max_clients
            )
        );
    }
}

void check_known_databases(
    const std::string& key,
    const cache_rule& rule,
    const config& built,
    const document& from,
    report& to
) {
    const given_value* given = from.find(key + ".databases");
    if (given == nullptr || built.databases.contains(std::string_view("*"))) return;
    std::vector<std::string_view> known;
    for (const auto& [name, database] : built.databases)
        known.emplace_back(name);
    for (std::size_t i = 0; i < rule.databases.size(); ++i) {
        if (built.databases.contains(rule.databases[i])) continue;
        const std::string_view meant = nearest(rule.databases[i], known);
        to.error(
            given->items_at.at(i),
            fmt::format(
                "{}.databases: {} is not in databases{}",
                key,
                given->is_reference ? "the value" : fmt::format("\"{}\"", rule.databases[i]),
                meant.empty() ? "" : fmt::format("; did you mean \"{}\"?", meant)
            )
        );
    }
}

void check_rules(const config& built, const document& from, report& to) {
    constexpr std::array selectors = {
        "databases", "users", "applications", "tables", "pattern", "fingerprint"};
    std::map<std::string, int> lines;
    const auto found = from.instances.find("cache.rules");
    if (found == from.instances.end()) return;
    auto rule = built.cache.rules.begin();
    for (const instance& each : found->second) {
        const std::string key = fmt::format("cache.rules[{}]", each.name);
        if (!from.sections.contains(key)) continue;
        const cache_rule& one = *rule++;
        if (one.name.empty() &&
            !(from.attempted.contains(key + ".name") && from.find(key + ".name") == nullptr)) {
            to.error(each.at, fmt::format("{}: has no name; add name: ...", key));
        } else if (!one.name.empty()) {
            const auto [first, is_new] = lines.try_emplace(one.name, each.at.line);
            if (!is_new)
                to.error(
                    from.place_of(key + ".name"),
                    fmt::format(
                        "{}.name: the name is given twice, first in line {}", key, first->second
                    )
                );
        }
        const bool selects = std::ranges::any_of(selectors, [&](const char* name) {
            const std::string selector = fmt::format("{}.{}", key, name);
            const given_value* given = from.find(selector);
            if (given == nullptr) return from.attempted.contains(selector);
            return given->held != default_value(*given->row);
        });
        if (!selects) {
            to.error(
                each.at,
                fmt::format(
                    "{}: would cache every statement; give at least one of databases, users, "
                    "applications, tables, pattern, fingerprint",
                    key
                )
            );
        }
        check_known_databases(key, one, built, from, to);
        if (one.max_result_bytes > built.cache.memory_bytes &&
            from.find(key + ".max_result") != nullptr && built.cache.memory_bytes > 0) {
            to.error(
                from.place_of(key + ".max_result"),
                fmt::format("{}.max_result: is more than cache.memory", key)
            );
        }
    }
}

/// What the cache itself finds wrong when it compiles the rules: names, fingerprints and patterns.
void check_compiled_rules(const config& built, const document& from, report& to) {
    const auto found = from.instances.find("cache.rules");
    if (found == from.instances.end()) return;
    std::vector<std::string> keys;  // as many as there are built rules
    for (const instance& each : found->second) {
        std::string key = fmt::format("cache.rules[{}]", each.name);
        if (from.sections.contains(key)) keys.push_back(std::move(key));
    }
    std::vector<querycache::rule_error> errors;
    (void)make_rules(built, nullptr, errors);
    for (const querycache::rule_error& error : errors) {
        if (error.field == "name" || error.field == "ttl") continue;  // told already
        const std::string key = keys.at(error.rule) + "." + error.field;
        const given_value* given = from.find(key);
        if (given == nullptr) continue;
        const place at =
            error.item < given->items_at.size() ? given->items_at[error.item] : given->at;
        to.error(
            at,
            fmt::format(
                "{}: {}; {}",
                key,
                given->is_reference ? std::string("the value cannot be used") : error.what,
                error.remedy
            )
        );
    }
}

void check_folder_of(
    const std::string& key, const std::string& path, const document& from, report& to
) {
    if (path.empty()) return;
    const fs::path folder = fs::path(path).parent_path();
    if (is_folder(path)) {
        to.error(from.place_of(key), fmt::format("{}: {} is a folder, not a file", key, path));
    } else if (!folder.empty() && !is_folder(folder)) {
        to.error(
            from.place_of(key),
            fmt::format("{}: the folder {} does not exist", key, folder.string())
        );
    }
}

}  // namespace

void check_relations(const config& built, const document& from, report& to) {
    check_listen(built, from, to);
    check_auth(built, from, to);
    check_admins("admin.users", built.admin.users, built, from, to);
    check_admins("admin.stats_users", built.admin.stats_users, built, from, to);
    check_databases(built, from, to);
    check_pool("pool", built.pool, built, from, to);
    for (const auto& [name, database] : built.databases) {
        check_pool(
            fmt::format("databases.{}.pool", key_step(name)), database.pool, built, from, to
        );
    }
    check_user_pools(built, from, to);
    check_rules(built, from, to);
    check_compiled_rules(built, from, to);
    check_events(built, from, to);
    check_functions(built, from, to);
    check_warm_queries(built, from, to);
    if (built.cache.memory_bytes > 0 && built.cache.max_result_bytes > built.cache.memory_bytes) {
        to.error(from.place_of("cache.max_result"), "cache.max_result: is more than cache.memory");
    }
    check_folder_of("slow_log.file", built.slow_log.file, from, to);
    check_folder_of("log.file", built.log.file, from, to);
}

}  // namespace weir::daemon::config

#include "daemon/config/build.hpp"

#include "daemon/auth/hba_rules.hpp"
#include "daemon/auth/ident_maps.hpp"
#include "daemon/config/address.hpp"
#include "daemon/config/conninfo.hpp"
#include "daemon/config/pool_fields.hpp"
#include "daemon/config/users_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace weir::daemon::config {
namespace {

template<class T>
struct is_optional : std::false_type {};
template<class T>
struct is_optional<std::optional<T>> : std::true_type {};

/// Takes the alternative that the field needs. A wrong pairing of row and field throws, which the
/// first test meets.
template<class T>
void assign(T& field, const option_value& held) {
    if constexpr (is_optional<T>::value) {
        typename T::value_type plain{};
        assign(plain, held);
        field = std::move(plain);
    } else if constexpr (std::is_enum_v<T> || std::is_integral_v<T>) {
        field = static_cast<T>(std::get<std::int64_t>(held));
    } else {
        field = std::get<T>(held);
    }
}

const char* secret_mask = "********";

class builder {
public:
    builder(const document& from, report& to, const environment_lookup& environment)
        : from_(from), to_(to), environment_(environment) {}

    config run() {
        listen();
        get(out_.threads, "threads");
        get(out_.io_uring, "io_uring");
        http();
        get(out_.admin.users, "admin.users");
        get(out_.admin.stats_users, "admin.stats_users");
        auth();
        for_each_pool_field(out_.pool, out_.pool, [this](auto& field, auto&, const char* name) {
            get(field, std::string("pool.") + name);
        });
        for (const instance& each : instances("databases"))
            database(each);
        for (const instance& each : instances("users"))
            user(each);
        cache();
        slow_log();
        settings();
        out_.file = to_.file();
        return std::move(out_);
    }

private:
    /// The file's value of `key`, else the default of the row `pattern`.
    template<class T>
    void get(T& field, const std::string& key, std::string_view pattern) {
        if (const given_value* given = from_.find(key)) return assign(field, given->held);
        const option* row = find_option(pattern);
        if (row == nullptr) throw std::logic_error(fmt::format("no option {}", pattern));
        assign(field, default_value(*row));
    }
    template<class T>
    void get(T& field, const std::string& key) {
        get(field, key, key);
    }
    template<class T>
    void get_if_given(T& field, const std::string& key) {
        if (const given_value* given = from_.find(key)) assign(field, given->held);
    }

    [[nodiscard]] const std::vector<instance>& instances(const std::string& key) const {
        static const std::vector<instance> none;
        const auto found = from_.instances.find(key);
        return found == from_.instances.end() ? none : found->second;
    }

    void file_path(std::string& field, const std::string& key, std::string_view pattern) {
        get(field, key, pattern);
        if (!field.empty()) field = beside(to_.file(), field);
    }
    void file_path(std::string& field, const std::string& key) { file_path(field, key, key); }
    /// "system" is no path.
    void authorities_path(std::string& field, const std::string& key, std::string_view pattern) {
        get(field, key, pattern);
        if (!field.empty() && field != "system") field = beside(to_.file(), field);
    }

    void listen() {
        std::vector<std::string> hosts;
        get(hosts, "listen.host");
        out_.listen.hosts.clear();
        const given_value* given = from_.find("listen.host");
        for (std::size_t i = 0; i < hosts.size(); ++i) {
            const place at = given != nullptr ? given->items_at.at(i) : place{1, 1};
            const auto address = listen_address(hosts[i]);
            if (!address) {
                to_.error(
                    at,
                    fmt::format(
                        "listen.host: {} is not an address; write numbers such as 127.0.0.1 or "
                        "::1, or \"*\"",
                        quoted(*given, hosts[i])
                    )
                );
            } else if (*address == "*" && hosts.size() > 1) {
                to_.error(
                    at, "listen.host: \"*\" already means every address; it must stand alone"
                );
            } else if (std::ranges::count(out_.listen.hosts, *address) > 0) {
                to_.error(
                    at, fmt::format("listen.host: {} is given twice", quoted(*given, hosts[i]))
                );
            } else {
                out_.listen.hosts.push_back(*address);
            }
        }
        get(out_.listen.port, "listen.port");
        get(out_.listen.unix_socket_dir, "listen.unix_socket_dir");
        get(out_.listen.reuse_port, "listen.reuse_port");
        get(out_.listen.max_clients, "listen.max_clients");
        get(out_.listen.client_login_timeout, "listen.client_login_timeout");
        get(out_.listen.tls.mode, "listen.tls.mode");
        file_path(out_.listen.tls.cert_file, "listen.tls.cert_file");
        file_path(out_.listen.tls.key_file, "listen.tls.key_file");
        authorities_path(out_.listen.tls.ca_file, "listen.tls.ca_file", "listen.tls.ca_file");
    }

    static std::string quoted(const given_value& given, const std::string& text) {
        return given.is_reference ? "the value" : fmt::format("\"{}\"", text);
    }

    void http() {
        std::string text;
        get(text, "http.listen");
        get(out_.http.token, "http.token");
        get(out_.http.view_token, "http.view_token");
        out_.http.enabled = !text.empty();
        if (text.empty()) return;
        if (const auto parsed = parse_host_and_port(text)) {
            out_.http.host = parsed->host;
            out_.http.port = parsed->port;
            return;
        }
        std::string message = fmt::format(
            "http.listen: {} is not HOST:PORT", quoted(*from_.find("http.listen"), text)
        );
        const bool is_port = text.find_first_not_of("0123456789") == std::string::npos;
        message += is_port ? fmt::format("; did you mean 127.0.0.1:{}?", text)
                           : "; write 127.0.0.1:9632, [::1]:9632 or \"\"";
        to_.error(
            from_.place_of("http.listen"),
            from_.find("http.listen")->is_reference ? "http.listen: the value is not HOST:PORT"
                                                    : message
        );
    }

    void auth() {
        get(out_.auth.type, "auth.type");
        file_path(out_.auth.users_file, "auth.users_file");
        file_path(out_.auth.hba_file, "auth.hba_file");
        file_path(out_.auth.ident_file, "auth.ident_file");
        get(out_.auth.query, "auth.query");
        get(out_.auth.auth_user, "auth.auth_user");
        out_.auth.is_asked_somewhere = !out_.auth.auth_user.empty();
        get(out_.auth.dbname, "auth.dbname");
        get(out_.auth.cache_ttl, "auth.cache_ttl");
        if (const auto text = auth_file(out_.auth.users_file, "auth.users_file")) {
            out_.auth.users = parse_users_file(*text, out_.auth.users_file, to_.problems());
        }
        if (const auto text = auth_file(out_.auth.ident_file, "auth.ident_file")) {
            out_.auth.ident = std::make_shared<const auth::ident_maps>(
                auth::parse_ident(*text, out_.auth.ident_file, &read_included, to_.problems())
            );
        }
        if (const auto text = auth_file(out_.auth.hba_file, "auth.hba_file")) {
            out_.auth.hba = std::make_shared<const auth::hba_rules>(auth::parse_hba(
                *text,
                out_.auth.hba_file,
                {&read_included, auth::local_interfaces()},
                to_.problems()
            ));
        }
    }

    /// The content of a file that the option `key` names; nothing when it names none.
    std::optional<std::string> auth_file(const std::string& path, const char* key) {
        if (path.empty()) return std::nullopt;
        file_bytes content = read_file(path, largest_users_file);
        if (!content.text) {
            to_.error(
                from_.place_of(key), fmt::format("{}: cannot read {}: {}", key, path, content.error)
            );
        }
        return std::move(content.text);
    }

    static auth::included_text read_included(const std::string& name, const std::string& from) {
        const std::string path = beside(from, name);
        const file_bytes content = read_file(path, largest_users_file);
        return {content.text.has_value(), content.text ? *content.text : content.error, path};
    }

    void database(const instance& each) {
        database_options result;
        result.name = each.name;
        const std::string key = "databases." + key_step(each.name);
        std::string upstream;
        get(upstream, key + ".upstream", "databases.*.upstream");
        get(result.user, key + ".user", "databases.*.user");
        get(result.password, key + ".password", "databases.*.password");
        get(result.max_connections, key + ".max_connections", "databases.*.max_connections");
        host_order order{};
        get(order, key + ".load_balance_hosts", "databases.*.load_balance_hosts");
        get(result.max_client_connections,
            key + ".max_client_connections",
            "databases.*.max_client_connections");
        get(result.connect_query, key + ".connect_query", "databases.*.connect_query");
        get(result.auth_query, key + ".auth_query", "databases.*.auth_query");
        get(result.auth_user, key + ".auth_user", "databases.*.auth_user");
        get(result.auth_dbname, key + ".auth_dbname", "databases.*.auth_dbname");
        if (!result.auth_user.empty()) out_.auth.is_asked_somewhere = true;
        get(result.tls.mode, key + ".tls.mode", "databases.*.tls.mode");
        get(result.tls.negotiation, key + ".tls.negotiation", "databases.*.tls.negotiation");
        file_path(result.tls.cert_file, key + ".tls.cert_file", "databases.*.tls.cert_file");
        file_path(result.tls.key_file, key + ".tls.key_file", "databases.*.tls.key_file");
        authorities_path(result.tls.ca_file, key + ".tls.ca_file", "databases.*.tls.ca_file");
        slow_threshold(result.slow_threshold, key);
        result.pool = out_.pool;
        for_each_pool_field(result.pool, result.pool, [&](auto& field, auto&, const char* name) {
            get_if_given(field, fmt::format("{}.pool.{}", key, name));
        });
        if (const given_value* given = from_.find(key + ".upstream");
            given != nullptr && !upstream.empty()) {
            connection_string(key, upstream, *given, result);
        }
        if (from_.find(key + ".load_balance_hosts") != nullptr) {
            result.upstream.load_balance_hosts = order;
        }
        out_.databases.emplace(each.name, std::move(result));
    }

    void connection_string(
        const std::string& key,
        const std::string& text,
        const given_value& given,
        database_options& result
    ) {
        const auto resolve = [&](std::string_view part) {
            // What a variable or a file held is taken as it is, or one secret could name another.
            if (given.is_reference) return resolved_text{std::string(part), true, {}};
            return resolve_text(part, to_.file(), environment_, true);
        };
        parsed_conninfo parsed = parse_conninfo(text, resolve, given.is_reference);
        for (const std::string& error : parsed.errors)
            to_.error(given.at, fmt::format("{}.upstream: {}", key, error));
        shown_upstream_[key + ".upstream"] =
            given.is_reference ? secret_mask : show_conninfo(parsed);
        result.upstream = std::move(parsed.upstream);
        one_of_two(key, "user", parsed.user, result.user);
        one_of_two(key, "password", parsed.password, result.password);
        tls_of_two(key, parsed.tls, given, result.tls);
        if (result.upstream.channel_binding == binding_choice::require &&
            result.tls.mode == tls_mode::disable) {
            to_.error(
                given.at,
                fmt::format(
                    "{}.upstream: channel_binding=require needs TLS, which is disabled; take out "
                    "one of the two",
                    key
                )
            );
        }
    }

    /// libpq's keywords in upstream, and ours.
    void tls_of_two(
        const std::string& key, conninfo_tls inside, const given_value& given, tls_options& own
    ) {
        for (std::string* path : {&inside.cert_file, &inside.key_file, &inside.ca_file}) {
            if (!path->empty() && *path != "system") *path = beside(to_.file(), *path);
        }
        one_of_two(key, "tls.cert_file", inside.cert_file, own.cert_file);
        one_of_two(key, "tls.key_file", inside.key_file, own.key_file);
        one_of_two(key, "tls.ca_file", inside.ca_file, own.ca_file);
        choice_of_two(key, "sslmode", "tls.mode", inside.mode, given, own.mode);
        choice_of_two(
            key, "sslnegotiation", "tls.negotiation", inside.negotiation, given, own.negotiation
        );
    }

    template<class Enum>
    void choice_of_two(
        const std::string& key,
        std::string_view keyword,
        std::string_view name,
        const std::string& inside,
        const given_value& given,
        Enum& own
    ) {
        if (inside.empty()) return;
        const auto choices = words(find_option(fmt::format("databases.*.{}", name))->choices);
        const auto found = std::ranges::find(choices, std::string_view(inside));
        const std::string full = fmt::format("{}.{}", key, name);
        if (found == choices.end()) {
            to_.error(
                given.at,
                fmt::format(
                    "{}.upstream: {}: use one of {}", key, keyword, fmt::join(choices, ", ")
                )
            );
            return;
        }
        const auto value = static_cast<Enum>(found - choices.begin());
        if (from_.find(full) != nullptr && own != value) {
            to_.error(
                from_.place_of(full),
                fmt::format("{}: differs from {} in upstream; remove one of them", full, keyword)
            );
        }
        own = value;
    }

    void one_of_two(
        const std::string& key, std::string_view name, const std::string& inside, std::string& own
    ) {
        if (inside.empty()) return;
        if (!own.empty() && own != inside) {
            to_.error(
                from_.place_of(fmt::format("{}.{}", key, name)),
                fmt::format(
                    "{}.{}: differs from the {} in upstream; remove one of them", key, name, name
                )
            );
        }
        if (own.empty()) own = inside;
    }

    void user(const instance& each) {
        user_options result;
        result.name = each.name;
        const std::string key = "users." + key_step(each.name);
        get(result.max_connections, key + ".max_connections", "users.*.max_connections");
        get(result.max_server_connections,
            key + ".max_server_connections",
            "users.*.max_server_connections");
        slow_threshold(result.slow_threshold, key);
        for_each_pool_field(result.pool, result.pool, [&](auto& field, auto&, const char* name) {
            get_if_given(field, fmt::format("{}.pool.{}", key, name));
        });
        out_.users.emplace(each.name, std::move(result));
    }

    void cache() {
        get(out_.cache.memory_bytes, "cache.memory");
        get(out_.cache.max_result_bytes, "cache.max_result");
        if (from_.find("cache.max_result") == nullptr && out_.cache.memory_bytes > 0) {
            // The default of a smaller cache.
            out_.cache.max_result_bytes =
                std::min(out_.cache.max_result_bytes, out_.cache.memory_bytes);
        }
        get(out_.cache.consistency, "cache.consistency");
        get(out_.cache.verify, "cache.verify");
        get(out_.cache.lock_probe, "cache.lock_probe");
        get(out_.cache.external_writers, "cache.external_writers");
        get(out_.cache.redis, "cache.redis");
        for (const instance& each : instances("cache.rules"))
            rule(each);
        for (const instance& each : instances("cache.functions")) {
            cache_function result;
            get(result.writes,
                "cache.functions." + key_step(each.name) + ".writes",
                "cache.functions.*.writes");
            out_.cache.functions.emplace(each.name, std::move(result));
        }
        for (const instance& each : instances("cache.events")) {
            const std::string key = "cache.events." + key_step(each.name);
            cache_event result;
            get(result.tables, key + ".tables", "cache.events.*.tables");
            get(result.rules, key + ".rules", "cache.events.*.rules");
            out_.cache.events.emplace(each.name, std::move(result));
        }
    }

    void rule(const instance& each) {
        const std::string key = fmt::format("cache.rules[{}]", each.name);
        // An element that is no section was told already.
        if (!from_.sections.contains(key)) return;
        cache_rule result;
        const auto field = [&](auto& target, const char* name) {
            get(target, fmt::format("{}.{}", key, name), fmt::format("cache.rules[].{}", name));
        };
        field(result.name, "name");
        field(result.databases, "databases");
        field(result.users, "users");
        field(result.applications, "applications");
        field(result.tables, "tables");
        field(result.pattern, "pattern");
        field(result.fingerprint, "fingerprint");
        field(result.ttl, "ttl");
        result.max_result_bytes = out_.cache.max_result_bytes;
        get_if_given(result.max_result_bytes, key + ".max_result");
        field(result.in_transaction, "in_transaction");
        field(result.share, "share");
        field(result.cache_empty, "cache_empty");
        field(result.stale_while_revalidate, "stale_while_revalidate");
        field(result.stale_if_error, "stale_if_error");
        field(result.settings, "settings");
        field(result.functions, "functions");
        field(result.warm, "warm");
        result.at = each.at;
        result.pattern_at = from_.place_of(key + ".pattern");
        out_.cache.rules.push_back(std::move(result));
    }

    void slow_threshold(std::optional<milliseconds>& field, const std::string& key) {
        if (const given_value* given = from_.find(key + ".slow_log.threshold")) {
            assign(field.emplace(), given->held);
        }
    }

    void slow_log() {
        get(out_.statement_limit, "statements.limit");
        get(out_.advisor_interval, "advisor.interval");
        get(out_.slow_log.threshold, "slow_log.threshold");
        file_path(out_.slow_log.file, "slow_log.file");
        get(out_.slow_log.sample, "slow_log.sample");
        get(out_.slow_log.parameters, "slow_log.parameters");
        get(out_.slow_log.explain, "slow_log.explain");
        get(out_.slow_log.explain_per_minute, "slow_log.explain_per_minute");
        get(out_.slow_log.n_plus_one.repeats, "slow_log.n_plus_one.repeats");
        get(out_.slow_log.n_plus_one.window, "slow_log.n_plus_one.window");
        get(out_.log.level, "log.level");
        get(out_.log.format, "log.format");
        file_path(out_.log.file, "log.file");
    }

    /// Options of the file as a whole always; those of a database, user or rule where the file
    /// gives them.
    void settings() {
        for (const option& row : options()) {
            const bool is_repeated = row.path.find_first_of("*[") != std::string_view::npos;
            if (!is_value(row.type) || is_repeated || from_.find(std::string(row.path)) != nullptr)
                continue;
            const std::string text = canonical(row, default_value(row));
            out_.settings.push_back(
                {std::string(row.path), text, text, text, row.reload == reload_effect::live}
            );
        }
        for (const auto& [key, given] : from_.values) {
            setting one{
                key,
                canonical(*given.row, given.held),
                {},
                canonical(*given.row, default_value(*given.row)),
                given.row->reload == reload_effect::live};
            one.shown = one.value;
            if ((given.row->is_secret || given.is_reference) && !one.value.empty())
                one.shown = secret_mask;
            if (const auto upstream = shown_upstream_.find(key); upstream != shown_upstream_.end())
                one.shown = upstream->second;
            out_.settings.push_back(std::move(one));
        }
        std::ranges::sort(out_.settings, {}, &setting::key);
    }

    const document& from_;
    report& to_;
    const environment_lookup& environment_;
    config out_;
    std::map<std::string, std::string> shown_upstream_;
};

}  // namespace

config build_config(const document& from, report& to, const environment_lookup& environment) {
    return builder(from, to, environment).run();
}

}  // namespace weir::daemon::config

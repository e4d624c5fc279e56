#include "daemon/console/show_pools.hpp"

#include <algorithm>
#include <ctime>
#include <iterator>
#include <map>
#include <set>
#include <utility>

namespace weir::daemon::console {

namespace {

std::string_view word_of(pool::pool_mode mode) {
    switch (mode) {
        case pool::pool_mode::session:
            return "session";
        case pool::pool_mode::transaction:
            return "transaction";
        case pool::pool_mode::statement:
            return "statement";
    }
    return "";
}

std::string_view word_of(client_state state) {
    switch (state) {
        case client_state::login:
            return "login";
        case client_state::active:
            return "active";
        case client_state::idle:
            return "idle";
        case client_state::waiting:
            return "waiting";
    }
    return "";
}

/// PgBouncer calls a server that logs in "new".
std::string_view word_of(pool::server_state state) {
    return state == pool::server_state::login ? "new" : pool::to_string(state);
}

/// Joins the columns ptr and link, which are addresses in PgBouncer and only ever compared.
std::string client_name(std::uint64_t id) {
    return id == 0 ? std::string{} : "c" + std::to_string(id);
}
std::string server_name(std::uint64_t id) {
    return id == 0 ? std::string{} : "s" + std::to_string(id);
}

value load_balance(std::size_t hosts, std::string_view order) {
    if (hosts < 2) return {};
    return text(order);
}

/// PgBouncer's words.
std::string_view word_of(pool::host_order order) {
    switch (order) {
        case pool::host_order::listed:
            return "disable";
        case pool::host_order::random:
            return "random";
        case pool::host_order::round_robin:
            return "round-robin";
    }
    return "";
}

using pool_name = std::pair<std::string, std::string>;

struct client_counts {
    std::size_t active = 0;
    std::size_t waiting = 0;
};

std::map<pool_name, client_counts> count_clients(const sightings& seen) {
    std::map<pool_name, client_counts> counts;
    for (const auto& client : seen.clients) {
        if (client.is_console || client.state == client_state::login) continue;
        auto& here = counts[{client.database, client.user}];
        ++(client.state == client_state::waiting ? here.waiting : here.active);
    }
    return counts;
}

/// Clients that are logged in, by the name that `name_of` takes from them.
template<class NameOf>
std::map<std::string, std::size_t> count_by(const sightings& seen, NameOf name_of) {
    std::map<std::string, std::size_t> counts;
    for (const auto& client : seen.clients) {
        if (!client.is_console && client.state != client_state::login) ++counts[name_of(client)];
    }
    return counts;
}

template<class Map, class Key>
auto value_or_zero(const Map& map, const Key& key) {
    const auto found = map.find(key);
    return found == map.end() ? typename Map::mapped_type{} : found->second;
}

std::string join_hosts(const config::upstream_options& upstream) {
    std::string all;
    for (const auto& one : upstream.hosts) {
        if (!all.empty()) all += ',';
        all += one.host;
    }
    return all;
}

void add_wait(row& to, const std::optional<time_point>& since, time_point now) {
    using namespace std::chrono;
    const auto waited =
        since && now > *since ? duration_cast<microseconds>(now - *since) : microseconds{0};
    to.push_back(number(waited.count() / 1'000'000));
    to.push_back(number(waited.count() % 1'000'000));
}

}  // namespace

std::string clocks::tell(time_point when) const {
    const auto then = std::chrono::system_clock::to_time_t(
        wall + std::chrono::duration_cast<std::chrono::system_clock::duration>(when - steady)
    );
    std::tm local{};
    ::localtime_r(&then, &local);
    char shown[64];
    const auto length = std::strftime(shown, sizeof shown, "%Y-%m-%d %H:%M:%S %Z", &local);
    return {shown, length};
}

std::vector<row> breaker_rows(const std::vector<pool::host_figures>& hosts, const clocks& now) {
    std::vector<row> rows;
    for (const auto& one : hosts) {
        rows.push_back({
            text(one.upstream),
            text(pool::to_string(one.state)),
            number(one.failures),
            text(now.tell(one.since)),
            one.next_try ? text(now.tell(*one.next_try)) : value{},
            one.last_error.empty() ? value{} : text(one.last_error),
        });
    }
    return rows;
}

std::vector<row> pool_rows(const std::vector<pool_sighting>& pools, const sightings& seen) {
    const auto clients = count_clients(seen);
    std::vector<row> rows;
    for (const auto& one : pools) {
        const auto& f = one.figures;
        const auto here = value_or_zero(clients, pool_name{one.database, one.user});
        rows.push_back({
            text(one.database),
            text(one.user),
            number(here.active),
            number(f.waiting),
            // A cancel request waits for no server of the pool, and is not kept by pool while it
            // runs.
            number(0),
            number(0),
            number(f.active),
            number(0),  // sv_active_cancel: as above
            number(f.being_canceled),
            number(f.idle),
            number(0),  // sv_used: idle servers are checked when one is wanted, not in advance
            number(f.tested),
            number(f.login),
            number(f.max_wait.count() / 1'000'000),
            number(f.max_wait.count() % 1'000'000),
            text(word_of(one.options.mode)),
            load_balance(one.hosts, word_of(one.order)),
            number(f.open),
            number(one.options.size),
            number(one.options.overflow),
            number(f.paused ? 1 : 0),
            one.last_error.empty() ? value{} : text(one.last_error),
        });
    }
    return rows;
}

std::vector<row> client_rows(const sightings& seen, const clocks& now) {
    std::vector<row> rows;
    for (const auto& one : seen.clients) {
        if (one.state == client_state::login) continue;
        row r{
            text("C"),
            text(one.user),
            text(one.database),
            text(one.replication),
            text(word_of(one.state)),
            text(one.is_unix ? "unix" : one.address),
            number(one.port),
            {},  // local_addr, local_port: not kept a client
            {},
            text(now.tell(one.connected_at)),
            one.request_at ? text(now.tell(*one.request_at)) : value{},
        };
        const bool waits = one.state == client_state::waiting;
        add_wait(r, waits ? one.request_at : std::nullopt, now.steady);
        const row rest{
            number(0),  // close_needed: only servers are retired
            text(client_name(one.id)),
            text(server_name(one.server_id)),
            number(0),  // remote_pid
            text(one.tls),
            text(one.application),
            number(one.prepared),
            number(one.id),
            number(one.process_id),
            number(one.thread),
            one.pinned_by.empty() ? value{} : text(one.pinned_by),
        };
        r.insert(r.end(), rest.begin(), rest.end());
        rows.push_back(std::move(r));
    }
    return rows;
}

std::vector<row> server_rows(const sightings& seen, const clocks& now) {
    std::vector<row> rows;
    for (const auto& one : seen.servers) {
        rows.push_back({
            text("S"),
            text(one.user),
            text(one.database),
            text(one.replication),
            text(word_of(one.state)),
            text(one.address),
            number(one.port),
            {},
            {},
            text(now.tell(one.connected_at)),
            one.request_at ? text(now.tell(*one.request_at)) : value{},
            number(0),  // wait: servers do not
            number(0),
            number(one.is_close_needed ? 1 : 0),
            text(server_name(one.id)),
            text(client_name(one.client_id)),
            number(one.process_id),
            text(one.tls),
            text(one.application),
            number(one.prepared),
            number(one.id),
            number(one.thread),
        });
    }
    return rows;
}

std::vector<row> socket_rows(const sightings& seen, const clocks& now, bool active_only) {
    constexpr std::size_t state_column = 4;
    constexpr std::size_t id_column = 20;
    std::vector<row> rows;
    const auto add = [&rows](row one, std::string_view list) {
        one[state_column] = std::string{list} + *one[state_column];
        one.resize(id_column + 1);
        constexpr std::size_t positions = 7;
        one.insert(one.end(), positions, number(0));
        rows.push_back(std::move(one));
    };
    sightings chosen;
    std::copy_if(
        seen.clients.begin(),
        seen.clients.end(),
        std::back_inserter(chosen.clients),
        [active_only](const client_sighting& one) {
            return !active_only || one.state != client_state::idle;
        }
    );
    std::copy_if(
        seen.servers.begin(),
        seen.servers.end(),
        std::back_inserter(chosen.servers),
        [active_only](const server_sighting& one) {
            return !active_only || one.state != pool::server_state::idle;
        }
    );
    for (auto& one : client_rows(chosen, now))
        add(std::move(one), "cl_");
    for (auto& one : server_rows(chosen, now))
        add(std::move(one), "sv_");
    return rows;
}

std::vector<row> pin_rows(const sightings& seen) {
    std::vector<row> rows;
    for (const auto& one : seen.clients) {
        if (one.pinned_by.empty()) continue;
        rows.push_back({
            number(one.id),
            text(one.database),
            text(one.user),
            text(one.application),
            text(one.is_unix ? "unix" : one.address),
            number(one.port),
            text(one.pinned_by),
            text(word_of(one.state)),
            text(server_name(one.server_id)),
            one.server_id != 0 ? number(one.server_process_id) : value{},
        });
    }
    return rows;
}

std::vector<row> database_rows(
    const config::config& configuration,
    const std::vector<pool_sighting>& pools,
    const pause_state& paused,
    const sightings& seen
) {
    const auto clients =
        count_by(seen, [](const client_sighting& c) -> const std::string& { return c.database; });
    std::set<std::string> names;
    for (const auto& [name, entry] : configuration.databases)
        names.insert(name);
    for (const auto& one : pools)
        names.insert(one.database);  // those that came by the entry "*"
    for (const auto* said : {&paused.others(), &paused.disabled()})
        names.insert(said->begin(), said->end());  // those that may still come by it

    std::vector<row> rows;
    for (const auto& name : names) {
        const auto* entry = configuration.find_database(name);
        if (entry == nullptr) continue;  // its last servers are leaving after a reload
        std::size_t open = 0;
        for (const auto& one : pools) {
            if (one.database == name) open += one.figures.open;
        }
        const auto& numbers = entry->pool;
        const auto& hosts = entry->upstream.hosts;
        rows.push_back({
            text(name),
            text(join_hosts(entry->upstream)),
            hosts.empty() ? value{} : number(hosts.front().port),
            text(entry->server_dbname(name)),
            entry->user.empty() ? value{} : text(entry->user),
            number(numbers.size),
            number(numbers.min_idle),
            number(numbers.overflow),
            number(std::chrono::duration_cast<std::chrono::seconds>(numbers.lifetime).count()),
            text(config::to_string(numbers.mode)),
            load_balance(hosts.size(), config::to_string(entry->upstream.load_balance_hosts)),
            number(entry->max_connections),
            number(open),
            number(entry->max_client_connections),
            number(value_or_zero(clients, name)),
            number(paused.is_paused(name) ? 1 : 0),
            number(paused.is_disabled(name) ? 1 : 0),
            number(numbers.overflow),
        });
    }
    return rows;
}

std::vector<row> user_rows(
    const config::config& configuration,
    const std::vector<pool_sighting>& pools,
    const sightings& seen
) {
    const auto clients =
        count_by(seen, [](const client_sighting& c) -> const std::string& { return c.user; });
    std::map<std::string, std::size_t> open;
    for (const auto& one : pools)
        open[one.user] += one.figures.open;

    std::set<std::string> names;
    for (const auto& [name, secret] : configuration.auth.users)
        names.insert(name);
    for (const auto& [name, entry] : configuration.users)
        names.insert(name);
    for (const auto& [name, count] : open)
        names.insert(name);

    std::vector<row> rows;
    for (const auto& name : names) {
        const auto* entry = configuration.find_user(name);
        const auto own = entry != nullptr ? entry->pool : config::pool_overrides{};
        rows.push_back({
            text(name),
            own.size ? number(*own.size) : value{},
            own.overflow ? number(*own.overflow) : value{},
            own.mode ? text(config::to_string(*own.mode)) : value{},
            number(entry != nullptr ? entry->max_server_connections : 0),
            number(value_or_zero(open, name)),
            number(entry != nullptr ? entry->max_connections : 0),
            number(value_or_zero(clients, name)),
        });
    }
    return rows;
}

std::vector<row> list_rows(
    const config::config& configuration,
    const std::vector<pool_sighting>& pools,
    const sightings& seen
) {
    std::set<std::string> users;
    for (const auto& [name, secret] : configuration.auth.users)
        users.insert(name);
    for (const auto& [name, entry] : configuration.users)
        users.insert(name);
    std::size_t logging_in = 0;
    for (const auto& one : seen.clients)
        logging_in += one.state == client_state::login ? 1 : 0;

    const auto line = [](std::string_view name, std::size_t items) {
        return row{text(name), number(items)};
    };
    // Zero by construction: nothing is kept in reserve, there are no peers and no resolver of our
    // own.
    return {
        line("databases", configuration.databases.size()),
        line("users", users.size()),
        line("peers", 0),
        line("pools", pools.size()),
        line("peer_pools", 0),
        line("free_clients", 0),
        line("used_clients", seen.clients.size() - logging_in),
        line("login_clients", logging_in),
        line("free_servers", 0),
        line("used_servers", seen.servers.size()),
        line("dns_names", 0),
        line("dns_zones", 0),
        line("dns_queries", 0),
        line("dns_pending", 0),
    };
}

std::vector<row> state_rows(const pause_state& paused) {
    return {
        {text("active"), text(paused.all() ? "no" : "yes")},
        {text("paused"), text(paused.all() ? "yes" : "no")},
        {text("suspended"), text("no")},
    };
}

}  // namespace weir::daemon::console

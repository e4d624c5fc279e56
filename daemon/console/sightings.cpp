#include "daemon/console/sightings.hpp"

#include "daemon/console/console_phase.hpp"
#include "daemon/control.hpp"
#include "daemon/net/worker.hpp"
#include "daemon/pool_directory.hpp"
#include "daemon/session/relay.hpp"
#include "daemon/session/replication_tunnel.hpp"
#include "pool/reusable.hpp"
#include "pool/server_connection.hpp"

#include <algorithm>
#include <iterator>
#include <memory>
#include <mutex>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace weir::daemon::console {

namespace {

client_state state_of(const relay& one) {
    switch (one.current()) {
        case relay::state::greeting:
        case relay::state::closed:
            return client_state::login;
        case relay::state::idle:
            return client_state::idle;
        case relay::state::waiting:
            return client_state::waiting;
        case relay::state::linked:
            return client_state::active;
    }
    return client_state::login;
}

void add_relay(client_sighting& seen, const relay& one) {
    seen.state = state_of(one);
    seen.user = one.user();
    seen.database = one.database();
    seen.application = one.application();
    if (one.started_at() != time_point{}) seen.request_at = one.started_at();
    seen.process_id = one.process_id();
    seen.prepared = one.prepared_count();
    seen.pinned_by = pool::to_string(one.pins());
    if (const auto& server = one.server()) {
        seen.server_id = server->session().id;
        seen.server_process_id = server->session().process_id;
    }
}

void add_tunnel(client_sighting& seen, const replication_tunnel& one) {
    seen.state = one.server() ? client_state::active : client_state::waiting;
    seen.user = one.user();
    seen.database = one.database();
    seen.replication = replication_kind(*one.owner()->target());
    seen.process_id = one.process_id();
    if (const auto& server = one.server()) {
        seen.server_id = server->session().id;
        seen.server_process_id = server->session().process_id;
    }
}

client_sighting look_at(client_session& session) {
    client_sighting seen;
    seen.id = session.id();
    seen.thread = session.home().index();
    seen.address = session.address();
    seen.port = session.port();
    seen.is_unix = session.is_unix();
    if (session.tls() != nullptr) seen.tls = session.tls()->description();
    seen.connected_at = session.connected_at();
    if (const auto* one = dynamic_cast<const relay*>(session.phase())) {
        add_relay(seen, *one);
    } else if (const auto* tunnel = dynamic_cast<const replication_tunnel*>(session.phase())) {
        add_tunnel(seen, *tunnel);
    } else if (const auto* console = dynamic_cast<const console_phase*>(session.phase())) {
        seen.is_console = true;
        seen.state = client_state::active;
        seen.user = console->user();
        seen.database = console->database();
        seen.process_id = console->process_id();
    }
    return seen;
}

server_sighting look_at(pool::server_connection& server) {
    server_sighting seen;
    auto& session = server.session();
    seen.id = session.id;
    seen.thread = server.loop().index();
    seen.state = server.state();
    seen.user = server.owner()->user();
    seen.database = server.owner()->database();
    seen.replication = replication_kind(*session.target);
    if (const auto* name = session.settings.reported("application_name")) seen.application = *name;
    seen.is_unix = session.address.is_unix();
    if (server.tls() != nullptr) seen.tls = server.tls()->description();
    seen.address = session.address.host;
    seen.port = session.address.port;
    seen.connected_at =
        session.connected_at == time_point{} ? server.started_at() : session.connected_at;
    seen.process_id = session.process_id;
    seen.prepared = session.statements.size();
    // One that logs in is of no generation yet.
    seen.is_close_needed =
        seen.state != pool::server_state::login && server.owner()->has_retired(session);
    return seen;
}

void put_in_order(sightings& all) {
    std::sort(all.clients.begin(), all.clients.end(), [](const auto& a, const auto& b) {
        return a.id < b.id;
    });
    std::sort(all.servers.begin(), all.servers.end(), [](const auto& a, const auto& b) {
        return std::tie(a.database, a.user, a.id) < std::tie(b.database, b.user, b.id);
    });
}

/// Collects the answers of all loops.
struct gathering {
    std::mutex lock;
    sightings all;         // guarded by lock
    std::size_t left = 0;  // guarded by lock
    std::function<void(sightings)> done;
};

}  // namespace

sightings look(worker& at) {
    sightings seen;
    std::unordered_map<std::uint64_t, const client_sighting*> holders;
    seen.clients.reserve(at.clients().size());
    for (const auto& [id, session] : at.clients()) {
        seen.clients.push_back(look_at(*session));
        // A linked server lives on its client's loop; `clients` has room for all, so this stays
        // valid.
        const auto& last = seen.clients.back();
        if (last.server_id != 0) holders.emplace(last.server_id, &last);
    }
    auto pools = at.shared().pools.all();
    const auto dedicated = at.shared().pools.dedicated();
    pools.insert(pools.end(), dedicated.begin(), dedicated.end());
    for (const auto& pool : pools) {
        for (auto* server : pool->servers_on(at.loop())) {
            if (server->is_closed()) continue;
            auto one = look_at(*server);
            if (const auto found = holders.find(one.id); found != holders.end() && one.id != 0) {
                one.client_id = found->second->id;
                one.request_at = found->second->request_at;
            }
            seen.servers.push_back(std::move(one));
        }
    }
    return seen;
}

void look_everywhere(control& daemon, std::function<void(sightings)> done) {
    const auto& workers = daemon.workers();
    auto all = std::make_shared<gathering>();
    all->left = workers.size();
    all->done = std::move(done);
    for (worker* one : workers) {
        one->loop().post([one, all] {
            auto seen = look(*one);
            {
                const std::lock_guard guard{all->lock};
                std::move(
                    seen.clients.begin(), seen.clients.end(), std::back_inserter(all->all.clients)
                );
                std::move(
                    seen.servers.begin(), seen.servers.end(), std::back_inserter(all->all.servers)
                );
                if (--all->left > 0) return;
            }
            put_in_order(all->all);
            all->done(std::move(all->all));
        });
    }
}

}  // namespace weir::daemon::console

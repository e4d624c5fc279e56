#include "daemon/loop_gauges.hpp"

#include "daemon/console/console_phase.hpp"
#include "daemon/net/worker.hpp"
#include "daemon/pool_directory.hpp"
#include "daemon/session/relay.hpp"
#include "daemon/session/replication_tunnel.hpp"
#include "pool/reusable.hpp"

#include <array>
#include <condition_variable>
#include <memory>
#include <mutex>

namespace weir::daemon {

namespace {

using pool::left_behind;

constexpr std::array pin_reasons{
    left_behind::listen,
    left_behind::temporary_table,
    left_behind::advisory_lock,
    left_behind::hold_cursor,
    left_behind::sql_prepare,
    left_behind::settings_uncertain,
    left_behind::sequence_value,
};

loop_gauges nothing_yet() {
    loop_gauges none;
    for (const auto reason : pin_reasons)
        none.pins.push_back({pool::to_string(reason), 0});
    return none;
}

void add(loop_gauges& to, const loop_gauges& from) {
    to.clients.login += from.clients.login;
    to.clients.idle += from.clients.idle;
    to.clients.active += from.clients.active;
    to.clients.waiting += from.clients.waiting;
    to.clients.console += from.clients.console;
    for (std::size_t i = 0; i < to.pins.size(); ++i)
        to.pins[i].clients += from.pins[i].clients;
    for (const auto& [name, count] : from.prepared_statements)
        to.prepared_statements[name] += count;
}

/// The words of SHOW CLIENTS; a client that waits to be greeted is not logged in yet.
std::uint64_t& count_of(insight::client_gauges& clients, relay::state state) {
    switch (state) {
        case relay::state::idle:
            return clients.idle;
        case relay::state::waiting:
            return clients.waiting;
        case relay::state::linked:
            return clients.active;
        case relay::state::greeting:
        case relay::state::closed:
            break;
    }
    return clients.login;
}

/// Of a client that is not relayed.
std::uint64_t& count_of(insight::client_gauges& clients, const client_phase* phase) {
    if (dynamic_cast<const console_phase*>(phase) != nullptr) return clients.console;
    const auto* const tunnel = dynamic_cast<const replication_tunnel*>(phase);
    return tunnel != nullptr && tunnel->server() ? clients.active : clients.login;
}

/// Outlives the asker when a loop answers too late.
struct gathering {
    std::mutex lock;
    std::condition_variable answered;
    loop_gauges sum = nothing_yet();  // guarded by lock
    std::size_t left = 0;             // guarded by lock
};

}  // namespace

loop_gauges count_on(worker& at) {
    loop_gauges seen = nothing_yet();
    const auto prepared = [&](const pool::pool& where, std::size_t count) {
        if (count > 0) seen.prepared_statements[{where.database(), where.user()}] += count;
    };
    for (const auto& [id, client] : at.clients()) {
        if (client->is_own()) continue;
        const auto* const one = dynamic_cast<const relay*>(client->phase());
        if (one == nullptr) {
            ++count_of(seen.clients, client->phase());
            continue;
        }
        ++count_of(seen.clients, one->current());
        for (std::size_t i = 0; i < pin_reasons.size(); ++i) {
            const auto reason = pin_reasons[i];
            if ((one->pins() & reason) == reason) ++seen.pins[i].clients;
        }
        // In session mode the names are the client's own and the server's list knows none of them.
        if (one->server() && one->mode() == pool::pool_mode::session) {
            prepared(*one->owner(), one->prepared_count());
        }
    }
    for (const auto& one : at.shared().pools.all()) {
        std::size_t count = 0;
        for (auto* server : one->servers_on(at.loop())) {
            if (!server->is_closed()) count += server->session().statements.size();
        }
        prepared(*one, count);
    }
    return seen;
}

loop_gauges count_everywhere(
    const std::vector<worker*>& workers, std::chrono::milliseconds patience
) {
    auto all = std::make_shared<gathering>();
    all->left = workers.size();
    for (worker* one : workers) {
        one->loop().post([one, all] {
            const auto seen = count_on(*one);
            const std::lock_guard guard{all->lock};
            add(all->sum, seen);
            if (--all->left == 0) all->answered.notify_one();
        });
    }
    std::unique_lock guard{all->lock};
    all->answered.wait_for(guard, patience, [&] { return all->left == 0; });
    return all->sum;
}

}  // namespace weir::daemon

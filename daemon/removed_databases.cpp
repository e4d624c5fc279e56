#include "daemon/removed_databases.hpp"

#include "daemon/cache_databases.hpp"
#include "daemon/control.hpp"
#include "daemon/insight/log.hpp"
#include "daemon/net/worker.hpp"
#include "daemon/pool_directory.hpp"
#include "daemon/session/relay.hpp"
#include "daemon/session/replication_tunnel.hpp"

#include <atomic>
#include <cstddef>
#include <unordered_map>

namespace weir::daemon {

namespace {

/// Nothing of the client's is under way: an error that closes it breaks nothing.
bool may_leave(const relay& client) {
    switch (client.current()) {
        case relay::state::idle:
            return true;
        case relay::state::linked:
            return client.server()->pipeline().is_idle() && client.server()->output().empty();
        case relay::state::greeting:
        case relay::state::waiting:  // its pool has ended the wait already; the answer is coming
        case relay::state::closed:
            return false;
    }
    return false;
}

void close_client(client_session& session, const relay& client) {
    const client_error why =
        make_error(severity::fatal, database_removed(client.owner()->database()));
    log_info(
        "client closed: client={} user={} database={}: {}",
        session.endpoint_text(),
        client.user(),
        client.database(),
        why.message
    );
    session.home().counters().error_sent(why.sqlstate, insight::error_origin::pgweir);
    write_error(session.output().writable(), why);
    session.close_after_flush(why.message);
}

/// Returns how many have to stay for now.
std::size_t close_clients(worker& at, const pool_directory& pools) {
    std::size_t left = 0;
    for (const auto& [id, session] : std::unordered_map(at.clients())) {
        auto* const tunnel = dynamic_cast<replication_tunnel*>(session->phase());
        if (tunnel != nullptr && !pools.holds(tunnel->owner())) {
            tunnel->on_end(make_error(severity::fatal, database_removed(tunnel->database())));
            continue;
        }
        const auto* const client = dynamic_cast<const relay*>(session->phase());
        if (client == nullptr || session->is_ending() || pools.holds(client->owner())) continue;
        if (may_leave(*client)) {
            close_client(*session, *client);
        } else {
            ++left;
        }
    }
    return left;
}

}  // namespace

void removed_databases::begin() {
    is_busy_ = true;
    sweep();
}

void removed_databases::sweep() {
    if (!is_busy_) return;
    std::atomic<std::size_t> left{0};
    on_every_worker(daemon_.workers(), [&](worker& at) { left += close_clients(at, pools_); });
    // As long as a server is open a transaction may still write, and the cache has to see it.
    if (left > 0 || pools_.has_leaving()) return;
    cached_.forget_removed(*daemon_.configuration());
    is_busy_ = false;
}

}  // namespace weir::daemon

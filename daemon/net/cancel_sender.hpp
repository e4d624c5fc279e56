// Sends one CancelRequest to PostgreSQL over a connection of its own and waits for its end. One
// thread.
#pragma once

#include "pool/event_loop.hpp"
#include "pool/server_connection.hpp"

#include <functional>

namespace weir::daemon {

/// Asks the backend behind `server` to cancel, in TLS if `server` is: the key is a secret. `done`
/// is called once, on `loop`, when PostgreSQL has closed the connection (the signal is delivered
/// then), or it failed, or after ten seconds.
void send_cancel(
    pool::event_loop& loop, pool::server_connection& server, std::function<void()> done
);

}  // namespace weir::daemon

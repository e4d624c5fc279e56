// A server connection in use by one client, as a handle that cannot be forgotten: who drops it
// without saying that the server is clean closes the server. Also the face of who waits for one.
// One thread: the client's loop.
#pragma once

#include "pool/event_loop.hpp"

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <system_error>

namespace weir::pool {

class server_connection;
/// Counted without atomics: a server lives on one loop, and moves to another only as its parts (see
/// detach()).
using server_ptr = boost::intrusive_ptr<server_connection>;

/// Why no server came. `sqlstate` and texts are ready for an ErrorResponse.
struct lease_error {
    const char* sqlstate = "08006";
    std::string message;
    std::string detail;
    std::string hint;
    std::error_code cause;        ///< the same for a program to look at
    std::string server_sqlstate;  ///< PostgreSQL's own when it refused the login; else empty
};

/// Who waits for a server. All calls come on the waiter's own loop, never inside acquire().
class lease_waiter
    : public boost::intrusive_ref_counter<lease_waiter, boost::thread_unsafe_counter> {
public:
    virtual ~lease_waiter() = default;
    /// The server, which is open, is linked from now on. A waiter that is gone gives it back with
    /// pool::release().
    virtual void on_lease(server_ptr server) = 0;
    /// The server that was on its way here has died: the waiter stands at the front of the queue
    /// again, under this ticket.
    virtual void on_put_back(std::uint64_t ticket) = 0;
    virtual void on_lease_failed(const lease_error& error) = 0;
};
using waiter_ptr = boost::intrusive_ptr<lease_waiter>;

}  // namespace weir::pool

// What a client session is doing: logging in, being relayed to a pool, or talking to the console.
// One thread.
#pragma once

#include "daemon/error_reply.hpp"
#include "pool/lease.hpp"

#include <boost/smart_ptr/intrusive_ptr.hpp>

#include <chrono>
#include <cstdint>
#include <string_view>

namespace weir::daemon {

enum class drain_call : std::uint8_t { first, last };

/// One phase of a client. Phases outlive their session where a pool still has an answer for them,
/// hence the count.
class client_phase : public pool::lease_waiter {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// The phase is in charge now; bytes may be waiting in the input already.
    virtual void on_start() = 0;
    /// New bytes are in the session's input.
    virtual void on_input() = 0;
    /// What was blocked in the session's output is sent.
    virtual void on_writable() {}
    /// The session is closed: let go of everything. The session must not be used after this call.
    virtual void on_closed(std::string_view reason) = 0;
    /// A cancel request with this client's key has come.
    virtual void on_cancel() {}
    /// The daemon drains: leave at the next moment that breaks nothing. Who has just come may be
    /// served once, up to the last call.
    virtual void on_drain(drain_call call) = 0;
    /// The client is ended now, with this reason; it is told unless a message to it is half sent.
    virtual void on_end(const client_error& why) = 0;
    /// Facts that were asked of a parser thread have come (see worker::parse).
    virtual void on_facts(std::uint64_t, std::shared_ptr<const void>) {}
    /// Called several times a second. For deadlines.
    virtual void on_tick(time_point) {}
    /// False: no more bytes are wanted now; session.resume_reading() follows when they are.
    virtual bool wants_input() const { return true; }

    /// Of a client that is served by a pool: the database it asked for; else empty.
    virtual std::string_view served_database() const { return {}; }

    // A phase that never waits for a server is never answered by a pool.
    void on_lease(pool::server_ptr) override {}
    void on_put_back(std::uint64_t) override {}
    void on_lease_failed(const pool::lease_error&) override {}
};
using client_phase_ptr = boost::intrusive_ptr<client_phase>;

}  // namespace weir::daemon

// A connection accepted from an application: its socket, its buffers and the phase it is in. The
// driver reads, hands the bytes to the phase and sends what the phase has written; it decides
// nothing. One thread: its worker's.
#pragma once

#include "daemon/net/listener.hpp"
#include "daemon/session/client_phase.hpp"
#include "pool/cancel_registry.hpp"
#include "pool/stream_socket.hpp"

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace weir::daemon {

class worker;

class client_session final
    : public boost::intrusive_ref_counter<client_session, boost::thread_unsafe_counter>,
      private pool::stream_socket::owner {
public:
    using time_point = std::chrono::steady_clock::time_point;

    client_session(worker& home, accepted_socket accepted, std::uint64_t id);
    ~client_session();

    worker& home() { return worker_; }
    std::uint64_t id() const { return id_; }
    const std::string& address() const { return address_; }
    std::uint16_t port() const { return port_; }
    bool is_unix() const { return is_unix_; }
    /// Beyond listen.max_clients.
    bool is_surplus() const { return is_surplus_; }
    /// No application's: the daemon itself asks for a warm query, whose form this is (warm_forms).
    /// It is counted nowhere as a client, and nobody waits for its end.
    std::uint64_t warm_form() const { return warm_form_; }
    bool is_own() const { return warm_form_ != 0; }
    /// Over a unix socket: the client runs as the operating-system user that the daemon runs as.
    bool peer_is_same_user();
    /// Over a unix socket: the operating system's number of the user that runs the client.
    std::optional<unsigned> peer_user_id();
    time_point connected_at() const { return connected_at_; }
    std::string endpoint_text() const;
    /// Bytes of the secret in its cancel key; what its protocol version has room for.
    std::size_t cancel_secret_size() const {
        return has_long_key_ ? pool::cancel_registry::long_secret
                             : pool::cancel_registry::short_secret;
    }
    void use_long_cancel_key() { has_long_key_ = true; }

    pool::input_buffer& input() { return socket_.input(); }
    pool::output_queue& output() { return socket_.output(); }

    /// Sends what is in output(); when the socket is full the phase's on_writable() follows later.
    /// On an error the session closes and false is returned.
    bool flush();
    /// The same, with what the other connections of the worker send in this turn.
    bool flush_soon();
    bool is_write_blocked() const { return socket_.is_blocked(); }
    /// The client has closed its side, and nothing reads there that would find out: input() is
    /// full.
    bool has_left_unseen() const;

    /// From now on all bytes are encrypted, see stream_socket::start_tls(). Sends the end of the
    /// handshake; like flush() otherwise.
    bool start_tls(std::unique_ptr<pool::tls_session> established);
    /// nullptr: the connection is plain.
    const pool::tls_session* tls() const { return socket_.tls(); }

    /// Reads more unless the phase wants none; called by phases when they want input again, and
    /// when they have used some. Views into input() die.
    void resume_reading();

    /// The next phase takes over; it is started from the loop, not inside this call.
    void enter(client_phase_ptr next);
    client_phase* phase() { return phase_.get(); }

    /// Sends what is left if the socket takes it, closes and tells the phase. Idempotent. `reason`
    /// goes to the log.
    void close(std::string_view reason);
    /// close() as soon as everything in output() is sent, or after a moment when the client does
    /// not read.
    void close_after_flush(std::string_view reason);
    bool is_closed() const { return closed_; }
    /// Closed, or closing as soon as the last bytes are sent: no more work is to be done for the
    /// client.
    bool is_ending() const { return closed_ || closing_; }

private:
    void on_received(const boost::system::error_code& error) override;
    void on_drained() override;
    void on_send_failed(const std::error_code& error) override;
    void keep() override { intrusive_ptr_add_ref(this); }
    void let_go() override { intrusive_ptr_release(this); }

    worker& worker_;
    const std::uint64_t id_;
    pool::stream_socket socket_;
    std::string address_;
    std::uint16_t port_;
    bool is_unix_;
    bool is_surplus_;
    std::uint64_t warm_form_;
    bool has_long_key_ = false;
    bool reading_ = false;
    bool closing_ = false;  // close_after_flush() was called
    bool closed_ = false;
    client_phase_ptr phase_;
    time_point connected_at_;
    std::string close_reason_;
};
using client_ptr = boost::intrusive_ptr<client_session>;

}  // namespace weir::daemon

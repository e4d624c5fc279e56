// A client between its SSLRequest, or its first byte in case of direct TLS, and the end of the
// handshake; a new login phase follows. The handshake is made on a thread that may take its time,
// for a signature costs up to a millisecond of processor. One thread.
#pragma once

#include "daemon/error_reply.hpp"
#include "daemon/session/client_phase.hpp"
#include "daemon/session/client_session.hpp"
#include "pool/tls_session.hpp"

#include <memory>
#include <optional>
#include <string_view>

namespace weir::daemon {

class tls_phase final : public client_phase {
public:
    /// `direct`: the client has not asked first, so it must name the protocol (ALPN).
    tls_phase(client_session& session, pool::tls_context_ptr context, bool direct);

    void on_start() override;
    void on_input() override;
    void on_closed(std::string_view reason) override;
    void on_drain(drain_call call) override;
    void on_end(const client_error& why) override;
    void on_tick(time_point now) override;
    bool wants_input() const override { return started_ && tls_ != nullptr; }

private:
    void on_progress(pool::tls_session::progress progress, std::unique_ptr<pool::tls_session> tls);
    void on_established(std::unique_ptr<pool::tls_session> tls);
    void end(std::string_view reason);

    client_session* session_;                 // null once it is closed
    std::unique_ptr<pool::tls_session> tls_;  // null while a thread works with it, and at the end
    const bool direct_;
    bool started_ = false;  // before that nothing is received: the first bytes may be here already
    bool ended_ = false;
};

/// Whether a client's first bytes are a TLS record and not a packet of ours.
bool is_tls_record(std::string_view first_bytes);

/// What to shake hands with; null: TLS is not offered, by the configuration or as the client has
/// come over a unix socket.
pool::tls_context_ptr tls_offered_to(client_session& session);

/// Why the client may not log in over this connection, by listen.tls.mode. Unix sockets are never
/// meant.
std::optional<client_error> refusal_by_tls_mode(client_session& session);

}  // namespace weir::daemon

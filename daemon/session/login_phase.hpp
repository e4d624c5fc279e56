// A client between accept and the end of its authentication: start-up packets, SSL and GSS
// requests, cancel requests, limits. Drives the exchange that proves who the client is
// (daemon/auth/), and ends in the relay or the console, or with an error that tells a stranger
// nothing. One thread.
#pragma once

#include "daemon/auth/exchange.hpp"
#include "daemon/auth/method_choice.hpp"
#include "daemon/config/config.hpp"
#include "daemon/error_reply.hpp"
#include "daemon/insight/counters.hpp"
#include "daemon/session/client_phase.hpp"
#include "daemon/session/client_session.hpp"
#include "protocol/startup.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace weir::daemon {

/// When a client must have logged in, its TLS handshake included.
client_phase::time_point login_deadline(client_session& session);

class login_phase final : public client_phase {
public:
    explicit login_phase(client_session& session);

    void on_start() override;
    void on_input() override;
    void on_closed(std::string_view reason) override;
    void on_drain(drain_call call) override;
    void on_end(const client_error& why) override;
    void on_tick(time_point now) override;

private:
    enum class step : unsigned char {
        awaiting_startup,
        authenticating,  ///< the client's turn in the exchange
        working,         ///< something that takes long runs elsewhere; the client waits
        finished,
    };

    bool read_startup();
    bool answer_encryption_request(protocol::startup_kind kind);
    void begin_direct_tls();
    bool read_authentication();
    void on_startup(protocol::startup_packet packet);
    void on_cancel_request(const protocol::startup_packet& packet);
    bool read_replication(protocol::startup_parameters& parameters);
    void authenticate();
    auth::connection_facts connection() const;
    void begin_exchange(auth::proof how);
    void perform(auth::exchange::reply reply);
    void fetch_secret(bool anew);
    void derive_keys();
    void exchange_refused();
    void authenticated();
    /// `reason`: what the client is not told, for who operates the daemon; empty = the peer's own
    /// affair, such as a malformed packet.
    void refuse(
        const client_error& error, insight::login_result result, std::string_view reason = {}
    );
    void refuse_credentials(std::string reason);
    bool is_console() const { return database_ == "pgweir" || database_ == "pgbouncer"; }

    client_session* session_;  // null once it is closed
    step step_ = step::awaiting_startup;
    protocol::replication_kind replication_ = protocol::replication_kind::none;
    bool asked_for_tls_ = false;
    bool asked_for_gss_ = false;
    protocol::startup_parameters parameters_;
    std::string user_;
    std::string database_;
    std::unique_ptr<auth::exchange> exchange_;  // while the client proves who it is, and after
    time_point deadline_;
};

}  // namespace weir::daemon

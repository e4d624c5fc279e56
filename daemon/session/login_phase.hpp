// A client between accept and the end of its authentication: start-up packets, SSL and GSS
// requests, cancel requests, the password exchange. Ends in the relay or the console, or with an
// error that tells a stranger nothing. One thread.
#pragma once

#include "daemon/config/config.hpp"
#include "daemon/error_reply.hpp"
#include "daemon/insight/counters.hpp"
#include "daemon/session/client_phase.hpp"
#include "daemon/session/client_session.hpp"
#include "protocol/authentication.hpp"
#include "protocol/scram.hpp"
#include "protocol/startup.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace weir::daemon {

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
        awaiting_password,  ///< cleartext or md5
        awaiting_sasl_initial,
        deriving_secret,  ///< PBKDF2 runs elsewhere; the client waits
        awaiting_sasl_response,
        finished,
    };

    bool read_startup();
    bool read_authentication();
    void on_startup(protocol::startup_packet packet);
    void on_cancel_request(const protocol::startup_packet& packet);
    void choose_authentication();
    void ask_for_password(config::auth_type how);
    void start_scram();
    void continue_scram(protocol::scram_secret secret, protocol::scram_account account);
    void on_password(std::string_view body);
    void on_sasl_initial(std::string_view body);
    void on_sasl_response(std::string_view body);
    void authenticated();
    /// `reason`: what the client is not told, for who operates the daemon; empty = the peer's own
    /// affair, such as a malformed packet.
    void refuse(
        const client_error& error, insight::login_result result, std::string_view reason = {}
    );
    void refuse_credentials();
    bool is_console() const { return database_ == "pgweir" || database_ == "pgbouncer"; }

    client_session* session_;  // null once it is closed
    step step_ = step::awaiting_startup;
    int encryption_requests_ = 0;
    bool wants_replication_ = false;
    protocol::startup_parameters parameters_;
    std::string user_;
    std::string database_;
    std::optional<config::user_secret> secret_;  // nothing: not in the users file
    bool asks_cleartext_ = false;
    protocol::md5_salt salt_{};
    std::unique_ptr<protocol::scram_server> scram_;
    std::string sasl_first_;  // the client's, while its secret is derived
    time_point deadline_;
};

}  // namespace weir::daemon

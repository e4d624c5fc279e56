// The exchange in which a client proves that it knows a user's secret: clear text, md5 or
// SCRAM-SHA-256. Messages in, messages out, no I/O: what takes long (PBKDF2, asking PostgreSQL for
// the secret) is asked of the driver by an action. Whether a client needs to prove anything is
// decided elsewhere (method_choice.hpp). One thread.
#pragma once

#include "daemon/config/config.hpp"
#include "daemon/credentials.hpp"
#include "pool/learnt_login.hpp"
#include "protocol/authentication.hpp"
#include "protocol/scram.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace weir::daemon::auth {

/// What the client is asked for. PostgreSQL's words of pg_hba.conf.
enum class proof : unsigned char { password, md5, scram_sha_256 };

/// A secret that the users file does not hold and the server was asked for. Never logged.
struct fetched_secret {
    enum class result : unsigned char {
        found,
        none,         ///< no such user, or one that no password lets in
        unavailable,  ///< the server could not be asked
    };
    result what = result::none;
    config::user_secret secret;
    bool is_cached = false;  ///< it may be old: PostgreSQL may have another one by now
    std::string reason;      ///< for who operates the daemon
    std::string hint;        ///< unavailable: for the client
};

/// PBKDF2 that is to run off the event loop: pool::derive_password_keys() with these. A secret.
struct key_work {
    std::string password;
    std::string salt;
    std::uint32_t iterations = 0;
};

struct exchange_options {
    std::string user;
    proof how = proof::scram_sha_256;
    std::optional<config::user_secret> secret;  ///< the users file's
    bool can_fetch = false;                     ///< the server may be asked when there is none
    /// What one without a secret is asked for by md5: what most of the others are.
    bool strangers_get_scram = false;
    /// The hash of our certificate (tls-server-end-point) when the client came over TLS: it is
    /// offered SCRAM-SHA-256-PLUS then.
    std::string server_end_point;
};

class exchange {
public:
    enum class state : unsigned char {
        created,
        awaiting_secret,
        awaiting_password,  ///< clear text or md5
        awaiting_sasl_initial,
        deriving_secret,  ///< of a plain password, for SCRAM
        awaiting_sasl_response,
        checking_password,      ///< clear text against a SCRAM secret
        awaiting_fresh_secret,  ///< the answer does not fit what we hold; perhaps that is old
        granted,
        refused,
    };
    enum class action : unsigned char {
        read,          ///< the client's next message, then on_message()
        fetch_secret,  ///< ask the server, or a cache of its answers, then on_secret()
        fetch_anew,    ///< ask the server, then on_secret()
        derive_keys,   ///< run work() on a worker thread, then on_keys()
        granted,
        refused,  ///< refusal() and reason() say why
    };
    enum class refused_for : unsigned char {
        bad_credentials,
        malformed,    ///< a message that does not follow the protocol
        unavailable,  ///< the server that holds the secret could not be asked
    };

    /// What is to be done next, after `output` is sent.
    struct reply {
        action next = action::read;
        std::string output;
    };

    exchange(exchange_options options, credentials& users);
    ~exchange();
    exchange(const exchange&) = delete;
    exchange& operator=(const exchange&) = delete;

    [[nodiscard]] reply begin();
    /// The body of a message of type 'p'.
    [[nodiscard]] reply on_message(std::string_view body);
    [[nodiscard]] reply on_secret(fetched_secret fetched);
    /// nullptr: they could not be derived.
    [[nodiscard]] reply on_keys(const protocol::scram_keys* keys);

    [[nodiscard]] state current() const noexcept { return state_; }
    [[nodiscard]] refused_for refusal() const noexcept { return refusal_; }
    /// For who operates the daemon, never for the client unless it is malformed; no secrets.
    [[nodiscard]] const std::string& reason() const noexcept { return reason_; }
    [[nodiscard]] const std::string& hint() const noexcept { return hint_; }
    [[nodiscard]] const key_work& work() const noexcept { return work_; }
    /// After a refusal: the proof did not fit a secret from a cache, which should be asked for anew
    /// at the next login. Within a SCRAM exchange it is too late: the salt is out.
    [[nodiscard]] bool is_secret_doubtful() const noexcept { return is_doubtful_; }
    /// Once granted: what the daemon may log in with at a server as that user, beyond the users
    /// file. A secret.
    [[nodiscard]] const pool::learnt_secret& learnt() const noexcept { return learnt_; }

private:
    reply choose();
    reply ask_for_password(bool in_clear);
    reply offer_scram();
    reply on_password(std::string_view body);
    reply check_answer();
    reply on_sasl_initial(std::string_view body);
    reply start_scram(protocol::scram_secret secret, protocol::scram_account account);
    reply on_sasl_response(std::string_view body);
    reply on_derived(const protocol::scram_keys* keys);
    reply on_checked(const protocol::scram_keys* keys);
    reply derive(std::string password, std::string salt, std::uint32_t iterations, state next);
    reply grant(std::string output = {});
    reply refuse(refused_for why, std::string reason);
    reply refuse_password();
    reply malformed(std::string_view what, std::size_t bytes);

    exchange_options options_;
    credentials& users_;
    state state_ = state::created;
    refused_for refusal_ = refused_for::bad_credentials;
    std::string reason_;
    std::string hint_;
    std::string why_no_secret_ = "unknown user";
    bool is_fetched_ = false;
    bool is_cached_ = false;
    bool is_doubtful_ = false;
    bool in_clear_ = false;
    protocol::md5_salt salt_{};
    std::string answer_;  // the client's: a password or a hash of it; or its first SCRAM message
    bool binds_channel_ = false;
    protocol::scram_secret scram_secret_;  // that the exchange or the check runs with
    std::unique_ptr<protocol::scram_server> scram_;
    key_work work_;
    pool::learnt_secret learnt_;
};

[[nodiscard]] const char* to_string(exchange::state state) noexcept;

}  // namespace weir::daemon::auth

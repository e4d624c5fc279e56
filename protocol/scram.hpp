// SCRAM-SHA-256 (RFC 5802, RFC 7677), both sides, as PostgreSQL speaks it: the user name inside the
// exchange is empty and ignored. Nonces and salts come in as arguments, so an exchange can be
// replayed in a test. Passwords are used as given: who has one that is not ASCII puts it through
// SASLprep before (pool/saslprep.hpp). SCRAM-SHA-256-PLUS binds the
// exchange to the server's certificate (tls-server-end-point, RFC 5929), the only binding that
// PostgreSQL knows. One thread an object; functions any thread.
#pragma once

#include "protocol/crypto.hpp"
#include "protocol/errc.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

namespace weir::protocol {

/// PostgreSQL's default is 4096. A peer that asks for more than the maximum wants to burn our time.
inline constexpr std::uint32_t default_scram_iterations = 4096;
inline constexpr std::uint32_t max_scram_iterations = 1'000'000;
inline constexpr std::size_t default_scram_salt_size = 16;
inline constexpr std::size_t max_scram_salt_size = 1024;
/// Raw bytes before base64, as PostgreSQL.
inline constexpr std::size_t scram_nonce_size = 18;
/// For a nonce as text on the wire, and for a whole message of the exchange.
inline constexpr std::size_t max_scram_nonce_size = 1024;
inline constexpr std::size_t max_scram_message_size = 8192;

/// What a server stores for a user. It proves a client without being able to act as one.
struct scram_secret {
    std::uint32_t iterations = 0;
    std::string salt;  ///< raw bytes
    sha256_digest stored_key{};
    sha256_digest server_key{};

    bool operator==(const scram_secret&) const = default;
};

/// What a client needs: the keys, from a password or recovered from a client's proof.
struct scram_keys {
    sha256_digest client_key{};
    sha256_digest server_key{};
};

/// Both sides: whether the exchange is bound to the TLS connection under it.
struct channel_binding {
    enum class use : std::uint8_t {
        unsupported,  ///< `n`: no TLS, or no wish to bind
        not_offered,  ///< `y`: the client could, the server did not offer PLUS (or so it seems)
        bound,        ///< `p=tls-server-end-point`: SCRAM-SHA-256-PLUS
    };
    use how = use::unsupported;
    /// The hash of the server's certificate as this side sees it. Without it nothing is bound.
    std::string server_end_point;
};

/// Reads `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`. Errors: errc::invalid_scram_secret,
/// errc::iteration_count_out_of_range.
[[nodiscard]] std::error_code parse_scram_secret(std::string_view text, scram_secret& out);
[[nodiscard]] std::string format_scram_secret(const scram_secret& secret);

/// Slow (PBKDF2). Errors: errc::iteration_count_out_of_range, errc::scram_value_out_of_range,
/// errc::crypto_failure.
[[nodiscard]] std::error_code derive_scram_keys(
    std::string_view password, std::string_view salt, std::uint32_t iterations, scram_keys& out
);
/// Slow (PBKDF2). Errors as derive_scram_keys().
[[nodiscard]] std::error_code derive_scram_secret(
    std::string_view password, std::string_view salt, std::uint32_t iterations, scram_secret& out
);

/// A secret for a user that does not exist: the same salt at each try, from a key that the process
/// drew at its start, so that a stranger cannot tell it from a user that does. Nothing proves it.
[[nodiscard]] scram_secret mock_scram_secret(std::string_view process_key, std::string_view user);

/// A fresh nonce: base64 of scram_nonce_size random bytes.
[[nodiscard]] std::string make_scram_nonce();

/// The client's side, towards a server that asks us to log in. Each on_ and make_ function belongs
/// to one state; called in another one, or given a bad message, it returns an error and the state
/// is failed.
class scram_client {
public:
    enum class state : std::uint8_t {
        initial,                ///< nothing said
        awaiting_server_first,  ///< client-first-message is out
        awaiting_keys,  ///< salt and iterations are known; the caller derives the keys, perhaps on
                        ///< a worker
        awaiting_server_final,  ///< the proof is out
        done,                   ///< the server knows the secret too
        failed
    };

    /// `nonce`: printable ASCII without comma, see make_scram_nonce().
    explicit scram_client(std::string nonce, channel_binding binding = {})
        : nonce_(std::move(nonce)), binding_(std::move(binding)) {}
    /// Before make_client_first(): what was agreed with the server.
    void set_binding(channel_binding binding) { binding_ = std::move(binding); }

    /// The data of SASLInitialResponse.
    [[nodiscard]] std::error_code make_client_first(std::string& out);
    /// The data of AuthenticationSASLContinue. Errors: errc::invalid_scram_message,
    /// errc::scram_nonce_mismatch, errc::iteration_count_out_of_range,
    /// errc::scram_value_out_of_range.
    [[nodiscard]] std::error_code on_server_first(std::string_view message);
    /// The data of SASLResponse. The keys must belong to salt() and iterations().
    [[nodiscard]] std::error_code make_client_final(const scram_keys& keys, std::string& out);
    /// The same from the password. Slow (PBKDF2).
    [[nodiscard]] std::error_code make_client_final(std::string_view password, std::string& out);
    /// The data of AuthenticationSASLFinal. Errors: errc::server_signature_mismatch,
    /// errc::server_reported_error, errc::invalid_scram_message.
    [[nodiscard]] std::error_code on_server_final(std::string_view message);

    [[nodiscard]] state current() const noexcept { return state_; }
    [[nodiscard]] const std::string& salt() const noexcept { return salt_; }
    [[nodiscard]] std::uint32_t iterations() const noexcept { return iterations_; }

private:
    std::error_code refuse(errc code) noexcept;

    state state_ = state::initial;
    std::string nonce_;
    channel_binding binding_;
    std::string client_first_bare_;
    std::string server_first_;
    std::string combined_nonce_;
    std::string salt_;
    std::uint32_t iterations_ = 0;
    sha256_digest server_signature_{};
};

/// Whether the secret belongs to a user. With `mock` the exchange runs to its end and then fails,
/// so that its shape does not tell which users exist.
enum class scram_account : std::uint8_t { known, mock };

/// The server's side, towards a client that logs in to us.
class scram_server {
public:
    enum class state : std::uint8_t {
        awaiting_client_first,
        awaiting_client_final,  ///< salt and nonce are out
        done,                   ///< the client knows the password
        failed
    };

    /// `binding`: `bound` when the client chose SCRAM-SHA-256-PLUS, else `unsupported`; with an end
    /// point PLUS was offered, and a client that says that it was not has been lied to.
    scram_server(
        scram_secret secret, scram_account account, std::string nonce, channel_binding binding = {}
    )
        : secret_(std::move(secret)),
          account_(account),
          nonce_(std::move(nonce)),
          binding_(std::move(binding)) {}

    /// The data of SASLInitialResponse in, that of AuthenticationSASLContinue out.
    /// Errors: errc::invalid_scram_message, errc::channel_binding_not_supported (a binding that was
    /// not agreed), errc::channel_binding_downgraded, errc::authorization_identity_given,
    /// errc::scram_value_out_of_range.
    [[nodiscard]] std::error_code on_client_first(std::string_view message, std::string& out);
    /// The data of SASLResponse in, that of AuthenticationSASLFinal out.
    /// Errors: errc::authentication_failed, errc::invalid_scram_message,
    /// errc::scram_nonce_mismatch, errc::channel_binding_mismatch, errc::crypto_failure.
    [[nodiscard]] std::error_code on_client_final(std::string_view message, std::string& out);

    [[nodiscard]] state current() const noexcept { return state_; }
    /// What the client proved to know, once done: with it the daemon can log in to a server that
    /// has the same secret.
    [[nodiscard]] scram_keys recovered_keys() const noexcept {
        return {client_key_, secret_.server_key};
    }

private:
    std::error_code refuse(errc code) noexcept;
    std::error_code read_gs2_header(std::string_view& rest);

    state state_ = state::awaiting_client_first;
    scram_secret secret_;
    scram_account account_;
    std::string nonce_;
    channel_binding binding_;
    std::string gs2_header_;
    std::string client_first_bare_;
    std::string combined_nonce_;
    std::string server_first_;
    sha256_digest client_key_{};
};

}  // namespace weir::protocol

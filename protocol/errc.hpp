// The error codes of the codec: what is wrong with bytes that a peer sent. They say nothing about
// whose fault it is or what a client is told; SQLSTATE and text come from one table in daemon/.
// What a server says in an ErrorResponse is data (error_fields.hpp), never one of these. Any
// thread.
#pragma once

#include <system_error>

namespace weir::protocol {

enum class errc {
    // Any message.
    incomplete_message = 1,  ///< the body ends before its last field
    extra_bytes,             ///< the body goes on after its last field
    unterminated_string,     ///< a string without its NUL
    invalid_length,          ///< a length below the least that is possible, or negative
    message_too_long,        ///< a length above the limit for this message
    invalid_value,           ///< a field holds what the protocol does not define
    unexpected_message,      ///< a message that the state does not allow

    // Start-up.
    startup_too_long,              ///< longer than PostgreSQL's 10,000 bytes
    startup_too_short,             ///< shorter than a length and a version, or negative
    startup_unterminated,          ///< the parameter list does not end in NUL as its last byte
    unsupported_protocol_version,  ///< a major version other than 3
    missing_user,                  ///< no user, or an empty one
    invalid_cancel_key,            ///< a cancel key outside 4..256 bytes
    unsupported_option,            ///< `options` holds more than -c name=value and --name=value

    // Authentication.
    unsupported_authentication,  ///< a kind of authentication that is not implemented
    authentication_failed,       ///< the proof is wrong, or the user does not exist
    server_signature_mismatch,  ///< the server does not know the secret: it is not who it should be
    server_reported_error,      ///< server-final-message holds `e=`
    invalid_scram_message,      ///< does not follow RFC 5802
    invalid_scram_secret,       ///< not SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey
    scram_nonce_mismatch,       ///< the nonce does not go on where ours ended
    scram_value_out_of_range,   ///< salt, nonce or message of absurd length
    iteration_count_out_of_range,   ///< iterations that only an attacker asks for
    channel_binding_not_supported,  ///< the client insists on channel binding (`p=`)
    channel_binding_mismatch,  ///< `c=` does not repeat the header of the client's first message,
                               ///< or it is bound to another certificate: somebody is in the middle
    channel_binding_downgraded,    ///< the client says that it was not offered, which it was
    authorization_identity_given,  ///< `a=` is not supported, as in PostgreSQL
    crypto_failure,                ///< OpenSSL refused (MD5 in FIPS mode, no memory)
};

[[nodiscard]] const std::error_category& protocol_category() noexcept;
[[nodiscard]] std::error_code make_error_code(errc code) noexcept;

}  // namespace weir::protocol

template<>
struct std::is_error_code_enum<weir::protocol::errc> : std::true_type {};

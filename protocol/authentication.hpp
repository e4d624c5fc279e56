// Authentication messages, both ways: the server's Authentication* requests, the client's
// PasswordMessage and SASL responses, and the md5 hashes. The SCRAM exchange inside the SASL
// messages is scram.hpp. Any thread; no state.
#pragma once

#include "protocol/crypto.hpp"
#include "protocol/errc.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace weir::protocol {

/// The codes of the message 'R'.
enum class authentication_kind : std::int32_t {
    ok = 0,
    kerberos_v5 = 2,
    cleartext_password = 3,
    md5_password = 5,
    gss = 7,
    gss_continue = 8,
    sspi = 9,
    sasl = 10,
    sasl_continue = 11,
    sasl_final = 12,
};

using md5_salt = std::array<char, 4>;

inline constexpr std::string_view scram_sha_256_mechanism = "SCRAM-SHA-256";
inline constexpr std::string_view scram_sha_256_plus_mechanism = "SCRAM-SHA-256-PLUS";

struct authentication_request {
    authentication_kind kind = authentication_kind::ok;
    md5_salt salt{};                           ///< md5_password
    std::vector<std::string_view> mechanisms;  ///< sasl, in the server's order
    std::string_view data;                     ///< sasl_continue, sasl_final, gss_continue
};

/// Wire:     Int32 code, then what the code says.
/// Lifetime: views over `body`.
/// Errors:   the reader's; errc::unsupported_authentication for a code that is not documented;
///           errc::invalid_value for a SASL request without a mechanism.
[[nodiscard]] std::error_code decode(std::string_view body, authentication_request& out);

void write_authentication_ok(std::string& out);
void write_authentication_cleartext_password(std::string& out);
void write_authentication_md5_password(std::string& out, const md5_salt& salt);
void write_authentication_sasl(std::string& out, std::span<const std::string_view> mechanisms);
void write_authentication_sasl_continue(std::string& out, std::string_view data);
void write_authentication_sasl_final(std::string& out, std::string_view data);

// The client's answers all have type 'p'; which one it is follows from what was asked.

/// Lifetime: a view over `body`.
struct password_message {
    std::string_view password;
};
[[nodiscard]] std::error_code decode(std::string_view body, password_message& out) noexcept;
void write_password_message(std::string& out, std::string_view password);

/// Lifetime: views over `body`.
struct sasl_initial_response {
    std::string_view mechanism;
    std::string_view data;  ///< empty also when the client sent none (length -1)
};
[[nodiscard]] std::error_code decode(std::string_view body, sasl_initial_response& out) noexcept;
void write_sasl_initial_response(
    std::string& out, std::string_view mechanism, std::string_view data
);
/// SASLResponse is its whole body; there is nothing to decode.
void write_sasl_response(std::string& out, std::string_view data);

/// "md5" and 32 digits, as PostgreSQL stores it: md5(password || user). Empty when OpenSSL has no
/// MD5 (FIPS mode).
[[nodiscard]] std::string md5_password(std::string_view user, std::string_view password);

/// What the client sends for a stored "md5..." and a salt: "md5" || md5(32 digits || salt). Empty
/// when `stored` is not "md5" and 32 digits, or without MD5; an empty answer must never be
/// compared.
[[nodiscard]] std::string md5_response(std::string_view stored, const md5_salt& salt);

}  // namespace weir::protocol

// The few functions of OpenSSL's libcrypto that authentication needs, and strict base64. The only
// place of this room that includes OpenSSL. Any thread; no state.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::protocol {

using sha256_digest = std::array<char, 32>;

[[nodiscard]] inline std::string_view view_of(const sha256_digest& digest) noexcept {
    return {digest.data(), digest.size()};
}

/// From the operating system's generator. Ends the process when there is no randomness: going on
/// would hand out guessable nonces and cancel keys.
[[nodiscard]] std::string random_bytes(std::size_t count);

/// Takes the same time wherever the two differ. The lengths are not secret.
[[nodiscard]] bool constant_time_equal(std::string_view a, std::string_view b) noexcept;

/// Overwrites a secret in a way that the compiler may not leave out, and empties it.
void wipe(std::string& secret) noexcept;
void wipe(sha256_digest& secret) noexcept;

// These return false when OpenSSL refuses.
[[nodiscard]] bool sha256(std::string_view bytes, sha256_digest& out) noexcept;
[[nodiscard]] bool hmac_sha256(
    std::string_view key, std::string_view bytes, sha256_digest& out
) noexcept;
/// PBKDF2 with HMAC-SHA-256: about a millisecond for 4096 iterations, so not on an event loop.
[[nodiscard]] bool pbkdf2_sha256(
    std::string_view password, std::string_view salt, std::uint32_t iterations, sha256_digest& out
) noexcept;
/// 32 lower-case hexadecimal digits.
[[nodiscard]] bool md5_hex(std::string_view bytes, std::string& out);

[[nodiscard]] std::string base64_encode(std::string_view bytes);
/// RFC 4648 with padding and nothing else: no white space, no missing padding, no bits beyond the
/// end.
[[nodiscard]] bool base64_decode(std::string_view text, std::string& out);

}  // namespace weir::protocol

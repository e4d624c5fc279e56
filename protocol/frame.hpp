// The frame around every message after start-up: one type byte and a length. Nothing of the body is
// looked at, so a message can be streamed that never fits into memory. Limits are applied to the
// header, before anything is allocated for the body. Any thread; no state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::protocol {

inline constexpr std::size_t frame_header_size = 5;
/// PostgreSQL's own limits (PQ_LARGE_MESSAGE_LIMIT = MaxAllocSize, PQ_SMALL_MESSAGE_LIMIT), for the
/// length field.
inline constexpr std::uint32_t large_message_limit = 0x3fffffff;
inline constexpr std::uint32_t small_message_limit = 10'000;
/// A password or SASL message, PG_MAX_AUTH_TOKEN_LENGTH and its length field.
inline constexpr std::uint32_t authentication_message_limit = 65'535 + 4;

/// `length` counts itself but not the type byte, so the least legal value is 4 and the frame spans
/// length + 1.
struct frame_header {
    char type = 0;
    std::uint32_t length = 0;

    [[nodiscard]] std::size_t size() const noexcept { return std::size_t{length} + 1; }
    [[nodiscard]] std::size_t body_size() const noexcept { return std::size_t{length} - 4; }
};

enum class header_result : std::uint8_t { complete, incomplete, malformed };

/// Reads type and length from the front of `bytes`.
/// Shape:  `out` is set when complete, and also when malformed, for the error text. `bytes` may
/// hold more or less than
///         the frame; only the header must be there.
/// Errors: malformed when the length is below 4 or above `max_length` (a negative length is above
/// it).
[[nodiscard]] inline header_result parse_frame_header(
    std::string_view bytes, std::uint32_t max_length, frame_header& out
) noexcept {
    if (bytes.size() < frame_header_size) return header_result::incomplete;
    const auto byte = [&](std::size_t i) {
        return std::uint32_t{static_cast<unsigned char>(bytes[i])};
    };
    out.type = bytes[0];
    out.length = byte(1) << 24 | byte(2) << 16 | byte(3) << 8 | byte(4);
    if (out.length < 4 || out.length > max_length) return header_result::malformed;
    return header_result::complete;
}

/// The greatest length field that a client may send with this type; 0 for a type that no client
/// sends in this phase, so that parse_frame_header() calls it malformed. `authenticating`: between
/// start-up and AuthenticationOk, where only PasswordMessage and Terminate exist.
[[nodiscard]] std::uint32_t frontend_message_limit(char type, bool authenticating) noexcept;

/// The same for what a server may send; 0 for an unknown type.
[[nodiscard]] std::uint32_t backend_message_limit(char type) noexcept;

/// parse_frame_header() with the limit of the type found.
[[nodiscard]] header_result parse_frontend_header(
    std::string_view bytes, bool authenticating, frame_header& out
) noexcept;
[[nodiscard]] header_result parse_backend_header(
    std::string_view bytes, frame_header& out
) noexcept;

}  // namespace weir::protocol

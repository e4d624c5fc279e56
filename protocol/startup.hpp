// The packets before the first typed message: StartupMessage, SSLRequest, GSSENCRequest,
// CancelRequest, and the server's NegotiateProtocolVersion. Protocol 3.0 and 3.2 are spoken, which
// differ in the length of cancel keys; a higher minor version is negotiated down. Policy (which
// parameter is allowed, which database exists) is not here. Any thread; no state.
#pragma once

#include "protocol/errc.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace weir::protocol {

/// For the length field. PostgreSQL allows 10,000 bytes behind it (MAX_STARTUP_PACKET_LENGTH).
inline constexpr std::uint32_t startup_length_limit = 10'000 + 4;
inline constexpr std::size_t min_cancel_key_size = 4;
inline constexpr std::size_t max_cancel_key_size = 256;
inline constexpr std::uint32_t protocol_version_3_0 = 3U << 16;
/// 3.1 was never given away; PostgreSQL 18 takes it for what it is, between the two.
inline constexpr std::uint32_t protocol_version_3_2 = (3U << 16) + 2;
inline constexpr std::uint32_t newest_protocol_version = protocol_version_3_2;
inline constexpr std::uint32_t cancel_request_code = 80'877'102;
inline constexpr std::uint32_t ssl_request_code = 80'877'103;
inline constexpr std::uint32_t gssenc_request_code = 80'877'104;

using startup_parameters = std::vector<std::pair<std::string, std::string>>;

enum class startup_kind : std::uint8_t {
    incomplete,
    ssl_request,
    gssenc_request,
    cancel_request,
    startup
};

struct startup_packet {
    startup_kind kind = startup_kind::incomplete;
    std::size_t size = 0;  ///< bytes that the packet took; 0 while incomplete

    // startup
    std::uint32_t protocol_version =
        0;  ///< major << 16 | minor; set even when the version is refused
    /// One pair a name; a later value replaces an earlier one in its place, as in PostgreSQL. Names
    /// are case sensitive. `database` is always there: it defaults to the user, as in PostgreSQL.
    /// `_pq_.` options are not in here.
    startup_parameters parameters;
    std::vector<std::string>
        unknown_options;  ///< names that begin with `_pq_.`, for NegotiateProtocolVersion

    // cancel_request
    std::uint32_t process_id = 0;
    std::string secret_key;

    [[nodiscard]] unsigned major() const noexcept { return protocol_version >> 16; }
    [[nodiscard]] unsigned minor() const noexcept { return protocol_version & 0xffff; }
    /// What the conversation is held in: the version asked for, or the newest that we know.
    [[nodiscard]] std::uint32_t spoken_version() const noexcept {
        return std::min(protocol_version, newest_protocol_version);
    }
    /// True when NegotiateProtocolVersion must be sent, exactly once, before authentication.
    [[nodiscard]] bool needs_negotiation() const noexcept {
        return protocol_version != spoken_version() || !unknown_options.empty();
    }
    /// The value of a parameter, or an empty view.
    [[nodiscard]] std::string_view find(std::string_view name) const noexcept;
};

/// Reads the packet at the front of `bytes`; bytes behind it are left alone (see `size`).
/// Shape:  no error and kind == incomplete means: read more, call again with all bytes.
/// Errors: errc::startup_too_long and errc::startup_too_short as soon as the length is there;
///         errc::unsupported_protocol_version (`protocol_version` is set for the text, see
///         unsupported_version_text()), errc::startup_unterminated, errc::missing_user,
///         errc::invalid_cancel_key, errc::invalid_length.
[[nodiscard]] std::error_code parse_startup_packet(std::string_view bytes, startup_packet& out);

/// "unsupported frontend protocol 2.0: server supports 3.0 to 3.2", SQLSTATE 0A000.
[[nodiscard]] std::string unsupported_version_text(std::uint32_t protocol_version);

enum class replication_kind : std::uint8_t { none, physical, logical };

/// What the start-up parameter `replication` asks for: "database", or a truth value in any of the
/// spellings that PostgreSQL takes. Nothing: it refuses the value.
[[nodiscard]] std::optional<replication_kind> parse_replication(std::string_view value) noexcept;

/// Takes the start-up parameter `options` apart: `-c name=value`, `-cname=value`, `--name=value`,
/// separated by white space, where a backslash keeps the next character. Dashes in names become
/// underscores. Appends to `out` in order.
/// Errors: errc::unsupported_option for any other switch, one without a value, or a bare word.
[[nodiscard]] std::error_code parse_startup_options(
    std::string_view options, startup_parameters& out
);

void write_startup_message(
    std::string& out,
    std::span<const std::pair<std::string, std::string>> parameters,
    std::uint32_t protocol_version = protocol_version_3_0
);
void write_ssl_request(std::string& out);
void write_cancel_request(std::string& out, std::uint32_t process_id, std::string_view secret_key);
/// Says which version is spoken and which options were not understood.
void write_negotiate_protocol_version(
    std::string& out, std::uint32_t version, std::span<const std::string> unknown_options
);

struct negotiate_protocol_version {
    std::uint32_t newest_version = 0;  ///< as PostgreSQL sends it: major << 16 | minor
    std::vector<std::string_view> unknown_options;
};
/// Lifetime: views over `body`. Errors: the reader's, errc::invalid_value for a negative count.
[[nodiscard]] std::error_code decode(std::string_view body, negotiate_protocol_version& out);

}  // namespace weir::protocol

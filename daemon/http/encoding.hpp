// Which content encoding a client takes, and the encoding itself with Debian's brotli and zlib. In
// one piece: a body is in memory already, and the state of both libraries is a few MiB at most.
// Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::daemon::http {

enum class content_encoding : std::uint8_t { identity, gzip, brotli };
inline constexpr std::size_t content_encoding_count = 3;

/// As in the header Content-Encoding: "identity", "gzip", "br". Static storage.
std::string_view to_string(content_encoding encoding);

/// What an Accept-Encoding header asks for: the highest q wins; of equal ones brotli, then gzip. No
/// header, and one that forbids all that there is, mean identity.
/// Source: RFC 9110, 12.5.3.
content_encoding choose_encoding(std::string_view accept_encoding);

/// How much time a body is worth: `live` for one that is sent once, `kept` for one that is sent
/// many times.
enum class effort : std::uint8_t { live, kept };

/// Nothing for identity, and when a library refuses.
std::optional<std::string> encode(
    content_encoding encoding, std::string_view body, effort worth = effort::live
);

}  // namespace weir::daemon::http

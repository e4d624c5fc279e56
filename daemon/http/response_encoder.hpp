// Compresses responses for clients that take it, and counts what that brings and costs. The HTTP
// thread only.
#pragma once

#include "daemon/http/encoding.hpp"
#include "daemon/http/server.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::daemon::http {

/// Below this a response costs more to compress than to send.
inline constexpr std::size_t least_worth_encoding = 1024;

struct encoding_counts {
    std::uint64_t responses = 0;
    std::uint64_t bytes_in = 0;   ///< bodies before
    std::uint64_t bytes_out = 0;  ///< and after
    std::chrono::nanoseconds spent{0};
};

class response_encoder {
public:
    /// Puts the body into the encoding that `accept_encoding` prefers, or leaves it as it is;
    /// tells which one it is now.
    content_encoding apply(response& given, std::string_view accept_encoding);

    [[nodiscard]] const encoding_counts& counts(content_encoding encoding) const {
        return counts_[static_cast<std::size_t>(encoding)];
    }
    /// The body of /compression/stats: an object an encoding with responses, bytes_in, bytes_out,
    /// ratio (out to in) and microseconds.
    [[nodiscard]] std::string stats_json() const;

private:
    std::array<encoding_counts, content_encoding_count> counts_{};
};

}  // namespace weir::daemon::http

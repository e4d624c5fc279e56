// The messages of COPY: the three answers that open it, its data and its two ends. What COPY does
// to the order of replies is pipeline.hpp. Any thread; no state.
#pragma once

#include "protocol/errc.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace weir::protocol {

/// CopyInResponse 'G', CopyOutResponse 'H', CopyBothResponse 'W': one shape.
struct copy_response {
    std::uint8_t format = 0;  ///< of the whole: 0 = text, 1 = binary
    std::vector<std::int16_t> column_formats;
};

/// CopyFail. CopyData is its whole body and CopyDone has none; there is nothing to decode.
/// Lifetime: over the body.
struct copy_fail {
    std::string_view message;
};

/// Errors: the reader's; errc::invalid_value for formats other than 0 and 1.
[[nodiscard]] std::error_code decode(std::string_view body, copy_response& out);
[[nodiscard]] std::error_code decode(std::string_view body, copy_fail& out) noexcept;

/// `type` 'G', 'H' or 'W'.
void write_copy_response(
    std::string& out, char type, std::uint8_t format, std::span<const std::int16_t> column_formats
);
void write_copy_data(std::string& out, std::string_view data);
void write_copy_done(std::string& out);
void write_copy_fail(std::string& out, std::string_view message);

}  // namespace weir::protocol

// What a server says about itself: ReadyForQuery, ParameterStatus, BackendKeyData,
// NotificationResponse. Any thread; no state.
#pragma once

#include "protocol/errc.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

namespace weir::protocol {

struct ready_for_query {
    char transaction_status = 0;  ///< 'I' idle, 'T' in a transaction, 'E' in a failed one
};

/// Lifetime: views over the body.
struct parameter_status {
    std::string_view name;
    std::string_view value;
};

/// Lifetime: views over the body.
struct backend_key_data {
    std::uint32_t process_id = 0;
    std::string_view secret_key;  ///< 4 bytes in protocol 3.0, 4..256 later
};

/// Lifetime: views over the body.
struct notification_response {
    std::uint32_t process_id = 0;
    std::string_view channel;
    std::string_view payload;
};

/// Errors: the reader's; errc::invalid_value for a status other than I, T and E.
[[nodiscard]] std::error_code decode(std::string_view body, ready_for_query& out) noexcept;
[[nodiscard]] std::error_code decode(std::string_view body, parameter_status& out) noexcept;
/// Errors: the reader's; errc::invalid_cancel_key for a key outside 4..256 bytes.
[[nodiscard]] std::error_code decode(std::string_view body, backend_key_data& out) noexcept;
[[nodiscard]] std::error_code decode(std::string_view body, notification_response& out) noexcept;

void write_ready_for_query(std::string& out, char transaction_status);
void write_parameter_status(std::string& out, std::string_view name, std::string_view value);
void write_backend_key_data(
    std::string& out, std::uint32_t process_id, std::string_view secret_key
);
void write_notification_response(
    std::string& out, std::uint32_t process_id, std::string_view channel, std::string_view payload
);

}  // namespace weir::protocol

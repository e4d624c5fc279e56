// SASLprep (RFC 4013) as PostgreSQL does it before it makes a SCRAM secret of a password: what is
// no UTF-8, or holds what the profile prohibits, is used as it is. Pure functions; any thread.
#pragma once

#include "protocol/scram.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

namespace weir::pool {

/// The normal form of a password. ASCII is one already. Source: PostgreSQL, pg_saslprep(). A
/// secret.
[[nodiscard]] std::string saslprep(std::string_view password);

/// protocol::derive_scram_keys() of the normal form. Slow by design: call on a worker thread.
[[nodiscard]] std::error_code derive_password_keys(
    std::string_view password,
    std::string_view salt,
    std::uint32_t iterations,
    protocol::scram_keys& out
);

}  // namespace weir::pool

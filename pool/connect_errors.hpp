// What a client is told when no server connection came to be: in words that say where, why and
// what to do, under the SQLSTATE that fits the client. PostgreSQL's own words and SQLSTATE are kept
// beside them as data. Any thread; no state.
#pragma once

#include "pool/lease.hpp"
#include "pool/pool_options.hpp"
#include "pool/upstream_host.hpp"
#include "protocol/error_fields.hpp"

#include <chrono>
#include <string_view>
#include <system_error>
#include <vector>

namespace weir::pool {

/// Nobody, or nobody who speaks the protocol, is at the address: 08006.
[[nodiscard]] lease_error unreachable(const upstream_address& address, std::string_view reason);

/// There is no TLS with `address` as databases.*.tls demands it, and no other way is allowed:
/// 08006.
[[nodiscard]] lease_error without_tls(const upstream_address& address, std::string_view reason);

/// PostgreSQL at `address` has answered the login with an ErrorResponse. 3D000, 53300 and 57P03 are
/// passed on, and class 28 when pgweir logs in as the client's user: drivers take class 08 for a
/// lost connection and try again. All else is 08006: class 28, too, where another user is
/// configured. `client_user` is the pool's.
[[nodiscard]] lease_error login_refused(
    const protocol::error_fields& said,
    const upstream_address& address,
    const connect_target& target,
    std::string_view client_user
);

/// The login ended without an ErrorResponse: PostgreSQL wants what pgweir does not have, or its
/// messages cannot be understood. 08006.
[[nodiscard]] lease_error login_failed(
    std::error_code error,
    const upstream_address& address,
    const connect_target& target,
    std::string_view client_user
);

/// PostgreSQL at `address` has let pgweir in, and is not of the role that `target` asks for: 08006.
[[nodiscard]] lease_error wrong_role(const upstream_address& address, const connect_target& target);

/// The breakers of all `hosts` are open: 57P03, with the last error and the time of the next try.
[[nodiscard]] lease_error breaker_open(
    const std::vector<host_figures>& hosts, std::chrono::steady_clock::time_point now
);

/// Whose fault it was, for the host's breaker.
[[nodiscard]] login_fault fault_of(const lease_error& error) noexcept;

/// Whether nobody was refused: no server could be had, or none that takes a login now, and who asks
/// may have what he asks for as soon as there is one.
[[nodiscard]] bool is_outage(const lease_error& error) noexcept;

/// Whether it was this login that PostgreSQL did not want, or that cannot be made.
[[nodiscard]] bool is_refusal(const lease_error& error) noexcept;

/// Whether any attempt at the same addresses would fail now, whoever makes it: PostgreSQL cannot be
/// reached, or it starts or shuts down.
[[nodiscard]] bool is_for_all(const lease_error& error) noexcept;

/// Whether the same attempt will most likely fail again until somebody has changed something: wrong
/// credentials, no such database, no more connections.
[[nodiscard]] bool is_lasting(const lease_error& error) noexcept;

}  // namespace weir::pool

// Addresses to listen on, as text: "127.0.0.1", "::1", "*", and "HOST:PORT".
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::daemon::config {

/// True for an IPv4 or IPv6 address in numbers, without brackets and zone.
bool is_ip_address(std::string_view text);

/// "*" and addresses stay, "localhost" becomes 127.0.0.1, "[::1]" loses its brackets; nullopt for
/// anything else.
std::optional<std::string> listen_address(std::string_view text);

struct host_and_port {
    std::string host;  // "*" = all
    std::uint16_t port = 0;
};

/// "127.0.0.1:9632", "[::1]:9632", "*:9632", ":9632". nullopt unless there is a good address and a
/// port from 1 to 65535.
std::optional<host_and_port> parse_host_and_port(std::string_view text);

/// True when both would want the same port of the same address. "*", 0.0.0.0 and :: overlap with
/// all.
bool addresses_overlap(std::string_view one, std::string_view other);

}  // namespace weir::daemon::config

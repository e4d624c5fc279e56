// Addresses and networks, as pg_hba.conf compares them. Any thread; no state.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon::auth {

/// In network order; an IPv4 address inside IPv6 (::ffff:1.2.3.4) is the IPv4 address.
struct ip_address {
    bool is_v6 = false;
    std::array<unsigned char, 16> bytes{};

    [[nodiscard]] std::size_t size() const { return is_v6 ? 16 : 4; }
    friend bool operator==(const ip_address&, const ip_address&) = default;
};

/// Numbers only, no names; an interface behind "%" is ignored.
std::optional<ip_address> parse_ip(std::string_view text);

struct network {
    ip_address base;
    std::array<unsigned char, 16> mask{};

    [[nodiscard]] bool contains(const ip_address& one) const;
    friend bool operator==(const network&, const network&) = default;
};

/// The network of the first `bits`; nothing when there are not so many.
std::optional<network> make_network(const ip_address& base, int bits);
/// Nothing when the two are of different families. The mask may have holes, as in PostgreSQL.
std::optional<network> make_network(const ip_address& base, const ip_address& mask);

/// An address of this machine and the network that it is in.
struct local_interface {
    ip_address address;
    ip_address mask;
};
/// Asks the operating system.
std::vector<local_interface> local_interfaces();

}  // namespace weir::daemon::auth

#include "daemon/auth/network.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace weir::daemon::auth {

namespace {

constexpr std::array<unsigned char, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

ip_address unmapped(const ip_address& from) {
    if (!from.is_v6 ||
        !std::equal(mapped_prefix.begin(), mapped_prefix.end(), from.bytes.begin())) {
        return from;
    }
    ip_address to;
    std::copy(from.bytes.begin() + mapped_prefix.size(), from.bytes.end(), to.bytes.begin());
    return to;
}

std::optional<ip_address> from_socket_address(const sockaddr* from) {
    if (from == nullptr) return std::nullopt;
    ip_address to;
    if (from->sa_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, from, sizeof v4);
        std::memcpy(to.bytes.data(), &v4.sin_addr, 4);
        return to;
    }
    if (from->sa_family != AF_INET6) return std::nullopt;
    sockaddr_in6 v6{};
    std::memcpy(&v6, from, sizeof v6);
    to.is_v6 = true;
    std::memcpy(to.bytes.data(), &v6.sin6_addr, 16);
    return to;
}

}  // namespace

std::optional<ip_address> parse_ip(std::string_view text) {
    const std::string number{text.substr(0, text.find('%'))};
    ip_address one;
    if (::inet_pton(AF_INET, number.c_str(), one.bytes.data()) == 1) return one;
    one.is_v6 = true;
    if (::inet_pton(AF_INET6, number.c_str(), one.bytes.data()) != 1) return std::nullopt;
    return unmapped(one);
}

bool network::contains(const ip_address& one) const {
    if (one.is_v6 != base.is_v6) return false;
    for (std::size_t i = 0; i < base.size(); ++i) {
        if (((one.bytes[i] ^ base.bytes[i]) & mask[i]) != 0) return false;
    }
    return true;
}

std::optional<network> make_network(const ip_address& base, int bits) {
    if (bits < 0 || static_cast<std::size_t>(bits) > base.size() * 8) return std::nullopt;
    network made{base, {}};
    for (std::size_t i = 0; i < base.size(); ++i) {
        const int left = std::clamp(bits - static_cast<int>(i) * 8, 0, 8);
        made.mask[i] = static_cast<unsigned char>(0xff00U >> static_cast<unsigned>(left));
    }
    return made;
}

std::optional<network> make_network(const ip_address& base, const ip_address& mask) {
    if (base.is_v6 != mask.is_v6) return std::nullopt;
    return network{base, mask.bytes};
}

std::vector<local_interface> local_interfaces() {
    std::vector<local_interface> found;
    ifaddrs* first = nullptr;
    if (::getifaddrs(&first) != 0) return found;
    for (const ifaddrs* each = first; each != nullptr; each = each->ifa_next) {
        const auto address = from_socket_address(each->ifa_addr);
        const auto mask = from_socket_address(each->ifa_netmask);
        if (address && mask && address->is_v6 == mask->is_v6) found.push_back({*address, *mask});
    }
    ::freeifaddrs(first);
    return found;
}

}  // namespace weir::daemon::auth

#include "daemon/config/address.hpp"

#include <arpa/inet.h>

#include <charconv>

namespace weir::daemon::config {
namespace {

bool is_every_address(std::string_view text) {
    return text == "*" || text == "0.0.0.0" || text == "::";
}

}  // namespace

bool is_ip_address(std::string_view text) {
    const std::string terminated(text);
    in6_addr binary{};  // large enough for both families
    return terminated.find('\0') == std::string::npos &&
           (::inet_pton(AF_INET, terminated.c_str(), &binary) == 1 ||
            ::inet_pton(AF_INET6, terminated.c_str(), &binary) == 1);
}

std::optional<std::string> listen_address(std::string_view text) {
    if (text == "*") return "*";
    if (text == "localhost") return "127.0.0.1";
    if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
    return is_ip_address(text) ? std::optional(std::string(text)) : std::nullopt;
}

std::optional<host_and_port> parse_host_and_port(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const std::string_view host = text.substr(0, colon);
    const std::string_view port = text.substr(colon + 1);
    // Without brackets the last group of an IPv6 address would be taken for a port.
    if (host.find(':') != std::string_view::npos && !host.starts_with('[')) return std::nullopt;
    const auto address = host.empty() ? std::optional<std::string>("*") : listen_address(host);
    std::uint16_t number = 0;
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
    if (!address || error != std::errc{} || end != port.data() + port.size() || number == 0)
        return std::nullopt;
    return host_and_port{*address, number};
}

bool addresses_overlap(std::string_view one, std::string_view other) {
    return one == other || is_every_address(one) || is_every_address(other);
}

}  // namespace weir::daemon::config

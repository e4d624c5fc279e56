#include "pool/pool_options.hpp"

namespace weir::pool {

std::string to_string(const upstream_address& address) {
    return address.host + (address.is_unix() ? "/.s.PGSQL." : ":") + std::to_string(address.port);
}

std::string to_string(const std::vector<upstream_address>& addresses) {
    std::string all;
    for (const auto& address : addresses)
        all += (all.empty() ? "" : ", ") + to_string(address);
    return all;
}

}  // namespace weir::pool

#include "daemon/credentials.hpp"

#include "protocol/crypto.hpp"

namespace weir::daemon {

credentials::credentials() : process_key_{protocol::random_bytes(32)} {}

std::optional<protocol::scram_secret> credentials::derived(
    std::string_view user, std::string_view password
) const {
    std::lock_guard guard{lock_};
    const auto found = derived_.find(user);
    if (found == derived_.end() ||
        !protocol::constant_time_equal(found->second.password, password)) {
        return std::nullopt;
    }
    return found->second.secret;
}

void credentials::remember(
    std::string_view user, std::string_view password, const protocol::scram_secret& secret
) {
    std::lock_guard guard{lock_};
    derived_.insert_or_assign(std::string{user}, made{std::string{password}, secret});
}

protocol::scram_secret credentials::mock(std::string_view user) const {
    return protocol::mock_scram_secret(process_key_, user);
}

}  // namespace weir::daemon

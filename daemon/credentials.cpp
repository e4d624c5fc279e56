#include "daemon/credentials.hpp"

namespace weir::daemon {

credentials::credentials()
    : process_key_{protocol::random_bytes(32)}, digest_key_{protocol::random_bytes(32)} {}

std::optional<protocol::scram_secret> credentials::derived(
    std::string_view user, std::string_view password
) const {
    protocol::sha256_digest digest;
    if (!protocol::hmac_sha256(digest_key_, password, digest)) return std::nullopt;
    std::lock_guard guard{lock_};
    const auto found = derived_.find(user);
    if (found == derived_.end() || found->second.digest != digest) return std::nullopt;
    return found->second.secret;
}

void credentials::remember(
    std::string_view user, std::string_view password, const protocol::scram_secret& secret
) {
    protocol::sha256_digest digest;
    if (!protocol::hmac_sha256(digest_key_, password, digest)) return;
    std::lock_guard guard{lock_};
    derived_.insert_or_assign(std::string{user}, made{digest, secret});
}

protocol::scram_secret credentials::mock(std::string_view user) const {
    return protocol::mock_scram_secret(process_key_, user);
}

}  // namespace weir::daemon

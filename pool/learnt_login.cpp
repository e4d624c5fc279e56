#include "pool/learnt_login.hpp"

#include "protocol/crypto.hpp"

namespace weir::pool {

void wipe(learnt_secret& secret) {
    protocol::wipe(secret.password);
    if (secret.keys) {
        protocol::wipe(secret.keys->keys.client_key);
        protocol::wipe(secret.keys->keys.server_key);
    }
    secret.keys.reset();
}

learnt_login::~learnt_login() {
    wipe(secret_);
}

learnt_secret learnt_login::get() const {
    std::lock_guard guard{lock_};
    return secret_;
}

void learnt_login::set(const learnt_secret& secret) {
    if (secret.empty()) return;
    std::lock_guard guard{lock_};
    wipe(secret_);
    secret_ = secret;
}

}  // namespace weir::pool

// What a client's login has taught us: with it the daemon logs in to PostgreSQL as that user,
// though no plain password is anywhere. Kept beside a pool, changed by each login of the user.
// Never logged, wiped when it is replaced. Thread-safe.
#pragma once

#include "protocol/scram.hpp"

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

namespace weir::pool {

/// Keys that a client has proved to hold, and the salt and iterations that they belong to. They
/// open a server whose secret has the same.
struct learnt_keys {
    std::string salt;
    std::uint32_t iterations = 0;
    protocol::scram_keys keys;
};

/// At most one of the two; nothing when the configuration's own secrets do.
struct learnt_secret {
    std::string password;  ///< a plain password, or "md5" and 32 digits; empty = none
    std::optional<learnt_keys> keys;

    [[nodiscard]] bool empty() const { return password.empty() && !keys; }
};

/// Overwrites what it holds.
void wipe(learnt_secret& secret);

class learnt_login {
public:
    learnt_login() = default;
    ~learnt_login();
    learnt_login(const learnt_login&) = delete;
    learnt_login& operator=(const learnt_login&) = delete;

    [[nodiscard]] learnt_secret get() const;
    /// An empty one changes nothing: the user came in another way this time.
    void set(const learnt_secret& secret);

private:
    mutable std::mutex lock_;
    learnt_secret secret_;  // guarded by lock_
};

}  // namespace weir::pool

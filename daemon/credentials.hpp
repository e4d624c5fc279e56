// What clients prove themselves with: the users file's secrets, and the SCRAM secrets made from its
// plain passwords, which cost milliseconds and are therefore made once and off the event loops.
// Thread-safe.
#pragma once

#include "daemon/config/config.hpp"
#include "protocol/crypto.hpp"
#include "protocol/scram.hpp"

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace weir::daemon {

class credentials {
public:
    credentials();

    /// The SCRAM secret made from `password` for `user` earlier, if there is one. Secret; never
    /// logged.
    std::optional<protocol::scram_secret> derived(std::string_view user, std::string_view password)
        const;
    void remember(
        std::string_view user, std::string_view password, const protocol::scram_secret& secret
    );

    /// For users that do not exist: the exchange runs to its end and fails there.
    protocol::scram_secret mock(std::string_view user) const;

private:
    struct made {
        // Of the password, with a key that is this process's: enough to see that it is the same,
        // and nothing to log in with for who reads the memory of an idle daemon.
        protocol::sha256_digest digest;
        protocol::scram_secret secret;
    };
    const std::string process_key_;
    const std::string digest_key_;
    mutable std::mutex lock_;
    std::map<std::string, made, std::less<>>
        derived_;  // guarded by lock_; at most one a user of the file
};

}  // namespace weir::daemon

// What the server has answered to auth.query, for a while. Time comes in as an argument. Bounded:
// the names that strangers try push out other strangers' names, never a user's. One thread.
#pragma once

#include "daemon/config/config.hpp"

#include <chrono>
#include <cstddef>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace weir::daemon::auth {

/// The name of the source that was asked (secret_lookup::source), and the user.
using secret_name = std::pair<std::string, std::string>;

class secret_cache {
public:
    using time_point = std::chrono::steady_clock::time_point;
    using duration = std::chrono::steady_clock::duration;

    static constexpr std::size_t most_users = 10'000;
    static constexpr std::size_t most_strangers = 10'000;
    /// That a user is unknown is believed no longer than this.
    static constexpr std::chrono::seconds longest_absence{5};

    struct entry {
        std::optional<config::user_secret> secret;  ///< nothing: no such user, for `reason`
        std::string reason;
        time_point fetched_at{};
    };

    ~secret_cache();

    /// nullptr when nothing is known, or for too long. Lifetime: until the next call.
    [[nodiscard]] const entry* find(const secret_name& name, duration ttl, time_point now);
    void store(const secret_name& name, entry one);
    void forget(const secret_name& name);
    void clear();
    [[nodiscard]] std::size_t size() const {
        return users_.places.size() + strangers_.places.size();
    }

private:
    struct shelf {
        std::size_t most;
        std::list<std::pair<secret_name, entry>> entries;  // the last used is first
        std::map<secret_name, std::list<std::pair<secret_name, entry>>::iterator> places;

        const entry* find(const secret_name& name, duration ttl, time_point now);
        void store(const secret_name& name, entry one);
        void forget(const secret_name& name);
    };

    shelf users_{most_users, {}, {}};
    shelf strangers_{most_strangers, {}, {}};
};

}  // namespace weir::daemon::auth

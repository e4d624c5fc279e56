// Secrets of users that the users file does not know: asks PostgreSQL by auth.query, one question
// at a time for each user, over a few connections of its own that no client ever uses and that
// carry nothing of a client but the name, as a parameter. Everything runs on one thread of its own;
// functions may be called on any.
#pragma once

#include "daemon/auth/exchange.hpp"
#include "daemon/auth/secret_cache.hpp"
#include "daemon/config/config.hpp"

#include <functional>
#include <memory>
#include <string>

namespace weir::daemon::auth {

class secret_lookup {
public:
    using callback = std::function<void(fetched_secret)>;

    secret_lookup();
    ~secret_lookup();
    secret_lookup(const secret_lookup&) = delete;
    secret_lookup& operator=(const secret_lookup&) = delete;

    /// The entry of `databases` that is asked for the users of `database`; empty when none can be:
    /// an unknown one, or no auth_user.
    static std::string asked_database(
        const config::config& configuration, const std::string& database
    );

    struct question {
        config::config_ptr configuration;
        std::string database;  ///< see asked_database()
        std::string user;
        bool anew = false;  ///< what is cached for more than a second is not believed
    };
    /// `done` is called once, on this object's thread, after seconds at most; not after stop().
    void find(question asked, callback done);
    /// At the next login the server is asked again.
    void forget(const std::string& database, const std::string& user);
    /// The configuration has changed: nothing that is cached is believed, connections are made
    /// anew, and what is asked now is asked again by the new one.
    void reset(config::config_ptr next);
    /// Ends the thread. What is still asked gets no answer. Idempotent.
    void stop();

private:
    class runner;
    std::unique_ptr<runner> runner_;
};

}  // namespace weir::daemon::auth

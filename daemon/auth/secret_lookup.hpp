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
#include <string_view>

namespace weir::daemon::auth {

class secret_lookup {
public:
    using callback = std::function<void(fetched_secret)>;

    secret_lookup();
    ~secret_lookup();
    secret_lookup(const secret_lookup&) = delete;
    secret_lookup& operator=(const secret_lookup&) = delete;

    /// Who is asked for the secrets of a database's users, and how. Databases of one source share
    /// its answers.
    struct source {
        std::string database;   ///< the entry of `databases` that is asked; empty = nobody can be
        std::string auth_user;  ///< as whom
        std::string query;

        [[nodiscard]] bool can_be_asked() const { return !database.empty(); }
        /// For a map: of two sources that are not equal in everything it differs.
        [[nodiscard]] std::string name() const;
    };
    /// For the clients of `database`, which may be unknown: what its entry says, else auth. Nobody
    /// can be asked for an unknown one, for the console's without auth.dbname, and without an
    /// auth_user.
    static source source_of(const config::config& configuration, std::string_view database);

    struct question {
        config::config_ptr configuration;
        std::string database;  ///< that the client asks for
        std::string user;
        bool anew = false;  ///< what is cached for more than a second is not believed
    };
    /// `done` is called once, on this object's thread, after seconds at most; not after stop().
    void find(question asked, callback done);
    /// At the next login the server is asked again.
    void forget(const source& from, const std::string& user);
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

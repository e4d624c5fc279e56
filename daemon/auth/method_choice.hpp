// Which proof a client owes, from auth.type or the rules of auth.hba_file, and whether what is
// known of its connection is proof enough (trust, cert, peer). Pure functions; any thread.
#pragma once

#include "daemon/auth/exchange.hpp"
#include "daemon/auth/hba_rules.hpp"
#include "daemon/config/config.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace weir::daemon::auth {

struct method_choice {
    enum class verdict : unsigned char {
        granted,
        refused,
        prove,  ///< by an exchange, see `how`
        /// As an exchange that fails: the client is told no more than after a wrong password.
        unknown_user,
    };
    verdict what = verdict::refused;
    proof how = proof::scram_sha_256;
    std::string message;  ///< refused: for the client, in PostgreSQL's words
    std::string reason;   ///< refused: for who operates the daemon
    std::string hint;
};

struct login_name {
    std::string_view database;
    std::string_view user;
    bool is_replication = false;
    bool may_be_at_server = false;  ///< a user whom the users file does not know; see auth_user
};

method_choice choose_method(
    const config::auth_options& options, const connection_facts& facts, const login_name& login
);

/// The name of a user of the operating system; nothing when there is none. May read files.
std::optional<std::string> system_user_name(unsigned id);

}  // namespace weir::daemon::auth

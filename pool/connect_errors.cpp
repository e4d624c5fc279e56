#include "pool/connect_errors.hpp"

#include "pool/errc.hpp"

#include <string>

namespace weir::pool {

namespace {

std::string postgres_at(const upstream_address& address) {
    return "PostgreSQL at " + to_string(address);
}

bool is_class(std::string_view sqlstate, std::string_view two) {
    return sqlstate.substr(0, 2) == two;
}

// Neither the client nor PostgreSQL's administrator can know whose login it was.
std::string whose_login(const connect_target& target, std::string_view client_user) {
    if (target.user != client_user) {
        return "It is not the client's login but pgweir's, by databases.*.user and password.";
    }
    return "pgweir logs in as the client's user, with databases.*.password or the user's secret "
           "from auth.users_file.";
}

}  // namespace

lease_error unreachable(const upstream_address& address, std::string_view reason) {
    lease_error why;
    why.message = "cannot connect to " + postgres_at(address);
    why.detail = reason;
    why.hint =
        "Check that PostgreSQL runs there and that databases.*.upstream names it. "
        "New attempts follow within seconds.";
    return why;
}

lease_error without_tls(const upstream_address& address, std::string_view reason) {
    lease_error why;
    why.message = "cannot connect to " + postgres_at(address) + " with TLS";
    why.detail = reason;
    why.hint =
        "databases.*.tls of pgweir's configuration says what is demanded of PostgreSQL's "
        "certificate: check tls.mode, tls.ca_file and the host's name in upstream, and ssl, "
        "ssl_cert_file and ssl_key_file of PostgreSQL.";
    return why;
}

lease_error login_refused(
    const protocol::error_fields& said,
    const upstream_address& address,
    const connect_target& target,
    std::string_view client_user
) {
    lease_error why;
    why.server_sqlstate = said.code;
    why.detail = said.detail.empty() ? said.message : said.message + ": " + said.detail;
    const std::string postgres = postgres_at(address);
    if (said.code == "3D000") {
        why.sqlstate = "3D000";
        why.message = postgres + " has no database \"" + target.database + "\"";
        why.hint =
            "Correct the name that the application asks for, or dbname in databases.*.upstream.";
    } else if (said.code == "53300") {
        why.sqlstate = "53300";
        why.message = postgres + " accepts no more connections of user \"" + target.user + "\"";
        why.hint =
            "Raise max_connections of PostgreSQL or the limit that it names, or lower pool.size "
            "and pool.overflow: all pools together must stay below it.";
    } else if (is_class(said.code, "57")) {
        // Also a session that the shutdown has caught in its login.
        why.sqlstate = "57P03";
        why.message = postgres + " does not accept connections now";
        why.hint = "It is starting up, shutting down or recovering: try again in a moment.";
    } else {
        why.message = postgres + " refused the login of user \"" + target.user + "\"";
        why.hint = whose_login(target, client_user);
    }
    return why;
}

lease_error login_failed(
    std::error_code error,
    const upstream_address& address,
    const connect_target& target,
    std::string_view client_user
) {
    lease_error why = unreachable(address, error.message());
    if (error.category() != pool_category()) return why;
    why.message = "cannot log in to " + postgres_at(address) + " as user \"" + target.user + "\"";
    why.hint = whose_login(target, client_user);
    return why;
}

bool is_for_all(const lease_error& error) noexcept {
    if (is_class(error.server_sqlstate, "57")) return true;  // it starts or shuts down
    for (const errc code :
         {errc::host_unresolved,
          errc::connection_refused,
          errc::connect_failed,
          errc::connect_timeout,
          errc::tls_failed}) {
        if (error.cause == code) return true;
    }
    return false;
}

bool is_lasting(const lease_error& error) noexcept {
    return error.cause == errc::password_missing || error.cause == errc::password_is_hash ||
           error.cause == errc::tls_failed || is_class(error.server_sqlstate, "28") ||
           is_class(error.server_sqlstate, "3D") || is_class(error.server_sqlstate, "53");
}

}  // namespace weir::pool

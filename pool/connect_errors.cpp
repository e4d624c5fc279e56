#include "pool/connect_errors.hpp"

#include "pool/errc.hpp"
#include "protocol/errc.hpp"

#include <algorithm>
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
        if (is_class(said.code, "28") && target.user == client_user) {
            why.sqlstate = said.code == "28P01" ? "28P01" : "28000";
        }
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
    if (error == errc::channel_not_bound) {
        why.hint =
            "The server must have ssl on and ask for scram-sha-256 in its pg_hba.conf, with a "
            "certificate whose signature has a hash (not Ed25519); or take channel_binding out of "
            "databases.*.upstream.";
        return why;
    }
    why.hint = error == errc::keys_do_not_fit
                   ? "The user's secret in auth.users_file must be a copy of rolpassword in "
                     "pg_authid, salt and all, and be copied anew after each change; auth.query "
                     "does that by itself."
                   : whose_login(target, client_user);
    return why;
}

lease_error wrong_role(const upstream_address& address, const connect_target& target) {
    lease_error why;
    why.cause = errc::wrong_role;
    why.message =
        "no " + std::string{to_string(target.attrs)} + " session at " + postgres_at(address);
    why.detail = "databases.*.upstream asks for target_session_attrs=" +
                 std::string{to_string(target.attrs)} + ", and no host of its list offers that.";
    why.hint = "It may be in the middle of a failover: try again in a moment.";
    return why;
}

lease_error breaker_open(
    const std::vector<host_figures>& hosts, std::chrono::steady_clock::time_point now
) {
    using std::chrono::duration_cast;
    using std::chrono::milliseconds;
    lease_error why;
    why.cause = errc::breaker_open;
    why.sqlstate = "57P03";
    std::string where;
    std::string errors;
    auto wait = milliseconds::max();
    for (const auto& host : hosts) {
        where += (where.empty() ? "" : ", ") + host.upstream;
        if (!errors.empty()) errors += ' ';
        errors += host.upstream + " has failed " + std::to_string(host.failures) +
                  " times, the last error: " + host.last_error + '.';
        const auto next = host.next_try ? duration_cast<milliseconds>(*host.next_try - now)
                                        : milliseconds::zero();  // it is being tried
        wait = std::min(wait, std::max(next, milliseconds::zero()));
    }
    const auto seconds = (wait.count() + 999) / 1000;
    why.message = "PostgreSQL at " + where + " is left alone: its circuit breaker is open, " +
                  (seconds > 0 ? "next try in " + std::to_string(seconds) + " s"
                               : std::string{"it is being tried now"});
    why.detail = errors;
    why.hint =
        "Check that PostgreSQL runs there. SHOW BREAKERS on the admin console tells when it is "
        "tried again; RECONNECT does so at once.";
    return why;
}

login_fault fault_of(const lease_error& error) noexcept {
    if (error.cause == errc::server_error) {
        return is_class(error.server_sqlstate, "57") ? login_fault::of_moment
                                                     : login_fault::of_login;
    }
    // Somebody answers there, and another pool may ask him for something else.
    if (error.cause == errc::tls_failed) return login_fault::of_login;
    if (is_for_all(error)) return login_fault::of_host;
    // Whoever it is, he does not speak PostgreSQL.
    using protocol_errc = protocol::errc;
    for (const auto code :
         {protocol_errc::incomplete_message,
          protocol_errc::extra_bytes,
          protocol_errc::unterminated_string,
          protocol_errc::invalid_length,
          protocol_errc::message_too_long,
          protocol_errc::invalid_value,
          protocol_errc::unexpected_message}) {
        if (error.cause == code) return login_fault::of_host;
    }
    return login_fault::of_login;
}

bool is_outage(const lease_error& error) noexcept {
    // It starts or shuts down, or has no room. Class 28, 3D000, 42501 and the like speak of who
    // asks.
    if (error.cause == errc::server_error) {
        return is_class(error.server_sqlstate, "57") || is_class(error.server_sqlstate, "53");
    }
    for (const errc code :
         {errc::wait_timeout,
          errc::pool_paused,
          errc::breaker_open,
          errc::host_unresolved,
          errc::connection_refused,
          errc::connect_failed,
          errc::connect_timeout,
          errc::server_lost,
          errc::wrong_role}) {
        if (error.cause == code) return true;
    }
    return false;
}

bool is_refusal(const lease_error& error) noexcept {
    return fault_of(error) == login_fault::of_login && !is_outage(error) &&
           error.cause != errc::tls_failed && error.cause != errc::connect_query_failed;
}

bool is_for_all(const lease_error& error) noexcept {
    if (is_class(error.server_sqlstate, "57")) return true;  // it starts or shuts down
    for (const errc code :
         {errc::host_unresolved,
          errc::connection_refused,
          errc::connect_failed,
          errc::connect_timeout,
          errc::server_lost,
          errc::tls_failed}) {
        if (error.cause == code) return true;
    }
    return false;
}

bool is_lasting(const lease_error& error) noexcept {
    return error.cause == errc::password_missing || error.cause == errc::password_is_hash ||
           error.cause == errc::channel_not_bound || error.cause == errc::tls_failed ||
           is_class(error.server_sqlstate, "28") || is_class(error.server_sqlstate, "3D") ||
           is_class(error.server_sqlstate, "53");
}

}  // namespace weir::pool

// The pool's own error codes. What PostgreSQL itself says in an ErrorResponse is never turned into
// one of these: it is kept as data beside errc::server_error. Text for clients and SQLSTATEs live
// in one table in daemon/. Any thread.
#pragma once

#include <system_error>

namespace weir::pool {

enum class errc {
    // Waiting for a server.
    wait_timeout = 1,  ///< no server within wait_timeout (53300)
    wait_canceled,     ///< the client cancelled while it waited (57014)
    pool_paused,       ///< the pool takes no work now (57P03)
    shutting_down,     ///< the daemon drains (57P01)
    breaker_open,      ///< the upstream failed too often lately (57P03)

    // Reaching a server.
    host_unresolved,       ///< the host name has no address (08006)
    connection_refused,    ///< nobody listens there (08006)
    connect_failed,        ///< the network said no in another way (08006)
    connect_timeout,       ///< connect_timeout passed before the login ended (08006)
    server_lost,           ///< an established server connection ended (08006)
    tls_failed,            ///< no TLS as the mode demands it (08006)
    connect_query_failed,  ///< connect_query of the database ended it, or took too long (08006)
    wrong_role,            ///< logged in, but not what target_session_attrs asks for (08006)

    // Logging in to a server. What is wrong with a message itself is a protocol::errc.
    server_error,              ///< the server sent ErrorResponse; its fields are kept as data
    no_common_sasl_mechanism,  ///< SASL without SCRAM-SHA-256
    password_missing,          ///< the server asks for a password and none is configured
    password_is_hash,  ///< SCRAM or clear text with an md5 hash: the password itself is needed
    keys_do_not_fit,   ///< the keys learnt from a client belong to another secret than the server's
    channel_not_bound,  ///< channel_binding=require, and the server authenticates in another way
    authentication_incomplete,  ///< AuthenticationOk before the SCRAM exchange ended

    // Prepared statements.
    duplicate_statement,  ///< the name is taken (42P05)
    unknown_statement,    ///< no statement of that name (26000)
    too_many_statements,  ///< the client's bound on names or bytes (53400)

    // Settings.
    invalid_setting,  ///< a name or value that no statement can carry
};

[[nodiscard]] const std::error_category& pool_category() noexcept;
[[nodiscard]] std::error_code make_error_code(errc code) noexcept;

}  // namespace weir::pool

template<>
struct std::is_error_code_enum<weir::pool::errc> : std::true_type {};

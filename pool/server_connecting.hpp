// The part of a server connection that exists only until its login is done. For the files of
// server_connection alone.
#pragma once

#include "pool/connect_plan.hpp"
#include "pool/errc.hpp"
#include "pool/server_connection.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace weir::pool {

struct server_connection::connecting {
    /// What PostgreSQL's bytes are, at the moment.
    enum class step : std::uint8_t {
        login,        ///< messages, in TLS or not
        tls_answer,   ///< the one byte that answers our SSLRequest
        handshaking,  ///< TLS records
    };

    connecting(event_loop& loop, connect_plan way)
        : plan{std::move(way)}, resolver{loop.context()}, socket{loop.context()} {}

    connect_plan plan;
    boost::asio::ip::tcp::resolver resolver;
    boost::asio::generic::stream_protocol::socket socket;  // until it is connected
    std::vector<boost::asio::generic::stream_protocol::endpoint> endpoints;
    std::size_t endpoint = 0;
    step now = step::login;
    unsigned attempt = 0;        // counts connects: what another thread did for an earlier is void
    bool wants_tls = false;      // in this attempt
    bool has_other_way = false;  // the mode lets us try the same address again with or without TLS
    std::unique_ptr<tls_session> tls;  // until its handshake is done; null while a thread makes it
    std::unique_ptr<server_login> login;
    bool asks_for_role = false;  // logged in, to a server that has to be asked what it is
    session_role role;
    std::string role_answer;
    /// The host has let us in: what its connect_query has met is the database's own fault.
    [[nodiscard]] errc cause(errc of_the_host) const noexcept {
        return runs_connect_query ? errc::connect_query_failed : of_the_host;
    }
    bool runs_connect_query = false;  // accepted, and its connect_query is out
    std::string connect_query_error;  // body of the first ErrorResponse to it
    lease_error why;                  // of the last address that failed
};

}  // namespace weir::pool

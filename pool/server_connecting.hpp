// The part of a server connection that exists only until its login is done. For the files of
// server_connection alone.
#pragma once

#include "pool/server_connection.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <cstddef>
#include <memory>
#include <vector>

namespace weir::pool {

struct server_connection::connecting {
    explicit connecting(event_loop& loop) : resolver{loop.context()}, socket{loop.context()} {}

    std::size_t address = 0;  // index of the address that is tried now
    boost::asio::ip::tcp::resolver resolver;
    boost::asio::generic::stream_protocol::socket socket;  // until it is connected
    std::vector<boost::asio::generic::stream_protocol::endpoint> endpoints;
    std::size_t endpoint = 0;
    std::unique_ptr<server_login> login;
    lease_error why;  // of the last address that failed
};

}  // namespace weir::pool

// One HTTP connection: reads a request, asks the route table, writes the response, and again.
// Requests are read one at a time, so a client holds one request and one response in memory,
// however much it sends ahead. The HTTP thread only.
#pragma once

#include "daemon/http/server.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <cstdint>
#include <memory>

namespace weir::daemon::http {

class connection;

/// What a connection needs of its server, which outlives it.
class connection_host {
public:
    virtual const route_table& routes() const = 0;
    virtual const limits& bounds() const = 0;
    virtual void request_arrived() = 0;
    virtual response_encoder& encoder() = 0;
    /// The last call of a connection.
    virtual void connection_ended(connection& ended) = 0;

protected:
    ~connection_host() = default;
};

class connection {
public:
    enum class state : std::uint8_t {
        reading,   ///< waits for a request or the rest of one
        writing,   ///< sends a response
        draining,  ///< sent the last response, lets the client read it
        closed,
    };

    virtual ~connection() = default;
    virtual void start() = 0;
    /// Ends it as soon as possible; connection_ended() follows. May be called in any state.
    virtual void close() = 0;
    [[nodiscard]] virtual state current() const = 0;
    /// When it began to write; of one that does.
    [[nodiscard]] virtual std::chrono::steady_clock::time_point writing_since() const = 0;
};

/// `host` must outlive the connection.
std::shared_ptr<connection> make_connection(
    boost::asio::ip::tcp::socket socket, connection_host& host
);

}  // namespace weir::daemon::http

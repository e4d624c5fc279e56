// A listening socket, TCP or unix: accepts and hands each descriptor on. Knows nothing of what is
// spoken on it. One thread: that of the loop it was made on.
#pragma once

#include "pool/event_loop.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <string>

namespace weir::daemon {

/// An accepted connection before it belongs to a loop. Owns the descriptor.
struct accepted_socket {
    int descriptor = -1;
    bool is_unix = false;
    std::string address;  ///< of the peer; "unix" for unix sockets
    std::uint16_t port = 0;
    bool is_surplus = false;  ///< beyond listen.max_clients: cancel, console, or be told why not
    std::uint64_t warm_form = 0;  ///< of the daemon's own making: what it asks for; 0: a client's
};

/// Accepts on one address until close(). Running out of descriptors pauses it for a moment instead
/// of spinning.
class listener : public std::enable_shared_from_this<listener> {
public:
    using on_accept = std::function<void(accepted_socket)>;

    /// Whether the address may be another process's at the same time. Whoever came last gets all
    /// new connections then; the other finds nothing new and may close without losing any.
    enum class address_use : std::uint8_t { alone, shared };

    /// Errors: throws std::system_error with the address in its text (start-up only).
    static std::shared_ptr<listener> listen_tcp(
        pool::event_loop& loop,
        const std::string& host,
        std::uint16_t port,
        address_use use,
        on_accept handler
    );
    /// Creates PATH (mode 0777, as PostgreSQL does) and replaces a socket that nobody listens on,
    /// or, if it is shared, any.
    static std::shared_ptr<listener> listen_unix(
        pool::event_loop& loop, const std::string& path, address_use use, on_accept handler
    );
    /// Takes over a descriptor that systemd opened.
    static std::shared_ptr<listener> adopt(
        pool::event_loop& loop, int descriptor, on_accept handler
    );

    ~listener();
    void start();
    /// Stops accepting; a unix socket's file is removed if it is still this one's. On the loop's
    /// thread.
    void close();

    const std::string& name() const { return name_; }

private:
    listener(pool::event_loop& loop, int descriptor, std::string name, on_accept handler);
    void wait();
    void remove_file();
    void accept_ready();

    pool::event_loop& loop_;
    boost::asio::generic::stream_protocol::socket
        socket_;  // only waited on; accept() is called on its descriptor
    boost::asio::steady_timer pause_;
    std::string name_;
    std::string unix_path_;
    std::uint64_t unix_inode_ = 0;
    on_accept handler_;
};

}  // namespace weir::daemon

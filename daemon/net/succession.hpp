// Two processes on one port (listen.reuse_port), for a restart that refuses nobody. The younger
// asks the elder to stop answering from its cache before it takes its first client, and keeps its
// own cache empty until the elder is gone: else each would miss what is written through the other.
// They meet at a unix socket without a file that is named after the port. Not what a drain does to
// clients: that is the elder's SIGTERM. One thread: that of the context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace weir::daemon {

class succession {
public:
    struct events {
        /// A younger process starts: nothing may be answered from the cache when this returns.
        std::function<void()> on_successor;
        /// It has gone, and we have not.
        std::function<void()> on_successor_gone;
        /// The elder has gone: the cache is ours alone.
        std::function<void()> on_elder_gone;
    };

    succession(boost::asio::io_context& context, std::uint16_t port, events told);
    succession(const succession&) = delete;
    succession& operator=(const succession&) = delete;

    /// Before the first client can come: asks the elder, if there is one, and waits for its word;
    /// then waits for a successor of our own. Errors: std::runtime_error when the elder does not
    /// answer, or has an elder itself.
    void begin();

    [[nodiscard]] bool has_elder() const { return elder_.is_open(); }
    [[nodiscard]] bool has_successor() const { return successor_.is_open(); }

private:
    using protocol = boost::asio::local::stream_protocol;

    /// The elder's word.
    static constexpr char ready = 'R';
    static constexpr char busy = 'B';

    void ask_elder();
    [[nodiscard]] boost::system::error_code open_door();
    void open_door_again();
    void await_successor();
    bool admit(protocol::socket caller);
    void await_end(protocol::socket& of, const std::function<void()>& then);

    protocol::endpoint door_name_;
    events told_;
    protocol::acceptor door_;
    boost::asio::steady_timer door_retry_;
    protocol::socket elder_;
    protocol::socket successor_;
    std::array<char, 1> ignored_{};
};

}  // namespace weir::daemon

#include "daemon/net/cancel_sender.hpp"

#include "protocol/startup.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <chrono>
#include <memory>
#include <string>

namespace weir::daemon {

namespace {

constexpr std::chrono::seconds patience{10};

// Keeps itself alive through its handlers; all run on one loop.
class cancel_connection : public std::enable_shared_from_this<cancel_connection> {
public:
    cancel_connection(pool::event_loop& loop, std::function<void()> done)
        : socket_{loop.context()}, timer_{loop.context()}, done_{std::move(done)} {}

    void start(
        const boost::asio::generic::stream_protocol::endpoint& endpoint, std::string request
    ) {
        request_ = std::move(request);
        timer_.expires_after(patience);
        timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
            if (!error) self->finish();
        });
        socket_.async_connect(
            endpoint,
            [self = shared_from_this()](boost::system::error_code error) {
                if (error) {
                    self->finish();
                } else {
                    self->send();
                }
            }
        );
    }

private:
    void send() {
        boost::asio::async_write(
            socket_,
            boost::asio::buffer(request_),
            [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                if (error) {
                    self->finish();
                } else {
                    self->await_end();
                }
            }
        );
    }

    void await_end() {
        socket_.async_read_some(
            boost::asio::buffer(ignored_),
            [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                if (error) {
                    self->finish();
                } else {
                    self->await_end();
                }
            }
        );
    }

    void finish() {
        if (!done_) return;
        boost::system::error_code ignored;
        timer_.cancel(ignored);
        socket_.close(ignored);
        std::exchange(done_, nullptr)();
    }

    boost::asio::generic::stream_protocol::socket socket_;
    boost::asio::steady_timer timer_;
    std::function<void()> done_;
    std::string request_;
    std::array<char, 64> ignored_{};
};

}  // namespace

void send_cancel(
    pool::event_loop& loop, pool::server_connection& server, std::function<void()> done
) {
    std::string request;
    protocol::write_cancel_request(
        request, server.session().process_id, server.session().secret_key
    );
    // The very address that the server has, not its name: the name may lead elsewhere by now.
    std::make_shared<cancel_connection>(loop, std::move(done))
        ->start(server.remote_endpoint(), std::move(request));
}

}  // namespace weir::daemon

#include "daemon/net/cancel_sender.hpp"

#include "pool/tls_session.hpp"
#include "protocol/startup.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

namespace weir::daemon {

namespace {

constexpr std::chrono::seconds patience{10};

// Keeps itself alive through its handlers; all run on one loop.
class cancel_connection : public std::enable_shared_from_this<cancel_connection> {
public:
    cancel_connection(pool::event_loop& loop, std::function<void()> done)
        : socket_{loop.context()}, timer_{loop.context()}, done_{std::move(done)} {}

    /// `tls`: encrypted as the server's own connection is; null = plain.
    void start(
        const boost::asio::generic::stream_protocol::endpoint& endpoint,
        std::string request,
        std::unique_ptr<pool::tls_session> tls,
        bool is_direct
    ) {
        request_ = std::move(request);
        tls_ = std::move(tls);
        timer_.expires_after(patience);
        timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
            if (!error) self->finish();
        });
        socket_.async_connect(
            endpoint,
            [self = shared_from_this(), is_direct](boost::system::error_code error) {
                if (error) {
                    self->finish();
                } else if (!self->tls_) {
                    self->send(self->request_, &cancel_connection::await_end);
                } else if (is_direct) {
                    self->shake_hands({});
                } else {
                    self->ask_for_tls();
                }
            }
        );
    }

private:
    using step = void (cancel_connection::*)();

    void ask_for_tls() {
        std::string question;
        protocol::write_ssl_request(question);
        send(std::move(question), &cancel_connection::await_answer);
    }

    // One byte and no more: what follows it must be TLS.
    void await_answer() {
        boost::asio::async_read(
            socket_,
            boost::asio::buffer(received_, 1),
            [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                if (error || self->received_.front() != 'S') {
                    self->finish();  // nobody else is to see the key
                } else {
                    self->shake_hands({});
                }
            }
        );
    }

    // On the loop, for half a millisecond: cancels are few, and those of a daemon that stops come
    // when there is no other thread any more.
    void shake_hands(std::string_view received) {
        const auto progress = tls_->handshake(received);
        if (progress == pool::tls_session::progress::failed) {
            finish();
            return;
        }
        step next = &cancel_connection::await_handshake;
        if (progress == pool::tls_session::progress::established) {
            if (tls_->encrypt(request_)) {
                finish();
                return;
            }
            next = &cancel_connection::await_end;
        }
        auto& said = tls_->output();
        said.settle();
        std::string bytes{said.settled()};
        said.taken(bytes.size());
        send(std::move(bytes), next);
    }

    void await_handshake() {
        socket_.async_read_some(
            boost::asio::buffer(received_),
            [self = shared_from_this()](boost::system::error_code error, std::size_t count) {
                if (error) {
                    self->finish();
                } else {
                    self->shake_hands({self->received_.data(), count});
                }
            }
        );
    }

    void send(std::string bytes, step next) {
        sent_ = std::move(bytes);
        boost::asio::async_write(
            socket_,
            boost::asio::buffer(sent_),
            [self = shared_from_this(), next](boost::system::error_code error, std::size_t) {
                if (error) {
                    self->finish();
                } else {
                    ((*self).*next)();
                }
            }
        );
    }

    void await_end() {
        socket_.async_read_some(
            boost::asio::buffer(received_),
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
    std::string sent_;
    std::unique_ptr<pool::tls_session> tls_;
    std::array<char, 4096> received_{};
};

}  // namespace

void send_cancel(
    pool::event_loop& loop, pool::server_connection& server, std::function<void()> done
) {
    std::string request;
    protocol::write_cancel_request(
        request, server.session().process_id, server.session().secret_key
    );
    const auto& tls = server.target()->tls;
    auto encryption =
        server.tls() == nullptr
            ? nullptr
            : std::make_unique<pool::tls_session>(tls.context, server.session().address.tls_host());
    // The very address that the server has, not its name: the name may lead elsewhere by now.
    std::make_shared<cancel_connection>(loop, std::move(done))
        ->start(server.remote_endpoint(), std::move(request), std::move(encryption), tls.direct);
}

}  // namespace weir::daemon

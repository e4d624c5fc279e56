#include "daemon/session/client_session.hpp"

#include "daemon/net/worker.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

namespace weir::daemon {

namespace {
// A client that waits for a server holds the small one at least.
constexpr pool::buffer_sizes input_sizes{1024, 64 * 1024};
}  // namespace

client_session::client_session(worker& home, accepted_socket accepted, std::uint64_t id)
    : worker_{home},
      id_{id},
      socket_{home.loop(), *this, input_sizes},
      address_{std::move(accepted.address)},
      port_{accepted.port},
      is_unix_{accepted.is_unix},
      is_surplus_{accepted.is_surplus},
      warm_form_{accepted.warm_form},
      connected_at_{std::chrono::steady_clock::now()} {
    // A descriptor that cannot be watched is closed by the socket; resume_reading() then finds it
    // so.
    (void)socket_.assign(accepted.descriptor);
}

client_session::~client_session() = default;

std::string client_session::endpoint_text() const {
    if (is_own()) return address_;
    return is_unix_ ? "unix" : address_ + ":" + std::to_string(port_);
}

std::optional<unsigned> client_session::peer_user_id() {
    ucred who{};
    socklen_t length = sizeof who;
    if (!is_unix_ ||
        ::getsockopt(socket_.native_handle(), SOL_SOCKET, SO_PEERCRED, &who, &length) != 0) {
        return std::nullopt;
    }
    return who.uid;
}

bool client_session::peer_is_same_user() {
    return peer_user_id() == ::geteuid();
}

void client_session::enter(client_phase_ptr next) {
    phase_ = std::move(next);
    worker_.loop().post([self = client_ptr{this}, phase = phase_] {
        if (!self->closed_ && self->phase_ == phase) phase->on_start();
    });
}

void client_session::resume_reading() {
    if (reading_) {
        socket_.rest();
    } else if (!closed_ && !closing_ && phase_->wants_input()) {
        // No room: the phase sees no whole message in a full buffer, it will want more or close.
        reading_ = socket_.receive();
    }
}

void client_session::on_received(const boost::system::error_code& error) {
    reading_ = false;
    if (closed_) return;
    if (error) {
        close("the client closed the connection");
        return;
    }
    if (closing_) return;
    const client_phase_ptr phase = phase_;  // it may end the session, and with it itself
    phase->on_input();
    resume_reading();
}

bool client_session::has_left_unseen() const {
    if (reading_ || closed_) return false;
    pollfd asked{socket_.native_handle(), POLLRDHUP, 0};
    return ::poll(&asked, 1, 0) > 0 && (asked.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

bool client_session::flush() {
    const client_ptr keep{this};  // close() may drop the last reference
    if (!closed_ && socket_.flush() == pool::output_queue::result::done && closing_) {
        close(close_reason_);
    }
    return !closed_;
}

bool client_session::flush_soon() {
    if (closing_) return flush();
    const client_ptr keep{this};
    if (!closed_) socket_.flush_soon();
    return !closed_;
}

bool client_session::start_tls(std::unique_ptr<pool::tls_session> established) {
    socket_.start_tls(std::move(established));
    return flush();
}

void client_session::on_drained() {
    if (closed_) return;
    if (closing_) {
        close(close_reason_);
        return;
    }
    const client_phase_ptr phase = phase_;
    phase->on_writable();
}

void client_session::on_send_failed(const std::error_code& error) {
    close(error.message());
}

void client_session::close_after_flush(std::string_view reason) {
    const client_ptr keep{this};
    if (closed_ || closing_) return;
    closing_ = true;
    close_reason_ = reason;
    if (flush()) worker_.close_soon(*this);
}

void client_session::close(std::string_view reason) {
    if (closed_) return;
    const client_ptr keep{this};
    closed_ = true;
    const client_phase_ptr phase = std::exchange(phase_, nullptr);
    if (phase) phase->on_closed(reason);
    socket_.close();
    worker_.forget(*this);
}

}  // namespace weir::daemon

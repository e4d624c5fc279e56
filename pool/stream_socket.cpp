#include "pool/stream_socket.hpp"

#include <boost/asio/error.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace weir::pool {

namespace {

using boost::asio::detail::reactor;

// Longer ones are sent at once: to wait for the end of the turn they would have to be copied.
constexpr std::size_t longest_in_batch = 4096;

// Four records of TLS at most are received in one call, and so much is encrypted before it is sent.
constexpr std::size_t encrypted_read = 64 * 1024;
constexpr std::size_t most_sealed = 64 * 1024;
constexpr std::size_t one_record = 16 * 1024;
// So much is not the part of one record alone, with what stands around it.
constexpr std::size_t most_without_data = 2 * one_record;

template<class Ask>
stream_socket::endpoint_type ask_endpoint(int descriptor, Ask ask) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    if (ask(descriptor, reinterpret_cast<sockaddr*>(&address), &length) != 0) return {};
    return {&address, length};
}

}  // namespace

stream_socket::operation::operation(stream_socket& of, bool receives)
    : reactor_op({}, receives ? &perform_receive : &perform_room, &complete),
      socket{of},
      is_receive{receives} {}

void stream_socket::operation::prepare() {
    ec_ = {};
    bytes_transferred_ = 0;
}

// One receive; ec_ is set unless there are bytes or there is nothing. `is_exhausted`: the kernel
// has no more.
ssize_t stream_socket::operation::receive_into(std::span<char> space, bool& is_exhausted) {
    iovec piece{space.data(), space.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    if (socket.tells_more_) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
    }
    ssize_t got;
    do {
        got = ::recvmsg(socket.descriptor_, &message, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    is_exhausted = got <= 0;
    if (got < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            ec_.assign(errno, boost::system::system_category());
        }
        return got;
    }
    if (got == 0) {
        ec_ = boost::asio::error::eof;
        return got;
    }
    const cmsghdr* const told = socket.tells_more_ ? CMSG_FIRSTHDR(&message) : nullptr;
    if (told != nullptr && told->cmsg_level == SOL_TCP && told->cmsg_type == TCP_CM_INQ) {
        int left = 1;
        std::memcpy(&left, CMSG_DATA(told), sizeof left);
        // A reset behind the bytes is no byte that is left, and the reactor is told of it only
        // once: with them.
        is_exhausted = left == 0 && !socket.was_told_of_failure();
    }
    return got;
}

// `done_and_exhausted` tells the reactor not to try again before the kernel has told of something
// new.
stream_socket::operation::status stream_socket::operation::perform_receive(reactor_op* base) {
    auto& self = *static_cast<operation*>(base);
    if (self.socket.tls_) return self.receive_tls();
    bool is_exhausted = false;
    const ssize_t got = self.receive_into(self.socket.input_.prepare(), is_exhausted);
    if (got < 0 && !self.ec_) {
        self.socket.input_.rest();
        return not_done;
    }
    if (got > 0) self.bytes_transferred_ = static_cast<std::size_t>(got);
    return is_exhausted ? done_and_exhausted : done;
}

// Into a buffer that is the loop's: encrypted bytes are kept only where a record is not complete or
// input() has no room for it. Until there are plain bytes, which a ticket and a part of a record do
// not bring; but whole buffers without any are a peer that changes its keys over and over, and then
// the other connections have their turn in between.
stream_socket::operation::status stream_socket::operation::receive_tls() {
    buffer_shelf& shelf = socket.loop_.buffers_of(encrypted_read);
    auto encrypted = shelf.take();
    status result = not_done;
    for (bool is_exhausted = false; !is_exhausted && result == not_done;) {
        const ssize_t got = receive_into({encrypted.get(), shelf.size()}, is_exhausted);
        if (got < 0 && !ec_) break;
        if (got <= 0) {
            result = done_and_exhausted;
        } else if (decrypt({encrypted.get(), static_cast<std::size_t>(got)})) {
            result = is_exhausted && !socket.tls_->has_pending() ? done_and_exhausted : done;
        } else if (static_cast<std::size_t>(got) > most_without_data) {
            result = done;
        }
    }
    shelf.give_back(std::move(encrypted));
    return result;
}

bool stream_socket::operation::decrypt(std::string_view received) {
    socket.input_.expect(received.size());
    const auto [count, error] = socket.tls_->decrypt(received, socket.input_.prepare());
    bytes_transferred_ = count;
    if (count > 0) return true;  // an error behind the bytes comes with the next call
    socket.input_.rest();
    if (error) {
        ec_ = error;
    } else if (socket.tls_->is_closed()) {
        ec_ = boost::asio::error::eof;
    }
    return static_cast<bool>(ec_);
}

stream_socket::operation::status stream_socket::operation::perform_room(reactor_op*) {
    return done_and_exhausted;
}

void stream_socket::operation::complete(
    void* loop, boost::asio::detail::operation* base, const boost::system::error_code&, std::size_t
) {
    auto& self = *static_cast<operation*>(base);
    owner& told = self.socket.owner_;
    // Values first: the owner may start the next operation in this very object.
    const boost::system::error_code error = self.ec_;
    const std::size_t count = self.bytes_transferred_;
    self.prepare();
    if (loop != nullptr) {
        if (self.is_receive) {
            if (count > 0) self.socket.input_.commit(count);
            told.on_received(error);
            self.socket.rest();
        } else {
            self.socket.on_room();
        }
    }
    told.let_go();
}

stream_socket::stream_socket(event_loop& loop, owner& told, buffer_sizes input)
    : loop_{loop},
      reactor_{boost::asio::use_service<reactor>(loop.context())},
      owner_{told},
      input_{loop.buffers_of(input.small), loop.buffers_of(input.large)},
      receive_{*this, true} {
    reactor_.init_task();
}

stream_socket::~stream_socket() {
    close();
}

std::error_code stream_socket::assign(int descriptor) {
    if (const int failed = reactor_.register_descriptor(descriptor, data_)) {
        ::close(descriptor);
        reactor_.cleanup_descriptor_data(data_);
        return {failed, std::system_category()};
    }
    descriptor_ = descriptor;
    const int on = 1;
    tells_more_ = ::setsockopt(descriptor, SOL_TCP, TCP_INQ, &on, sizeof on) == 0;
    return {};
}

int stream_socket::release() {
    keep_word();
    const int descriptor = descriptor_;
    reactor_.deregister_descriptor(descriptor, data_, false);
    end();
    return descriptor;
}

void stream_socket::close() {
    if (!is_open()) return;
    keep_word();
    if (tls_) {
        tls_->close();
        std::error_code ignored;
        if (!is_blocked_) (void)tls_->output().flush(descriptor_, ignored);
        tls_.reset();
    }
    const int descriptor = descriptor_;
    reactor_.deregister_descriptor(descriptor, data_, true);
    end();
    ::close(descriptor);
}

void stream_socket::start_tls(std::unique_ptr<tls_session> established) {
    tls_ = std::move(established);
    output_.settle();
    if (output_.empty()) return;
    auto& encrypted = tls_->output();
    encrypted.settle();
    output_.add_copy(encrypted.settled());
    std::swap(encrypted, output_);
    output_ = {};
}

void stream_socket::end() {
    reactor_.cleanup_descriptor_data(data_);
    data_ = nullptr;
    descriptor_ = -1;
    discard_output();
}

void stream_socket::discard_output() {
    output_ = {};
    sealed_ = 0;
}

// Asio keeps the events that it was told of last in the descriptor's own operation, a base that is
// not public: hence the cast and the pointer to a member.
bool stream_socket::was_told_of_failure() const {
    struct told : boost::asio::detail::scheduler_operation {
        static unsigned events(const scheduler_operation& of) { return of.*(&told::task_result_); }
    };
    const auto& last = (const boost::asio::detail::scheduler_operation&)*data_;
    return (told::events(last) & (EPOLLERR | EPOLLHUP)) != 0;
}

stream_socket::endpoint_type stream_socket::local_endpoint() const {
    return ask_endpoint(descriptor_, ::getsockname);
}

stream_socket::endpoint_type stream_socket::remote_endpoint() const {
    return ask_endpoint(descriptor_, ::getpeername);
}

bool stream_socket::receive() {
    if (!input_.has_room()) return false;
    receive_.prepare();
    owner_.keep();
    if (tls_ && tls_->has_pending() && receive_.decrypt({})) {
        reactor_.post_immediate_completion(&receive_, true);
        return true;
    }
    reactor_.start_op(reactor::read_op, descriptor_, data_, &receive_, true, true);
    return true;
}

// Not while bytes are in the buffer that are not counted as unread yet.
void stream_socket::rest() {
    if (!has_received()) input_.rest();
}

bool stream_socket::has_unread() const {
    char byte = 0;
    const auto got = ::recv(descriptor_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got >= 0 || (errno != EAGAIN && errno != EINTR);
}

output_queue::result stream_socket::flush() {
    if (is_blocked_) {
        output_.settle();
        return output_queue::result::blocked;
    }
    std::error_code error;
    const auto result = tls_ ? flush_tls(error) : output_.flush(descriptor_, error);
    if (result == output_queue::result::blocked) wait_for_room();
    // Last: the owner may let this object die.
    if (result == output_queue::result::failed) owner_.on_send_failed(error);
    return result;
}

void stream_socket::flush_quietly() {
    std::error_code ignored;
    if (is_blocked_) return;
    (void)(tls_ ? flush_tls(ignored) : output_.flush(descriptor_, ignored));
}

output_queue::result stream_socket::flush_tls(std::error_code& error) {
    for (;;) {
        auto result = tls_->output().flush(descriptor_, error);
        if (result == output_queue::result::done) {
            note_sealed_sent();
            if (output_.empty()) return result;
            if (!(error = seal())) continue;
            result = output_queue::result::failed;
        }
        output_.settle();
        return result;
    }
}

// One record for one message group, if it fits.
std::error_code stream_socket::seal() {
    if (output_.size() <= one_record) output_.settle();
    const std::string_view plain = output_.first().substr(0, most_sealed);
    sealed_ = plain.size();
    return tls_->encrypt(plain);
}

void stream_socket::note_sealed_sent() {
    output_.drop(sealed_);
    sealed_ = 0;
}

output_queue::result stream_socket::flush_soon() {
    const std::size_t size = output_.size();
    if (size == 0 && !is_blocked_) return output_queue::result::done;
    if (is_blocked_ || size > longest_in_batch) return flush();
    if (!is_in_batch_) {
        if (!loop_.sends().take(*this)) return flush();
        is_in_batch_ = true;
        owner_.keep();
    }
    output_.settle();
    return output_queue::result::done;
}

std::string_view stream_socket::bytes_due() {
    is_in_batch_ = false;
    if (!is_open() || is_blocked_) return {};
    output_.settle();
    // What cannot be encrypted is a connection that receives nothing more either, and ends by that.
    if (tls_ && !output_.empty() && seal()) return {};
    wire().settle();
    return wire().settled();
}

void stream_socket::note_sent(int result) {
    if (result > 0) wire().taken(static_cast<std::size_t>(result));
    if (tls_ && wire().empty()) note_sealed_sent();
    const bool failed = result < 0 && result != -EAGAIN && result != -EINTR;
    if (!failed && !(wire().empty() && output_.empty())) wait_for_room();
}

void stream_socket::tell_if_failed(int result) {
    const bool failed = result < 0 && result != -EAGAIN && result != -EINTR;
    // Closed: by what another connection of the batch was told.
    if (failed && is_open()) owner_.on_send_failed({-result, std::system_category()});
}

void stream_socket::send_due() {
    is_in_batch_ = false;
    if (is_open() && !is_blocked_) flush();
}

void stream_socket::leave_batch() {
    owner_.let_go();
}

// What was said to be as good as sent is sent.
void stream_socket::keep_word() {
    if (is_in_batch_) flush_quietly();
}

void stream_socket::wait_for_room() {
    is_blocked_ = true;
    if (!room_) room_ = std::make_unique<operation>(*this, false);
    room_->prepare();
    owner_.keep();
    reactor_.start_op(reactor::write_op, descriptor_, data_, room_.get(), true, false);
}

// Also when the wait was given up: by now there may be another connection in here.
void stream_socket::on_room() {
    is_blocked_ = false;
    if (is_open() && flush() == output_queue::result::done) owner_.on_drained();
}

}  // namespace weir::pool

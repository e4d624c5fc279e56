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

// `done_and_exhausted` tells the reactor not to try again before the kernel has told of something
// new.
stream_socket::operation::status stream_socket::operation::perform_receive(reactor_op* base) {
    auto& self = *static_cast<operation*>(base);
    const auto space = self.socket.input_.prepare();
    iovec piece{space.data(), space.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    if (self.socket.tells_more_) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
    }
    ssize_t got;
    do {
        got = ::recvmsg(self.socket.descriptor_, &message, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            self.socket.input_.rest();
            return not_done;
        }
        self.ec_.assign(errno, boost::system::system_category());
        return done_and_exhausted;
    }
    if (got == 0) {
        self.ec_ = boost::asio::error::eof;
        return done_and_exhausted;
    }
    self.bytes_transferred_ = static_cast<std::size_t>(got);
    const cmsghdr* const told = self.socket.tells_more_ ? CMSG_FIRSTHDR(&message) : nullptr;
    if (told != nullptr && told->cmsg_level == SOL_TCP && told->cmsg_type == TCP_CM_INQ) {
        int left = 1;
        std::memcpy(&left, CMSG_DATA(told), sizeof left);
        // A reset behind the bytes is no byte that is left, and the reactor is told of it only
        // once: with them.
        if (left == 0 && !self.socket.was_told_of_failure()) return done_and_exhausted;
    }
    return done;
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
    const int descriptor = descriptor_;
    reactor_.deregister_descriptor(descriptor, data_, true);
    end();
    ::close(descriptor);
}

void stream_socket::end() {
    reactor_.cleanup_descriptor_data(data_);
    data_ = nullptr;
    descriptor_ = -1;
    output_ = {};
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
    reactor_.start_op(reactor::read_op, descriptor_, data_, &receive_, true, true);
    return true;
}

// Not while bytes are in the buffer that are not counted as unread yet.
void stream_socket::rest() {
    if (!has_received()) input_.rest();
}

output_queue::result stream_socket::flush() {
    if (is_blocked_) {
        output_.settle();
        return output_queue::result::blocked;
    }
    std::error_code error;
    const auto result = output_.flush(descriptor_, error);
    if (result == output_queue::result::blocked) wait_for_room();
    // Last: the owner may let this object die.
    if (result == output_queue::result::failed) owner_.on_send_failed(error);
    return result;
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
    return output_.settled();
}

void stream_socket::note_sent(int result) {
    if (result > 0) output_.taken(static_cast<std::size_t>(result));
    const bool failed = result < 0 && result != -EAGAIN && result != -EINTR;
    if (!failed && !output_.empty()) wait_for_room();
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
    if (!is_in_batch_ || is_blocked_) return;
    std::error_code ignored;
    (void)output_.flush(descriptor_, ignored);
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

#include "pool/output_queue.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

namespace weir::pool {

namespace {
// A backlog above this is given back once it is sent: a slow reader must not leave its high-water
// mark behind.
constexpr std::size_t kept_capacity = 64;
}  // namespace

void output_queue::add_view(std::string_view bytes) {
    if (bytes.empty()) return;
    if (view_.empty()) {
        view_ = bytes;
    } else if (view_.data() + view_.size() == bytes.data()) {
        view_ = {view_.data(), view_.size() + bytes.size()};
    } else {
        settle();
        view_ = bytes;
    }
}

void output_queue::add_copy(std::string_view bytes) {
    writable().append(bytes);
}

std::string& output_queue::writable() {
    settle();
    return backlog_;
}

void output_queue::settle() {
    backlog_.append(view_);
    view_ = {};
}

void output_queue::taken(std::size_t count) {
    sent_ += count;
    ever_sent_ += count;
    if (sent_ == backlog_.size()) {
        backlog_.clear();
        sent_ = 0;
        if (backlog_.capacity() > kept_capacity) std::string{}.swap(backlog_);
    }
}

void output_queue::drop(std::size_t count) {
    const std::size_t from_backlog = std::min(count, backlog_.size() - sent_);
    taken(from_backlog);
    view_.remove_prefix(count - from_backlog);
    ever_sent_ += count - from_backlog;
}

output_queue::result output_queue::flush(int descriptor, std::error_code& error) {
    while (!empty()) {
        ssize_t sent;
        if (backlog_.size() == sent_) {
            sent = ::send(descriptor, view_.data(), view_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        } else {
            iovec pieces[2] = {
                {backlog_.data() + sent_, backlog_.size() - sent_},
                {const_cast<char*>(view_.data()), view_.size()},
            };
            msghdr message{};
            message.msg_iov = pieces;
            message.msg_iovlen = view_.empty() ? 1 : 2;
            sent = ::sendmsg(descriptor, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        }
        if (sent < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN || errno == EWOULDBLOCK) {
                settle();
                return result::blocked;
            }
            error.assign(errno, std::system_category());
            view_ = {};
            return result::failed;
        }
        drop(static_cast<std::size_t>(sent));
    }
    return result::done;
}

}  // namespace weir::pool

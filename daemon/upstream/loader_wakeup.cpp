#include "daemon/upstream/loader_wakeup.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <system_error>

namespace weir::daemon {

loader_wakeup::loader_wakeup() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (event_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

loader_wakeup::~loader_wakeup() {
    ::close(event_);
}

void loader_wakeup::notify() {
    // It fails only when the counter is full, and then the thread wakes all the same.
    (void)::eventfd_write(event_, 1);
}

void loader_wakeup::end() {
    ending_.store(true);
    {
        const std::lock_guard guard(lock_);
        if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
    }
    notify();
}

void loader_wakeup::watch(int socket) {
    const std::lock_guard guard(lock_);
    socket_ = socket;
    if (socket_ >= 0 && ending_.load()) ::shutdown(socket_, SHUT_RDWR);
}

bool loader_wakeup::wait(int socket, short events, std::chrono::steady_clock::time_point until) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    const int limit = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
    pollfd watched[] = {{event_, POLLIN, 0}, {socket, events, 0}};
    if (::poll(watched, 2, limit) <= 0) return false;
    if (watched[0].revents != 0) {
        eventfd_t count = 0;
        (void)::eventfd_read(event_, &count);
    }
    return watched[1].revents != 0;
}

}  // namespace weir::daemon

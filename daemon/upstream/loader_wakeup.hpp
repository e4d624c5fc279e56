// Wakes the catalog loader's thread: a request, the end, and its socket in one wait.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>

namespace weir::daemon {

/// Wakes a thread out of poll(2), and out of libpq's blocking calls when it is to end. Thread-safe.
class loader_wakeup {
public:
    loader_wakeup();
    ~loader_wakeup();
    loader_wakeup(const loader_wakeup&) = delete;
    loader_wakeup& operator=(const loader_wakeup&) = delete;

    void notify();
    /// From now on is_ending() holds, and the watched socket is shut down.
    void end();
    [[nodiscard]] bool is_ending() const { return ending_.load(); }

    /// The socket on which the thread may block in a query; -1 for none any more, before it is
    /// closed.
    void watch(int socket);
    /// The thread's own: sleeps until notify(), until `socket` (-1: none) has `events`, or `until`.
    /// Returns whether the socket has something.
    bool wait(int socket, short events, std::chrono::steady_clock::time_point until);

private:
    std::atomic<bool> ending_{false};
    int event_;
    std::mutex lock_;
    int socket_ = -1;  // guarded by lock_
};

}  // namespace weir::daemon

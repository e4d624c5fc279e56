// The idle servers of one pool that live on one loop. The list is its loop's own, to be touched
// there and without a lock; how many there are, and since when the first is idle, is for all to
// see. See the protocol in pool.hpp.
#pragma once

#include "pool/server_connection.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace weir::pool {

/// A line of the processor's cache of its own: its loop writes to it with each transaction.
class alignas(64) idle_servers {
public:
    using time_point = std::chrono::steady_clock::time_point;

    // --- on its loop ---

    bool empty() const { return list_.empty(); }
    /// Least recently used first.
    const std::vector<server_ptr>& list() const { return list_; }

    void push(server_ptr server) {
        list_.push_back(std::move(server));
        // One half of the protocol with those who wait; see pool.hpp.
        note(std::memory_order_seq_cst);
    }
    server_ptr pop_first() {
        server_ptr first = std::move(list_.front());
        list_.erase(list_.begin());
        note();
        return first;
    }
    server_ptr pop_last() {
        server_ptr last = std::move(list_.back());
        list_.pop_back();
        note();
        return last;
    }
    void erase(const server_connection& server) {
        std::erase_if(list_, [&](const server_ptr& one) { return one.get() == &server; });
        note();
    }

    // --- any thread: true a moment ago ---

    unsigned count() const { return count_.load(std::memory_order_seq_cst); }
    /// Since when the least recently used one is idle.
    std::optional<time_point> longest() const {
        const auto since = longest_.load(std::memory_order_relaxed);
        if (since == nobody) return std::nullopt;
        return time_point{time_point::duration{since}};
    }

private:
    static constexpr auto nobody = std::numeric_limits<time_point::rep>::max();

    void note(std::memory_order order = std::memory_order_release) {
        longest_.store(
            list_.empty() ? nobody : list_.front()->session().idle_since.time_since_epoch().count(),
            std::memory_order_relaxed
        );
        count_.store(static_cast<unsigned>(list_.size()), order);
    }

    std::vector<server_ptr> list_;
    std::atomic<unsigned> count_{0};
    std::atomic<time_point::rep> longest_{nobody};
};

}  // namespace weir::pool

// One event loop: an io_context that one thread runs, and its number. What lives on a loop is
// touched only by the loop's thread; other threads reach it through post() with values. Not a
// thread: who runs it decides that.
#pragma once

#include "pool/buffer_shelf.hpp"
#include "pool/send_batch.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <cstddef>
#include <deque>
#include <utility>

namespace weir::pool {

/// Thread-safe: post(), index(). Everything else belongs to the thread that runs context().
class event_loop {
public:
    /// `batches_sends` false: each connection sends for itself (see send_batch).
    explicit event_loop(unsigned index, bool batches_sends = true)
        : context_{1}, index_{index}, sends_{*this, batches_sends} {}
    event_loop(const event_loop&) = delete;
    event_loop& operator=(const event_loop&) = delete;

    boost::asio::io_context& context() { return context_; }
    unsigned index() const { return index_; }
    send_batch& sends() { return sends_; }
    /// Lives as long as the loop. For the few sizes that connections begin with.
    buffer_shelf& buffers_of(std::size_t size) {
        for (buffer_shelf& one : buffers_) {
            if (one.size() == size) return one;
        }
        return buffers_.emplace_back(size);
    }

    /// Runs `work` on the loop's thread, never inside the call.
    template<class Work>
    void post(Work&& work) {
        boost::asio::post(context_, std::forward<Work>(work));
    }

private:
    // Outlives the connections that the context may still hold at its end.
    std::deque<buffer_shelf> buffers_;
    boost::asio::io_context context_;
    const unsigned index_;
    send_batch sends_;
};

}  // namespace weir::pool

// Receive buffers of one size that no connection of an event loop holds at the moment. A connection
// holds one only while bytes of it are unread, so a handful of buffers, warm in the processor's
// caches, serve thousands of connections. One thread: the loop's.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace weir::pool {

class buffer_shelf {
public:
    using buffer = std::unique_ptr<char[]>;

    /// `size` of each buffer, in bytes.
    explicit buffer_shelf(std::size_t size) : size_{size} {}

    std::size_t size() const { return size_; }
    /// How many lie here.
    std::size_t count() const { return buffers_.size(); }

    /// The one that was used last, or a new one; its contents are anything.
    buffer take() {
        if (buffers_.empty()) return std::make_unique_for_overwrite<char[]>(size_);
        buffer taken = std::move(buffers_.back());
        buffers_.pop_back();
        return taken;
    }

    void give_back(buffer used) {
        if ((buffers_.size() + 1) * size_ <= most_bytes) buffers_.push_back(std::move(used));
    }

private:
    // More are out only while many peers are slow, and memory is short then.
    static constexpr std::size_t most_bytes = 512 * 1024;

    std::size_t size_;
    std::vector<buffer> buffers_;
};

}  // namespace weir::pool

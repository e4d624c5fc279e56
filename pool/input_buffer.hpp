// The bytes received from a peer and not yet used: [consumed | unread | free]. No I/O in here.
// Belongs to one connection, hence one thread.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace weir::pool {

/// A receive buffer with two sizes: a small one that is always there, so that an idle connection
/// costs little, and a large one that is attached while data flows (one system call then moves
/// much). Views into it die with the next prepare(), the only call that moves bytes: a receive may
/// be under way at any other time.
class input_buffer {
public:
    /// Sizes in bytes. `small` is allocated at once, `large` only when a read filled the small one.
    input_buffer(std::size_t small, std::size_t large);

    std::string_view unread() const { return {data_ + begin_, end_ - begin_}; }
    bool empty() const { return begin_ == end_; }

    /// Marks the first `count` unread bytes as used. Requires count <= unread().size().
    void consume(std::size_t count);

    /// Space to receive into; never empty unless `unread()` fills the buffer. Moves unread bytes to
    /// the front when that is needed, attaches the large buffer after a full read and detaches it
    /// once nothing is unread.
    std::span<char> prepare();

    /// Counts `count` received bytes, at most what prepare() returned.
    void commit(std::size_t count);

    /// Asks for room for `count` unread bytes in all, for a message that must be seen whole; the
    /// next prepare() makes it.
    void want(std::size_t count) { wanted_ = count; }

    std::size_t capacity() const { return capacity_; }

private:
    void move_to(std::unique_ptr<char[]> storage, std::size_t capacity);

    const std::size_t small_;
    const std::size_t large_;
    std::unique_ptr<char[]> storage_;
    char* data_;
    std::size_t capacity_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t wanted_ = 0;
    bool was_full_ = false;  // the last read filled all that was offered: more is likely waiting
    std::size_t last_read_ = 0;
};

}  // namespace weir::pool

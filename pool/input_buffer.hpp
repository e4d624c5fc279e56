// The bytes received from a peer and not yet used: [consumed | unread | free]. No I/O in here.
// Belongs to one connection, hence one thread.
#pragma once

#include "pool/buffer_shelf.hpp"

#include <cstddef>
#include <span>
#include <string_view>

namespace weir::pool {

/// In bytes.
struct buffer_sizes {
    std::size_t small;
    std::size_t large;
};

/// A receive buffer that is there only while it holds something: from the moment when bytes have
/// come until all of them are used. So an idle connection costs nothing for it, whatever it has
/// received before. It has two sizes, and the large one is attached while data flows: one system
/// call then moves much. Views into it die with the next prepare() or rest(), the only calls that
/// move bytes.
class input_buffer {
public:
    /// Where its two sizes come from. Both live longer than this.
    input_buffer(buffer_shelf& small, buffer_shelf& large);
    ~input_buffer();
    input_buffer(const input_buffer&) = delete;
    input_buffer& operator=(const input_buffer&) = delete;

    std::string_view unread() const { return {storage_.get() + begin_, end_ - begin_}; }
    bool empty() const { return begin_ == end_; }

    /// Marks the first `count` unread bytes as used. Requires count <= unread().size().
    void consume(std::size_t count) { begin_ += count; }

    /// Whether prepare() would find space. False: somebody has to use bytes, or want() more.
    bool has_room() const { return empty() || end_ - begin_ < next_capacity(); }

    /// Space to receive into, never empty when has_room(). Moves unread bytes to the front when
    /// that is needed, attaches the large buffer after a full read and lets go of it once nothing
    /// is unread.
    std::span<char> prepare();

    /// Counts `count` received bytes, at most what prepare() returned.
    void commit(std::size_t count);

    /// Lets go of the buffer if nothing is unread. Not between a receive into it and its commit().
    void rest() {
        if (empty() && storage_) let_go();
    }

    /// Asks for room for `count` unread bytes in all, for a message that must be seen whole; the
    /// next prepare() makes it.
    void want(std::size_t count) { wanted_ = count; }

    /// `count` bytes are about to come: the next prepare() takes the large buffer if they are many.
    void expect(std::size_t count) {
        if (count > small_.size() && wanted_ < large_.size()) wanted_ = large_.size();
    }

    /// What is held at the moment, in bytes.
    std::size_t capacity() const { return capacity_; }

private:
    std::size_t next_capacity() const;
    void move_to(std::size_t capacity);
    void let_go();

    buffer_shelf& small_;
    buffer_shelf& large_;
    buffer_shelf::buffer storage_;
    buffer_shelf* shelf_ = nullptr;  // that storage_ belongs to; null: of a size for one message
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t wanted_ = 0;
    std::size_t last_read_ = 0;
    bool was_full_ = false;  // the last read filled all that was offered: more is likely waiting
};

}  // namespace weir::pool

#include "pool/input_buffer.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace weir::pool {

input_buffer::input_buffer(std::size_t small, std::size_t large)
    : small_{small},
      large_{large},
      storage_{std::make_unique_for_overwrite<char[]>(small)},
      data_{storage_.get()},
      capacity_{small} {}

void input_buffer::consume(std::size_t count) {
    begin_ += count;
}

std::span<char> input_buffer::prepare() {
    if (empty()) begin_ = end_ = 0;
    std::size_t capacity = capacity_;
    if (was_full_ && capacity_ < large_) {
        capacity = large_;
    } else if (empty() && last_read_ < small_) {
        capacity = small_;  // not before the flow has ended: changing buffers costs page faults
    }
    capacity = std::max(capacity, std::exchange(wanted_, 0));
    if (capacity != capacity_) {
        move_to(std::make_unique_for_overwrite<char[]>(capacity), capacity);
    } else if (begin_ > 0 && capacity_ - end_ < capacity_ / 2) {
        // Moving a short tail is cheaper than a receive into the last few bytes.
        std::memmove(data_, data_ + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    return {data_ + end_, capacity_ - end_};
}

void input_buffer::commit(std::size_t count) {
    was_full_ = count == capacity_ - end_;
    last_read_ = count;
    end_ += count;
}

void input_buffer::move_to(std::unique_ptr<char[]> storage, std::size_t capacity) {
    if (begin_ != end_) std::memcpy(storage.get(), data_ + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    storage_ = std::move(storage);
    data_ = storage_.get();
    capacity_ = capacity;
}

}  // namespace weir::pool

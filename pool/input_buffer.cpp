#include "pool/input_buffer.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace weir::pool {

input_buffer::input_buffer(buffer_shelf& small, buffer_shelf& large)
    : small_{small}, large_{large} {}

input_buffer::~input_buffer() {
    let_go();
}

std::size_t input_buffer::next_capacity() const {
    std::size_t capacity = capacity_;
    if (empty()) {
        const bool flows = was_full_ || last_read_ >= small_.size();
        capacity = flows ? large_.size() : small_.size();
    } else if (was_full_) {
        capacity = std::max(capacity, large_.size());
    }
    return std::max(capacity, wanted_);
}

std::span<char> input_buffer::prepare() {
    const std::size_t capacity = next_capacity();
    wanted_ = 0;
    if (empty()) begin_ = end_ = 0;
    if (capacity != capacity_) {
        move_to(capacity);
    } else if (begin_ > 0 && capacity_ - end_ < capacity_ / 2) {
        // Moving a short tail is cheaper than a receive into the last few bytes.
        std::memmove(storage_.get(), storage_.get() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    return {storage_.get() + end_, capacity_ - end_};
}

void input_buffer::commit(std::size_t count) {
    was_full_ = count == capacity_ - end_;
    last_read_ = count;
    end_ += count;
}

void input_buffer::move_to(std::size_t capacity) {
    buffer_shelf* const shelf = capacity == small_.size()   ? &small_
                                : capacity == large_.size() ? &large_
                                                            : nullptr;
    auto storage =
        shelf != nullptr ? shelf->take() : std::make_unique_for_overwrite<char[]>(capacity);
    const std::size_t unread = end_ - begin_;
    if (unread > 0) std::memcpy(storage.get(), storage_.get() + begin_, unread);
    let_go();
    storage_ = std::move(storage);
    shelf_ = shelf;
    capacity_ = capacity;
    end_ = unread;
}

void input_buffer::let_go() {
    if (shelf_ != nullptr) std::exchange(shelf_, nullptr)->give_back(std::move(storage_));
    storage_.reset();
    begin_ = end_ = capacity_ = 0;
}

}  // namespace weir::pool

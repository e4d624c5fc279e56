// What is noted about requests that have no reply yet: put in at one end, taken out at the other,
// since replies come in the order of requests. Nearly always empty or of one element: then nothing
// is allocated once it has been used. One thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace weir::daemon {

template<typename T>
class in_order {
public:
    [[nodiscard]] bool empty() const noexcept { return first_ == notes_.size(); }
    /// Requires !empty().
    [[nodiscard]] T& front() noexcept { return notes_[first_]; }

    [[nodiscard]] bool any_of(const auto& is_wanted) const {
        return std::any_of(
            notes_.begin() + static_cast<std::ptrdiff_t>(first_), notes_.end(), is_wanted
        );
    }

    void push_back(T note) { notes_.push_back(std::move(note)); }

    /// Requires !empty(). Constant time on average: memory is given back in large steps.
    void pop_front() {
        notes_[first_++] = T{};
        if (empty()) {
            notes_.clear();
            first_ = 0;
        } else if (first_ >= 64 && first_ >= notes_.size() / 2) {
            notes_.erase(notes_.begin(), notes_.begin() + static_cast<std::ptrdiff_t>(first_));
            first_ = 0;
        }
    }

private:
    std::vector<T> notes_;  // from first_ on
    std::size_t first_ = 0;
};

}  // namespace weir::daemon

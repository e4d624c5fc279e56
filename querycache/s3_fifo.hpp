// Which items stay in a bounded number of bytes: S3-FIFO (Yang et al., SOSP 2023) with regard to
// what an item costs to make again. It links items and counts bytes; it owns none, knows no table
// and takes no lock.
//
// New items enter a small queue, a tenth of the bytes. Who reaches its end unused leaves, and only
// its hash is remembered for a while: a scan passes through here and pushes out nothing else. Who
// was used moves to the main queue, and who comes back while it is remembered enters there at once.
// At the main queue's end an item that was used since it last stood there starts again. A hit only
// counts a use, up to three; nothing is moved.
//
// Both ends weigh uses x cost / size (as GDSF does), in steps of four so that two bits suffice.
// What is usual is the mean of log2(cost / size) over all items. A place is bought with one use; by
// an item four times below usual with two, sixteen times below with three. One four times above
// usual enters the main queue with a use to its credit, so it outlasts one round in which nobody
// asks.
//
// Thread rule: guarded by its owner, but for use(), which any thread may call at any time.
#pragma once

#include "querycache/ghost.hpp"

#include <boost/intrusive/list.hpp>

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace weir::querycache {

/// What an item is linked by; items derive from it.
class fifo_item : public boost::intrusive::list_base_hook<
                      boost::intrusive::link_mode<boost::intrusive::normal_link>> {
public:
    /// It was asked for.
    void use() const {
        if (uses_.load(std::memory_order_relaxed) < most_uses) {
            uses_.fetch_add(1, std::memory_order_relaxed);
        }
    }
    [[nodiscard]] unsigned uses() const { return uses_.load(std::memory_order_relaxed); }

protected:
    fifo_item() = default;
    ~fifo_item() = default;

private:
    template<class Item>
    friend class s3_fifo;
    static constexpr unsigned most_uses = 3;

    mutable std::atomic<std::uint8_t> uses_{0};
    bool in_main_ = false;
    std::int8_t worth_ = 0;  ///< log2(cost / size)
};

/// What became of an insertion.
enum class admission : std::uint8_t {
    stored,
    too_large,    ///< larger than all that may be kept
    first_sight,  ///< larger than the small queue, which is all that an unknown item may push out
};

/// `Item` derives from fifo_item and has hash() (with a `low` of 64 bits), charge() in bytes and
/// cost() in nanoseconds, none of which change while it is in.
template<class Item>
class s3_fifo {
public:
    explicit s3_fifo(std::size_t capacity) : capacity_(capacity) {}

    /// Puts the item in, if it is admitted. Before that `gone(Item&)` is called for each that had
    /// to leave; it is linked nowhere by then. `is_welcome`: it is taken for one that came back.
    template<class Gone>
    [[nodiscard]] admission insert(Item& item, Gone gone, bool is_welcome = false);

    /// Takes the item out. When it was used, it is remembered: the same, made anew, is as welcome.
    void erase(Item& item);

    /// Lets items leave until the rest fits.
    template<class Gone>
    void set_capacity(std::size_t capacity, Gone gone);

    [[nodiscard]] std::size_t size() const { return small_.size() + main_.size(); }
    [[nodiscard]] std::size_t bytes() const { return small_bytes_ + main_bytes_; }
    [[nodiscard]] std::size_t capacity() const { return capacity_; }
    [[nodiscard]] std::size_t small_bytes() const { return small_bytes_; }
    /// No more than eight an item that was in at the same time.
    [[nodiscard]] std::size_t ghost_bytes() const { return ghost_.bytes(); }

private:
    using queue = boost::intrusive::list<fifo_item>;
    static constexpr std::size_t small_share = 10;  ///< one in so many bytes
    /// So many items in a row may be given another chance: the owner's lock is held meanwhile, some
    /// tens of microseconds.
    static constexpr int most_chances = 500;

    static int worth_of(const Item& item) {
        const auto cost = std::max<std::chrono::nanoseconds::rep>(item.cost().count(), 0);
        return static_cast<int>(std::bit_width(static_cast<std::uint64_t>(cost))) -
               static_cast<int>(std::bit_width(item.charge()));
    }
    /// Against what is usual, as a power of two.
    [[nodiscard]] int relative_worth(const fifo_item& item) const {
        return item.worth_ - static_cast<int>(worth_sum_ / static_cast<std::int64_t>(size()));
    }
    [[nodiscard]] unsigned price(const fifo_item& item) const {
        const int worth = relative_worth(item);
        if (worth <= -4) return 3;
        return worth <= -2 ? 2 : 1;
    }
    [[nodiscard]] std::size_t small_capacity() const { return capacity_ / small_share; }
    [[nodiscard]] bool fits(std::size_t charge) const { return bytes() <= capacity_ - charge; }

    template<class Gone>
    void let_one_leave(bool from_small, Gone& gone);
    template<class Gone>
    bool make_room(std::size_t charge, bool is_known, Gone& gone);
    void move_to_main(Item& item);
    void unlink(Item& item);

    queue small_;  ///< both: the oldest first
    queue main_;
    std::size_t capacity_;
    std::size_t small_bytes_ = 0;
    std::size_t main_bytes_ = 0;
    std::int64_t worth_sum_ = 0;
    ghost ghost_;
};

template<class Item>
template<class Gone>
admission s3_fifo<Item>::insert(Item& item, Gone gone, bool is_welcome) {
    const std::size_t charge = item.charge();
    if (charge > capacity_) return admission::too_large;
    const bool is_known = ghost_.recall(item.hash().low, size() + 1) || is_welcome;
    if (!make_room(charge, is_known, gone)) {
        ghost_.remember(item.hash().low);
        return admission::first_sight;
    }
    item.worth_ = static_cast<std::int8_t>(worth_of(item));
    item.uses_.store(0, std::memory_order_relaxed);
    item.in_main_ = false;
    worth_sum_ += item.worth_;
    small_.push_back(item);
    small_bytes_ += charge;
    if (is_known) move_to_main(item);
    if (is_welcome) item.uses_.store(0, std::memory_order_relaxed);  // a use is one that was made
    if (size() > 2 * ghost_.capacity()) ghost_.resize(size());
    return admission::stored;
}

template<class Item>
void s3_fifo<Item>::erase(Item& item) {
    if (item.in_main_ || item.uses() > 0) ghost_.remember(item.hash().low);
    unlink(item);
}

template<class Item>
template<class Gone>
void s3_fifo<Item>::set_capacity(std::size_t capacity, Gone gone) {
    capacity_ = capacity;
    while (bytes() > capacity_)
        let_one_leave(small_bytes_ > small_capacity() || main_.empty(), gone);
    ghost_.resize(size());
}

template<class Item>
template<class Gone>
bool s3_fifo<Item>::make_room(std::size_t charge, bool is_known, Gone& gone) {
    // An unknown item that is more than the small queue could push out no more than that.
    const bool small_only = !is_known && charge > small_capacity();
    if (small_only && main_bytes_ > capacity_ - charge) return false;
    const std::size_t coming = is_known ? 0 : charge;
    while (!fits(charge)) {
        if (small_only && small_.empty()) return false;
        const bool is_over = small_bytes_ + coming > small_capacity() && !small_.empty();
        let_one_leave(is_over || main_.empty(), gone);
    }
    return true;
}

template<class Item>
template<class Gone>
void s3_fifo<Item>::let_one_leave(bool from_small, Gone& gone) {
    for (int chances = 0;; ++chances) {
        auto& from = from_small ? small_ : main_;
        if (from.empty()) return;  // all of small moved over
        auto& item = static_cast<Item&>(from.front());
        const unsigned asked = price(item);
        if (item.uses() < asked || chances == most_chances) {
            if (from_small) ghost_.remember(item.hash().low);
            unlink(item);
            gone(item);
            return;
        }
        if (from_small) {
            move_to_main(item);
        } else {
            item.uses_.fetch_sub(static_cast<std::uint8_t>(asked), std::memory_order_relaxed);
            main_.splice(main_.end(), main_, main_.iterator_to(item));
        }
    }
}

template<class Item>
void s3_fifo<Item>::move_to_main(Item& item) {
    const std::size_t charge = item.charge();
    small_bytes_ -= charge;
    main_bytes_ += charge;
    main_.splice(main_.end(), small_, small_.iterator_to(item));
    item.in_main_ = true;
    item.uses_.store(relative_worth(item) >= 2 ? 1 : 0, std::memory_order_relaxed);
}

template<class Item>
void s3_fifo<Item>::unlink(Item& item) {
    const std::size_t charge = item.charge();
    (item.in_main_ ? main_bytes_ : small_bytes_) -= charge;
    worth_sum_ -= item.worth_;
    auto& from = item.in_main_ ? main_ : small_;
    from.erase(from.iterator_to(item));
}

}  // namespace weir::querycache

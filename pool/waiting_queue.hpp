// Clients that wait for a server of one pool: FIFO over all threads, cancel requests first, a
// deadline each, O(1) removal by ticket. Not the pool: it wakes nobody and reads no clock. Guarded
// by the owner's lock.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace weir::pool {

/// Cancel requests go before queries: a cancel frees a server, a query takes one.
enum class waiting_lane : std::uint8_t { cancel, query };

/// Names one push. Never 0 and not used again while the daemon runs, so a late remove() finds
/// nothing.
using waiting_ticket = std::uint64_t;

/// `Owner` is a value that tells the driver whom to wake, for instance std::weak_ptr<session> or a
/// client id. No allocation once the vector has reached the largest number of waiters.
template<typename Owner>
class waiting_queue {
public:
    using time_point = std::chrono::steady_clock::time_point;

    struct waiter {
        Owner owner{};
        unsigned worker = 0;  ///< thread that the owner lives on
        time_point enqueued{};
        time_point deadline{};  ///< time_point::max() = none
        std::size_t ahead = 0;  ///< how many stood before it when it came, for the error's text
        waiting_ticket id = 0;
        waiting_lane lane = waiting_lane::query;
    };

    waiting_ticket push(
        Owner owner,
        unsigned worker,
        time_point now,
        time_point deadline,
        waiting_lane lane = waiting_lane::query
    );

    /// A waiter that was popped and got nothing goes before all of its lane that came later, with
    /// its times and under a new ticket.
    waiting_ticket put_back(waiter popped);

    /// The oldest cancel, else the oldest query.
    [[nodiscard]] std::optional<waiter> pop_oldest();

    /// Takes out one waiter. Nothing when it was already popped, expired or removed.
    std::optional<waiter> remove(waiting_ticket id);

    /// Moves every waiter whose deadline is at or before `now` to `out`, oldest first. O(1) while
    /// none is due.
    void expire(time_point now, std::vector<waiter>& out);

    /// Nullptr when `id` no longer waits. Dies with the next non-const call.
    [[nodiscard]] const waiter* find(waiting_ticket id) const noexcept;

    /// The waiter that pop_oldest() would take, or nullptr. Dies with the next non-const call.
    [[nodiscard]] const waiter* front() const noexcept;

    /// Not later than the earliest deadline; max() when there is none. It may be early after a
    /// removal.
    [[nodiscard]] time_point next_deadline() const noexcept { return next_deadline_; }

    /// When the longest waiting one came (SHOW POOLS maxwait); nothing when the queue is empty.
    [[nodiscard]] std::optional<time_point> oldest_since() const noexcept;

    /// When the waiter came that `ahead` others are served before; nothing when there are not so
    /// many. Walks over them.
    [[nodiscard]] std::optional<time_point> enqueued_behind(std::size_t ahead) const noexcept;

    [[nodiscard]] std::size_t size() const noexcept { return lanes_[0].size + lanes_[1].size; }
    [[nodiscard]] std::size_t size(waiting_lane lane) const noexcept {
        return lanes_[static_cast<std::size_t>(lane)].size;
    }
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }

private:
    static constexpr std::uint32_t none = UINT32_MAX;

    struct slot {
        waiter value;
        std::uint32_t generation = 0;  ///< upper half of the ticket; odd = in use
        std::uint32_t previous = none;
        std::uint32_t next = none;
    };
    struct list {
        std::uint32_t head = none;
        std::uint32_t tail = none;
        std::size_t size = 0;
    };

    list& list_of(waiting_lane lane) noexcept { return lanes_[static_cast<std::size_t>(lane)]; }
    std::optional<std::uint32_t> index_of(waiting_ticket id) const noexcept;
    std::uint32_t take_free_slot();
    std::uint32_t place(waiter value);
    waiter unlink(std::uint32_t index);

    std::vector<slot> slots_;
    std::uint32_t free_ = none;  ///< head of the free slots, linked by `next`
    list lanes_[2];
    time_point next_deadline_ = time_point::max();
};

template<typename Owner>
waiting_ticket waiting_queue<Owner>::push(
    Owner owner, unsigned worker, time_point now, time_point deadline, waiting_lane lane
) {
    const auto ahead = lane == waiting_lane::cancel ? size(waiting_lane::cancel) : size();
    const auto index = place({std::move(owner), worker, now, deadline, ahead, 0, lane});
    auto& lane_list = list_of(lane);
    slots_[index].previous = lane_list.tail;
    (lane_list.tail == none ? lane_list.head : slots_[lane_list.tail].next) = index;
    lane_list.tail = index;
    return slots_[index].value.id;
}

template<typename Owner>
waiting_ticket waiting_queue<Owner>::put_back(waiter popped) {
    auto& lane_list = list_of(popped.lane);
    const auto index = place(std::move(popped));
    auto& placed = slots_[index];
    auto before = none;
    auto after = lane_list.head;
    while (after != none && slots_[after].value.enqueued < placed.value.enqueued) {
        before = after;
        after = slots_[after].next;
    }
    placed.previous = before;
    placed.next = after;
    (before == none ? lane_list.head : slots_[before].next) = index;
    (after == none ? lane_list.tail : slots_[after].previous) = index;
    return placed.value.id;
}

template<typename Owner>
auto waiting_queue<Owner>::pop_oldest() -> std::optional<waiter> {
    for (auto& lane_list : lanes_) {
        if (lane_list.head != none) return unlink(lane_list.head);
    }
    return std::nullopt;
}

template<typename Owner>
auto waiting_queue<Owner>::remove(waiting_ticket id) -> std::optional<waiter> {
    const auto index = index_of(id);
    if (!index) return std::nullopt;
    return unlink(*index);
}

template<typename Owner>
void waiting_queue<Owner>::expire(time_point now, std::vector<waiter>& out) {
    if (now < next_deadline_) return;
    // Deadlines are not in FIFO order, because users may have wait_timeouts of their own: a whole
    // pass, but only when one is due or an early next_deadline_ has to be made exact.
    auto earliest = time_point::max();
    for (auto& lane_list : lanes_) {
        for (auto index = lane_list.head; index != none;) {
            const auto next = slots_[index].next;
            const auto deadline = slots_[index].value.deadline;
            if (deadline == time_point::max()) {
                // Waits for ever.
            } else if (deadline <= now) {
                out.push_back(unlink(index));
            } else if (deadline < earliest) {
                earliest = deadline;
            }
            index = next;
        }
    }
    next_deadline_ = earliest;
}

template<typename Owner>
auto waiting_queue<Owner>::find(waiting_ticket id) const noexcept -> const waiter* {
    const auto index = index_of(id);
    return index ? &slots_[*index].value : nullptr;
}

template<typename Owner>
auto waiting_queue<Owner>::front() const noexcept -> const waiter* {
    for (const auto& lane_list : lanes_) {
        if (lane_list.head != none) return &slots_[lane_list.head].value;
    }
    return nullptr;
}

template<typename Owner>
auto waiting_queue<Owner>::oldest_since() const noexcept -> std::optional<time_point> {
    std::optional<time_point> oldest;
    for (const auto& lane_list : lanes_) {
        if (lane_list.head == none) continue;
        const auto since = slots_[lane_list.head].value.enqueued;
        if (!oldest || since < *oldest) oldest = since;
    }
    return oldest;
}

template<typename Owner>
auto waiting_queue<Owner>::enqueued_behind(std::size_t ahead) const noexcept
    -> std::optional<time_point> {
    for (const auto& lane_list : lanes_) {
        if (ahead >= lane_list.size) {
            ahead -= lane_list.size;
            continue;
        }
        auto index = lane_list.head;
        for (; ahead > 0; --ahead)
            index = slots_[index].next;
        return slots_[index].value.enqueued;
    }
    return std::nullopt;
}

template<typename Owner>
std::optional<std::uint32_t> waiting_queue<Owner>::index_of(waiting_ticket id) const noexcept {
    const auto index = static_cast<std::uint32_t>(id & UINT32_MAX);
    const auto generation = static_cast<std::uint32_t>(id >> 32);
    if (index >= slots_.size() || slots_[index].generation != generation || generation % 2 == 0) {
        return std::nullopt;
    }
    return index;
}

template<typename Owner>
std::uint32_t waiting_queue<Owner>::take_free_slot() {
    if (free_ == none) {
        slots_.emplace_back();
        return static_cast<std::uint32_t>(slots_.size() - 1);
    }
    const auto index = free_;
    free_ = slots_[index].next;
    return index;
}

// Into a slot with a ticket of its own; the caller links it into its lane.
template<typename Owner>
std::uint32_t waiting_queue<Owner>::place(waiter value) {
    const auto index = take_free_slot();
    auto& taken = slots_[index];
    ++taken.generation;
    taken.value = std::move(value);
    taken.value.id = (waiting_ticket{taken.generation} << 32) | index;
    taken.previous = taken.next = none;
    ++list_of(taken.value.lane).size;
    next_deadline_ = std::min(next_deadline_, taken.value.deadline);
    return index;
}

template<typename Owner>
auto waiting_queue<Owner>::unlink(std::uint32_t index) -> waiter {
    auto& taken = slots_[index];
    auto& lane_list = list_of(taken.value.lane);
    (taken.previous == none ? lane_list.head : slots_[taken.previous].next) = taken.next;
    (taken.next == none ? lane_list.tail : slots_[taken.next].previous) = taken.previous;
    --lane_list.size;
    auto value = std::move(taken.value);
    taken.value = {};
    ++taken.generation;
    taken.next = free_;
    free_ = index;
    if (empty()) next_deadline_ = time_point::max();
    return value;
}

}  // namespace weir::pool

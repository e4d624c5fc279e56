// A number of server connections that several pools share: those of one database, or of one user.
// Who is refused a place leaves a wish; a place that becomes free goes to the wish of the client
// that waits longest, whichever pool it stands in. Opens and closes nothing itself.
//
// Thread-safe. Lock order: a pool's lock, then a limit's. Members are called with neither held.
#pragma once

#include "pool/place_waiter.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weir::pool {

/// A pool, as a limit sees it. Any thread, no lock held.
class limit_member : public place_waiter {
public:
    using time_point = std::chrono::steady_clock::time_point;
    /// Since when its least recently used idle server is idle.
    virtual std::optional<time_point> idle_longest() const = 0;
    /// Closes that one soon.
    virtual void give_up_idle() = 0;

protected:
    ~limit_member() = default;
};

class shared_limit {
public:
    using time_point = limit_member::time_point;

    /// `name`: of the option, for people. `most` is above 0.
    shared_limit(std::string name, unsigned most) : name_{std::move(name)}, most_{most} {}

    const std::string& name() const { return name_; }
    unsigned most() const { return most_.load(std::memory_order_relaxed); }
    unsigned used() const { return used_.load(std::memory_order_relaxed); }
    void set_most(unsigned most) { most_.store(most, std::memory_order_relaxed); }

    void join(const std::shared_ptr<limit_member>& member);
    void leave(const limit_member& member);

    // --- maybe with the member's lock held ---

    /// A place for a server that a client has wanted since then; time_point::max() = for none.
    /// False when there is none, or only for those who have waited longer.
    [[nodiscard]] bool take(const limit_member& who, time_point since);
    /// Places of servers that are there already: a reload has put them under this limit.
    void take_over(unsigned count);
    /// wake() must follow, without the member's lock.
    void give_back(unsigned count = 1);

    /// `who` waits for a place; replaces its former wish.
    void want(const limit_member& who, time_point since);
    void no_longer_wants(const limit_member& who);

    /// Whether `who` must close a server that is free instead of lending it to its own client, who
    /// has waited since `own` (time_point::max() = it has none): another pool's has waited longer.
    /// True at most once per patience, and not for a moment's difference: a place that moves costs
    /// a login, and two busy pools would send all of theirs to and fro. Nobody starves by it: while
    /// a wish is the oldest, every patience moves a place, and the oldest wish takes it.
    [[nodiscard]] bool must_give_up(const limit_member& who, time_point own, time_point now);
    static constexpr std::chrono::milliseconds patience{100};

    // --- without it ---

    /// Calls the member with the oldest wish when there is a place.
    void wake();
    /// Asks the member with the least recently used idle server, but not `who`, to close it: one
    /// that has been idle for a patience, or when no place has moved for as long.
    void free_a_place(const limit_member& who, time_point now);

private:
    struct wish {
        const limit_member* who;
        time_point since;
    };
    static constexpr auto no_wish = std::numeric_limits<time_point::rep>::max();

    // With lock_ held:
    void note_oldest();
    std::shared_ptr<limit_member> alive(const limit_member* who) const;

    const std::string name_;
    std::atomic<unsigned> most_;
    std::atomic<unsigned> used_{0};  // changed with lock_
    // The oldest wish, so that who asks is_owed() takes no lock while there is none.
    std::atomic<time_point::rep> oldest_{no_wish};

    mutable std::mutex lock_;
    std::vector<std::pair<const limit_member*, std::weak_ptr<limit_member>>>
        members_;               // with lock_
    std::vector<wish> wishes_;  // guarded by lock_; one a member
    time_point asked_at_{};     // guarded by lock_; until somebody gives a place back
    time_point moved_{};        // guarded by lock_; when a pool had to give up a place last
};

using shared_limit_ptr = std::shared_ptr<shared_limit>;

}  // namespace weir::pool

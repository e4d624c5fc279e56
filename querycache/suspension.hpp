// Whether storing for a rule is in vain: what it stores is invalidated before anybody asks for it.
// Each reply is then copied for nothing, and takes room. Such a rule stores nothing for ten
// seconds, twice as long each time it is found so again, five minutes at most. Entries that are
// there are served all the while. No clock, no log. Thread rule: review() by one thread at a time;
// the rest by any.
#pragma once

#include "querycache/versions.hpp"

#include <atomic>
#include <cstdint>
#include <optional>

namespace weir::querycache {

class suspension {
public:
    /// Of the rule since the start.
    struct counts {
        std::uint64_t stores = 0;
        std::uint64_t hits = 0;
        std::uint64_t invalidations = 0;
    };

    /// To be called about once a second. In a window of half a minute, from 64 stores on: half of
    /// them invalidated and fewer hits than one in four is in vain.
    void review(const counts& sofar, time_point now);

    [[nodiscard]] bool is_on(time_point now) const { return now < until(); }
    /// In the past when it is not on.
    [[nodiscard]] time_point until() const {
        return time_point(duration(until_.load(std::memory_order_relaxed)));
    }

private:
    [[nodiscard]] bool is_in_vain(const counts& sofar) const;

    std::atomic<duration::rep> until_{time_point::min().time_since_epoch().count()};
    std::optional<time_point> since_;  ///< when the window began
    counts before_;                    ///< and the counts then
    duration next_{};                  ///< how long the next one is; 0: the shortest
};

}  // namespace weir::querycache

#include "querycache/suspension.hpp"

#include <algorithm>

namespace weir::querycache {

namespace {

using namespace std::chrono_literals;

constexpr duration window = 30s;
constexpr duration shortest = 10s;
constexpr duration longest = 5min;
constexpr std::uint64_t fewest_stores = 64;

}  // namespace

bool suspension::is_in_vain(const counts& sofar) const {
    const auto stores = sofar.stores - before_.stores;
    const auto hits = sofar.hits - before_.hits;
    const auto invalidations = sofar.invalidations - before_.invalidations;
    // Without the invalidations this would be a cache that is being filled for the first time.
    return stores >= fewest_stores && hits * 4 < stores && invalidations * 2 >= stores;
}

void suspension::review(const counts& sofar, time_point now) {
    if (is_on(now)) return;
    if (since_ && is_in_vain(sofar)) {
        next_ = std::clamp(next_, shortest, longest);
        until_.store((now + next_).time_since_epoch().count(), std::memory_order_relaxed);
        next_ *= 2;
        since_.reset();
        return;
    }
    if (since_ && now - *since_ < window) return;
    if (since_) next_ = shortest;  // a whole window that was not in vain
    since_ = now;
    before_ = sofar;
}

}  // namespace weir::querycache

#include "querycache/large_replies.hpp"

namespace weir::querycache {

void large_replies::note(const hash128& hash, time_point now) {
    auto& p = places_[index_of(hash)];
    p.hash.store(hash.low, std::memory_order_relaxed);
    p.until.store((now + remembered).time_since_epoch().count(), std::memory_order_relaxed);
}

bool large_replies::holds(const hash128& hash, time_point now) const {
    const auto& p = places_[index_of(hash)];
    return p.hash.load(std::memory_order_relaxed) == hash.low &&
           now.time_since_epoch().count() < p.until.load(std::memory_order_relaxed);
}

void large_replies::clear() {
    for (auto& p : places_)
        p.until.store(time_point::min().time_since_epoch().count(), std::memory_order_relaxed);
}

}  // namespace weir::querycache

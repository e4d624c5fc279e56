#include "querycache/ghost.hpp"

#include <algorithm>
#include <bit>

namespace weir::querycache {

ghost::place* ghost::set_of(std::uint32_t hash) {
    const std::size_t sets = places_.size() / set_size;
    return &places_[(hash & (sets - 1)) * set_size];
}

void ghost::put(place item) {
    auto* const set = set_of(item.hash);
    const auto dispensable = [&](const place& p) -> std::uint64_t {
        if (p.left_at == 0) return std::uint64_t{1} << 32;
        return p.hash == item.hash ? std::uint64_t{1} << 33 : age(p);
    };
    auto* const at = std::max_element(set, set + set_size, [&](const place& a, const place& b) {
        return dispensable(a) < dispensable(b);
    });
    if (dispensable(*at) >= age(item)) *at = item;
}

void ghost::resize(std::size_t hashes) {
    std::vector<place> before(std::max(std::bit_floor(hashes), set_size));
    if (before.size() == places_.size()) return;
    before.swap(places_);
    for (const auto& p : before) {
        if (p.left_at != 0) put(p);
    }
}

void ghost::remember(std::uint64_t hash) {
    if (++departures_ == 0) departures_ = 1;  // 0 is the empty place
    put({static_cast<std::uint32_t>(hash), departures_});
}

bool ghost::recall(std::uint64_t hash, std::size_t most) {
    const auto low = static_cast<std::uint32_t>(hash);
    auto* const set = set_of(low);
    for (auto* p = set; p != set + set_size; ++p) {
        if (p->left_at == 0 || p->hash != low) continue;
        const bool lately = age(*p) < most;
        *p = {};
        return lately;
    }
    return false;
}

}  // namespace weir::querycache

// The keys whose reply was too big lately, so that it is not copied again and again up to the limit
// only to be thrown away. A fixed number of places by hash; the later pushes out the earlier. Two
// keys that meet at one place at the same instant can at worst keep one of them from being stored
// for a while.
// Thread-safe, without a lock.
#pragma once

#include "querycache/key.hpp"
#include "querycache/versions.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace weir::querycache {

class large_replies {
public:
    /// How long a key is remembered: data and limits change.
    static constexpr std::chrono::seconds remembered{10};

    void note(const hash128& hash, time_point now);
    [[nodiscard]] bool holds(const hash128& hash, time_point now) const;
    /// The limits have changed.
    void clear();

private:
    static constexpr std::size_t count = 1024;
    struct place {
        std::atomic<std::uint64_t> hash{0};
        std::atomic<duration::rep> until{0};
    };
    [[nodiscard]] static std::size_t index_of(const hash128& hash) { return hash.high % count; }

    std::array<place, count> places_;
};

}  // namespace weir::querycache

// The hashes of what left the cache lately, so that what comes back is known to be wanted. Eight
// bytes each in a table of fixed size: a place is found by the hash's low bits, four to a set, the
// newest push out the oldest. It forgets by count: what left more departures ago than may be
// remembered is not found any more. A wrong "yes" is possible (28 bits decide in a large table)
// and costs a better place in the queue, no more.
// Thread rule: none of its own; guarded by its owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace weir::querycache {

class ghost {
public:
    /// Makes room for about `hashes`, rounded down to a power of two, at least one set. What was
    /// remembered is kept as far as it fits.
    void resize(std::size_t hashes);

    void remember(std::uint64_t hash);
    /// Whether it is among the last `most` that were remembered; forgets it.
    [[nodiscard]] bool recall(std::uint64_t hash, std::size_t most);

    [[nodiscard]] std::size_t capacity() const { return places_.size(); }
    [[nodiscard]] std::size_t bytes() const { return places_.size() * sizeof(place); }

private:
    struct place {
        std::uint32_t hash = 0;
        std::uint32_t left_at = 0;  ///< departures_ then; 0: empty
    };
    static constexpr std::size_t set_size = 4;

    [[nodiscard]] place* set_of(std::uint32_t hash);
    /// Departures since then; wraps, as departures_ does.
    [[nodiscard]] std::uint32_t age(const place& p) const { return departures_ - p.left_at; }
    void put(place item);

    std::vector<place> places_ = std::vector<place>(set_size);
    std::uint32_t departures_ = 0;
};

}  // namespace weir::querycache

// Finds what is known as N+1: a client that runs the same read again and again with other
// parameters, where one statement for all would do. A run is `repeats` of them within `window`, of
// one client or of one request, whose statements may come over several connections. It is told of
// calls and keeps fingerprints; bounded, of fixed size: two that fall on one place may hide each
// other. One thread.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace weir::daemon::insight {

struct repeat_options {
    std::uint32_t repeats = 10;  ///< 0: off
    std::chrono::nanoseconds window = std::chrono::seconds{1};
};

/// One call of a read.
struct repeat_call {
    std::uint64_t owner = 0;  ///< a client or a request
    std::uint64_t fingerprint = 0;
    std::uint64_t parameters = 0;  ///< a hash of their values
    std::uint64_t previous = 0;    ///< the fingerprint of the owner's statement before; 0: none
    std::chrono::steady_clock::time_point at{};
};

struct repeat_finding {
    std::uint32_t count = 0;  ///< calls of the run so far; 0: this one is in none
    bool begins = false;      ///< this call has made it a run
    /// What the owner ran before the first of them: most likely where the rows come from. 0: not
    /// known.
    std::uint64_t parent = 0;
};

class repeat_watch {
public:
    void configure(const repeat_options& options);
    [[nodiscard]] bool is_on() const { return options_.repeats > 0; }
    repeat_finding observe(const repeat_call& call);
    [[nodiscard]] std::chrono::nanoseconds window() const { return options_.window; }

private:
    struct place {
        std::uint64_t key = 0;
        std::uint64_t parameters = 0;  // of the last call
        std::uint64_t parent = 0;
        std::chrono::steady_clock::time_point started{};
        std::chrono::steady_clock::time_point last{};
        std::uint32_t count = 0;
    };
    static constexpr std::size_t sets = 2048;
    static constexpr std::size_t ways = 2;
    using set = std::array<place, ways>;

    set& set_of(std::uint64_t key) { return (*places_)[key % sets]; }
    place& place_of(std::uint64_t key);
    [[nodiscard]] bool is_over(const place& where, std::chrono::steady_clock::time_point now) const;
    std::uint64_t first_parent(const repeat_call& call, std::uint64_t parent);

    repeat_options options_{.repeats = 0};
    std::unique_ptr<std::array<set, sets>> places_;  // null while it is off
};

}  // namespace weir::daemon::insight

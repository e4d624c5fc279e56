// Statements whose code has left nothing in the session whenever somebody looked: functions,
// triggers and procedures that only compute and write. Learnt, not proven: where the sources tell
// (database_code) that code may leave something, it is not trusted. Of one event loop; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

namespace weir::daemon {

class harmless_code {
public:
    /// A statement in a pool: what its functions do is a matter of their database.
    using key = std::uint64_t;
    static key key_of(const void* pool, std::uint64_t fingerprint) noexcept {
        return fingerprint ^ (reinterpret_cast<std::uintptr_t>(pool) * 0x9e3779b97f4a7c15U);
    }

    static constexpr std::uint8_t looks_needed = 2;
    /// With more than these everything is learnt anew.
    static constexpr std::size_t max_statements = 16'384;

    [[nodiscard]] bool is_known(key which) const {
        const auto at = seen_.find(which);
        return at != seen_.end() && at->second == looks_needed;
    }
    void on_clean(key which) {
        if (seen_.size() >= max_statements) seen_.clear();
        std::uint8_t& looks = seen_[which];
        if (looks < looks_needed) ++looks;
    }
    /// Code may have changed: what has left nothing has to prove it again.
    void learn_anew() {
        std::erase_if(seen_, [](const auto& one) { return one.second != leaves_traces; });
    }
    /// From now on it is looked after each time.
    void on_traces(key which) {
        if (seen_.size() >= max_statements) seen_.clear();
        seen_[which] = leaves_traces;
    }

private:
    static constexpr std::uint8_t leaves_traces = 0xff;

    std::unordered_map<key, std::uint8_t> seen_;
};

}  // namespace weir::daemon

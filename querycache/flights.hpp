// One miss at a time: which keys are being fetched now, and who waits for that. The first session
// that misses leads; the others wait until it lands, and then look again. Nobody is given another's
// answer: an entry that was stored is judged when it is served, as ever.
// Thread-safe; a lock a shard, and no call-back runs under one.
#pragma once

#include "querycache/key.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

namespace weir::querycache {

/// What those who waited had better do.
enum class landing : std::uint8_t {
    look_again,  ///< it was stored, or its leader failed: one of them leads next
    go_alone,    ///< such an answer is not stored (too big, with notices): waiting helps nobody
};

class flights {
public:
    /// Called once, by the thread on which the leader lands.
    using wake = std::function<void(landing)>;

    /// Who holds one leads. Its end is the landing.
    class lead {
    public:
        lead() = default;
        ~lead() { land(landing::look_again); }
        lead(lead&& from) noexcept;
        lead& operator=(lead&& from) noexcept;

        explicit operator bool() const { return owner_ != nullptr; }
        /// What leads is at a server now: the time that others wait for it counts. Nothing without
        /// one.
        void note_running();
        /// Wakes all who wait, and ends the lead. Nothing without one.
        void land(landing how);

    private:
        friend class flights;
        lead(flights& owner, const hash128& key) : owner_(&owner), key_(key) {}
        flights* owner_ = nullptr;
        hash128 key_;
    };

    flights();
    ~flights();
    flights(const flights&) = delete;
    flights& operator=(const flights&) = delete;

    /// The lead when nobody has it; else nothing, and `wake` will be called. A session that is gone
    /// by then must not mind.
    [[nodiscard]] lead lead_or_wait(const hash128& key, wake wake);
    /// Whether somebody leads.
    [[nodiscard]] bool is_flying(const hash128& key) const;
    /// Whether somebody leads and has a server for it: he does not wait in a queue himself.
    [[nodiscard]] bool is_running(const hash128& key) const;

    [[nodiscard]] std::uint64_t led() const { return led_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t waited() const { return waited_.load(std::memory_order_relaxed); }

private:
    struct shard;
    [[nodiscard]] shard& shard_of(const hash128& key) const;
    void note_running(const hash128& key);
    void land(const hash128& key, landing how);

    std::unique_ptr<shard[]> shards_;
    std::atomic<std::uint64_t> led_{0};
    std::atomic<std::uint64_t> waited_{0};
};

}  // namespace weir::querycache

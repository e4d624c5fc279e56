// Table versions: the counters that decide whether a stored reply is still true. One slot per
// relation of a database, and two pseudo slots: `everything`, bumped when it is not known what was
// written, and `catalog`, bumped by DDL. A reader copies the versions of what it depends on before
// its query is sent (a stamp); a writer marks its slots pending before its statement is sent, and
// bumps them after the outcome is known and before it is told. Invalidation is the bump: O(1), no
// entry is looked at. This is not a store and holds no names.
// Thread-safe. Slots live as long as their table_versions, at fixed addresses.
#pragma once

#include <boost/container/small_vector.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

namespace weir::querycache {

using time_point = std::chrono::steady_clock::time_point;
using duration = std::chrono::steady_clock::duration;

/// PostgreSQL's object identifier; 0 is none.
using oid = std::uint32_t;
/// What initdb makes has oids below.
inline constexpr oid first_normal_oid = 16384;

/// What a hit promises. `after_commit`: it misses no write whose commit was acknowledged through
/// the daemon before the read began. `linearizable`: it misses no commit that was visible at all
/// when the read was answered, at the price of bypassing a table while a write to it is under way.
enum class consistency : std::uint8_t { after_commit, linearizable };

/// Why a slot was bumped last; for SHOW CACHE TABLES.
enum class bump_cause : std::uint8_t {
    none,
    write,
    unknown_write,
    ddl,
    lost_server,
    admin,
    event,  ///< one of cache.events
    other
};
inline constexpr std::size_t bump_causes = 8;

/// The word SHOW CACHE TABLES prints; "" for none.
const char* to_string(bump_cause cause);

/// The version of one relation. Cache lines of its own: two hot tables must not slow each other.
/// The members are public to stamps and sessions of this folder; others use the functions.
class alignas(64) version_slot {
public:
    explicit version_slot(oid relation) : relation_(relation) {}

    /// The relation's oid; 0 for the two pseudo slots.
    [[nodiscard]] oid relation() const { return relation_; }

    /// Starts at 1, only grows. Sequentially consistent, as all operations here: the proof of
    /// linearizable needs that a mark is seen no later than the commit that follows it.
    [[nodiscard]] std::uint64_t version() const { return version_.load(); }
    /// How many sessions have written, or may have, and do not know the outcome yet.
    [[nodiscard]] std::uint32_t pending() const { return pending_.load(); }

    /// A statement that may write the relation is about to be sent.
    void begin_write() { pending_.fetch_add(1); }
    /// Every entry that was stamped before this call is out of date after it.
    void bump(bump_cause cause) {
        last_cause_.store(cause, std::memory_order_relaxed);
        bumps_[static_cast<std::size_t>(cause)].fetch_add(1, std::memory_order_relaxed);
        version_.fetch_add(1);
    }
    /// Ends begin_write, after the bump if there was one: readers that see the mark gone must see
    /// the new version.
    void end_write() { pending_.fetch_sub(1); }

    [[nodiscard]] bump_cause last_cause() const {
        return last_cause_.load(std::memory_order_relaxed);
    }
    /// How often it was bumped.
    [[nodiscard]] std::uint64_t bumps() const { return version() - 1; }
    [[nodiscard]] std::uint64_t bumps(bump_cause cause) const {
        return bumps_[static_cast<std::size_t>(cause)].load(std::memory_order_relaxed);
    }

    /// Entries in the store that depend on this slot, out-of-date ones included until reclaimed.
    [[nodiscard]] std::uint32_t dependants() const {
        return dependants_.load(std::memory_order_relaxed);
    }
    void add_dependant() { dependants_.fetch_add(1, std::memory_order_relaxed); }
    void remove_dependant() { dependants_.fetch_sub(1, std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> version_{1};
    std::atomic<std::uint32_t> pending_{0};
    std::atomic<std::uint32_t> dependants_{0};
    std::atomic<bump_cause> last_cause_{bump_cause::none};
    oid relation_;
    std::array<std::atomic<std::uint64_t>, bump_causes> bumps_{};
};

/// All slots of one database. Looking a slot up takes a lock: do it when a statement is bound, keep
/// the pointer.
class table_versions {
public:
    table_versions();

    /// The relation's slot, made at first sight.
    [[nodiscard]] version_slot* slot(oid relation);
    /// Bumped by writes of unknown extent; every stamp holds it.
    [[nodiscard]] version_slot* everything() { return &everything_; }
    /// Bumped by DDL; every stamp holds it, and a catalog snapshot is named by its version.
    [[nodiscard]] version_slot* catalog() { return &catalog_; }
    [[nodiscard]] const version_slot* catalog() const { return &catalog_; }
    /// Every relation's slot that was ever asked for, in no order.
    [[nodiscard]] std::vector<version_slot*> slots() const;

private:
    version_slot everything_{0};
    version_slot catalog_{0};
    mutable std::shared_mutex mutex_;
    std::unordered_map<oid, std::unique_ptr<version_slot>> slots_;
};

/// A slot and the version it had when the stamp was taken.
struct stamped_slot {
    version_slot* slot = nullptr;
    std::uint64_t version = 0;
};

/// The versions of everything that one reply depends on. Plain data; one thread builds it.
class stamp {
public:
    /// Notes the slot's version now. To be called before the query, or the Bind, is sent.
    /// Returns false when `mode` is linearizable and the slot is pending: then nothing may be
    /// stored.
    bool add(version_slot* slot, consistency mode);

    /// Whether no slot has moved since (and, linearizable, none is pending).
    [[nodiscard]] bool is_current(consistency mode) const;
    [[nodiscard]] const stamped_slot* begin() const { return slots_.data(); }
    [[nodiscard]] const stamped_slot* end() const { return slots_.data() + slots_.size(); }
    [[nodiscard]] std::size_t size() const { return slots_.size(); }

private:
    boost::container::small_vector<stamped_slot, 6> slots_;
};

/// The check of stamp::is_current on any range of stamped slots.
[[nodiscard]] bool is_current(
    const stamped_slot* first, const stamped_slot* last, consistency mode
);

}  // namespace weir::querycache

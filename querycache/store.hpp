// Where entries are kept: shards by hash, each with its own lock, table and queues (s3_fifo.hpp),
// bounded in bytes. It knows nothing of rules or sessions; whether an entry may be served is asked
// of the entry by the caller, outside the lock.
// Thread-safe. No lock is shared by all look-ups, and no entry is freed under one. A hit changes
// nothing of its shard: the lock is held for the table's look-up and one reference.
#pragma once

#include "querycache/entry.hpp"
#include "querycache/key.hpp"
#include "querycache/s3_fifo.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace weir::querycache {

/// Sums over the shards.
struct store_totals {
    std::uint64_t entries = 0;
    std::uint64_t bytes = 0;  ///< charges
    std::uint64_t capacity = 0;
    std::uint64_t evictions_space = 0;
    std::uint64_t evictions_expired = 0;
    std::uint64_t evictions_outdated = 0;
    std::uint64_t evictions_admin = 0;
    std::uint64_t overhead_bytes = 0;  ///< of the charges, what is not key or reply
};

/// Why an entry leaves; the counters above.
enum class eviction : std::uint8_t { space, expired, outdated, admin };

class store {
public:
    /// `shards` is rounded up to a power of two.
    store(std::size_t capacity, std::size_t shards);
    ~store();
    store(const store&) = delete;
    store& operator=(const store&) = delete;

    /// The entry of that key, valid or not; counts a use. Allocates nothing.
    [[nodiscard]] entry_ref find(const hash128& hash, const key_view& key);

    /// The entry of that key, valid or not, for who only wants to know: counts no use.
    [[nodiscard]] entry_ref peek(const hash128& hash, std::string_view key) const;

    /// Puts the entry in, in place of one of the same key, and evicts what is worth least until the
    /// shard fits. When it is not admitted nothing of the key is kept. `is_welcome`: as one that
    /// is asked for often, although nobody has asked yet.
    admission insert(entry_ref item, bool is_welcome = false);

    /// Takes the entry out if it is still in; returns whether it was.
    bool erase(const entry_ref& item, eviction why);

    /// Takes out all entries for which `gone` holds, counted as `why`. Walks everything, a shard at
    /// a time: for the console, not for writes. Returns how many `gone` held for.
    std::size_t erase_if(const std::function<bool(const entry&)>& gone, eviction why);

    /// Goes on where the last call ended, looks at up to `most` buckets (about as many entries),
    /// and takes out the expired and the outdated. Returns how many went.
    std::size_t sweep(time_point now, std::size_t most);

    void set_capacity(std::size_t capacity);
    [[nodiscard]] std::size_t largest_entry() const;
    [[nodiscard]] store_totals totals() const;

private:
    struct shard;
    [[nodiscard]] shard& shard_of(const hash128& hash) const;

    std::vector<std::unique_ptr<shard>> shards_;
    std::atomic<std::size_t> shard_capacity_;
    std::atomic<std::size_t> next_sweep_{0};
};

}  // namespace weir::querycache

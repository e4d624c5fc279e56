#include "querycache/store.hpp"

#include <boost/container/small_vector.hpp>
#include <boost/intrusive/unordered_set.hpp>

#include <algorithm>
#include <bit>
#include <mutex>

namespace weir::querycache {

namespace {

struct hash_of {
    std::size_t operator()(const entry& e) const { return e.hash().low; }
    std::size_t operator()(const hash128& hash) const { return hash.low; }
};
// Equal hashes count as the same place: with a secret key two texts do not meet there, and if they
// did, the later one would replace the earlier. Keys are compared in full before anything is
// served.
struct same_place {
    bool operator()(const entry& a, const entry& b) const { return a.hash() == b.hash(); }
    bool operator()(const hash128& hash, const entry& e) const { return hash == e.hash(); }
};

}  // namespace

struct alignas(64) store::shard {
    using table_set = boost::intrusive::unordered_set<
        entry,
        boost::intrusive::member_hook<entry, decltype(entry::bucket_), &entry::bucket_>,
        boost::intrusive::hash<hash_of>,
        boost::intrusive::equal<same_place>,
        boost::intrusive::power_2_buckets<true>>;
    using bucket_type = table_set::bucket_type;

    std::mutex mutex;  ///< guards all below
    std::vector<bucket_type> buckets = std::vector<bucket_type>(64);
    table_set table{table_set::bucket_traits(buckets.data(), buckets.size())};
    s3_fifo<entry> order{0};
    std::size_t swept = 0;  ///< the bucket where the next sweep begins
    std::size_t overhead = 0;
    std::uint64_t gone[4] = {};

    ~shard() {
        (void)take_if([](const entry&) { return true; }, eviction::admin);
    }

    /// For the policy: takes what it let go.
    template<class Victims>
    [[nodiscard]] auto evict_to(Victims& victims) {
        return [this, &victims](entry& e) { victims.push_back(forget(e, eviction::space)); };
    }

    /// What had to leave for it goes to `victims`, to be dropped outside the lock.
    template<class Victims>
    admission link(const entry_ref& item, bool is_welcome, Victims& victims) {
        auto& e = const_cast<entry&>(*item);
        const auto admitted = order.insert(e, evict_to(victims), is_welcome);
        if (admitted != admission::stored) return admitted;
        intrusive_ptr_add_ref(&e);
        if (table.size() >= buckets.size()) grow();
        table.insert(e);
        overhead += entry::overhead(e.stamps_);
        e.rule_->add_entry(static_cast<std::int64_t>(e.charge()));
        for (const auto* s = e.stamps_begin(); s != e.stamps_end(); ++s)
            s->slot->add_dependant();
        return admitted;
    }

    /// Gives the store's reference back, to be dropped outside the lock.
    [[nodiscard]] entry_ref unlink(entry& e, eviction why) {
        order.erase(e);
        return forget(e, why);
    }

    /// All but the policy's part of unlink().
    [[nodiscard]] entry_ref forget(entry& e, eviction why) {
        table.erase(table.iterator_to(e));
        overhead -= entry::overhead(e.stamps_);
        ++gone[static_cast<std::size_t>(why)];
        e.rule_->remove_entry(static_cast<std::int64_t>(e.charge()));
        for (const auto* s = e.stamps_begin(); s != e.stamps_end(); ++s)
            s->slot->remove_dependant();
        return {&e, false};
    }

    template<class Condition>
    [[nodiscard]] std::vector<entry_ref> take_if(const Condition& condition, eviction why) {
        std::vector<entry_ref> taken;
        for (auto at = table.begin(); at != table.end();) {
            auto& e = *at++;
            if (condition(e)) taken.push_back(unlink(e, why));
        }
        return taken;
    }

    void sweep_bucket(std::size_t bucket, time_point now, std::vector<entry_ref>& victims) {
        for (auto at = table.begin(bucket); at != table.end(bucket);) {
            auto& e = *at++;
            const bool outdated = !e.is_current(consistency::after_commit);
            if (!outdated && !e.is_expired(now)) continue;
            if (outdated) e.rule_->count_invalidation();
            victims.push_back(unlink(e, outdated ? eviction::outdated : eviction::expired));
        }
    }

    void grow() {
        std::vector<bucket_type> larger(buckets.size() * 2);
        table.rehash(table_set::bucket_traits(larger.data(), larger.size()));
        buckets.swap(larger);
    }
};

store::store(std::size_t capacity, std::size_t shards) {
    const auto count = std::bit_ceil(std::max<std::size_t>(shards, 1));
    shards_.reserve(count);
    shard_capacity_ = capacity / count;
    for (std::size_t i = 0; i < count; ++i) {
        shards_.push_back(std::make_unique<shard>());
        shards_.back()->order.set_capacity(capacity / count, [](entry&) {});
    }
}

store::~store() = default;

store::shard& store::shard_of(const hash128& hash) const {
    return *shards_[hash.high & (shards_.size() - 1)];
}

entry_ref store::find(const hash128& hash, const key_view& key) {
    auto& s = shard_of(hash);
    entry_ref found;
    {
        const std::lock_guard lock(s.mutex);
        const auto at = s.table.find(hash, hash_of{}, same_place{});
        if (at == s.table.end()) return nullptr;
        found = entry_ref(&*at);
    }
    if (!key.equals(found->key())) return nullptr;
    found->use();
    return found;
}

entry_ref store::peek(const hash128& hash, std::string_view key) const {
    auto& s = shard_of(hash);
    const std::lock_guard lock(s.mutex);
    const auto at = s.table.find(hash, hash_of{}, same_place{});
    return at != s.table.end() && at->key() == key ? entry_ref(&*at) : nullptr;
}

admission store::insert(entry_ref item, bool is_welcome) {
    auto& s = shard_of(item->hash());
    boost::container::small_vector<entry_ref, 8> victims;  // freed after the lock
    const std::lock_guard lock(s.mutex);
    if (const auto same = s.table.find(item->hash(), hash_of{}, same_place{});
        same != s.table.end()) {
        victims.push_back(s.unlink(*same, eviction::outdated));
    }
    return s.link(item, is_welcome, victims);
}

bool store::erase(const entry_ref& item, eviction why) {
    auto& s = shard_of(item->hash());
    entry_ref victim;
    const std::lock_guard lock(s.mutex);
    const auto at = s.table.find(item->hash(), hash_of{}, same_place{});
    if (at == s.table.end() || &*at != item.get()) return false;
    victim = s.unlink(*at, why);
    return true;
}

std::size_t store::erase_if(const std::function<bool(const entry&)>& gone, eviction why) {
    std::size_t count = 0;
    for (auto& s : shards_) {
        std::vector<entry_ref> victims;  // freed after the lock
        const std::lock_guard lock(s->mutex);
        victims = s->take_if(gone, why);
        count += victims.size();
    }
    return count;
}

std::size_t store::sweep(time_point now, std::size_t most) {
    std::size_t count = 0;
    for (std::size_t n = 0; n < shards_.size() && most > 0; ++n) {
        auto& s = *shards_[next_sweep_.fetch_add(1, std::memory_order_relaxed) % shards_.size()];
        std::vector<entry_ref> victims;
        const std::lock_guard lock(s.mutex);
        for (std::size_t seen = 0; seen < s.buckets.size() && most > 0; ++seen, --most) {
            s.sweep_bucket(s.swept++ & (s.buckets.size() - 1), now, victims);
        }
        count += victims.size();
    }
    return count;
}

void store::set_capacity(std::size_t capacity) {
    const std::size_t each = capacity / shards_.size();
    shard_capacity_ = each;
    for (auto& s : shards_) {
        std::vector<entry_ref> victims;
        const std::lock_guard lock(s->mutex);
        s->order.set_capacity(each, s->evict_to(victims));
    }
}

std::size_t store::largest_entry() const {
    return shard_capacity_.load(std::memory_order_relaxed);
}

store_totals store::totals() const {
    store_totals sum;
    sum.capacity = shard_capacity_.load(std::memory_order_relaxed) * shards_.size();
    for (const auto& s : shards_) {
        const std::lock_guard lock(s->mutex);
        sum.entries += s->table.size();
        sum.bytes += s->order.bytes();
        sum.overhead_bytes += s->overhead;
        sum.evictions_space += s->gone[static_cast<std::size_t>(eviction::space)];
        sum.evictions_expired += s->gone[static_cast<std::size_t>(eviction::expired)];
        sum.evictions_outdated += s->gone[static_cast<std::size_t>(eviction::outdated)];
        sum.evictions_admin += s->gone[static_cast<std::size_t>(eviction::admin)];
    }
    return sum;
}

}  // namespace weir::querycache

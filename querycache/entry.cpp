#include "querycache/entry.hpp"

#include <algorithm>
#include <memory>
#include <new>

namespace weir::querycache {

namespace {

/// What the allocator keeps in front of a block, and the shares of the store's bucket array and of
/// its memory of what left.
constexpr std::size_t block_bucket_and_ghost = 3 * sizeof(void*);

}  // namespace

duration shortened(duration ttl, const hash128& hash, time_point stored_at) {
    constexpr int steps = 1024;
    constexpr std::uint64_t odd = 0x9E3779B97F4A7C15U;
    const auto since = static_cast<std::uint64_t>(stored_at.time_since_epoch().count());
    const std::uint64_t mixed = (hash.low ^ since * odd) * odd;
    return ttl - ttl / (10 * steps) * static_cast<int>((mixed >> 40U) % steps);
}

entry_ref entry::make(const entry_parts& parts) {
    const std::size_t stamps = parts.depends_on->size() * sizeof(stamped_slot);
    void* block = ::operator new(sizeof(entry) + stamps + parts.key.size() + parts.reply.size());
    return entry_ref(new (block) entry(parts));
}

entry::entry(const entry_parts& parts)
    : stamps_(static_cast<std::uint16_t>(parts.depends_on->size())),
      own_ttl_(parts.own_ttl),
      key_size_(static_cast<std::uint32_t>(parts.key.size())),
      reply_size_(static_cast<std::uint32_t>(parts.reply.size())),
      rows_(parts.rows),
      rule_epoch_(parts.rule_epoch),
      hash_(parts.hash),
      stored_at_(parts.stored_at),
      life_(parts.own_ttl ? parts.ttl : shortened(parts.ttl, parts.hash, parts.stored_at)),
      lineage_(parts.lineage),
      rule_(parts.rule),
      cost_(parts.cost),
      fingerprint_(parts.fingerprint) {
    auto* behind = reinterpret_cast<char*>(this + 1);
    const std::size_t stamps = stamps_ * sizeof(stamped_slot);
    std::uninitialized_copy(
        parts.depends_on->begin(), parts.depends_on->end(), reinterpret_cast<stamped_slot*>(behind)
    );
    behind = std::copy(parts.key.begin(), parts.key.end(), behind + stamps);
    std::copy(parts.reply.begin(), parts.reply.end(), behind);
}

entry::~entry() = default;

const stamped_slot* entry::stamps_begin() const {
    static_assert(sizeof(entry) % alignof(stamped_slot) == 0);
    return std::launder(reinterpret_cast<const stamped_slot*>(this + 1));
}

std::string_view entry::key() const {
    return {reinterpret_cast<const char*>(stamps_end()), key_size_};
}

std::string_view entry::reply() const {
    return {reinterpret_cast<const char*>(stamps_end()) + key_size_, reply_size_};
}

bool entry::depends_on(const version_slot* slot) const {
    return std::any_of(stamps_begin(), stamps_end(), [slot](const stamped_slot& s) {
        return s.slot == slot;
    });
}

bool entry::is_current(consistency mode) const {
    return rule_epoch_ == rule_->epoch() &&
           querycache::is_current(stamps_begin(), stamps_end(), mode);
}

duration entry::past(time_point now, duration rule_ttl) const {
    const auto life = own_ttl_ ? life_ : std::min(life_, shortened(rule_ttl, hash_, stored_at_));
    return now - stored_at_ - life;
}

std::size_t entry::overhead(std::size_t stamps) {
    return sizeof(entry) + stamps * sizeof(stamped_slot) + block_bucket_and_ghost;
}

std::size_t entry::charge() const {
    return overhead(stamps_) + key_size_ + reply_size_;
}

void intrusive_ptr_add_ref(const entry* e) {
    e->references_.fetch_add(1, std::memory_order_relaxed);
}

void intrusive_ptr_release(const entry* e) {
    if (e->references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    e->~entry();
    ::operator delete(const_cast<void*>(static_cast<const void*>(e)));
}

}  // namespace weir::querycache

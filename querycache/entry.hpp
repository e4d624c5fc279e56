// A stored reply: its key, its bytes ready to be sent, the versions it depends on, its age and its
// rule. One block of memory, immutable but for the hooks with which the store threads it.
// Thread-safe to read and to share; the hooks belong to the store's shard.
#pragma once

#include "querycache/counters.hpp"
#include "querycache/key.hpp"
#include "querycache/s3_fifo.hpp"
#include "querycache/versions.hpp"

#include <boost/intrusive/unordered_set_hook.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>

namespace weir::querycache {

class entry;
/// Keeps an entry, and so the bytes of its reply, alive.
using entry_ref = boost::intrusive_ptr<const entry>;

/// What an entry is made of; copied into it.
struct entry_parts {
    std::string_view key;
    hash128 hash;
    std::string_view reply;
    const stamp* depends_on = nullptr;
    time_point stored_at{};  ///< r0: when the query was about to be sent
    duration ttl{};
    std::uint64_t lineage = 0;  ///< session_rule::lineage
    std::shared_ptr<rule_counters> rule;
    std::uint32_t rule_epoch = 0;
    std::uint32_t rows = 0;
    bool own_ttl = false;  ///< ttl comes from a hint: it is exact, and the rule's does not limit it
    std::chrono::nanoseconds cost{};  ///< server time that a hit saves
    std::uint64_t fingerprint = 0;    ///< of the statement; for statistics
};

/// What is left of a rule's `ttl` for one entry: up to a tenth less, so that what was stored
/// together does not expire together. Always the same for the same entry.
[[nodiscard]] duration shortened(duration ttl, const hash128& hash, time_point stored_at);

class entry : public fifo_item {
public:
    static entry_ref make(const entry_parts& parts);
    entry(const entry&) = delete;
    entry& operator=(const entry&) = delete;

    [[nodiscard]] std::string_view key() const;
    /// Complete messages, ready to be sent. Simple: T D* C Z. Extended: BindComplete [T] D* C Z;
    /// the caller puts a ParseComplete before it when the client sent Parse.
    [[nodiscard]] std::string_view reply() const;
    [[nodiscard]] const hash128& hash() const { return hash_; }
    [[nodiscard]] const stamped_slot* stamps_begin() const;
    [[nodiscard]] const stamped_slot* stamps_end() const { return stamps_begin() + stamps_; }
    [[nodiscard]] bool depends_on(const version_slot* slot) const;
    [[nodiscard]] time_point stored_at() const { return stored_at_; }
    [[nodiscard]] std::uint64_t lineage() const { return lineage_; }
    [[nodiscard]] rule_counters& rule() const { return *rule_; }
    [[nodiscard]] std::uint32_t rule_epoch() const { return rule_epoch_; }
    [[nodiscard]] std::uint32_t rows() const { return rows_; }
    [[nodiscard]] std::chrono::nanoseconds cost() const { return cost_; }
    [[nodiscard]] std::uint64_t fingerprint() const { return fingerprint_; }

    /// Whether its tables and its rule have not moved. Says nothing about age.
    [[nodiscard]] bool is_current(consistency mode) const;
    /// Whether it is of no use any more, grace included.
    [[nodiscard]] bool is_expired(time_point now) const {
        return now - stored_at_ >= life_ + rule_->grace();
    }
    /// How long its time is over, under the ttl that its rule has now (which an entry with a ttl of
    /// its own ignores); negative: it is not.
    [[nodiscard]] duration past(time_point now, duration rule_ttl) const;

    /// Bytes that it costs: content and overhead.
    [[nodiscard]] std::size_t charge() const;
    /// What an entry with `stamps` dependencies costs over key and reply.
    static std::size_t overhead(std::size_t stamps);

private:
    friend class store;
    friend void intrusive_ptr_add_ref(const entry* e);
    friend void intrusive_ptr_release(const entry* e);
    explicit entry(const entry_parts& parts);
    ~entry();

    using hook = boost::intrusive::link_mode<boost::intrusive::normal_link>;
    // Small members first: they fit behind fifo_item's.
    std::uint16_t stamps_;
    bool own_ttl_;
    mutable std::atomic<std::uint32_t> references_{0};
    mutable boost::intrusive::unordered_set_member_hook<hook> bucket_;
    std::uint32_t key_size_;
    std::uint32_t reply_size_;
    std::uint32_t rows_;
    std::uint32_t rule_epoch_;
    hash128 hash_;
    time_point stored_at_;
    duration life_;
    std::uint64_t lineage_;
    std::shared_ptr<rule_counters> rule_;
    std::chrono::nanoseconds cost_;
    std::uint64_t fingerprint_;
    // Behind the object: stamped_slot[stamps_], key, reply.
};

}  // namespace weir::querycache

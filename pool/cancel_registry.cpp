#include "pool/cancel_registry.hpp"

#include "protocol/bytes.hpp"
#include "protocol/crypto.hpp"

#include <mutex>
#include <string>

namespace weir::pool {
namespace {

constexpr std::size_t shard_count = 16;

std::uint32_t random_word() {
    return protocol::reader(protocol::random_bytes(4)).u32();
}

}  // namespace

struct cancel_registry::table {
    struct key {
        std::string secret_key;
        cancel_target target;
    };
    struct shard {
        mutable std::mutex mutex;
        std::unordered_map<std::uint32_t, key> keys;  ///< by process id; guarded by mutex
    };

    shard& shard_of(std::uint32_t process_id) noexcept { return shards[process_id % shard_count]; }

    bool insert(std::uint32_t process_id, key value) {
        auto& place = shard_of(process_id);
        const std::lock_guard lock(place.mutex);
        return place.keys.try_emplace(process_id, std::move(value)).second;
    }

    std::array<shard, shard_count> shards;
};

void cancel_registry::registration::reset() noexcept {
    if (!table_) return;
    {
        auto& shard = table_->shard_of(process_id_);
        const std::lock_guard lock(shard.mutex);
        shard.keys.erase(process_id_);
    }
    table_.reset();
    process_id_ = 0;
    secret_key_.clear();
}

void cancel_registry::registration::swap(registration& other) noexcept {
    std::swap(table_, other.table_);
    std::swap(process_id_, other.process_id_);
    std::swap(secret_key_, other.secret_key_);
}

cancel_registry::cancel_registry() : table_(std::make_shared<table>()) {}

auto cancel_registry::add(unsigned worker, std::uint64_t client, std::size_t secret_size)
    -> registration {
    for (;;) {
        // The sign bit stays clear: drivers and tools read the process id as Int32 and print it.
        const auto process_id = random_word() & 0x7fff'ffffU;
        auto result = add_as(process_id, worker, client, secret_size);
        if (result) return result;
    }
}

auto cancel_registry::add_as(
    std::uint32_t process_id, unsigned worker, std::uint64_t client, std::size_t secret_size
) -> registration {
    registration result;
    if (process_id == 0) return result;
    std::string secret_key = protocol::random_bytes(secret_size);
    if (!table_->insert(process_id, {secret_key, {worker, client}})) return result;
    result.table_ = table_;
    result.process_id_ = process_id;
    result.secret_key_ = std::move(secret_key);
    return result;
}

std::optional<cancel_target> cancel_registry::find(
    std::uint32_t process_id, std::string_view secret_key
) const {
    const auto& shard = table_->shard_of(process_id);
    const std::lock_guard lock(shard.mutex);
    const auto found = shard.keys.find(process_id);
    if (found == shard.keys.end()) return std::nullopt;
    if (!protocol::constant_time_equal(found->second.secret_key, secret_key)) return std::nullopt;
    return found->second.target;
}

std::size_t cancel_registry::size() const {
    std::size_t total = 0;
    for (const auto& shard : table_->shards) {
        const std::lock_guard lock(shard.mutex);
        total += shard.keys.size();
    }
    return total;
}

std::uint64_t cancel_gate::begin_lease() noexcept {
    leased_ = true;
    return ++lease_;
}

bool cancel_gate::begin(std::uint64_t lease) noexcept {
    if (!leased_ || lease != lease_) return false;
    ++in_flight_;
    return true;
}

bool cancel_gate::finish() noexcept {
    if (in_flight_ == 0) return false;
    --in_flight_;
    return in_flight_ == 0 && !leased_;
}

}  // namespace weir::pool

#include "querycache/flights.hpp"

#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace weir::querycache {

namespace {

constexpr std::size_t shard_count = 16;

struct hash_of {
    std::size_t operator()(const hash128& key) const { return key.low; }
};

}  // namespace

struct flights::shard {
    struct flight {
        std::vector<wake> waiting;
        bool is_running = false;
    };
    mutable std::mutex mutex;
    std::unordered_map<hash128, flight, hash_of> flying;  ///< guarded by mutex
};

flights::flights() : shards_(std::make_unique<shard[]>(shard_count)) {}

flights::~flights() = default;

flights::shard& flights::shard_of(const hash128& key) const {
    return shards_[key.high % shard_count];
}

flights::lead::lead(lead&& from) noexcept
    : owner_(std::exchange(from.owner_, nullptr)), key_(from.key_) {}

flights::lead& flights::lead::operator=(lead&& from) noexcept {
    if (this == &from) return *this;
    land(landing::look_again);
    owner_ = std::exchange(from.owner_, nullptr);
    key_ = from.key_;
    return *this;
}

void flights::lead::note_running() {
    if (owner_ != nullptr) owner_->note_running(key_);
}

void flights::lead::land(landing how) {
    if (auto* const owner = std::exchange(owner_, nullptr)) owner->land(key_, how);
}

flights::lead flights::lead_or_wait(const hash128& key, wake on_landing) {
    auto& s = shard_of(key);
    const std::lock_guard lock(s.mutex);
    const auto [at, is_first] = s.flying.try_emplace(key);
    if (is_first) {
        led_.fetch_add(1, std::memory_order_relaxed);
        return {*this, key};
    }
    at->second.waiting.push_back(std::move(on_landing));
    waited_.fetch_add(1, std::memory_order_relaxed);
    return {};
}

bool flights::is_flying(const hash128& key) const {
    const auto& s = shard_of(key);
    const std::lock_guard lock(s.mutex);
    return s.flying.count(key) != 0;
}

bool flights::is_running(const hash128& key) const {
    const auto& s = shard_of(key);
    const std::lock_guard lock(s.mutex);
    const auto found = s.flying.find(key);
    return found != s.flying.end() && found->second.is_running;
}

void flights::note_running(const hash128& key) {
    auto& s = shard_of(key);
    const std::lock_guard lock(s.mutex);
    const auto found = s.flying.find(key);
    if (found != s.flying.end()) found->second.is_running = true;
}

void flights::land(const hash128& key, landing how) {
    std::vector<wake> waiting;
    {
        auto& s = shard_of(key);
        const std::lock_guard lock(s.mutex);
        const auto found = s.flying.find(key);
        if (found == s.flying.end()) return;
        waiting = std::move(found->second.waiting);
        s.flying.erase(found);
    }
    for (const auto& each : waiting)
        each(how);
}

}  // namespace weir::querycache

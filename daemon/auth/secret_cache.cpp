#include "daemon/auth/secret_cache.hpp"

#include "protocol/crypto.hpp"

#include <algorithm>

namespace weir::daemon::auth {

namespace {

void wipe(secret_cache::entry& one) {
    if (one.secret) protocol::wipe(one.secret->value);
}

}  // namespace

secret_cache::~secret_cache() {
    clear();
}

auto secret_cache::shelf::find(const secret_name& name, duration ttl, time_point now)
    -> const entry* {
    const auto found = places.find(name);
    if (found == places.end()) return nullptr;
    if (now - found->second->second.fetched_at >= ttl) {
        forget(name);
        return nullptr;
    }
    entries.splice(entries.begin(), entries, found->second);
    return &found->second->second;
}

void secret_cache::shelf::store(const secret_name& name, entry one) {
    forget(name);
    if (entries.size() >= most) forget(secret_name{entries.back().first});
    entries.emplace_front(name, std::move(one));
    places[name] = entries.begin();
}

void secret_cache::shelf::forget(const secret_name& name) {
    const auto found = places.find(name);
    if (found == places.end()) return;
    wipe(found->second->second);
    entries.erase(found->second);
    places.erase(found);
}

auto secret_cache::find(const secret_name& name, duration ttl, time_point now) -> const entry* {
    if (const auto* const known = users_.find(name, ttl, now)) return known;
    return strangers_.find(name, std::min<duration>(ttl, longest_absence), now);
}

void secret_cache::store(const secret_name& name, entry one) {
    forget(name);
    auto& kind = one.secret ? users_ : strangers_;
    kind.store(name, std::move(one));
}

void secret_cache::forget(const secret_name& name) {
    users_.forget(name);
    strangers_.forget(name);
}

void secret_cache::clear() {
    for (auto* const each : {&users_, &strangers_}) {
        for (auto& [name, one] : each->entries)
            wipe(one);
        each->entries.clear();
        each->places.clear();
    }
}

}  // namespace weir::daemon::auth

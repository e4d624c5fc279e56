#include "querycache/versions.hpp"

#include <algorithm>
#include <mutex>

namespace weir::querycache {

const char* to_string(bump_cause cause) {
    switch (cause) {
        case bump_cause::none:
            return "";
        case bump_cause::write:
            return "write";
        case bump_cause::unknown_write:
            return "unknown_write";
        case bump_cause::ddl:
            return "ddl";
        case bump_cause::lost_server:
            return "lost_server";
        case bump_cause::admin:
            return "admin";
        case bump_cause::event:
            return "event";
        case bump_cause::other:
            return "other";
    }
    return "";
}

table_versions::table_versions() = default;

version_slot* table_versions::slot(oid relation) {
    {
        const std::shared_lock lock(mutex_);
        if (const auto found = slots_.find(relation); found != slots_.end()) {
            return found->second.get();
        }
    }
    const std::unique_lock lock(mutex_);
    auto& place = slots_[relation];
    if (!place) place = std::make_unique<version_slot>(relation);
    return place.get();
}

std::vector<version_slot*> table_versions::slots() const {
    const std::shared_lock lock(mutex_);
    std::vector<version_slot*> all;
    all.reserve(slots_.size());
    for (const auto& [relation, slot] : slots_)
        all.push_back(slot.get());
    return all;
}

bool stamp::add(version_slot* slot, consistency mode) {
    // The mark first: a writer bumps before it takes its mark away, so whoever sees the mark gone
    // reads the new version. The other way round a whole commit could slip in between.
    const bool blocked = mode == consistency::linearizable && slot->pending() != 0;
    slots_.push_back({slot, slot->version()});
    return !blocked;
}

bool stamp::is_current(consistency mode) const {
    return querycache::is_current(begin(), end(), mode);
}

bool is_current(const stamped_slot* first, const stamped_slot* last, consistency mode) {
    return std::all_of(first, last, [mode](const stamped_slot& s) {
        if (mode == consistency::linearizable && s.slot->pending() != 0) return false;
        return s.slot->version() == s.version;
    });
}

}  // namespace weir::querycache

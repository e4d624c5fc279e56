#include "querycache/database.hpp"

namespace weir::querycache {

database_state::database_state(database_identity identity, std::string name)
    : identity_(identity), name_(std::move(name)) {}

bool database_state::install(std::shared_ptr<catalog> snapshot) {
    const std::lock_guard lock(mutex_);
    auto* slot = versions_.catalog();
    const bool fresh = snapshot->generation() == slot->version();
    if (fresh && snapshot_ && snapshot_->generation() == snapshot->generation()) {
        if (snapshot_->digest() == snapshot->digest()) return true;
        // Someone changed the catalog behind our back. What was stored with the old snapshot may
        // hang on the wrong tables. DDL through the daemon that commits meanwhile bumps the slot
        // once more, and then this snapshot counts as out of date: nothing is lost between.
        snapshot->set_generation(snapshot->generation() + 1);
        slot->bump(bump_cause::other);
    }
    snapshot_ = std::move(snapshot);
    serial_.fetch_add(1, std::memory_order_release);
    return snapshot_->generation() == slot->version();
}

std::shared_ptr<const catalog> database_state::snapshot() const {
    const std::lock_guard lock(mutex_);
    return snapshot_;
}

bool database_state::needs_refresh() const {
    const std::lock_guard lock(mutex_);
    return !snapshot_ || snapshot_->generation() != versions_.catalog()->version();
}

}  // namespace weir::querycache

// What the cache knows about one database: its table versions and its newest catalog snapshot. Kept
// for the daemon's life, at a fixed address, and shared by all names that lead to the database.
// Thread-safe.
#pragma once

#include "querycache/catalog.hpp"
#include "querycache/key.hpp"
#include "querycache/versions.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

namespace weir::querycache {

class database_state {
public:
    database_state(database_identity identity, std::string name);

    [[nodiscard]] const database_identity& identity() const { return identity_; }
    /// PostgreSQL's name for it, for SHOW.
    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] table_versions& versions() { return versions_; }
    [[nodiscard]] const table_versions& versions() const { return versions_; }

    /// The version that a load must be labelled with. To be read BEFORE the load's first query.
    [[nodiscard]] std::uint64_t catalog_version() const { return versions_.catalog()->version(); }

    /// Makes the snapshot the current one. When its content differs from the last one's although no
    /// DDL passed through the daemon in between, somebody else changed the catalog: then all
    /// entries become out of date. Returns false when DDL came between label and installation: the
    /// snapshot is used as far as it goes, which is not at all, and another load is due.
    bool install(std::shared_ptr<catalog> snapshot);

    /// The newest snapshot; null before the first.
    [[nodiscard]] std::shared_ptr<const catalog> snapshot() const;
    /// Changes with every installation; 0 before the first.
    [[nodiscard]] std::uint64_t snapshot_serial() const {
        return serial_.load(std::memory_order_acquire);
    }
    /// Whether somebody listens to the database and polls its catalog. While nobody does, nothing
    /// is served or kept, but for what a rule allows when no server can be had.
    [[nodiscard]] bool is_watched() const { return is_watched_.load(std::memory_order_acquire); }
    void set_watched(bool watched) { is_watched_.store(watched, std::memory_order_release); }
    /// Whether DDL was seen that the snapshot does not know.
    [[nodiscard]] bool needs_refresh() const;

private:
    database_identity identity_;
    std::string name_;
    table_versions versions_;
    mutable std::mutex mutex_;  ///< guards snapshot_
    std::shared_ptr<const catalog> snapshot_;
    std::atomic<std::uint64_t> serial_{0};
    std::atomic<bool> is_watched_{true};
};

}  // namespace weir::querycache

// What PAUSE and RESUME have said, for pools that exist and for those that are still to be made,
// and which databases take no new clients since DISABLE: by database, not by pool. Plain data;
// guarded by who owns it.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>

namespace weir::daemon {

class pause_state {
public:
    /// Of all databases; forgets what was said of single ones.
    void set_all(bool paused) {
        all_ = paused;
        others_.clear();
    }
    void set(const std::string& database, bool paused) {
        if (paused == all_) {
            others_.erase(database);
        } else {
            others_.insert(database);
        }
    }
    [[nodiscard]] bool is_paused(std::string_view database) const {
        return all_ != (others_.find(database) != others_.end());
    }
    /// Databases that nobody has named are paused.
    [[nodiscard]] bool all() const { return all_; }
    /// The databases for which the opposite of all() holds.
    [[nodiscard]] const std::set<std::string, std::less<>>& others() const { return others_; }

    /// Until ENABLE; clients that are there stay.
    void set_disabled(const std::string& database, bool disabled) {
        if (disabled) {
            disabled_.insert(database);
        } else {
            disabled_.erase(database);
        }
    }
    [[nodiscard]] bool is_disabled(std::string_view database) const {
        return disabled_.find(database) != disabled_.end();
    }
    [[nodiscard]] const std::set<std::string, std::less<>>& disabled() const { return disabled_; }

private:
    bool all_ = false;
    std::set<std::string, std::less<>> others_;
    std::set<std::string, std::less<>> disabled_;
};

}  // namespace weir::daemon

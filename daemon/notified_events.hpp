// Carries out the events of the configuration that databases tell of with NOTIFY pgweir, 'NAME'.
// Who hears the notifications is catalog_loader. Thread-safe; not for an event loop.
#pragma once

#include "daemon/config/config.hpp"

#include <cstddef>
#include <functional>
#include <mutex>
#include <set>
#include <string>

namespace weir::querycache {
class cache;
class database_state;
}  // namespace weir::querycache

namespace weir::daemon {

class notified_events {
public:
    /// `configuration`: the one that is in force now.
    notified_events(querycache::cache& cache, std::function<config::config_ptr()> configuration);

    /// Some session of the database has told of the event. In force when it returns. Of a name that
    /// the configuration does not have one warning is logged, of many such names only the first.
    void carry_out(querycache::database_state& database, const std::string& event);

private:
    /// Names come from applications: what is remembered of them has a bound.
    static constexpr std::size_t most_warnings = 32;
    static constexpr std::size_t longest_shown = 100;

    void warn(const std::string& database, const std::string& event);

    querycache::cache& cache_;
    const std::function<config::config_ptr()> configuration_;
    std::mutex lock_;
    std::set<std::string> told_;  // guarded by lock_; unknown names that were warned of
};

}  // namespace weir::daemon

#include "daemon/notified_events.hpp"

#include "daemon/insight/log.hpp"
#include "daemon/invalidation.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace weir::daemon {

notified_events::notified_events(
    querycache::cache& cache, std::function<config::config_ptr()> configuration
)
    : cache_(cache), configuration_(std::move(configuration)) {}

void notified_events::carry_out(querycache::database_state& database, const std::string& event) {
    const auto configuration = configuration_();
    const auto& events = configuration->cache.events;
    const auto found = events.find(event);
    if (found == events.end()) {
        warn(database.name(), event);
        return;
    }
    std::vector<std::string> unknown;  // another database may have them
    const auto entries = invalidate_event(cache_, found->second, &database, unknown);
    log_debug(
        "cache: event {} of database {}: {} entries dropped", event, database.name(), entries
    );
}

void notified_events::warn(const std::string& database, const std::string& event) {
    std::string shown = event.substr(0, longest_shown);
    // One event, one line of the log.
    std::replace_if(
        shown.begin(), shown.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }, '?'
    );
    {
        const std::lock_guard guard(lock_);
        if (told_.size() >= most_warnings || !told_.insert(shown).second) return;
    }
    log_warning(
        "cache: NOTIFY pgweir in database {} names the event \"{}\", which cache.events does not "
        "have; add it there and reload, or correct the name",
        database,
        shown
    );
}

}  // namespace weir::daemon

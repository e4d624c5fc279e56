// From the configuration's cache rules to the cache's. Pure.
#pragma once

#include "daemon/config/config.hpp"
#include "querycache/cache.hpp"
#include "querycache/rules.hpp"

#include <memory>

namespace weir::daemon {

/// The compiled rules. The configuration was checked when it was loaded, so a rule that does not
/// compile is a defect of that check: it is left out, which caches less, and `problem` tells.
std::shared_ptr<const querycache::rule_set> make_rules(
    const config::config& configuration, const querycache::rule_set* before, std::string& problem
);

querycache::cache_limits make_cache_limits(
    const config::config& configuration, std::size_t threads
);

}  // namespace weir::daemon

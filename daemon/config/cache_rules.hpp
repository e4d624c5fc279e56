// From the configuration's cache rules to the cache's. Pure.
#pragma once

#include "daemon/config/config.hpp"
#include "querycache/cache.hpp"
#include "querycache/rules.hpp"

#include <memory>
#include <vector>

namespace weir::daemon {

/// The compiled rules; with anything in `errors` no rules at all, which caches less. The loader of
/// the configuration calls this, too: a snapshot that it has let pass has no errors here.
/// `before`: the rules that were in force, whose counters go on where a rule is the same; or null.
std::shared_ptr<const querycache::rule_set> make_rules(
    const config::config& configuration,
    const querycache::rule_set* before,
    std::vector<querycache::rule_error>& errors
);

querycache::cache_limits make_cache_limits(
    const config::config& configuration, std::size_t threads
);

}  // namespace weir::daemon

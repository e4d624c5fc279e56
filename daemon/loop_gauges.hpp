// What only the event loops know of their clients and servers and the metrics want to know: counted
// by each loop for itself when somebody asks. Not the console's sightings, which tell of every
// client and cost accordingly. Values.
#pragma once

#include "daemon/insight/gauges.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace weir::daemon {

class worker;

struct loop_gauges {
    using pool_name = std::pair<std::string, std::string>;  // database, user

    insight::client_gauges clients;
    std::vector<insight::pin_gauge> pins;                    ///< all reasons, in a fixed order
    std::map<pool_name, std::uint64_t> prepared_statements;  ///< on servers; pools with none are
                                                             ///< not in here
};

/// What one loop sees. On its thread.
[[nodiscard]] loop_gauges count_on(worker& at);

/// The sum over all loops. Waits for them, but no longer than `patience`: a loop that is too busy
/// to answer is left out. On a thread that no loop waits for.
[[nodiscard]] loop_gauges count_everywhere(
    const std::vector<worker*>& workers, std::chrono::milliseconds patience
);

}  // namespace weir::daemon

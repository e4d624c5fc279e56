// Counters and gauges as Prometheus text. The one place that knows metric names (interface.md §7).
// Runs on the HTTP thread; pure apart from what the caller passes in.
#pragma once

#include "daemon/insight/counters.hpp"
#include "daemon/insight/gauges.hpp"
#include "daemon/insight/process_facts.hpp"
#include "daemon/insight/slow_log.hpp"

#include <string>

namespace weir::daemon::insight {

/// All that one scrape shows.
struct metrics_input {
    counter_totals counters;
    gauge_snapshot gauges;
    process_facts process;
    slow_log_counts slow_log;
    std::uint64_t log_lines_lost = 0;
    std::string version;
    std::string commit;
};

/// The body of /metrics, content type `metrics_content_type`. Label values may hold any bytes.
std::string metrics_text(const metrics_input& input);

inline constexpr const char* metrics_content_type = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace weir::daemon::insight

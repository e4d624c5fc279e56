// The flat view of a snapshot: rows for `SHOW CONFIG` and the difference that a reload has to apply
// or to report. Thread rule: pure functions of immutable snapshots.
#pragma once

#include "daemon/config/config.hpp"

#include <string>
#include <vector>

namespace weir::daemon::config {

/// A row of `SHOW CONFIG`; the columns are PgBouncer's.
struct config_row {
    std::string key;
    std::string value;
    std::string default_value;
    bool changeable = true;  // a reload applies it
};

/// Every option that is in force, sorted by key. A secret that is set reads "********".
std::vector<config_row> render_config(const config& current);

struct changed_option {
    std::string key;
    std::string old_value;  // masked like in render_config
    std::string new_value;
    bool needs_restart = false;
};

/// What differs, sorted by key. An option that exists on one side only (a database, a rule) has ""
/// on the other.
std::vector<changed_option> diff(const config& old_config, const config& new_config);

}  // namespace weir::daemon::config

#include "daemon/config/show.hpp"

namespace weir::daemon::config {

std::vector<config_row> render_config(const config& current) {
    std::vector<config_row> rows;
    rows.reserve(current.settings.size());
    for (const setting& each : current.settings)
        rows.push_back({each.key, each.shown, each.default_value, each.is_live});
    return rows;
}

std::vector<changed_option> diff(const config& old_config, const config& new_config) {
    std::vector<changed_option> changes;
    auto before = old_config.settings.begin();
    auto after = new_config.settings.begin();
    const auto before_end = old_config.settings.end();
    const auto after_end = new_config.settings.end();
    // Both are sorted by key, so one pass beside each other finds what stands on one side only.
    while (before != before_end || after != after_end) {
        if (after == after_end || (before != before_end && before->key < after->key)) {
            changes.push_back({before->key, before->shown, "", !before->is_live});
            ++before;
        } else if (before == before_end || after->key < before->key) {
            changes.push_back({after->key, "", after->shown, !after->is_live});
            ++after;
        } else {
            if (before->value != after->value)
                changes.push_back({before->key, before->shown, after->shown, !before->is_live});
            ++before;
            ++after;
        }
    }
    return changes;
}

}  // namespace weir::daemon::config

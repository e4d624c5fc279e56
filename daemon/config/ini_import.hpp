// `pgweir --import`: a PgBouncer configuration written as the YAML that does the same.
// Thread rule: functions that may block on files; each call stands alone.
#pragma once

#include "daemon/config/problem.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon::config {

struct import_result {
    std::optional<std::string> yaml;  // nothing when there is an error
    std::vector<problem> problems;
};

/// Each line that has no equal is a comment in the YAML and a warning. Secrets are written as the
/// file has them. Relative paths stay as they are, so the YAML belongs into the same folder.
import_result import_ini(const std::string& path);
import_result import_ini_text(std::string_view text, const std::string& file_name);

}  // namespace weir::daemon::config

#include "daemon/config/problem.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace weir::daemon::config {

std::string to_string(const problem& found) {
    const char* mark = found.severity == problem_severity::warning ? "warning: " : "";
    return fmt::format(
        "{}:{}:{}: {}{}",
        found.file,
        std::max(found.line, 1),
        std::max(found.column, 1),
        mark,
        found.message
    );
}

bool has_error(const std::vector<problem>& problems) {
    return std::ranges::any_of(problems, [](const problem& each) {
        return each.severity == problem_severity::error;
    });
}

}  // namespace weir::daemon::config

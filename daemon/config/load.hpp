// From a file to a snapshot, a YAML file or, when its name ends in .ini, one of PgBouncer's: reads,
// resolves secrets, checks every value and every relation between values, and tells all problems of
// one run at once. It does not watch files and does not apply anything. Thread rule: call it on any
// thread that may block on files; each call stands alone.
#pragma once

#include "daemon/config/config.hpp"
#include "daemon/config/problem.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon::config {

/// The outside world as the loader needs it. The default is the real one; tests give their own.
struct surroundings {
    /// The value of an environment variable, nullopt when it is not set.
    std::function<std::optional<std::string>(const std::string& name)> environment;
};

struct load_result {
    config_ptr value;               // nullptr when there is an error
    std::vector<problem> problems;  // in the file's order; may hold warnings when value is set
};

/// Loads `path`. Never throws for what the file says or for a file that cannot be read.
load_result load(const std::string& path);

/// Parses `text` as if it were the file `file_name` (relative paths inside are taken from its
/// folder).
load_result parse(std::string_view text, const std::string& file_name, const surroundings& world);
load_result parse(std::string_view text, const std::string& file_name);

}  // namespace weir::daemon::config

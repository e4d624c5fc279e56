// What is wrong with a configuration, and where. It is a value for people to read: nothing decides
// by its text. Thread rule: plain data.
#pragma once

#include <string>
#include <vector>

namespace weir::daemon::config {

enum class problem_severity { error, warning };

/// One finding. `line` and `column` count from 1; 0 = the file as a whole. `message` never holds a
/// secret's value.
struct problem {
    std::string file;
    int line = 0;
    int column = 0;
    std::string message;
    problem_severity severity = problem_severity::error;

    friend bool operator==(const problem&, const problem&) = default;
};

/// "FILE:LINE:COL: message", a warning as "FILE:LINE:COL: warning: message".
std::string to_string(const problem& found);

/// True when one of them is an error (a warning does not keep the daemon from starting).
bool has_error(const std::vector<problem>& problems);

}  // namespace weir::daemon::config

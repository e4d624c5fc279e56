// Adds findings about one file to the list of problems.
// Thread rule: one thread, for the time of one load.
#pragma once

#include "daemon/config/config.hpp"
#include "daemon/config/problem.hpp"

#include <string>
#include <utility>
#include <vector>

namespace weir::daemon::config {

class report {
public:
    report(const std::string& file, std::vector<problem>& problems)
        : file_(file), problems_(problems) {}

    void error(place at, std::string message) {
        add(at, std::move(message), problem_severity::error);
    }
    void warning(place at, std::string message) {
        add(at, std::move(message), problem_severity::warning);
    }

    [[nodiscard]] const std::string& file() const { return file_; }
    [[nodiscard]] std::vector<problem>& problems() { return problems_; }

private:
    void add(place at, std::string message, problem_severity severity) {
        problems_.push_back({file_, at.line, at.column, std::move(message), severity});
    }

    const std::string& file_;
    std::vector<problem>& problems_;
};

}  // namespace weir::daemon::config

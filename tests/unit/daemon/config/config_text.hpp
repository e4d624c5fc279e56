// What the tests of the configuration share: text to snapshot or to lines of problems, in a world
// of the test's own. Thread rule: one thread.
#pragma once

#include "daemon/config/load.hpp"
#include "tests/support/scratch_folder.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon::config {

using test::scratch_folder;

/// Variables that `${NAME}` finds in these tests, and nothing else.
inline surroundings test_world() {
    return {[](const std::string& name) -> std::optional<std::string> {
        static const std::map<std::string, std::string> variables = {
            {"SECRET", "hunter2"},
            {"UPSTREAM", "host=hunter2 sslmode=hunter2"},
            {"MISTYPED", "host=hunter2 sslmdoe=require"},
            {"PORT", "7000"},
            {"EMPTY", ""},
            {"DSN", "host=db9 password=hunter2 user=bob"}};
        const auto found = variables.find(name);
        return found == variables.end() ? std::nullopt : std::optional(found->second);
    }};
}

/// A file is complete with these lines; tests put theirs in front.
inline constexpr std::string_view some_database =
    "\ndatabases: {shop: {upstream: \"host=127.0.0.1\"}}\n";

inline load_result parse_text(std::string_view text) {
    return parse(text, "t.yaml", test_world());
}
inline load_result parse_with_database(std::string_view text) {
    return parse_text(std::string(text) + std::string(some_database));
}

/// The errors as lines, warnings left out.
inline std::vector<std::string> errors_of(const load_result& result) {
    std::vector<std::string> lines;
    for (const problem& each : result.problems) {
        if (each.severity == problem_severity::error) lines.push_back(to_string(each));
    }
    return lines;
}

inline std::vector<std::string> warnings_of(const load_result& result) {
    std::vector<std::string> lines;
    for (const problem& each : result.problems) {
        if (each.severity == problem_severity::warning) lines.push_back(to_string(each));
    }
    return lines;
}

inline std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines)
        text += line + "\n";
    return text;
}

}  // namespace weir::daemon::config

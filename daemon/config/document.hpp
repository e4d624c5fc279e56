// What a file says, value by value, before it becomes structs: each value with its row of the table
// and its place. Thread rule: one thread, for the time of one load.
#pragma once

#include "daemon/config/config.hpp"
#include "daemon/config/options.hpp"
#include "daemon/config/problem.hpp"
#include "daemon/config/value.hpp"

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon::config {

/// A value that the file gives.
struct given_value {
    const option* row = nullptr;
    option_value held;
    place at;
    std::vector<place> items_at;  // of each element, for lists
    bool is_reference = false;    // came from "${...}" or "file:"; not to be shown
};

/// A name in a section of names, or an element of a list of sections (then `name` is its index).
struct instance {
    std::string name;
    place at;
};

struct document {
    std::map<std::string, given_value> values;  // by concrete key, "databases.shop.pool.size"
    std::map<std::string, std::vector<instance>>
        instances;                    // by concrete key of the section, "databases", "cache.rules"
    std::set<std::string> attempted;  // keys of values that are in the file, be they right or wrong
    std::map<std::string, place> sections;  // where each section that is given begins

    [[nodiscard]] const given_value* find(const std::string& key) const;
    /// The value's place, else that of the nearest section around it that the file has, else 1:1.
    [[nodiscard]] place place_of(std::string_view key) const;
};

/// A name as a step of a concrete key: itself, or quoted when it holds anything but letters,
/// digits, '_', '-' and '*'.
std::string key_step(std::string_view name);

}  // namespace weir::daemon::config

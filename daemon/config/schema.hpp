// The table of options as the tree that a YAML file is walked along.
// Thread rule: built once, constant afterwards.
#pragma once

#include "daemon/config/options.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::daemon::config {

/// A place in the tree: a value (row->type is a value), a plain section (children), a section of
/// free names (each), or a list of sections (each).
struct schema_node {
    std::string path;             // the pattern up to here, e.g. "cache.rules[]"
    const option* row = nullptr;  // nullptr for plain sections, list items and the root
    std::vector<std::pair<std::string_view, std::shared_ptr<schema_node>>> children;
    std::shared_ptr<schema_node> each;

    [[nodiscard]] const schema_node* find(std::string_view key) const;
    [[nodiscard]] std::vector<std::string_view> keys() const;
    [[nodiscard]] bool is_value_row() const { return row != nullptr && is_value(row->type); }
};

/// The root of the tree that the table spells.
const schema_node& schema();

/// What to say about a key that the section does not know: `; did you mean "size"?`, or where it
/// belongs, or what is known here. Looks at spelling, at other sections and at PgBouncer's names.
std::string hint_for_unknown(const schema_node& section, std::string_view key);

}  // namespace weir::daemon::config

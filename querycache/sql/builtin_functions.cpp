#include "querycache/sql/builtin_functions.hpp"

#include "querycache/sql/builtin_function_names.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace weir::querycache::sql {
namespace {

// A list of names in sorted order, built on first use.
class name_set {
public:
    explicit name_set(std::string_view list) {
        while (!list.empty()) {
            const std::size_t end = list.find(' ');
            names_.push_back(list.substr(0, end));
            list.remove_prefix(std::min(list.size(), end + 1));
        }
        std::sort(names_.begin(), names_.end());
    }
    bool holds(std::string_view name) const {
        return std::binary_search(names_.begin(), names_.end(), name);
    }

private:
    std::vector<std::string_view> names_;
};

bool can_be_builtin(std::string_view schema) {
    return schema.empty() || schema == "pg_catalog";
}

}  // namespace

bool is_cacheable_builtin(std::string_view schema, std::string_view name) {
    static const name_set known{names::of_arguments};
    return can_be_builtin(schema) && known.holds(name);
}

bool is_keyed_builtin(std::string_view schema, std::string_view name) {
    static const name_set known{names::of_keyed_settings};
    return can_be_builtin(schema) && known.holds(name);
}

bool is_moment_builtin(std::string_view schema, std::string_view name) {
    constexpr std::array<std::string_view, 17> known{
        "clock_timestamp",
        "current_catalog",
        "current_database",
        "current_query",
        "current_schema",
        "current_schemas",
        "current_setting",
        "current_user",
        "gen_random_uuid",
        "now",
        "pg_backend_pid",
        "random",
        "session_user",
        "statement_timestamp",
        "timeofday",
        "transaction_timestamp",
        "version"};
    return can_be_builtin(schema) && std::binary_search(known.begin(), known.end(), name);
}

bool is_non_writing_builtin(std::string_view schema, std::string_view name) {
    static const name_set known{names::that_write_nothing};
    return is_cacheable_builtin(schema, name) || is_keyed_builtin(schema, name) ||
           (can_be_builtin(schema) && known.holds(name));
}

bool is_builtin_type(std::string_view name) {
    static const name_set known{names::of_types};
    if (known.holds(name)) return true;
    return name.starts_with('_') && known.holds(name.substr(1));
}

bool is_builtin_operator(std::string_view schema, std::string_view name) {
    static const name_set known{names::of_operators};
    constexpr std::array<std::string_view, 4> ranges{
        "BETWEEN", "BETWEEN SYMMETRIC", "NOT BETWEEN", "NOT BETWEEN SYMMETRIC"};
    if (!can_be_builtin(schema)) return false;
    return known.holds(name) || std::find(ranges.begin(), ranges.end(), name) != ranges.end();
}

}  // namespace weir::querycache::sql

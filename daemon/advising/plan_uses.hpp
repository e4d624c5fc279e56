// What a plan of PostgreSQL does with the columns of its tables: which are compared with a value,
// joined, tested for NULL, sorted by, and which tables are read from front to back. Read out of
// EXPLAIN (FORMAT JSON, VERBOSE), which has resolved names, views and aliases already, instead of
// out of the SQL. What is not understood is left out. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon::advising {

enum class test_kind : std::uint8_t {
    equal,     ///< = value, = ANY (values)
    range,     ///< < <= > >= value
    join,      ///< = a column of another table
    null,      ///< IS NULL
    not_null,  ///< IS NOT NULL
};

/// A column of a table in the plan. The table goes by its alias there.
struct column_test {
    std::string alias;
    std::string column;
    test_kind kind = test_kind::equal;
    friend bool operator==(const column_test&, const column_test&) = default;
};

struct sort_key {
    std::string alias;
    std::string column;
    bool is_descending = false;
    friend bool operator==(const sort_key&, const sort_key&) = default;
};

/// A condition as EXPLAIN prints it: its parts that AND joins and that are a test of one column. A
/// join is a test of both columns.
[[nodiscard]] std::vector<column_test> read_condition(std::string_view condition);
/// `o.created_at DESC`; nothing for an expression.
[[nodiscard]] std::optional<sort_key> read_sort_key(std::string_view key);

/// One table of the plan.
struct table_use {
    std::string schema;
    std::string table;
    std::string alias;
    bool is_scanned = false;  ///< from front to back
    std::vector<column_test> tests;
};

struct plan_uses {
    double cost = 0;
    bool has_limit = false;
    std::vector<table_use> tables;
    std::vector<sort_key>
        sort;  ///< of the one Sort in the plan; empty: none, several, or not plain
};

/// Nothing: it is not such a plan.
[[nodiscard]] std::optional<plan_uses> read_plan(std::string_view explained);

}  // namespace weir::daemon::advising

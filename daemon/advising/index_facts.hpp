// What PostgreSQL's catalog and statistics say of tables and indexes, as far as advice needs it.
// Plain data.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace weir::daemon::advising {

struct column_facts {
    std::string name;
    double n_distinct = 0;  ///< as in pg_stats: negative is a share of the rows; 0: not known
    double null_share = 0;
};

struct table_facts {
    std::string schema;
    std::string name;
    double rows = 0;  ///< as estimated
    std::vector<column_facts> columns;

    [[nodiscard]] const column_facts* find(const std::string& column) const {
        for (const auto& each : columns) {
            if (each.name == column) return &each;
        }
        return nullptr;
    }
    /// How large a share of the rows `column = value` leaves; 1 when nothing is known.
    [[nodiscard]] double share_of_equal(const std::string& column) const {
        const auto* const facts = find(column);
        if (facts == nullptr || facts->n_distinct == 0 || rows <= 0) return 1;
        const double distinct =
            facts->n_distinct < 0 ? -facts->n_distinct * rows : facts->n_distinct;
        return distinct < 1 ? 1 : 1 / distinct;
    }
};

struct index_facts {
    std::string schema;
    std::string table;
    std::string name;
    std::string method;  ///< btree, gin, ...
    bool is_unique = false;
    bool is_constraint =
        false;  ///< of a primary key, a unique or exclusion constraint, or replica identity
    bool is_valid = true;
    std::uint64_t bytes = 0;
    std::uint64_t scans = 0;
    /// Key columns; an empty name is an expression.
    std::vector<std::string> columns;
    /// Operator class, collation and options of each key column, to be compared as it is.
    std::vector<std::string> column_kinds;
    std::string definition;  ///< CREATE INDEX ...
    std::string predicate;   ///< of a partial one
    std::string expressions;
};

}  // namespace weir::daemon::advising

// Which indexes a statement's plan could use and does not have, and which ones nobody needs. Pure:
// facts in, proposals out; what a proposal would cost PostgreSQL is asked elsewhere.
#pragma once

#include "daemon/advising/index_facts.hpp"
#include "daemon/advising/plan_uses.hpp"
#include "daemon/insight/advice_row.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon::advising {

struct index_column {
    std::string name;
    bool is_descending = false;
    friend bool operator==(const index_column&, const index_column&) = default;
};

struct index_proposal {
    std::string schema;
    std::string table;
    std::vector<index_column> columns;
    std::string null_column;  ///< partial: WHERE it IS NULL; empty: of all rows
    /// What it leaves of the rows, as far as statistics tell; 1: nothing is known.
    double share = 1;
    friend bool operator==(const index_proposal&, const index_proposal&) = default;
};

/// A table of fewer rows is read from front to back in no time.
inline constexpr double fewest_rows = 2'000;

/// As PostgreSQL would write it: in quotes where it has to be.
[[nodiscard]] std::string quote_name(std::string_view name);
/// `pgweir_orders_customer_id_idx`, at most 63 bytes, the same for the same proposal.
[[nodiscard]] std::string name_of(const index_proposal& wanted);
[[nodiscard]] std::string create_sql(const index_proposal& wanted, bool concurrently);
[[nodiscard]] std::string drop_sql(std::string_view schema, std::string_view name);

/// What is worth to be tried for the plan, the most promising first; nothing that an index has
/// already.
[[nodiscard]] std::vector<index_proposal> propose(
    const plan_uses& plan,
    const std::vector<table_facts>& tables,
    const std::vector<index_facts>& indexes
);

/// Whether `other` serves whatever `wanted` does.
[[nodiscard]] bool is_served_by(const index_proposal& wanted, const index_proposal& other);

/// Indexes that are never read, and those that another one makes superfluous, with the SQL that
/// drops and the SQL that makes them again. `counted_since`: of the scans; empty: not known.
[[nodiscard]] std::vector<insight::advice_row> superfluous_rows(
    const std::string& database,
    const std::vector<index_facts>& indexes,
    const std::string& counted_since
);

}  // namespace weir::daemon::advising

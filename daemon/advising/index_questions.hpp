// What the advisor asks PostgreSQL: facts about tables and indexes, and whether hypopg is there.
// Read-only; the caller's transaction bounds time and locks. Throws pqxx::failure. One thread: the
// connection's.
#pragma once

#include "daemon/advising/index_facts.hpp"
#include "daemon/advising/plan_uses.hpp"

#include <string>
#include <vector>

namespace pqxx {
class transaction_base;
}

namespace weir::daemon::advising {

/// Of the tables that these plans read.
[[nodiscard]] std::vector<table_facts> ask_tables(
    pqxx::transaction_base& work, const std::vector<plan_uses>& plans
);

/// Of all tables that are nobody's but the application's; at most some thousands.
[[nodiscard]] std::vector<index_facts> ask_indexes(pqxx::transaction_base& work);

struct database_facts {
    std::string hypopg_schema;  ///< quoted; empty: the extension is not there
    std::string counted_since;  ///< when the statistics were reset; empty: never
};
[[nodiscard]] database_facts ask_database(pqxx::transaction_base& work);

}  // namespace weir::daemon::advising

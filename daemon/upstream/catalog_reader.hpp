// Reads the rows of a catalog snapshot with the texts of querycache/catalog_queries.hpp, and looks
// into the sources of users' functions for what they write.
#pragma once

#include "querycache/catalog_rows.hpp"

namespace pqxx {
class transaction_base;
}

namespace weir::daemon {

/// In one transaction, REPEATABLE READ and READ ONLY. Errors: what libpqxx throws, and
/// pqxx::failure where a field is not what it should be.
querycache::catalog_rows read_catalog(pqxx::transaction_base& work);

}  // namespace weir::daemon

// Isolation level and access mode as BEGIN, START TRANSACTION, SET TRANSACTION and SET SESSION
// CHARACTERISTICS spell them. Pure.
#pragma once

#include "querycache/sql/statement.hpp"
#include "querycache/sql/tokens.hpp"

#include <cstddef>
#include <string_view>

namespace weir::querycache::sql {

/// Reads the mode list in tokens [first, last) into facts.isolation and facts.access. Returns how
/// many modes it holds; a mode that is not understood counts.
std::size_t read_transaction_modes(
    const token_list& tokens, std::size_t first, std::size_t last, statement& facts
);

/// Reads SET transaction_isolation = ... or transaction_read_only = ...; `value` as written.
void read_transaction_setting(std::string_view name, std::string_view value, statement& facts);

/// As a quoted literal for SET.
std::string_view isolation_value(isolation_level level);

/// The transaction control statement that begins at `first`, or none. Fills facts.isolation, access
/// and gid, but not facts.transaction.
transaction_control read_transaction_control(
    const token_list& tokens, std::size_t first, std::size_t last, statement& facts
);

}  // namespace weir::querycache::sql

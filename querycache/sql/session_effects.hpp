// What one statement leaves behind in the server's session, read from its tokens. Pure.
//
// Forms that deserve a word: SET name TO DEFAULT counts as RESET name. SET TRANSACTION and SET of
// transaction_isolation, transaction_read_only or transaction_deferrable end with the transaction,
// so they have effect set_local. SET SESSION CHARACTERISTICS with one mode is a SET of the
// default_transaction_* parameter; with several, effect set_config: it pins. SET ROLE, also as SET
// role = x, has effect set_role (LOCAL: set_local, with setting.name telling). SELECT
// set_config(...) with known arguments counts as the SET that it is, and set_config(.., true) as
// set_local wherever it stands. A temporary table that goes ON COMMIT leaves nothing.
#pragma once

#include "querycache/sql/statement.hpp"
#include "querycache/sql/tokens.hpp"

#include <cstddef>
#include <string_view>

namespace weir::querycache::sql {

/// Reads what the statement in tokens [first, last) does into `step`, and its isolation and access
/// into `facts`.
void read_session_effects(
    const token_list& tokens,
    std::size_t first,
    std::size_t last,
    session_step& step,
    statement& facts
);

}  // namespace weir::querycache::sql

// What one statement leaves behind in the server's session, read from its tokens. Pure.
//
// Forms that deserve a word: SET name TO DEFAULT counts as RESET name. SET TRANSACTION and SET of
// transaction_isolation, transaction_read_only or transaction_deferrable end with the transaction,
// so they have effect set_local. SET SESSION CHARACTERISTICS with one mode is a SET of the
// default_transaction_* parameter; with several it is opaque. SET ROLE, also as SET role = x, has
// effect set_role (LOCAL: set_local, with setting.name telling).
#pragma once

#include "querycache/sql/statement.hpp"
#include "querycache/sql/tokens.hpp"

#include <cstddef>
#include <string_view>

namespace weir::querycache::sql {

/// Adds the effects of the statement in tokens [first, last) to `facts`, and its setting, isolation
/// and access. The caller clears `setting` for texts of several statements.
void add_session_effects(
    const token_list& tokens, std::size_t first, std::size_t last, statement& facts
);

/// Adds what calling a function of this name leaves behind, whatever its schema.
void add_call_effects(std::string_view name, statement& facts);

}  // namespace weir::querycache::sql

// Finds the casts by which a text may become the present moment although no literal says so:
// ('no' || 'w')::timestamp, or note::date where a row of the table holds 'today'. Not the literals
// themselves: those are the lexer's (clock_words.hpp). Recurses: needs the parser's stack. Pure.
#pragma once

#include "querycache/sql/parse_tree.hpp"
#include "querycache/sql/statement.hpp"

namespace weir::querycache::sql {

/// Adds the statement's casts to date and time types to `facts`: a column that is cast goes to
/// moment_columns, and an operand that may be a text of any origin is a reason.
void note_clock_casts(const parse_tree::message_view& statement, sql::statement& facts);

}  // namespace weir::querycache::sql

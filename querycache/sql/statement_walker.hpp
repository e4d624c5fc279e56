// The verdict for each kind of statement in a parse tree. Source: field notes on the query cache,
// appendix A. Recurses: needs the parser's stack.
#pragma once

#include "querycache/sql/statement.hpp"

#include <string_view>

namespace weir::querycache::sql {

/// Fills kind, statements, reasons, reads, writes, functions, writes_unknown and copy_from_client
/// of `facts`, and adds to its effects, from the bytes of a ParseResult message. Errors: false if
/// the bytes are damaged; the facts are then not to be used.
bool walk_parse_result(std::string_view bytes, statement& facts);

}  // namespace weir::querycache::sql

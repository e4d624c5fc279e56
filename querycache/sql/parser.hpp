// The facts of a text by libpg_query (PostgreSQL 15's grammar). Pure and synchronous; needs a large
// stack, so the daemon calls it on parser_pool's threads only.
#pragma once

#include "querycache/sql/statement.hpp"

#include <memory>
#include <string_view>

namespace weir::querycache::sql {

/// All facts of one text.
/// Errors: a text beyond complexity_limits, malformed for the lexer or not UTF-8 is not parsed:
/// kind
///         unknown, writes_unknown, reason too_complex or parse_error, effects of the lexer plus
///         opaque. A text with a syntax error (or syntax newer than PostgreSQL 15): likewise.
///         `parsed` is true for these as well: more will not be known.
/// Thread: any with at least parser_pool::stack_bytes of stack; libpg_query keeps a pthread key for
///         each thread that ever called it, so call from a fixed set of threads.
std::shared_ptr<const statement> parse_statement(std::string_view sql);

}  // namespace weir::querycache::sql

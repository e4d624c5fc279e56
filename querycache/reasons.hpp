// Why a statement was not answered from the cache, or its reply not stored: one closed list, with
// the words that SHOW CACHE REASONS, EXPLAIN CACHE and the metrics print. Pure; any thread.
#pragma once

#include "querycache/sql/statement.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::querycache {

/// In the order of the stages that decide: the text, the session, the rules, the catalog, the
/// functions, the moment, the capture of the reply.
enum class bypass_reason : std::uint8_t {
    // The text. Same order as sql::text_reason.
    not_a_read,
    multi_statement,
    locking,
    select_into,
    writing_cte,
    system_column,
    clock_or_identity,
    tablesample,
    cursor,
    function_source,
    catalog_cast,
    hint_nocache,
    hint_invalid,
    parse_error,
    too_complex,
    clock_word,  ///< 'now', 'today', ... in a string or a text parameter
    not_parsed,  ///< only the lexer has seen it
    // The session, the protocol.
    in_transaction,
    own_writes,  ///< earlier statements of the session may have written and are not settled
    pinned,
    unknown_code,  ///< ran on this server: a temporary table may stand before what is read
    session_settings,
    pipelined,       ///< not one unit alone up to Sync
    partial_fetch,   ///< Execute with a row limit, or a portal run twice
    protocol_shape,  ///< Describe of a statement, COPY, Close, ... in the unit
    // The rules.
    no_rule,
    rule_suspended,  ///< what the rule stored lately was invalidated before anybody asked for it
    // The catalog.
    catalog_missing,
    catalog_refreshing,
    unknown_relation,
    ambiguous_name,
    system_catalog,
    view,           ///< its query is of a kind that nobody has judged
    view_volatile,  ///< its query calls what depends on more than its arguments and the key
    foreign_table,
    sequence,
    temporary_table,
    other_relation,
    row_security,
    // Functions and what hides them.
    function_not_allowed,
    user_function,
    user_operator,
    user_type,
    user_cast,
    // The moment.
    pending_write,
    outdated,  ///< a table was written while the reply was under way
    // The capture.
    too_big,
    capture_budget,
    error_reply,
    notice,
    unexpected_reply,
    not_fitting,      ///< larger than a shard of the store
    empty_result,     ///< no row, and the rule does not want such
    cheap,            ///< the server was faster than the cache is
    first_sight,      ///< large, and nobody asked for it lately: it would push out what is in use
    shadow_mismatch,  ///< a hit that was run as well had another answer
};
inline constexpr std::size_t bypass_reasons =
    static_cast<std::size_t>(bypass_reason::shadow_mismatch) + 1;

/// The word to print, snake_case; a string literal.
std::string_view to_string(bypass_reason reason);

/// The reason that names a bit of a text's reason set.
bypass_reason from_text(sql::text_reason reason);

}  // namespace weir::querycache

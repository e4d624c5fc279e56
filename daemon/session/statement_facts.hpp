// The facts about one text as one session sees it: the shared facts of its skeleton, and what only
// this text's own literals and comments tell. Values; one thread.
#pragma once

#include "daemon/insight/query_text.hpp"
#include "querycache/session.hpp"
#include "querycache/sql/lexer.hpp"
#include "querycache/sql/statement.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon {

struct text_facts {
    std::shared_ptr<const querycache::sql::statement>
        statement;  ///< null: not looked at (too large)
    querycache::sql::reason_set call_reasons = 0;
    bool clock_word = false;
    bool nocache = false;
    std::optional<std::chrono::milliseconds> hint_ttl;
    std::shared_ptr<const insight::trace_tags> tags;  ///< null: its comments name no request
    std::vector<std::string> deallocates;  ///< the names, when the text is plain DEALLOCATEs only
    /// What the values of this Bind make of a statement with session_effect::set_bound; may be
    /// null.
    std::shared_ptr<const querycache::sql::session_step> bound;

    querycache::statement_context context(std::optional<querycache::bypass_reason> refused) const {
        querycache::statement_context c;
        c.facts = statement;
        c.clock_word = clock_word;
        c.nocache = nocache;
        c.call_reasons = call_reasons;
        c.hint_ttl = hint_ttl;
        c.refused = refused;
        return c;
    }
};

/// Null when the text's comments name no request: most do not, and pay nothing.
std::shared_ptr<const insight::trace_tags> tags_of(const querycache::sql::lexed& lexed);

/// Whether the text opens a transaction block that is still open behind its last statement.
bool leaves_block_open(const querycache::sql::statement& statement);

/// The names in `DEALLOCATE [PREPARE] name`, once or several times with semicolons, folded as
/// PostgreSQL folds them; empty when the text is anything else or not that plain.
std::vector<std::string> deallocated_names(std::string_view text);

/// SELECT set_config($1, ...) with the values of a Bind: the SET, SET LOCAL or RESET that it is.
/// Null: cannot be told.
std::shared_ptr<const querycache::sql::session_step> bound_step(
    const querycache::sql::setting_change& setting, std::string_view bind_tail
);

}  // namespace weir::daemon

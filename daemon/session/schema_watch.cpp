#include "daemon/session/schema_watch.hpp"

namespace weir::daemon {

namespace {

namespace sql = querycache::sql;

bool is_do(const sql::statement& statement) noexcept {
    const std::string_view text = statement.normalised;
    return text.size() >= 2 && (text[0] | 0x20) == 'd' && (text[1] | 0x20) == 'o';
}

}  // namespace

bool schema_watch::may_change(const text_facts& facts, change_tag tag) const noexcept {
    // A Query that is too long; a FunctionCall, which has no facts either, has no tag.
    if (!facts.statement) return tag != tag_none;
    const sql::statement& statement = *facts.statement;
    if (statement.kind < sql::statement_class::ddl) {
        // It brings back what was prepared anew since.
        const auto control = statement.transaction;
        return own_ > 0 && (control == sql::transaction_control::rollback_to ||
                            control == sql::transaction_control::several);
    }
    // Of several statements only the worst is known.
    if (statement.statements > 1) return true;
    // A temporary table is its session's affair.
    if (has(statement.effects, sql::session_effect::temp_object)) return false;
    return statement.kind == sql::statement_class::ddl || is_do(statement);
}

}  // namespace weir::daemon

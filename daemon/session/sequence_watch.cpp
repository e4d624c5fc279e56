#include "daemon/session/sequence_watch.hpp"

namespace weir::daemon {

namespace sql = querycache::sql;
using pool::sequence_habit;

bool sequence_watch::asks(const text_facts& facts) noexcept {
    return facts.statement &&
           sql::has(facts.statement->effects, sql::session_effect::sequence_value);
}

bool sequence_watch::moves_plainly(const text_facts& facts) noexcept {
    return facts.statement && sql::has(facts.statement->effects, sql::session_effect::next_value);
}

bool sequence_watch::may_move(const text_facts& facts) noexcept {
    if (!facts.statement) return true;
    const sql::statement& statement = *facts.statement;
    return statement.kind >= sql::statement_class::write || statement.writes_unknown ||
           sql::has(statement.effects, sql::session_effect::next_value);
}

// A client that has moved none gets the error of any PostgreSQL, and would get it again.
sequence_habit sequence_watch::on_asked(
    const text_facts& facts, const pool::sequence_record& record, client who
) noexcept {
    if (has_moved_here_ || facts.statement->takes_values) return sequence_habit::in_transaction;
    if (!has_moved_) return sequence_habit::none;
    is_lost_ = !record.is_of(who);
    return sequence_habit::later;
}

bool sequence_watch::on_moved(const text_facts& facts) noexcept {
    const bool is_likely = !facts.statement || facts.statement->takes_values;
    has_moved_here_ = true;
    has_likely_moved_here_ = has_likely_moved_here_ || is_likely;
    has_moved_ = has_moved_ || is_likely;
    return is_likely;
}

}  // namespace weir::daemon

#include "daemon/session/unseen_traces.hpp"

#include "protocol/ascii.hpp"
#include "protocol/row.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace weir::daemon {

namespace {

namespace sql = querycache::sql;
using pool::left_behind;

// Of a transaction with more of them all are looked after, and none is learnt.
constexpr std::size_t max_suspects = 64;

constexpr sql::session_effect_set ends_by_name = sql::effect_bit(sql::session_effect::unlisten) |
                                                 sql::effect_bit(sql::session_effect::deallocate) |
                                                 sql::effect_bit(sql::session_effect::close_cursor);

constexpr char separator = '\1';
constexpr char end_of_setting = '\2';

constexpr std::size_t settings_column = inventoried.size();

// All DO look alike without their constant, which is the code.
bool is_code_in_text(const sql::statement& statement) {
    const std::string verb = protocol::ascii_lower(statement.normalised.substr(0, 3));
    return verb == "do " || verb == "do$" || verb == "do";
}

bool may_leave_unseen(const sql::statement& statement) {
    return statement.writes_unknown || statement.kind >= sql::statement_class::write ||
           sql::has(statement.effects, sql::session_effect::opaque);
}

}  // namespace

// pg_depend knows what is in the temporary schema, and has an index for it: 2615 is pg_namespace.
std::string_view unseen_traces::question() noexcept {
    return "SELECT EXISTS (SELECT FROM pg_catalog.pg_depend WHERE refclassid "
           "OPERATOR(pg_catalog.=) 2615"
           " AND refobjid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()),"
           " EXISTS (SELECT FROM pg_catalog.pg_listening_channels()),"
           " EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE is_holdable),"
           " EXISTS (SELECT FROM pg_catalog.pg_prepared_statements WHERE from_sql),"
           " EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype OPERATOR(pg_catalog.=) "
           "'advisory'"
           " AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()),"
           " (SELECT pg_catalog.string_agg(pg_catalog.concat(name, pg_catalog.chr(1), setting,"
           " pg_catalog.chr(1), unit), pg_catalog.chr(2)) FROM pg_catalog.pg_settings"
           " WHERE source OPERATOR(pg_catalog.=) 'session')";
}

void unseen_traces::on_sent(const text_facts& facts, const void* pool, const harmless_code& known) {
    if (!facts.statement) {
        may_be_there_ = is_unlearnable_ = true;
        return;
    }
    const sql::statement& statement = *facts.statement;
    if (sql::has(statement.effects, sql::session_effect::advisory_unlock)) {
        may_have_ended_ |= left_behind::advisory_lock;
    }
    if (sql::has(statement.effects, sql::session_effect::drop_object)) {
        may_have_ended_ |= left_behind::temporary_table;
    }
    if (may_leave_unseen(statement) || (statement.effects & ends_by_name) != 0) {
        may_have_ended_ |= by_look_;
    }
    if (!may_leave_unseen(statement)) return;
    if (is_code_in_text(statement)) {
        may_be_there_ = is_unlearnable_ = true;
        return;
    }
    const auto key = harmless_code::key_of(pool, statement.fingerprint);
    if (known.is_known(key)) return;
    may_be_there_ = true;
    if (suspects_.size() < max_suspects) {
        suspects_.push_back(key);
    } else {
        is_unlearnable_ = true;
    }
}

void unseen_traces::on_row(std::string_view body) {
    protocol::data_row row;
    if (protocol::decode(body, row) || row.values.size() != settings_column + 1) return;
    session_inventory found;
    for (std::size_t i = 0; i < settings_column; ++i) {
        if (row.values[i] == "t") found.kinds |= inventoried[i];
    }
    std::string_view rest = row.values[settings_column].value_or("");
    while (!rest.empty()) {
        const std::string_view one = rest.substr(0, rest.find(end_of_setting));
        rest.remove_prefix(std::min(rest.size(), one.size() + 1));
        const auto value = one.find(separator);
        const auto unit = one.find(separator, value + 1);
        if (value == std::string_view::npos || unit == std::string_view::npos) continue;
        found.settings.push_back(
            {protocol::ascii_lower(one.substr(0, value)),
             std::string{one.substr(value + 1, unit - value - 1)},
             std::string{one.substr(unit + 1)}}
        );
    }
    found_ = std::move(found);
}

std::optional<session_inventory> unseen_traces::take() noexcept {
    may_be_there_ = false;
    may_have_ended_ = left_behind::nothing;
    return std::exchange(found_, std::nullopt);
}

// Of several nobody knows which it was, so all are looked after from now on. One that is trusted by
// mistake may lead a client to another's rows; one look too many costs a millisecond.
void unseen_traces::settle(bool have_left_something, harmless_code& known) {
    if (!is_unlearnable_) {
        for (const auto key : suspects_) {
            if (have_left_something) {
                known.on_traces(key);
            } else {
                known.on_clean(key);
            }
        }
    }
    learn_nothing();
}

void unseen_traces::forget() noexcept {
    may_be_there_ = false;
    may_have_ended_ = by_look_ = left_behind::nothing;
    learn_nothing();
    found_.reset();
}

}  // namespace weir::daemon

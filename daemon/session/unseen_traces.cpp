#include "daemon/session/unseen_traces.hpp"

#include "daemon/session/answer_pieces.hpp"
#include "daemon/session/code_question.hpp"
#include "daemon/session/settable_names.hpp"
#include "protocol/ascii.hpp"
#include "protocol/query.hpp"
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

// Of a client that has set more, the others are not asked for.
constexpr std::size_t max_held = 64;

constexpr sql::session_effect_set ends_by_name = sql::effect_bit(sql::session_effect::unlisten) |
                                                 sql::effect_bit(sql::session_effect::deallocate) |
                                                 sql::effect_bit(sql::session_effect::close_cursor);

constexpr char separator = '\1';
constexpr char end_of_setting = '\2';

constexpr std::size_t settings_column = inventoried.size();
constexpr std::size_t dotted_column = settings_column + 1;
constexpr std::size_t newest_column = dotted_column + 1;
constexpr std::size_t unset_column = newest_column + 1;
constexpr std::size_t authorization_column = unset_column + 1;
constexpr std::size_t role_column = authorization_column + 1;
constexpr std::size_t default_role_column = role_column + 1;
constexpr std::size_t fixed_columns = default_role_column + 1;

// All DO look alike without their constant, which is the code.
bool is_code_in_text(const sql::statement& statement) {
    const std::string verb = protocol::ascii_lower(statement.normalised.substr(0, 3));
    return verb == "do " || verb == "do$" || verb == "do";
}

bool may_leave_unseen(const sql::statement& statement) {
    return statement.writes_unknown || statement.kind >= sql::statement_class::write ||
           sql::has(statement.effects, sql::session_effect::opaque);
}

// Functions, and what runs them: triggers, views, defaults.
bool may_change_code(const sql::statement& statement) {
    if (statement.kind <= sql::statement_class::ddl) {
        return statement.kind == sql::statement_class::ddl;
    }
    const std::string text = protocol::ascii_lower(statement.normalised);
    constexpr std::array words{"create", "alter", "drop"};
    return std::any_of(words.begin(), words.end(), [&text](const char* word) {
        return text.find(word) != std::string::npos;
    });
}

// pg_depend knows what is in the temporary schema, and has an index for it: 2615 is pg_namespace.
constexpr std::string_view inventory =
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_depend WHERE refclassid OPERATOR(pg_catalog.=) 2615"
    " AND refobjid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()),"
    " EXISTS (SELECT FROM pg_catalog.pg_listening_channels()),"
    " EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE is_holdable),"
    // Those of the daemon's own names are shared: see statement_names.
    " EXISTS (SELECT FROM pg_catalog.pg_prepared_statements"
    " WHERE from_sql OR NOT pg_catalog.starts_with(name, 'pgweir_')),"
    " EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype OPERATOR(pg_catalog.=) 'advisory'"
    " AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()),"
    " changed, dotted,"
    " (SELECT pg_catalog.max(oid) FROM pg_catalog.pg_proc), unset,"
    " pg_catalog.current_setting('session_authorization'), pg_catalog.current_setting('role'),"
    // As a login chooses among them.
    " (SELECT pg_catalog.substr(one, 6)"
    " FROM pg_catalog.pg_db_role_setting, LATERAL pg_catalog.unnest(setconfig) AS each(one)"
    " WHERE pg_catalog.starts_with(one, 'role=')"
    " AND (setdatabase OPERATOR(pg_catalog.=) 0 OR setdatabase OPERATOR(pg_catalog.=)"
    " (SELECT oid FROM pg_catalog.pg_database"
    " WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database()))"
    " AND (setrole OPERATOR(pg_catalog.=) 0 OR setrole OPERATOR(pg_catalog.=)"
    " (SELECT oid FROM pg_catalog.pg_roles"
    " WHERE rolname OPERATOR(pg_catalog.=) SESSION_USER))"
    " ORDER BY setrole OPERATOR(pg_catalog.=) 0, setdatabase OPERATOR(pg_catalog.=) 0 LIMIT 1)";

constexpr std::string_view begin_unset =
    " FROM (SELECT pg_catalog.string_agg(pg_catalog.concat(name, pg_catalog.chr(1), setting,"
    " pg_catalog.chr(1), unit), pg_catalog.chr(2))"
    " FILTER (WHERE source OPERATOR(pg_catalog.<>) 'session'"
    " AND pg_catalog.lower(name COLLATE pg_catalog.\"C\") OPERATOR(pg_catalog.=) ANY (ARRAY[";
constexpr std::string_view end_unset = "])) AS unset,";
constexpr std::string_view nothing_unset = " FROM (SELECT NULL AS unset,";

// What an extension has made known is there with its values; the others are placeholders.
constexpr std::string_view shown_settings =
    " pg_catalog.string_agg(pg_catalog.concat(name, pg_catalog.chr(1), setting,"
    " pg_catalog.chr(1), unit), pg_catalog.chr(2))"
    " FILTER (WHERE source OPERATOR(pg_catalog.=) 'session') AS changed,"
    " pg_catalog.string_agg(pg_catalog.lower(name), ' ')"
    " FILTER (WHERE pg_catalog.strpos(name, '.') OPERATOR(pg_catalog.>) 0) AS dotted"
    " FROM pg_catalog.pg_settings) AS shown";

// A literal that means the same under either standard_conforming_strings: names hold neither quotes
// nor backslashes.
void append_value_of(std::string& out, std::string_view name) {
    out += ", pg_catalog.current_setting('";
    out += name;
    out += "', true)";
}

// Needs no quotes in a literal. Each transaction begins with the latter's values of its own, which
// are no RESET.
bool is_plain_name(std::string_view name) {
    const auto is_plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
    };
    return name.size() <= max_settable_name && std::all_of(name.begin(), name.end(), is_plain) &&
           !name.starts_with("transaction_");
}

// Those of the client that PostgreSQL shows as nobody's SET any more.
void append_unset(std::string& sql, const pool::settings& held) {
    std::size_t count = 0;
    for (const pool::setting& one : held.all()) {
        if (!is_plain_name(one.name)) continue;
        sql += count == 0 ? begin_unset : ",";
        sql += '\'';
        sql += one.name;
        sql += '\'';
        if (++count == max_held) break;
    }
    sql += count == 0 ? nothing_unset : end_unset;
}

std::vector<session_inventory::setting> read_settings(std::string_view rest) {
    std::vector<session_inventory::setting> settings;
    while (!rest.empty()) {
        const std::string_view one = take_piece(rest, end_of_setting);
        const auto value = one.find(separator);
        const auto unit = one.find(separator, value + 1);
        if (value == std::string_view::npos || unit == std::string_view::npos) continue;
        settings.push_back(
            {protocol::ascii_lower(one.substr(0, value)),
             std::string{one.substr(value + 1, unit - value - 1)},
             std::string{one.substr(unit + 1)}}
        );
    }
    return settings;
}

using column = std::optional<std::string_view>;

}  // namespace

std::string unseen_traces::question(
    const database_code& code, bool reads_catalog, bool has_sql_bodies, const pool::settings& held
) {
    std::string sql{reads_catalog ? before_code_question : ""};
    sql += inventory;
    candidates& asks = make_candidates();
    asks.reads_catalog = reads_catalog;
    asks.changes = code.changes();
    asks.asked = code.names();
    std::copy_if(
        asks.of_texts.begin(),
        asks.of_texts.end(),
        std::back_inserter(asks.asked),
        [&code](const std::string& name) { return !code.knows(name); }
    );
    ask_for_held(held);
    for (const std::string& name : asks.asked)
        append_value_of(sql, name);
    if (reads_catalog) append_code_columns(sql, code.digest(), has_sql_bodies);
    append_unset(sql, held);
    sql += shown_settings;
    if (reads_catalog) append_code_source(sql);
    return sql;
}

// RESET in code names a setting as no other text does.
void unseen_traces::ask_for_held(const pool::settings& held) {
    std::vector<std::string>& asked = make_candidates().asked;
    const auto first = asked.size();
    for (const pool::setting& one : held.all()) {
        if (asked.size() - first >= max_held) return;
        if (!is_settable_name(one.name)) continue;
        if (std::find(asked.begin(), asked.end(), one.name) == asked.end()) {
            asked.push_back(one.name);
        }
    }
}

unseen_traces::candidates& unseen_traces::make_candidates() {
    if (!candidates_) candidates_ = std::make_unique<candidates>();
    return *candidates_;
}

std::optional<harmless_code::key> unseen_traces::on_sent(
    const text_facts& facts,
    const void* pool,
    const harmless_code& known,
    database_code& code,
    std::string_view text
) {
    if (!facts.statement) {
        may_be_there_ = is_unlearnable_ = changes_code_ = true;
        return std::nullopt;
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
    const bool may_leave = code.may_leave(statement);
    if (!may_leave && !may_leave_unseen(statement)) return std::nullopt;
    if (may_change_code(statement)) changes_code_ = true;
    const bool is_code = is_code_in_text(statement);
    const auto key = harmless_code::key_of(pool, statement.fingerprint);
    if (!is_code && !may_leave && known.is_known(key)) return key;
    if (!text.empty()) add_settable_names(text, make_candidates().of_texts);
    if (is_code) {
        may_be_there_ = is_unlearnable_ = true;
    } else {
        doubt(key);
    }
    return std::nullopt;
}

void unseen_traces::doubt(harmless_code::key trusted) {
    may_be_there_ = true;
    if (suspects_.size() < max_suspects) {
        suspects_.push_back(trusted);
    } else {
        is_unlearnable_ = true;
    }
}

void unseen_traces::on_bound(
    const text_facts& facts,
    const void* pool,
    const harmless_code& known,
    database_code& code,
    std::string_view text,
    std::string_view bind_tail
) {
    if (!facts.statement) return;
    const sql::statement& statement = *facts.statement;
    if (!code.may_leave(statement)) {
        const auto key = harmless_code::key_of(pool, statement.fingerprint);
        if (!may_leave_unseen(statement)) return;
        if (!is_code_in_text(statement) && known.is_known(key)) return;
    }
    std::vector<std::string>& names = make_candidates().of_texts;
    add_settable_names(text, names);
    protocol::bind_values values;
    if (protocol::decode_bind_values(bind_tail, values)) return;
    for (const auto& value : values.parameters) {
        if (!value || value->find('.') == std::string_view::npos) continue;
        std::string literal = "'";
        literal += *value;
        literal += '\'';
        add_settable_names(literal, names);
    }
}

void unseen_traces::on_row(std::string_view body) {
    protocol::data_row row;
    candidates& asks = make_candidates();
    const std::size_t columns =
        fixed_columns + asks.asked.size() + (asks.reads_catalog ? code_columns : 0);
    if (protocol::decode(body, row) || row.values.size() != columns) return;
    session_inventory found;
    for (std::size_t i = 0; i < settings_column; ++i) {
        if (row.values[i] == "t") found.kinds |= inventoried[i];
    }
    found.settings = read_settings(row.values[settings_column].value_or(""));
    const auto known = take_names(row.values[dotted_column].value_or(""));
    found.newest_function = row.values[newest_column].value_or("");
    found.unset = read_settings(row.values[unset_column].value_or(""));
    found.as = {
        std::string{row.values[authorization_column].value_or("")},
        std::string{row.values[role_column].value_or("")},
        std::string{row.values[default_role_column].value_or("none")}};
    std::size_t at = fixed_columns;
    for (const std::string& name : asks.asked) {
        const auto value = row.values[at++].value_or("");
        if (std::find(known.begin(), known.end(), name) != known.end()) continue;
        found.placeholders.push_back({name, std::string{value}, {}});
    }
    if (asks.reads_catalog) {
        found.catalog = read_code(row.values, at);
        found.catalog->changes = asks.changes;
    }
    asks.found = std::move(found);
}

std::optional<session_inventory> unseen_traces::take() noexcept {
    may_be_there_ = false;
    may_have_ended_ = left_behind::nothing;
    // A client that idles shall not keep it.
    const std::unique_ptr<candidates> asked = std::move(candidates_);
    return asked ? std::move(asked->found) : std::nullopt;
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
    changes_code_ = false;
    learn_nothing();
    candidates_.reset();
}

}  // namespace weir::daemon

#include "querycache/sql/session_effects.hpp"

#include "protocol/ascii.hpp"
#include "querycache/sql/transaction_modes.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

namespace weir::querycache::sql {
namespace {

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_role_setting(std::string_view name) {
    return name == "role" || name == "session_authorization";
}

// Settings of the running transaction: PostgreSQL resets them at its end, whatever form of SET was
// used.
bool is_transaction_setting(std::string_view name) {
    return is_one_of(
        name, {"transaction_isolation", "transaction_read_only", "transaction_deferrable"}
    );
}

// What takes a name stays with that name. PostgreSQL shortens names of 64 bytes and more; two that
// differ only behind that are one to it, so such a name is not told.
constexpr std::size_t longest_name = 63;

// A string whose content is what stands between its quotes under any setting of
// standard_conforming_strings, so neither E'' nor one that goes on in the next line.
std::optional<std::string> plain_string(std::string_view literal) {
    if (literal.size() < 2 || literal.front() != '\'' || literal.back() != '\'')
        return std::nullopt;
    const std::string_view body = literal.substr(1, literal.size() - 2);
    for (std::size_t at = 0; at < body.size(); ++at) {
        if (body[at] == '\\' || body[at] == '\0') return std::nullopt;
        if (body[at] == '\'' && body.substr(++at, 1) != "'") return std::nullopt;
    }
    return string_content(literal);
}

// The n of $n; 0 for anything else.
std::uint16_t parameter_number(std::string_view text) {
    std::uint16_t number = 0;
    if (!is_parameter(text)) return 0;
    const auto read = std::from_chars(text.data() + 1, text.data() + text.size(), number);
    return read.ec == std::errc{} && read.ptr == text.data() + text.size() ? number : 0;
}

class effect_reader {
public:
    effect_reader(
        const token_list& tokens,
        std::size_t first,
        std::size_t last,
        session_step& step,
        statement& facts
    )
        : tokens_(tokens), first_(first), last_(last), step_(step), facts_(facts) {}

    void read_verb();
    void read_names();

private:
    void read_set();
    void read_set_generic(std::size_t at, bool local);
    void read_characteristics(std::size_t at, bool local);
    void read_reset();
    void read_discard();
    void read_create(std::size_t at);
    bool changes_new_sessions(std::string_view verb) const;
    void read_database(std::string_view verb);
    void read_execute();
    bool is_list_of_statements(std::size_t at) const;
    void read_transaction_name();
    void read_call(std::size_t at);
    void read_set_config(std::size_t at);
    bool reads_whole_set_config(std::size_t at, const std::array<std::size_t, 3>& arguments);
    bool is_escaped_name(std::size_t at) const;
    void change(std::string name, std::size_t value, bool local);
    void restore(std::string name);
    void add(session_effect effect) { step_.effects |= effect_bit(effect); }
    void take_name(std::size_t at) {
        step_.name = first_ + at < last_ ? tokens_.name(first_ + at) : std::string{};
        if (step_.name.size() > longest_name || is_escaped_name(first_ + at)) step_.name.clear();
    }
    // Tokens from the statement's first on; empty behind its last.
    std::string_view word(std::size_t at) const {
        return first_ + at < last_ ? tokens_.word(first_ + at) : std::string_view{};
    }
    bool has_word(std::string_view expected, std::size_t from) const {
        for (std::size_t at = from; first_ + at < last_; ++at) {
            if (word(at) == expected) return true;
        }
        return false;
    }

    const token_list& tokens_;
    std::size_t first_;
    std::size_t last_;
    session_step& step_;
    statement& facts_;
};

void effect_reader::read_verb() {
    const std::string_view verb = word(0);
    if (step_.transaction != transaction_control::none) return read_transaction_name();
    if (verb == "set") return read_set();
    if (verb == "reset") return read_reset();
    if (verb == "discard") return read_discard();
    if (verb == "execute" || verb == "explain" || verb == "create") read_execute();
    if (word(1) == "database") read_database(verb);
    if (verb == "create") return read_create(1);
    if (changes_new_sessions(verb)) add(session_effect::session_defaults);
    if (verb == "drop") return add(session_effect::drop_object);
    if (verb == "load") return add(session_effect::load);
    if (verb == "do" || verb == "call") return add(session_effect::opaque);
    if (verb == "prepare") {
        take_name(1);
        return add(session_effect::prepare);
    }
    if (verb == "listen") {
        take_name(1);
        return add(session_effect::listen);
    }
    if (verb == "deallocate") {
        const std::size_t at = word(1) == "prepare" ? 2 : 1;
        if (word(at) == "all") return add(session_effect::deallocate_all);
        take_name(at);
        return add(session_effect::deallocate);
    }
    if (verb == "unlisten") {
        if (tokens_.is(first_ + 1, "*")) return add(session_effect::unlisten_all);
        take_name(1);
        return add(session_effect::unlisten);
    }
    if (verb == "close") {
        if (word(1) == "all") return add(session_effect::close_all);
        take_name(1);
        return add(session_effect::close_cursor);
    }
    if (verb == "declare") {
        for (std::size_t at = 1; first_ + at < last_; ++at) {
            if (word(at) != "with" || word(at + 1) != "hold") continue;
            take_name(1);
            return add(session_effect::hold_cursor);
        }
    }
    if (verb == "explain" && (has_word("analyze", 1) || has_word("analyse", 1))) {
        for (std::size_t at = 1; first_ + at < last_; ++at) {
            if (word(at) == "create") return read_create(at + 1);
        }
    }
}

// SAVEPOINT name, RELEASE [SAVEPOINT] name, ROLLBACK [WORK | TRANSACTION] TO [SAVEPOINT] name.
void effect_reader::read_transaction_name() {
    using enum transaction_control;
    const auto does = step_.transaction;
    if (does != savepoint && does != release && does != rollback_to) return;
    std::size_t at = 1;
    if (does == rollback_to) {
        while (first_ + at < last_ && word(at) != "to") {
            ++at;
        }
        ++at;
    }
    const bool says_savepoint = word(at) == "savepoint" && first_ + at + 1 < last_;
    if (does != savepoint && says_savepoint) ++at;
    take_name(at);
}

// U&"s\0065t": a name that is not what it looks like.
bool effect_reader::is_escaped_name(std::size_t at) const {
    const std::string_view text = tokens_.text(at);
    if (text.size() < 3 || text.back() != '"' || text.substr(0, 2) != "u&") return false;
    return text.find('\\') != std::string_view::npos || has_word("uescape", 0);
}

void effect_reader::read_set() {
    std::size_t at = 1;
    const bool local = word(at) == "local";
    if (word(at) == "constraints") return;
    if (local ||
        (word(at) == "session" && !is_one_of(word(at + 1), {"characteristics", "authorization"}))) {
        ++at;
    }
    const std::string_view what = word(at);
    if (what == "session" && word(at + 1) == "characteristics")
        return read_characteristics(at + 2, local);
    if (what == "session" && word(at + 1) == "authorization") {
        return change("session_authorization", at + 2, local);
    }
    if (what == "transaction") {
        add(session_effect::set_local);
        read_transaction_modes(tokens_, first_ + at + 1, last_, facts_);
        return;
    }
    const bool generic = tokens_.is(first_ + at + 1, "=") || word(at + 1) == "to" ||
                         tokens_.kind(first_ + at + 1) == token_kind::dot;
    if (generic) return read_set_generic(at, local);
    if (what == "time" && word(at + 1) == "zone") return change("timezone", at + 2, local);
    if (what == "role") return change("role", at + 1, local);
    if (what == "names") return change("client_encoding", at + 1, local);
    if (what == "schema") return change("search_path", at + 1, local);
    if (what == "seed") return change("seed", at + 1, local);
    if (what == "xml" && word(at + 1) == "option") return change("xmloption", at + 2, local);
    read_set_generic(at, local);
}

void effect_reader::read_set_generic(std::size_t at, bool local) {
    std::string name = protocol::ascii_lower(tokens_.name(first_ + at));
    ++at;
    while (tokens_.kind(first_ + at) == token_kind::dot) {
        name += '.' + protocol::ascii_lower(tokens_.name(first_ + at + 1));
        at += 2;
    }
    const bool assigns = first_ + at < last_ && (tokens_.is(first_ + at, "=") || word(at) == "to");
    if (name.empty() || !assigns) return add(session_effect::opaque);
    change(std::move(name), at + 1, local);
}

void effect_reader::change(std::string name, std::size_t value, bool local) {
    if (name == "seed") return add(session_effect::load);
    const std::string_view written = tokens_.slice(first_ + value, last_);
    // LOCAL is SET TIME ZONE's other word for DEFAULT; SET SESSION AUTHORIZATION and ROLE have
    // their own.
    const bool to_default = written == "default" || (name == "timezone" && written == "local");
    if (to_default && !local) return restore(std::move(name));
    if (is_transaction_setting(name)) {
        add(session_effect::set_local);
        read_transaction_setting(name, written, facts_);
    } else if (local) {
        add(session_effect::set_local);
    } else {
        add(is_role_setting(name) ? session_effect::set_role : session_effect::set);
    }
    // Under such a path CREATE TABLE makes a temporary one. A path that stays is looked at when
    // something is created.
    if (local && name == "search_path" && written.find("pg_temp") != std::string_view::npos) {
        add(session_effect::temp_object);
    }
    step_.setting.name = std::move(name);
    step_.setting.value_sql = to_default ? std::string_view{} : written;
}

void effect_reader::restore(std::string name) {
    add(is_role_setting(name) ? session_effect::set_role : session_effect::reset);
    step_.setting.name = std::move(name);
}

// At AS. One mode: SET default_transaction_...; several, and DEFERRABLE: settings that are changed
// in a way that is not understood.
void effect_reader::read_characteristics(std::size_t at, bool local) {
    statement modes;
    const std::size_t count = read_transaction_modes(tokens_, first_ + at + 2, last_, modes);
    if (local) {
        add(session_effect::set_local);
    } else if (count == 1 && modes.isolation != isolation_level::unspecified) {
        add(session_effect::set);
        step_.setting.name = "default_transaction_isolation";
        step_.setting.value_sql = isolation_value(modes.isolation);
    } else if (count == 1 && modes.access != access_mode::unspecified) {
        add(session_effect::set);
        const bool only = modes.access == access_mode::read_only;
        step_.setting.name = "default_transaction_read_only";
        step_.setting.value_sql = only ? "on" : "off";
    } else {
        add(session_effect::set_config);
    }
}

void effect_reader::read_reset() {
    if (word(1) == "all") return add(session_effect::reset_all);
    if (word(1) == "session" && word(2) == "authorization") return restore("session_authorization");
    if (word(1) == "time" && word(2) == "zone") return restore("timezone");
    if (word(1) == "transaction") return;  // RESET TRANSACTION ISOLATION LEVEL: of this transaction
    std::string name = protocol::ascii_lower(tokens_.name(first_ + 1));
    for (std::size_t at = 2; tokens_.kind(first_ + at) == token_kind::dot; at += 2) {
        name += '.' + protocol::ascii_lower(tokens_.name(first_ + at + 1));
    }
    if (name.empty()) return add(session_effect::opaque);
    restore(std::move(name));
}

// PLANS forgets what only the server knows; it leaves nothing.
void effect_reader::read_discard() {
    if (word(1) == "all") add(session_effect::discard_all);
    if (word(1) == "temp" || word(1) == "temporary") add(session_effect::discard_temp);
    if (word(1) == "sequences") add(session_effect::discard_sequences);
}

void effect_reader::read_create(std::size_t at) {
    while (is_one_of(word(at), {"or", "replace", "global", "local", "recursive"})) {
        ++at;
    }
    if (word(at) != "temp" && word(at) != "temporary") return;
    for (; first_ + at < last_; ++at) {
        if (word(at) == "on" && word(at + 1) == "commit" && word(at + 2) == "drop") return;
    }
    add(session_effect::temp_object);
}

// What a session has from its login: the settings of its role and database, and what its role may.
bool effect_reader::changes_new_sessions(std::string_view verb) const {
    if (verb != "alter" && verb != "drop") return false;
    if (is_one_of(word(1), {"role", "user", "group"})) return word(2) != "mapping";
    return verb == "alter" && word(1) == "database" &&
           (has_word("set", 2) || has_word("reset", 2)) &&
           !has(step_.effects, session_effect::empties_database);
}

// DROP DATABASE, ALTER DATABASE .. RENAME and .. SET TABLESPACE, CREATE DATABASE .. TEMPLATE.
void effect_reader::read_database(std::string_view verb) {
    std::size_t name = 2;
    bool is_meant = verb == "drop";
    if (verb == "drop" && word(2) == "if") name = 4;
    if (verb == "alter") {
        is_meant = word(3) == "rename" || (word(3) == "set" && word(4) == "tablespace");
    }
    for (std::size_t at = 3; verb == "create" && first_ + at < last_; ++at) {
        if (word(at) != "template") continue;
        is_meant = true;
        name = tokens_.is(first_ + at + 1, "=") ? at + 2 : at + 1;
    }
    if (!is_meant) return;
    take_name(name);
    add(session_effect::empties_database);
}

// EXECUTE name, EXPLAIN .. EXECUTE name, CREATE TABLE .. AS EXECUTE name; not EXECUTE FUNCTION of a
// trigger.
void effect_reader::read_execute() {
    const bool creates = word(0) == "create";
    for (std::size_t at = 0; first_ + at < last_; ++at) {
        if (word(at) != "execute" || (creates && word(at - 1) != "as")) continue;
        take_name(at + 1);
        return add(session_effect::execute);
    }
}

// The view, and the function that it is made of.
bool effect_reader::is_list_of_statements(std::size_t at) const {
    constexpr std::string_view function = "pg_prepared_statement";
    if (tokens_.text(at).size() < function.size()) return false;
    const std::string name = tokens_.name(at);
    return name == function || name == "pg_prepared_statements";
}

// What can stand anywhere in a statement: calls, pg_temp, INTO TEMP, and the view whose UPDATE is a
// SET.
void effect_reader::read_names() {
    for (std::size_t at = first_; at < last_; ++at) {
        const token_kind kind = tokens_.kind(at);
        if (kind != token_kind::word && kind != token_kind::keyword) continue;
        if (is_escaped_name(at)) add(session_effect::opaque);
        if (tokens_.kind(at + 1) == token_kind::open && tokens_.is(at + 1, "(")) read_call(at);
        if (is_list_of_statements(at)) add(session_effect::list_statements);
        if (tokens_.kind(at + 1) == token_kind::dot) {
            const std::string schema = tokens_.name(at);
            if (schema == "pg_temp" || schema.starts_with("pg_temp_"))
                add(session_effect::temp_object);
        }
        if (tokens_.word(at) == "into" && word(0) != "insert" && word(0) != "merge") {
            const bool scoped = is_one_of(tokens_.word(at + 1), {"local", "global"});
            if (is_one_of(tokens_.word(at + (scoped ? 2 : 1)), {"temp", "temporary"})) {
                add(session_effect::temp_object);
            }
        }
        if (tokens_.word(at) == "update" && at + 1 < last_) {
            std::size_t target = at + 1;
            if (tokens_.word(target) == "only") ++target;
            if (tokens_.kind(target + 1) == token_kind::dot) target += 2;
            if (tokens_.name(target) == "pg_settings") add(session_effect::set_config);
        }
    }
}

// What calling a function of this name leaves behind, whatever its schema.
void effect_reader::read_call(std::size_t at) {
    const std::string name = tokens_.name(at);
    if (is_escaped_name(at)) add(session_effect::set_config);  // it may be
    if (name == "set_config") read_set_config(at);
    if (name == "currval" || name == "lastval") add(session_effect::sequence_value);
    if (name == "setseed") add(session_effect::load);
    if (name == "nextval" || name == "setval") add(session_effect::next_value);
    if (name == "pg_advisory_unlock_all") add(session_effect::advisory_unlock_all);
    if (name == "pg_advisory_unlock" || name == "pg_advisory_unlock_shared") {
        add(session_effect::advisory_unlock);
    }
    const bool locks = is_one_of(
        name,
        {"pg_advisory_lock",
         "pg_advisory_lock_shared",
         "pg_try_advisory_lock",
         "pg_try_advisory_lock_shared"}
    );
    if (locks) add(session_effect::advisory_lock);
}

// set_config(name, value, is_local), its name at `at`.
void effect_reader::read_set_config(std::size_t at) {
    const bool qualified = at > first_ && tokens_.kind(at - 1) == token_kind::dot;
    const bool is_ours = !qualified || (at - first_ >= 2 && tokens_.name(at - 2) == "pg_catalog");
    std::array<std::size_t, 3> arguments{at + 2, 0, 0};
    std::size_t count = 1;
    std::size_t open = 1;
    std::size_t end = at + 2;
    for (; end < last_ && open != 0; ++end) {
        const token_kind kind = tokens_.kind(end);
        if (kind == token_kind::open) ++open;
        if (kind == token_kind::close) --open;
        if (kind == token_kind::comma && open == 1 && count < 3) arguments[count++] = end + 1;
    }
    if (!is_ours || open != 0 || count != 3) return add(session_effect::set_config);
    const std::string_view local = tokens_.slice(arguments[2], end - 1);
    // It ends with its transaction, whatever it set. Of a PREPARE nobody sees when it runs.
    const bool is_seen = word(0) != "prepare";
    if (is_seen && (local == "true" || local == "'true'" || local == "'t'")) {
        return add(session_effect::set_local);
    }
    if (!reads_whole_set_config(at, arguments)) add(session_effect::set_config);
}

// SELECT set_config('name', 'value', false) [[AS] label] and nothing else, each argument perhaps
// a $n: then it is called once, and it is a SET.
bool effect_reader::reads_whole_set_config(
    std::size_t at, const std::array<std::size_t, 3>& arguments
) {
    const std::size_t before = at - first_;
    if (word(0) != "select" || (before != 1 && before != 3)) return false;
    if (arguments[1] != arguments[0] + 2 || arguments[2] != arguments[1] + 2) return false;
    std::size_t behind = arguments[2] + 2;
    if (tokens_.word(behind) == "as") ++behind;
    if (behind < last_ && !tokens_.name(behind).empty()) ++behind;
    if (behind < last_ || tokens_.text(arguments[2] + 1) != ")") return false;
    setting_change& setting = step_.setting;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        setting.parameters[i] = parameter_number(tokens_.text(arguments[i]));
    }
    const std::string_view local = tokens_.text(arguments[2]);
    const bool is_session = local == "false" || local == "'false'" || local == "'f'";
    const auto name = plain_string(tokens_.text(arguments[0]));
    const bool is_null = tokens_.word(arguments[1]) == "null";
    const auto value = plain_string(tokens_.text(arguments[1]));
    const bool named = name ? !name->empty() : setting.parameters[0] != 0;
    const bool known = named && (value || is_null || setting.parameters[1] != 0) &&
                       (is_session || setting.parameters[2] != 0);
    if (!known) {
        setting = {};
        return false;
    }
    setting.is_raw = true;
    setting.name = protocol::ascii_lower(name.value_or(""));
    setting.value_sql = value.value_or("");
    if (setting.parameters != std::array<std::uint16_t, 3>{}) {
        add(session_effect::set_bound);
    } else if (is_transaction_setting(setting.name)) {
        add(session_effect::set_local);
    } else if (is_null) {
        setting.is_raw = false;
        restore(setting.name);
    } else {
        add(is_role_setting(setting.name) ? session_effect::set_role : session_effect::set);
    }
    return true;
}

}  // namespace

void read_session_effects(
    const token_list& tokens,
    std::size_t first,
    std::size_t last,
    session_step& step,
    statement& facts
) {
    effect_reader reader{tokens, first, last, step, facts};
    reader.read_verb();
    reader.read_names();
}

}  // namespace weir::querycache::sql

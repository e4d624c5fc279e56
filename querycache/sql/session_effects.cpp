#include "querycache/sql/session_effects.hpp"

#include "querycache/sql/transaction_modes.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace weir::querycache::sql {
namespace {

std::string lower(std::string text) {
    for (char& c : text) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    }
    return text;
}

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

class effect_reader {
public:
    effect_reader(const token_list& tokens, std::size_t first, std::size_t last, statement& facts)
        : tokens_(tokens), first_(first), last_(last), facts_(facts) {}

    void read_verb();
    void read_names();

private:
    void read_set();
    void read_set_generic(std::size_t at, bool local);
    void read_characteristics(std::size_t at);
    void read_reset();
    void read_discard();
    void read_create();
    void change(std::string name, std::size_t value, bool local);
    void restore(std::string name);
    void add(session_effect effect) { facts_.effects |= effect_bit(effect); }
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
    statement& facts_;
};

void effect_reader::read_verb() {
    const std::string_view verb = word(0);
    if (verb == "set") return read_set();
    if (verb == "reset") return read_reset();
    if (verb == "discard") return read_discard();
    if (verb == "create") return read_create();
    if (verb == "prepare" && word(1) != "transaction") return add(session_effect::prepare);
    if (verb == "listen") return add(session_effect::listen);
    if (verb == "load") return add(session_effect::load);
    if (verb == "do" || verb == "call") return add(session_effect::opaque);
    if (verb == "deallocate") {
        const bool all = word(word(1) == "prepare" ? 2 : 1) == "all";
        return add(all ? session_effect::deallocate_all : session_effect::deallocate);
    }
    if (verb == "unlisten") {
        const bool all = tokens_.is(first_ + 1, "*");
        return add(all ? session_effect::unlisten_all : session_effect::unlisten);
    }
    if (verb == "declare") {
        for (std::size_t at = 1; first_ + at < last_; ++at) {
            if (word(at) == "with" && word(at + 1) == "hold") add(session_effect::hold_cursor);
        }
    }
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
    if (what == "session" && word(at + 1) == "characteristics") return read_characteristics(at + 2);
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
    std::string name = lower(tokens_.name(first_ + at));
    ++at;
    while (tokens_.kind(first_ + at) == token_kind::dot) {
        name += '.' + lower(tokens_.name(first_ + at + 1));
        at += 2;
    }
    const bool assigns = first_ + at < last_ && (tokens_.is(first_ + at, "=") || word(at) == "to");
    if (name.empty() || !assigns) return add(session_effect::opaque);
    change(std::move(name), at + 1, local);
}

void effect_reader::change(std::string name, std::size_t value, bool local) {
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
    facts_.setting = {std::move(name), std::string{to_default ? std::string_view{} : written}};
}

void effect_reader::restore(std::string name) {
    add(is_role_setting(name) ? session_effect::set_role : session_effect::reset);
    facts_.setting = {std::move(name), {}};
}

// At AS. One mode: SET default_transaction_...; several: more than one setting, so opaque.
void effect_reader::read_characteristics(std::size_t at) {
    statement modes;
    const std::size_t count = read_transaction_modes(tokens_, first_ + at + 2, last_, modes);
    if (count == 1 && modes.isolation != isolation_level::unspecified) {
        add(session_effect::set);
        facts_.setting = {
            "default_transaction_isolation", std::string{isolation_value(modes.isolation)}};
    } else if (count == 1 && modes.access != access_mode::unspecified) {
        add(session_effect::set);
        const bool only = modes.access == access_mode::read_only;
        facts_.setting = {"default_transaction_read_only", only ? "on" : "off"};
    } else {
        add(session_effect::opaque);
    }
}

void effect_reader::read_reset() {
    if (word(1) == "all") return add(session_effect::reset_all);
    if (word(1) == "session" && word(2) == "authorization") return restore("session_authorization");
    if (word(1) == "time" && word(2) == "zone") return restore("timezone");
    if (word(1) == "transaction") return;  // RESET TRANSACTION ISOLATION LEVEL: of this transaction
    std::string name = lower(tokens_.name(first_ + 1));
    for (std::size_t at = 2; tokens_.kind(first_ + at) == token_kind::dot; at += 2) {
        name += '.' + lower(tokens_.name(first_ + at + 1));
    }
    if (name.empty()) return add(session_effect::opaque);
    restore(std::move(name));
}

// PLANS and SEQUENCES forget what only the server knows; they leave nothing.
void effect_reader::read_discard() {
    if (word(1) == "all") add(session_effect::discard_all);
    if (word(1) == "temp" || word(1) == "temporary") add(session_effect::discard_temp);
}

void effect_reader::read_create() {
    std::size_t at = 1;
    while (is_one_of(word(at), {"or", "replace", "global", "local", "recursive"})) {
        ++at;
    }
    if (word(at) == "temp" || word(at) == "temporary") add(session_effect::temp_object);
}

// What can stand anywhere in a statement: calls, pg_temp, and INTO TEMP.
void effect_reader::read_names() {
    for (std::size_t at = first_; at < last_; ++at) {
        const token_kind kind = tokens_.kind(at);
        if (kind != token_kind::word && kind != token_kind::keyword) continue;
        if (tokens_.kind(at + 1) == token_kind::open && tokens_.is(at + 1, "(")) {
            add_call_effects(tokens_.name(at), facts_);
        }
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
    }
}

}  // namespace

void add_call_effects(std::string_view name, statement& facts) {
    const auto add = [&facts](session_effect effect) { facts.effects |= effect_bit(effect); };
    if (name == "set_config") add(session_effect::set_config);
    if (name == "currval" || name == "lastval") add(session_effect::sequence_value);
    const bool locks = is_one_of(
        name,
        {"pg_advisory_lock",
         "pg_advisory_lock_shared",
         "pg_try_advisory_lock",
         "pg_try_advisory_lock_shared"}
    );
    if (locks) add(session_effect::advisory_lock);
}

void add_session_effects(
    const token_list& tokens, std::size_t first, std::size_t last, statement& facts
) {
    effect_reader reader{tokens, first, last, facts};
    reader.read_verb();
    reader.read_names();
}

}  // namespace weir::querycache::sql

#include "querycache/sql/lexed_statement.hpp"

#include "querycache/sql/builtin_functions.hpp"
#include "querycache/sql/session_effects.hpp"
#include "querycache/sql/tokens.hpp"
#include "querycache/sql/transaction_modes.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>

namespace weir::querycache::sql {
namespace {

struct verb_class {
    std::string_view verb;
    statement_class kind;
};

// Statements whose first word decides. The others have a function of their own below.
constexpr std::array verb_classes{
    verb_class{"insert", statement_class::write},
    verb_class{"update", statement_class::write},
    verb_class{"delete", statement_class::write},
    verb_class{"merge", statement_class::write},
    verb_class{"truncate", statement_class::write},
    verb_class{"refresh", statement_class::write},
    verb_class{"begin", statement_class::transaction},
    verb_class{"start", statement_class::transaction},
    verb_class{"commit", statement_class::transaction},
    verb_class{"end", statement_class::transaction},
    verb_class{"rollback", statement_class::transaction},
    verb_class{"abort", statement_class::transaction},
    verb_class{"savepoint", statement_class::transaction},
    verb_class{"release", statement_class::transaction},
    verb_class{"reset", statement_class::session},
    verb_class{"discard", statement_class::session},
    verb_class{"deallocate", statement_class::session},
    verb_class{"load", statement_class::session},
    verb_class{"show", statement_class::noop},
    verb_class{"listen", statement_class::noop},
    verb_class{"unlisten", statement_class::noop},
    verb_class{"notify", statement_class::noop},
    verb_class{"lock", statement_class::noop},
    verb_class{"vacuum", statement_class::noop},
    verb_class{"analyze", statement_class::noop},
    verb_class{"analyse", statement_class::noop},
    verb_class{"cluster", statement_class::noop},
    verb_class{"reindex", statement_class::noop},
    verb_class{"checkpoint", statement_class::noop},
    verb_class{"comment", statement_class::noop},
    verb_class{"fetch", statement_class::noop},
    verb_class{"move", statement_class::noop},
    verb_class{"close", statement_class::noop},
    verb_class{"create", statement_class::ddl},
    verb_class{"drop", statement_class::ddl},
    verb_class{"grant", statement_class::ddl},
    verb_class{"revoke", statement_class::ddl},
    verb_class{"reassign", statement_class::ddl},
    verb_class{"import", statement_class::ddl},
    verb_class{"security", statement_class::ddl},
};

// Words before a parenthesis that call nothing: syntax, and type names with modifiers.
constexpr std::array<std::string_view, 62> syntax_words{
    "all",       "and",       "any",      "array",        "as",        "between",  "bit",
    "by",        "case",      "cast",     "char",         "character", "coalesce", "cube",
    "decimal",   "distinct",  "else",     "except",       "exists",    "extract",  "filter",
    "float",     "from",      "greatest", "group",        "grouping",  "having",   "ilike",
    "in",        "intersect", "interval", "into",         "is",        "join",     "lateral",
    "least",     "like",      "limit",    "materialized", "not",       "nullif",   "numeric",
    "offset",    "on",        "or",       "over",         "position",  "rollup",   "row",
    "rows",      "select",    "sets",     "similar",      "some",      "then",     "time",
    "timestamp", "union",     "using",    "values",       "varchar",   "when",
};
constexpr std::array<std::string_view, 3> more_syntax_words{"where", "window", "with"};

bool is_syntax(std::string_view word) {
    return std::binary_search(syntax_words.begin(), syntax_words.end(), word) ||
           std::binary_search(more_syntax_words.begin(), more_syntax_words.end(), word);
}

// Reads one statement of a text.
class statement_reader {
public:
    statement_reader(
        const token_list& tokens, std::size_t first, std::size_t last, statement& facts
    )
        : tokens_(tokens), first_(first), last_(last), facts_(facts) {}

    session_step read() {
        const statement_class kind = class_from(first_);
        const bool calls = calls_unknown(first_);
        if (calls) facts_.writes_unknown = true;
        facts_.kind = facts_.statements == 0 ? kind : std::max(facts_.kind, kind);
        session_step step;
        step.transaction = read_transaction_control(tokens_, first_, last_, facts_);
        if (step.transaction != transaction_control::none) {
            const bool first = facts_.transaction == transaction_control::none;
            facts_.transaction = first ? step.transaction : transaction_control::several;
        }
        read_session_effects(tokens_, first_, last_, step, facts_);
        facts_.effects |= step.effects;
        if (calls || kind == statement_class::unknown || takes_values(kind) ||
            has(step.effects, session_effect::next_value)) {
            facts_.takes_values = true;
        }
        return step;
    }

private:
    std::string_view word(std::size_t at) const {
        return at < last_ ? tokens_.word(at) : std::string_view{};
    }

    bool has_word(std::string_view expected, std::size_t from) const {
        for (std::size_t at = from; at < last_; ++at) {
            if (tokens_.word(at) == expected) return true;
        }
        return false;
    }

    // A word that writes where it is a verb; FOR UPDATE and FOR NO KEY UPDATE are not.
    bool has_writing_word(std::size_t from) const {
        for (std::size_t at = from; at < last_; ++at) {
            const std::string_view found = tokens_.word(at);
            if (found == "insert" || found == "delete" || found == "merge") return true;
            const std::string_view before = at == from ? std::string_view{} : tokens_.word(at - 1);
            if (found == "update" && before != "for" && before != "key") return true;
        }
        return false;
    }

    // What adds rows takes the defaults of columns that it does not name.
    bool takes_values(statement_class kind) const {
        if (kind != statement_class::write) return false;
        return word(first_) == "copy" || has_word("insert", first_) || has_word("merge", first_);
    }

    bool calls_unknown(std::size_t from) const {
        for (std::size_t at = from; at + 1 < last_; ++at) {
            if (!tokens_.is(at + 1, "(")) continue;
            const std::string name = tokens_.name(at);
            if (name.empty() || is_syntax(tokens_.word(at))) continue;
            const bool qualified = at > from && tokens_.kind(at - 1) == token_kind::dot;
            const std::string schema = qualified ? tokens_.name(at - 2) : std::string{};
            if (!is_non_writing_builtin(schema, name)) return true;
        }
        return false;
    }

    statement_class class_of_query(std::size_t from) const {
        if (has_word("with", from) && has_writing_word(from)) return statement_class::write;
        if (has_word("into", from)) return statement_class::ddl;  // SELECT INTO
        return statement_class::read;
    }

    statement_class class_of_copy(std::size_t from) const {
        std::size_t open = 0;
        for (std::size_t at = from + 1; at < last_; ++at) {
            if (tokens_.kind(at) == token_kind::open) ++open;
            if (tokens_.kind(at) == token_kind::close && open != 0) --open;
            if (open != 0 || tokens_.word(at) != "from") continue;
            facts_.copy_from_client = facts_.copy_from_client || word(at + 1) == "stdin";
            return statement_class::write;
        }
        return has_writing_word(from) ? statement_class::write : statement_class::noop;
    }

    // ANALYZE may be switched off again; that it may be on is what counts here.
    statement_class class_of_explain(std::size_t from) const {
        bool analyzes = false;
        std::size_t open = 0;
        for (std::size_t at = from + 1; at < last_; ++at) {
            if (tokens_.kind(at) == token_kind::open) ++open;
            if (tokens_.kind(at) == token_kind::close && open != 0) --open;
            const std::string_view found = tokens_.word(at);
            if (found == "analyze" || found == "analyse") analyzes = true;
            const bool inner = found == "select" || found == "with" || found == "values" ||
                               found == "table" || found == "insert" || found == "update" ||
                               found == "delete" || found == "merge" || found == "execute" ||
                               found == "create" || found == "declare" || found == "refresh";
            if (!inner) continue;
            const statement_class kind = analyzes ? class_from(at) : statement_class::noop;
            return kind == statement_class::read ? statement_class::noop : kind;
        }
        return statement_class::noop;
    }

    statement_class class_from(std::size_t at) const {
        while (at < last_ && tokens_.is(at, "(")) {
            ++at;
        }
        const std::string_view verb = word(at);
        const auto found =
            std::find_if(verb_classes.begin(), verb_classes.end(), [&](const verb_class& known) {
                return known.verb == verb;
            });
        if (found != verb_classes.end()) return found->kind;
        if (verb == "select" || verb == "with" || verb == "values" || verb == "table") {
            return class_of_query(at);
        }
        if (verb == "copy") return class_of_copy(at);
        if (verb == "explain") return class_of_explain(at);
        if (verb == "set") {
            return word(at + 1) == "constraints" ? statement_class::noop : statement_class::session;
        }
        if (verb == "alter") {
            return word(at + 1) == "system" ? statement_class::session : statement_class::ddl;
        }
        if (verb == "prepare") {
            return word(at + 1) == "transaction" ? statement_class::transaction
                                                 : statement_class::session;
        }
        if (verb == "declare") {
            return has_writing_word(at) ? statement_class::write : statement_class::noop;
        }
        return statement_class::unknown;
    }

    const token_list& tokens_;
    std::size_t first_;
    std::size_t last_;
    statement& facts_;
};

// Behind the last token of the statement that begins at `at`: its semicolon, or the end. Semicolons
// split at no depth of parentheses (CREATE RULE ... DO (a; b)) and not in BEGIN ATOMIC ... END.
std::size_t end_of_statement(const token_list& tokens, std::size_t at) {
    const bool creates = tokens.word(at) == "create";
    std::size_t open = 0;
    std::size_t blocks = 0;
    for (; at < tokens.size(); ++at) {
        const token_kind kind = tokens.kind(at);
        if (kind == token_kind::open) ++open;
        if (kind == token_kind::close && open != 0) --open;
        if (creates) {
            const std::string_view word = tokens.word(at);
            if (word == "begin" && tokens.word(at + 1) == "atomic") ++blocks;
            if (word == "case" && blocks != 0) ++blocks;
            if (word == "end" && blocks != 0) --blocks;
        }
        if (kind == token_kind::semicolon && open == 0 && blocks == 0) return at;
    }
    return at;
}

void add_reasons(const lexed& lexer_facts, statement& facts) {
    if (facts.kind != statement_class::read) facts.reasons |= reason_bit(text_reason::not_a_read);
    if (facts.statements > 1) facts.reasons |= reason_bit(text_reason::multi_statement);
    if (lexer_facts.too_complex) facts.reasons |= reason_bit(text_reason::too_complex);
    if (lexer_facts.malformed || lexer_facts.invalid_utf8) {
        facts.reasons |= reason_bit(text_reason::parse_error);
        facts.kind = statement_class::unknown;
        facts.effects |= effect_bit(session_effect::opaque);
    }
}

}  // namespace

std::shared_ptr<statement> lex_statement(const lexed& lexer_facts, std::string_view skeleton) {
    auto facts = std::make_shared<statement>();
    const token_list tokens{skeleton};
    facts->kind = statement_class::noop;  // of an empty text
    for (std::size_t at = 0; at < tokens.size(); ++at) {
        const std::size_t end = end_of_statement(tokens, at);
        if (end != at) {
            facts->steps.push_back(statement_reader{tokens, at, end, *facts}.read());
            if (facts->statements != std::numeric_limits<std::uint16_t>::max()) ++facts->statements;
        }
        at = end;
    }
    const auto& steps = facts->steps;
    if (std::all_of(steps.begin(), steps.end(), std::mem_fn(&session_step::is_nothing))) {
        facts->steps = {};
    }
    add_reasons(lexer_facts, *facts);
    if (facts->kind >= statement_class::write) facts->writes_unknown = true;
    facts->normalised = normalised_text(skeleton);
    facts->fingerprint = fingerprint_of(skeleton);
    return facts;
}

std::shared_ptr<statement> lex_statement(std::string_view sql) {
    lexer reader;
    const lexed& facts = reader.run(sql);
    return lex_statement(facts, reader.skeleton());
}

}  // namespace weir::querycache::sql

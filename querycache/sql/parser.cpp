#include "querycache/sql/parser.hpp"

#include "querycache/sql/lexed_statement.hpp"
#include "querycache/sql/statement_walker.hpp"

#include <pg_query.h>

#include <string>

namespace weir::querycache::sql {
namespace {

// Owns what pg_query_parse_protobuf returns.
class parse_result {
public:
    explicit parse_result(const char* text) : result_(pg_query_parse_protobuf(text)) {}
    ~parse_result() { pg_query_free_protobuf_parse_result(result_); }
    parse_result(const parse_result&) = delete;
    parse_result& operator=(const parse_result&) = delete;

    bool is_error() const { return result_.error != nullptr; }
    std::string_view bytes() const { return {result_.parse_tree.data, result_.parse_tree.len}; }

private:
    PgQueryProtobufParseResult result_;
};

// Nothing is known but what the tokens showed: it may write, and may have changed the session.
void make_unknown(statement& facts, text_reason why) {
    facts.kind = statement_class::unknown;
    facts.writes_unknown = true;
    facts.calls_decide = false;
    facts.reasons |= reason_bit(why) | reason_bit(text_reason::not_a_read);
    facts.effects |= effect_bit(session_effect::opaque);
    facts.reads.clear();
    facts.writes.clear();
    facts.functions.clear();
}

}  // namespace

std::shared_ptr<const statement> parse_statement(std::string_view sql) {
    lexer reader;
    const lexed& lexer_facts = reader.run(sql);
    auto facts = lex_statement(lexer_facts, reader.skeleton());
    facts->parsed = true;
    if (lexer_facts.too_complex) {
        make_unknown(*facts, text_reason::too_complex);
        return facts;
    }
    if (lexer_facts.invalid_utf8 || lexer_facts.malformed) {
        make_unknown(*facts, text_reason::parse_error);
        return facts;
    }
    // Of a text with long literals the skeleton is as good, and short.
    const bool is_long = sql.size() > complexity_limits::text_bytes;
    const parse_result result{std::string{is_long ? reader.skeleton() : sql}.c_str()};
    if (result.is_error()) {
        make_unknown(*facts, text_reason::parse_error);
        return facts;
    }
    const std::uint16_t counted = facts->statements;
    facts->reasons = 0;
    // A different count means that our lexer and PostgreSQL's disagree about the text, and then
    // nothing that the skeleton says holds.
    if (!walk_parse_result(result.bytes(), *facts) || facts->statements != counted) {
        make_unknown(*facts, text_reason::parse_error);
    }
    return facts;
}

}  // namespace weir::querycache::sql

// One pass of the lexer over one text. Private to lexer.cpp. Each read_* takes the position of a
// token's first byte and returns the one after its last; none reads at or beyond end_.
#pragma once

#include "querycache/sql/lexer.hpp"
#include "querycache/sql/lexer_tables.hpp"
#include "querycache/sql/nesting_meter.hpp"

#include <cstddef>
#include <string_view>
#include <vector>

namespace weir::querycache::sql {

class lexer_pass {
public:
    /// `keeps_literals`: the skeleton holds literals as written, for texts whose facts depend on
    /// them. `tokens`: where to record tokens, or nullptr.
    lexer_pass(
        lexer& owner, std::string_view text, bool keeps_literals, std::vector<token>* tokens
    );

    void run();
    /// A literal-sensitive word came up; a pass that dropped literals must be repeated.
    bool found_sensitive() const { return found_sensitive_; }

private:
    const char* read_token(const char* at);
    const char* read_word(const char* at);
    const char* read_prefixed(const char* at);
    const char* read_string(
        const char* start, const char* open, std::string_view placeholder, bool escapes
    );
    const char* skip_string_body(const char* at, bool escapes);
    const char* find_continuation(const char* at) const;
    const char* read_quoted_identifier(const char* start, const char* open);
    const char* read_dollar(const char* at);
    const char* read_dollar_string(const char* start, const char* body);
    const char* read_number(const char* at);
    const char* read_operator(const char* at);
    const char* read_comment(const char* at);
    const char* read_line_comment(const char* at);
    const char* read_dot(const char* at);
    const char* read_colon(const char* at);
    const char* read_other(const char* at);
    void note_word(tables::word_role role);
    void make_room(std::size_t size);
    void grow(std::size_t used, std::size_t more);
    void record(token_kind kind, std::size_t size);
    void begin_token(token_kind kind, std::size_t size);
    void emit(token_kind kind, std::string_view text);
    void emit_literal(std::string_view placeholder, const char* start, const char* end);
    void mark_malformed();
    char peek(const char* at, std::size_t ahead) const;

    lexer& owner_;
    lexed& facts_;
    nesting_meter& meter_;
    std::vector<token>* const tokens_;
    const char* const begin_;
    const char* const end_;
    char* out_;
    const bool keeps_literals_;
    bool found_sensitive_ = false;
    bool first_word_ = true;  ///< no word of this statement seen yet
    token_kind previous_ = token_kind::none;
};

}  // namespace weir::querycache::sql

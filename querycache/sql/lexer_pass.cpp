#include "querycache/sql/lexer_pass.hpp"

#include "querycache/sql/clock_words.hpp"
#include "querycache/sql/comment_hints.hpp"
#include "querycache/sql/tokens.hpp"
#include "querycache/sql/word_bytes.hpp"

#include <algorithm>
#include <cstring>
#include <string>

namespace weir::querycache::sql {
namespace {

using tables::byte_class;
using tables::class_of;
using tables::word_role;

// Room behind the last byte written: a space, and whole blocks of a word are written and loaded.
constexpr std::size_t slack = 16;

// No byte of a well-formed skeleton: keeps malformed texts apart from all others.
constexpr std::string_view malformed_mark = "\x01";

bool is_digit(char c) {
    return class_of(c) == byte_class::digit;
}
bool begins_word(char c) {
    return class_of(c) == byte_class::word;
}

std::string_view view(const char* first, const char* last) {
    return {first, static_cast<std::size_t>(last - first)};
}

const char* skip_digits(const char* at, const char* end) {
    while (at != end && is_digit(*at)) {
        ++at;
    }
    return at;
}

// Whether an unsigned decimal integer is an ICONST for the grammar, or too large and thus an
// FCONST.
bool fits_int32(std::string_view digits) {
    while (digits.size() > 1 && digits.front() == '0') {
        digits.remove_prefix(1);
    }
    return digits.size() < 10 || (digits.size() == 10 && digits <= "2147483647");
}

// Whether an escape in the body of an E'' string could spell a letter that the clock word test
// would not see.
bool hides_letters(std::string_view body) {
    for (std::size_t at = body.find('\\'); at != std::string_view::npos;
         at = body.find('\\', at + 2)) {
        if (at + 1 >= body.size()) return false;
        if (std::string_view{"\\'\"nrtbf"}.find(body[at + 1]) == std::string_view::npos)
            return true;
    }
    return false;
}

// The test sees the letter of \t, which is white space, so that has to go first.
bool has_escaped_clock_word(std::string_view body) {
    if (hides_letters(body)) return true;
    if (body.find('\\') == std::string_view::npos) return has_clock_word(body);
    std::string plain{body};
    for (std::size_t at = plain.find('\\'); at != std::string::npos; at = plain.find('\\', at + 2))
        plain.replace(at, std::min<std::size_t>(2, plain.size() - at), 2, ' ');
    return has_clock_word(plain);
}

}  // namespace

lexer_pass::lexer_pass(
    lexer& owner, std::string_view text, bool keeps_literals, std::vector<token>* tokens
)
    : owner_(owner),
      facts_(owner.result_),
      meter_(*owner.meter_),
      tokens_(tokens),
      begin_(text.data()),
      end_(text.data() + text.size()),
      out_(owner.buffer_.get()),
      keeps_literals_(keeps_literals) {}

inline void lexer_pass::make_room(std::size_t size) {
    const auto used = static_cast<std::size_t>(out_ - owner_.buffer_.get());
    if (owner_.capacity_ - used < size + slack) grow(used, size + slack);
}

void lexer_pass::grow(std::size_t used, std::size_t more) {
    owner_.size_ = used;
    owner_.grow(used + more);
    out_ = owner_.buffer_.get() + used;
}

void lexer_pass::record(token_kind kind, std::size_t size) {
    tokens_->push_back({kind, static_cast<std::size_t>(out_ - owner_.buffer_.get()), size});
}

// Makes room for the token and puts the space before it.
inline void lexer_pass::begin_token(token_kind kind, std::size_t size) {
    ++facts_.tokens;
    make_room(size);
    *out_ = ' ';
    const auto glued =
        tables::glue[static_cast<std::size_t>(previous_)][static_cast<std::size_t>(kind)];
    out_ += glued ? 0 : 1;
    previous_ = kind;
    if (tokens_ != nullptr) record(kind, size);
}

inline char lexer_pass::peek(const char* at, std::size_t ahead) const {
    return static_cast<std::size_t>(end_ - at) > ahead ? at[ahead] : '\0';
}

void lexer_pass::run() {
    meter_.reset();
    for (const char* at = begin_; at != end_;) {
        if (*at == ' ') {
            ++at;
        } else {
            at = read_token(at);
        }
    }
    meter_.end_statement();
    owner_.size_ = static_cast<std::size_t>(out_ - owner_.buffer_.get());
}

const char* lexer_pass::read_token(const char* at) {
    switch (class_of(*at)) {
        case byte_class::space:
            return at + 1;
        case byte_class::word:
            return read_word(at);
        case byte_class::digit:
            return read_number(at);
        case byte_class::quote:
            return read_string(at, at, "''", false);
        case byte_class::double_quote:
            return read_quoted_identifier(at, at);
        case byte_class::dollar:
            return read_dollar(at);
        case byte_class::operation:
            return read_operator(at);
        case byte_class::dot:
            return read_dot(at);
        case byte_class::colon:
            return read_colon(at);
        case byte_class::open:
            emit(token_kind::open, {at, 1});
            meter_.open();
            return at + 1;
        case byte_class::close:
            emit(token_kind::close, {at, 1});
            meter_.close();
            return at + 1;
        case byte_class::comma:
            emit(token_kind::comma, ",");
            meter_.separate();
            return at + 1;
        case byte_class::semicolon:
            emit(token_kind::semicolon, ";");
            meter_.end_statement();
            first_word_ = true;
            return at + 1;
        case byte_class::other:
            return read_other(at);
    }
    return at + 1;
}

void lexer_pass::emit(token_kind kind, std::string_view text) {
    begin_token(kind, text.size());
    if (text.size() == 1) {
        *out_++ = text.front();
        return;
    }
    std::memcpy(out_, text.data(), text.size());
    out_ += text.size();
}

void lexer_pass::emit_literal(std::string_view placeholder, const char* start, const char* end) {
    emit(token_kind::literal, keeps_literals_ ? view(start, end) : placeholder);
}

void lexer_pass::mark_malformed() {
    facts_.malformed = true;
    emit(token_kind::other, malformed_mark);
}

const char* lexer_pass::read_word(const char* at) {
    if (const char next = peek(at, 1); next == '\'' || next == '&') {
        if (const char* after = read_prefixed(at)) return after;
    }
    // The word's size is known only when it is written; the token's record gets it afterwards.
    begin_token(token_kind::word, word_block);
    const auto fold = [this](const char* from) {
        const auto left = static_cast<std::size_t>(end_ - from);
        return left >= word_block ? fold_block(from, out_) : fold_rest(from, left, out_);
    };
    folded_block block = fold(at);
    std::uint64_t head = block.head;
    const char* last = at + block.size;
    out_ += block.size;
    while (block.size == word_block) {
        make_room(word_block);
        block = fold(last);
        last += block.size;
        out_ += block.size;
    }
    const auto size = static_cast<std::size_t>(last - at);
    if (tokens_ != nullptr) tokens_->back().size = size;
    if (size < sizeof head) head &= (std::uint64_t{1} << (8 * size)) - 1;
    const word_role role = tables::find_role(out_ - size, size, head);
    if (role == word_role::keyword) {
        previous_ = token_kind::keyword;
    } else if (role != word_role::none) {
        note_word(role);
    }
    first_word_ = false;
    return last;
}

void lexer_pass::note_word(word_role role) {
    if (role != word_role::sensitive) previous_ = token_kind::keyword;
    switch (role) {
        case word_role::none:
        case word_role::keyword:
            return;
        case word_role::separates:
            meter_.separate();
            return;
        case word_role::chains:
            meter_.chain();
            return;
        case word_role::joins:
            meter_.join();
            return;
        case word_role::opens:
            meter_.open();
            return;
        case word_role::closes:
            meter_.close();
            return;
        case word_role::sensitive_first:
            found_sensitive_ = found_sensitive_ || first_word_;
            return;
        case word_role::sensitive:
            found_sensitive_ = true;
            return;
    }
}

// E'', B'', X'', N'', U&'' and U&"": the prefix touches the quote. nullptr if this is just a word.
const char* lexer_pass::read_prefixed(const char* at) {
    const char prefix = static_cast<char>(*at | 0x20);
    if (prefix == 'u' && peek(at, 1) == '&') {
        if (peek(at, 2) == '"') return read_quoted_identifier(at, at + 2);
        if (peek(at, 2) != '\'') return nullptr;
        facts_.has_clock_word = true;  // any letter may be written as \0061
        return read_string(at, at + 2, "u&''", false);
    }
    if (peek(at, 1) != '\'') return nullptr;
    switch (prefix) {
        case 'e':
            return read_string(at, at + 1, "''", true);
        case 'b':
            return read_string(at, at + 1, "b''", false);
        case 'x':
            return read_string(at, at + 1, "x''", false);
        case 'n':
            return read_string(at, at + 1, "n''", false);
        default:
            return nullptr;
    }
}

// Behind the closing quote of the body that begins at `at`; nullptr if there is none.
const char* lexer_pass::skip_string_body(const char* at, bool escapes) {
    while (true) {
        if (escapes) {
            while (at != end_ && *at != '\'') {
                at += *at == '\\' && end_ - at > 1 ? 2 : 1;
            }
        } else {
            const auto left = static_cast<std::size_t>(end_ - at);
            const void* quote = left == 0 ? nullptr : std::memchr(at, '\'', left);
            at = quote == nullptr ? end_ : static_cast<const char*>(quote);
        }
        if (at == end_) return nullptr;
        if (peek(at, 1) != '\'') return at + 1;
        at += 2;
    }
}

// 'a' newline 'b' is one string (white space with a newline, -- comments allowed): the quote that
// continues, or nullptr.
const char* lexer_pass::find_continuation(const char* at) const {
    bool newline = false;
    while (at != end_) {
        if (*at == '\n' || *at == '\r') newline = true;
        if (class_of(*at) == byte_class::space) {
            ++at;
        } else if (*at == '-' && peek(at, 1) == '-') {
            while (at != end_ && *at != '\n' && *at != '\r') {
                ++at;
            }
        } else {
            return newline && *at == '\'' ? at : nullptr;
        }
    }
    return nullptr;
}

const char* lexer_pass::read_string(
    const char* start, const char* open, std::string_view placeholder, bool escapes
) {
    const char* last = skip_string_body(open + 1, escapes);
    while (last != nullptr) {
        const std::string_view body = view(open + 1, last - 1);
        if (escapes ? has_escaped_clock_word(body) : has_clock_word(body)) {
            facts_.has_clock_word = true;
        }
        const char* const next = find_continuation(last);
        if (next == nullptr) break;
        facts_.has_clock_word = true;  // a word may be split over the parts
        open = next;
        last = skip_string_body(next + 1, escapes);
    }
    if (last == nullptr) {
        mark_malformed();
        return end_;
    }
    emit_literal(placeholder, start, last);
    return last;
}

const char* lexer_pass::read_quoted_identifier(const char* start, const char* open) {
    const char* at = open + 1;
    while (at != end_ && (*at != '"' || peek(at, 1) == '"')) {
        at += *at == '"' ? 2 : 1;
    }
    if (at == end_ || at == open + 1) {  // unterminated, or "" which PostgreSQL rejects
        mark_malformed();
        return at == end_ ? end_ : at + 1;
    }
    const std::string_view text = view(start, at + 1);
    emit(token_kind::word, text);
    if (open != start) out_[-static_cast<std::ptrdiff_t>(text.size())] = 'u';
    // The one literal-sensitive word that is a name.
    if (view(open, at + 1) == "\"set_config\"") found_sensitive_ = true;
    first_word_ = false;
    return at + 1;
}

const char* lexer_pass::read_dollar(const char* at) {
    const char* last = at + 1;
    if (last != end_ && is_digit(*last)) {
        last = skip_digits(last, end_);
        if (last != end_ && begins_word(*last)) {
            mark_malformed();
        }
        emit(token_kind::literal, view(at, last));
        return last;
    }
    // A tag is an identifier without $.
    if (last != end_ && begins_word(*last)) {
        while (last != end_ && (begins_word(*last) || is_digit(*last))) {
            ++last;
        }
    }
    if (last == end_ || *last != '$') return read_other(at);
    return read_dollar_string(at, last + 1);
}

const char* lexer_pass::read_dollar_string(const char* start, const char* body) {
    const std::string_view tag = view(start, body);
    const std::size_t close = view(body, end_).find(tag);
    if (close == std::string_view::npos) {
        mark_malformed();
        return end_;
    }
    if (has_clock_word({body, close})) facts_.has_clock_word = true;
    const char* const last = body + close + tag.size();
    emit_literal("''", start, last);
    return last;
}

const char* lexer_pass::read_number(const char* at) {
    const char* last = skip_digits(at, end_);
    bool is_integer = last != at && fits_int32(view(at, last));
    // 1..2 is 1, two dots and 2 (slices of PL/pgSQL's FOR); 1. alone is a decimal.
    if (last != end_ && *last == '.' && (last == at || peek(last, 1) != '.')) {
        is_integer = false;
        last = skip_digits(last + 1, end_);
    }
    if (last != end_ && (*last | 0x20) == 'e') {
        const char* exponent = last + 1;
        if (exponent != end_ && (*exponent == '+' || *exponent == '-')) ++exponent;
        if (const char* behind = skip_digits(exponent, end_); behind != exponent) {
            is_integer = false;
            last = behind;
        }
    }
    // 12ab, 0x1F, 1_000, 1e: errors in 15, other numbers from 16 on. Never two tokens.
    if (last != end_ && begins_word(*last)) mark_malformed();
    emit_literal(is_integer ? "0" : "0.0", at, last);
    return last;
}

const char* lexer_pass::read_operator(const char* at) {
    if (*at == '/' && peek(at, 1) == '*') return read_comment(at);
    if (*at == '-' && peek(at, 1) == '-') return read_line_comment(at);
    const char* last = at + 1;
    bool keeps_sign = std::string_view{"~!@#^&|`?%"}.find(*at) != std::string_view::npos;
    while (last != end_ && class_of(*last) == byte_class::operation) {
        const bool comment =
            (*last == '/' && peek(last, 1) == '*') || (*last == '-' && peek(last, 1) == '-');
        if (comment) break;
        keeps_sign =
            keeps_sign || std::string_view{"~!@#^&|`?%"}.find(*last) != std::string_view::npos;
        ++last;
    }
    // So that a=-1 is a = -1: an operator ends in + or - only if it holds one of the above
    // (scan.l).
    while (!keeps_sign && last - at > 1 && (last[-1] == '+' || last[-1] == '-')) {
        --last;
    }
    emit(token_kind::operation, view(at, last));
    meter_.chain();
    return last;
}

const char* lexer_pass::read_comment(const char* at) {
    facts_.has_comments = true;
    const char* const body = at + 2;
    std::size_t open = 1;
    for (at = body; end_ - at >= 2;) {
        if (*at == '*' && at[1] == '/') {
            at += 2;
            if (--open == 0) {
                sql::read_comment(view(body, at - 2), facts_);
                return at;
            }
        } else if (*at == '/' && at[1] == '*') {
            at += 2;
            ++open;
        } else {
            ++at;
        }
    }
    mark_malformed();
    return end_;
}

const char* lexer_pass::read_line_comment(const char* at) {
    facts_.has_comments = true;
    const char* const body = at + 2;
    const char* const last =
        std::find_if(body, end_, [](char c) { return c == '\n' || c == '\r'; });
    sql::read_comment(view(body, last), facts_);
    return last;
}

const char* lexer_pass::read_dot(const char* at) {
    if (is_digit(peek(at, 1))) return read_number(at);
    if (peek(at, 1) == '.') {
        emit(token_kind::other, "..");
        return at + 2;
    }
    emit(token_kind::dot, ".");
    return at + 1;
}

const char* lexer_pass::read_colon(const char* at) {
    if (peek(at, 1) == ':') {
        emit(token_kind::cast, "::");
        meter_.chain();
        return at + 2;
    }
    const std::size_t size = peek(at, 1) == '=' ? 2 : 1;
    emit(token_kind::other, {at, size});
    return at + size;
}

// Bytes that begin no token of PostgreSQL 15: a syntax error there, so the text is not to be
// trusted.
const char* lexer_pass::read_other(const char* at) {
    mark_malformed();
    if (*at != malformed_mark.front()) emit(token_kind::other, {at, 1});
    return at + 1;
}

}  // namespace weir::querycache::sql

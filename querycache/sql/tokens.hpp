// The tokens of a skeleton as a list, for the code that runs once a skeleton. The hot path never
// builds it.
#pragma once

#include "querycache/sql/lexer.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::querycache::sql {

/// Kinds as far as the skeleton's spacing needs them.
enum class token_kind : std::uint8_t {
    none,
    word,     ///< an identifier, quoted or not, or a keyword that the lexer does not know
    keyword,  ///< an unquoted word that the lexer knows
    literal,  ///< string, number, or $n
    operation,
    open,  ///< ( [
    close,
    comma,
    semicolon,
    dot,
    cast,   ///< ::
    other,  ///< : := .. and bytes that begin no token
};

struct token {
    token_kind kind;
    std::size_t offset;  ///< in the skeleton
    std::size_t size;
};

/// A text's tokens. Positions past the end read as empty text of kind none, so that look-ahead
/// needs no checks.
class token_list {
public:
    explicit token_list(std::string_view skeleton) {
        const lexed& found = lexer_.run(skeleton, tokens_);
        is_sound_ = !found.malformed && !found.invalid_utf8 && !found.too_complex;
    }

    /// Whether the text is well-formed and within complexity_limits.
    bool is_sound() const { return is_sound_; }

    std::size_t size() const { return tokens_.size(); }
    token_kind kind(std::size_t at) const {
        return at < size() ? tokens_[at].kind : token_kind::none;
    }
    std::string_view text(std::size_t at) const {
        return at < size() ? lexer_.skeleton().substr(tokens_[at].offset, tokens_[at].size)
                           : std::string_view{};
    }
    std::string_view skeleton() const { return lexer_.skeleton(); }
    const token& operator[](std::size_t at) const { return tokens_[at]; }

    /// The unquoted word at `at`, else empty.
    std::string_view word(std::size_t at) const {
        const bool is_word = kind(at) == token_kind::word || kind(at) == token_kind::keyword;
        return is_word && text(at).back() != '"' ? text(at) : std::string_view{};
    }
    bool is(std::size_t at, std::string_view expected) const { return text(at) == expected; }

    /// The identifier at `at` without its quotes, else empty.
    std::string name(std::size_t at) const;

    /// As written, from `first` up to but without `last`.
    std::string_view slice(std::size_t first, std::size_t last) const;

private:
    lexer lexer_;
    std::vector<token> tokens_;
    bool is_sound_ = false;
};

/// The content of a string literal of any kind; the text itself if it is none. Escapes of E'' other
/// than a doubled quote stay as they are.
std::string string_content(std::string_view literal);

/// For a token of kind literal.
inline bool is_parameter(std::string_view literal) {
    return literal.size() > 1 && literal[0] == '$' && literal[1] >= '0' && literal[1] <= '9';
}

}  // namespace weir::querycache::sql

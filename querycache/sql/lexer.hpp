// One pass over a SQL text with PostgreSQL's lexical rules (scan.l of PostgreSQL 15, with
// standard_conforming_strings on): its skeleton, and what only the literals and comments of this
// very text can tell. Not a parser: knows tokens, no grammar. One thread per lexer; no recursion,
// and no allocation once its buffer has grown to the texts it sees.
#pragma once

#include "querycache/sql/statement.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace weir::querycache::sql {

class nesting_meter;
struct token;

/// Limits beyond which a text is not given to the parser (libpg_query never checks its stack
/// depth). They are measured on the skeleton: a long literal makes nothing complex, and facts must
/// not depend on it.
struct complexity_limits {
    static constexpr std::size_t text_bytes = 64 * 1024;
    static constexpr std::uint32_t tokens = 32 * 1024;
    static constexpr std::uint32_t nesting = 500;  ///< open (, [ and CASE
    static constexpr std::uint32_t depth = 1000;   ///< nesting plus operator, join and UNION chains
};

/// What one call of lexer::run found. Everything here depends on literals or comments, or guards
/// the parser; it must be looked at on each call and never be remembered by skeleton. Lifetime: the
/// views point into the text that was given to run().
struct lexed {
    std::uint32_t tokens = 0;
    std::uint32_t depth = 0;      ///< an upper bound of the parse tree's depth
    bool has_clock_word = false;  ///< a string holds now, today, tomorrow, yesterday or allballs as
                                  ///< a word, or is written so that this cannot be told (U&'', \x)
    bool literal_sensitive = false;  ///< the skeleton keeps its literals: facts depend on them
    bool has_comments = false;
    bool malformed = false;     ///< unterminated string or comment, 12ab, NUL, ...
    bool invalid_utf8 = false;  ///< facts were read from bytes that are not UTF-8
    bool too_complex = false;   ///< beyond complexity_limits
    bool hint_nocache = false;  ///< /* pgweir: nocache */
    bool hint_invalid = false;  ///< a pgweir comment with a word that is not understood
    std::chrono::milliseconds hint_ttl{-1};  ///< /* pgweir: ttl=30s */; negative = no such hint
    std::string_view traceparent;  ///< value in an SQLCommenter comment, still URL-encoded
    std::string_view request_id;   ///< likewise
};

/// Lexes texts into a buffer that is reused from call to call.
class lexer {
public:
    lexer();
    ~lexer();
    lexer(lexer&&) noexcept;
    lexer& operator=(lexer&&) noexcept;

    /// Reads `text` once (twice if it is literal-sensitive). Never fails: what is not understood
    /// sets a flag. Lifetime: the result and skeleton() are valid until the next run() or
    /// destruction.
    const lexed& run(std::string_view text);

    /// As run(), and appends each token of the skeleton to `tokens`.
    const lexed& run(std::string_view text, std::vector<token>& tokens);

    /// The text of the last run() with literals as typed placeholders ('' 0 0.0 b'' x'' n'' u&''),
    /// comments dropped, unquoted words in lower case and white space made canonical. Texts that
    /// share a skeleton share all facts of `statement`. The skeleton of a well-formed skeleton is
    /// itself.
    std::string_view skeleton() const { return {buffer_.get(), size_}; }

private:
    friend class lexer_pass;
    void grow(std::size_t needed);
    const lexed& run(std::string_view text, std::vector<token>* tokens);

    std::unique_ptr<char[]> buffer_;
    std::size_t capacity_ = 0;
    std::size_t size_ = 0;
    lexed result_;
    std::unique_ptr<nesting_meter> meter_;
};

/// The reasons of this very call, to be added to those of the shared statement: hint_nocache,
/// hint_invalid, too_complex, parse_error for a malformed text, clock_word.
reason_set call_reasons(const lexed& facts);

/// Key of skeleton hashes, random once a process, so that colliding texts cannot be prepared.
struct hash_key {
    std::array<unsigned char, 192> secret{};
};

struct hash128 {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    friend bool operator==(const hash128&, const hash128&) = default;
};

/// XXH3, 128 bits, keyed. Equal hashes are not proof of equal texts: compare in full.
hash128 keyed_hash(std::string_view bytes, const hash_key& key);

/// XXH3, 64 bits, without a key: the same for the same skeleton in every process and after a
/// restart.
std::uint64_t fingerprint_of(std::string_view skeleton);

}  // namespace weir::querycache::sql

// Tables of the lexer: what each byte may begin, which words matter to it, and where the skeleton
// puts a space. Private to lexer.cpp and skeleton_tokens.hpp. Constants only.
#pragma once

#include "querycache/sql/tokens.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace weir::querycache::sql::tables {

enum class byte_class : std::uint8_t {
    other,
    space,
    word,  ///< begins an identifier: letters, _, and every byte from 0x80 (as in scan.l)
    digit,
    quote,
    double_quote,
    dollar,
    operation,
    open,
    close,
    comma,
    semicolon,
    dot,
    colon,
};

constexpr std::array<byte_class, 256> make_classes() {
    std::array<byte_class, 256> table{};
    for (const char c : std::string_view{" \t\n\r\f"}) {
        table[static_cast<unsigned char>(c)] = byte_class::space;
    }
    for (unsigned c = 'a'; c <= 'z'; ++c) {
        table[c] = byte_class::word;
        table[c - 'a' + 'A'] = byte_class::word;
    }
    table['_'] = byte_class::word;
    for (unsigned c = 0x80; c < 256; ++c) {
        table[c] = byte_class::word;
    }
    for (unsigned c = '0'; c <= '9'; ++c) {
        table[c] = byte_class::digit;
    }
    for (const char c : std::string_view{"~!@#^&|`?+-*/%<>="}) {
        table[static_cast<unsigned char>(c)] = byte_class::operation;
    }
    table['\''] = byte_class::quote;
    table['"'] = byte_class::double_quote;
    table['$'] = byte_class::dollar;
    table['('] = byte_class::open;
    table['['] = byte_class::open;
    table[')'] = byte_class::close;
    table[']'] = byte_class::close;
    table[','] = byte_class::comma;
    table[';'] = byte_class::semicolon;
    table['.'] = byte_class::dot;
    table[':'] = byte_class::colon;
    return table;
}
inline constexpr std::array<byte_class, 256> classes = make_classes();

inline byte_class class_of(char c) {
    return classes[static_cast<unsigned char>(c)];
}

/// Bytes that continue an identifier, folded to lower case (ASCII only, as in a multi-byte
/// database); 0 for all others.
constexpr std::array<char, 256> make_word_bytes() {
    std::array<char, 256> table{};
    for (unsigned c = 0; c < 256; ++c) {
        const bool upper = c >= 'A' && c <= 'Z';
        const bool in_word =
            classes[c] == byte_class::word || classes[c] == byte_class::digit || c == '$';
        if (in_word) table[c] = static_cast<char>(upper ? c + 32 : c);
    }
    return table;
}
inline constexpr std::array<char, 256> word_bytes = make_word_bytes();

/// Words that the lexer itself must know.
enum class word_role : std::uint8_t {
    none,
    keyword,          ///< only that a parenthesis after it is set off by a space
    separates,        ///< ends an operator chain: AND, OR, WHEN, ...
    chains,           ///< an operator spelled as a word: one level of the tree each
    joins,            ///< JOIN, UNION, ...: a level that commas do not end
    opens,            ///< CASE
    closes,           ///< END
    sensitive_first,  ///< as first word of a statement: its facts depend on literals
    sensitive,        ///< anywhere
};

struct known_word {
    std::string_view text;
    word_role role;
};

inline constexpr std::size_t longest_known_word = 10;

inline constexpr std::array known_words{
    known_word{"and", word_role::separates},
    known_word{"or", word_role::separates},
    known_word{"when", word_role::separates},
    known_word{"then", word_role::separates},
    known_word{"else", word_role::separates},
    known_word{"not", word_role::chains},
    known_word{"is", word_role::chains},
    known_word{"in", word_role::chains},
    known_word{"like", word_role::chains},
    known_word{"ilike", word_role::chains},
    known_word{"similar", word_role::chains},
    known_word{"between", word_role::chains},
    known_word{"collate", word_role::chains},
    known_word{"at", word_role::chains},
    known_word{"isnull", word_role::chains},
    known_word{"notnull", word_role::chains},
    known_word{"overlaps", word_role::chains},
    known_word{"join", word_role::joins},
    known_word{"union", word_role::joins},
    known_word{"intersect", word_role::joins},
    known_word{"except", word_role::joins},
    known_word{"case", word_role::opens},
    known_word{"end", word_role::closes},
    known_word{"set", word_role::sensitive_first},
    known_word{"prepare", word_role::sensitive_first},
    known_word{"explain", word_role::sensitive_first},
    known_word{"prepared", word_role::sensitive},
    known_word{"set_config", word_role::sensitive},
    known_word{"uescape", word_role::sensitive},
    known_word{"select", word_role::keyword},
    known_word{"from", word_role::keyword},
    known_word{"where", word_role::keyword},
    known_word{"on", word_role::keyword},
    known_word{"as", word_role::keyword},
    known_word{"by", word_role::keyword},
    known_word{"using", word_role::keyword},
    known_word{"having", word_role::keyword},
    known_word{"values", word_role::keyword},
    known_word{"any", word_role::keyword},
    known_word{"all", word_role::keyword},
    known_word{"exists", word_role::keyword},
    known_word{"over", word_role::keyword},
    known_word{"filter", word_role::keyword},
    known_word{"limit", word_role::keyword},
    known_word{"offset", word_role::keyword},
    known_word{"into", word_role::keyword},
    known_word{"lateral", word_role::keyword},
    known_word{"distinct", word_role::keyword},
    known_word{"with", word_role::keyword},
    known_word{"returning", word_role::keyword},
};

/// The first eight bytes of a word as one integer, zero-filled.
constexpr std::uint64_t word_head(std::string_view word) {
    std::uint64_t head = 0;
    for (std::size_t i = 0; i < word.size() && i < 8; ++i) {
        head |= std::uint64_t{static_cast<unsigned char>(word[i])} << (8 * i);
    }
    return head;
}

inline constexpr std::size_t word_slots = 256;
constexpr std::size_t word_slot(std::uint64_t head) {
    return static_cast<std::size_t>((head * 0x9E3779B97F4A7C15ULL) >> 56U);
}

struct word_entry {
    std::uint64_t head = 0;
    std::uint8_t size = 0;
    word_role role = word_role::none;
};

constexpr std::array<word_entry, word_slots> make_word_table() {
    std::array<word_entry, word_slots> table{};
    for (const known_word& word : known_words) {
        std::size_t slot = word_slot(word_head(word.text));
        while (table[slot].size != 0) {
            slot = (slot + 1) % word_slots;
        }
        table[slot] = {
            word_head(word.text), static_cast<std::uint8_t>(word.text.size()), word.role};
    }
    return table;
}
inline constexpr std::array<word_entry, word_slots> word_table = make_word_table();

// Up to eight bytes size and head decide; the three known words that are longer are compared in
// full.
inline word_role find_role(const char* word, std::size_t size, std::uint64_t head) {
    if (size > longest_known_word) return word_role::none;
    for (std::size_t slot = word_slot(head); word_table[slot].size != 0;
         slot = (slot + 1) % word_slots) {
        const word_entry& entry = word_table[slot];
        if (entry.head != head || entry.size != size) continue;
        if (size <= 8) return entry.role;
        const std::string_view text{word, size};
        return text == "set_config" || text == "intersect" || text == "returning" ? entry.role
                                                                                  : word_role::none;
    }
    return word_role::none;
}

inline constexpr std::size_t token_kinds = 12;

/// Whether the skeleton glues two neighbours. Every glued pair must lex as the same two tokens
/// again, or different texts would share a skeleton: `0 .` must not become `0.`, nor `: ::` `:::`.
constexpr bool is_glued(token_kind left, token_kind right) {
    using kind = token_kind;
    if (left == kind::none) return true;
    if (left == kind::open) return right != kind::dot;
    if (right == kind::comma || right == kind::semicolon || right == kind::close) return true;
    if (right == kind::dot) return left == kind::word || left == kind::close;
    if (left == kind::dot)
        return right == kind::word || right == kind::keyword || right == kind::operation;
    if (right == kind::cast)
        return left == kind::word || left == kind::literal || left == kind::close;
    if (left == kind::cast) return right == kind::word || right == kind::keyword;
    if (right == kind::open) return left == kind::word;
    return false;
}

constexpr auto make_glue() {
    std::array<std::array<bool, token_kinds>, token_kinds> table{};
    for (std::size_t left = 0; left < token_kinds; ++left) {
        for (std::size_t right = 0; right < token_kinds; ++right) {
            table[left][right] =
                is_glued(static_cast<token_kind>(left), static_cast<token_kind>(right));
        }
    }
    return table;
}
inline constexpr auto glue = make_glue();

}  // namespace weir::querycache::sql::tables

// Takes what is typed into the console apart: statements at semicolons, statements into words.
// Knows quotes, comments and dollar strings, so that the SQL behind EXPLAIN CACHE is not cut in
// two; knows no command. Pure functions; any thread.
#pragma once

#include "daemon/error_reply.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace weir::daemon::console {

inline constexpr std::string_view white_space = " \t\n\r\f\v";

/// A run of bytes without white space; quoted parts count with what touches them, so that "s"."t"
/// is one word, as is my-db. The signs = ( ) , are words of their own.
struct word {
    std::string text;        ///< quotes undone, otherwise as written
    std::string folded;      ///< unquoted letters in lower case, as SQL names things
    bool is_quoted = false;  ///< a part of it was: never a keyword
    std::size_t begin = 0;   ///< offset of its first byte in statement_words::text
    std::size_t end = 0;     ///< offset behind its last byte

    /// Whether it is this keyword, given in lower case.
    [[nodiscard]] bool is(std::string_view keyword) const {
        return !is_quoted && folded == keyword;
    }
};

struct statement_words {
    std::string_view text;  ///< without the semicolon; a view of what was given
    std::vector<word> words;
};

/// Empty statements are left out. Errors: 42601 for a quote or a comment that does not end.
[[nodiscard]] std::variant<std::vector<statement_words>, client_error> split_statements(
    std::string_view text
);

}  // namespace weir::daemon::console

#include "pool/sequence_record.hpp"

#include "protocol/ascii.hpp"

#include <algorithm>
#include <string>

namespace weir::pool {
namespace {

constexpr std::string_view blank = " \t\r\n\f\v";

std::string_view take_word(std::string_view& text) {
    text.remove_prefix(std::min(text.find_first_not_of(blank), text.size()));
    const std::string_view word = text.substr(0, text.find_first_of(blank));
    text.remove_prefix(word.size());
    return word;
}

bool is_discard(std::string_view statement) {
    const std::string_view verb = take_word(statement);
    const std::string_view what = take_word(statement);
    return protocol::same_letters(verb, "discard") && take_word(statement).empty() &&
           (protocol::same_letters(what, "all") || protocol::same_letters(what, "sequences"));
}

}  // namespace

bool forgets_sequences(std::string_view sql) {
    // A semicolon may be part of a literal or a comment, and then so may be what follows it.
    if (sql.find_first_of("'\"$/-") != std::string_view::npos) return false;
    while (!sql.empty()) {
        const std::string_view one = sql.substr(0, sql.find(';'));
        if (is_discard(one)) return true;
        sql.remove_prefix(std::min(one.size() + 1, sql.size()));
    }
    return false;
}

}  // namespace weir::pool

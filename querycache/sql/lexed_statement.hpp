// The facts of a text as far as its tokens tell, without the parser: session effects, transaction
// control, number of statements, a first guess of the class, and the normalised text. Errs towards
// writes_unknown; never says `read` of a text that shows a writing word. Pure functions.
#pragma once

#include "querycache/sql/lexer.hpp"
#include "querycache/sql/statement.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace weir::querycache::sql {

/// Facts with parsed == false. `reads` and `writes` stay empty, so every class from write up has
/// writes_unknown; a read has it when it calls a function outside is_non_writing_builtin().
/// Takes: the result and skeleton of lexer::run on the text.
std::shared_ptr<statement> lex_statement(const lexed& facts, std::string_view skeleton);

/// The same from the text itself, with a lexer of its own.
std::shared_ptr<statement> lex_statement(std::string_view sql);

/// The skeleton with each placeholder as $n, numbered from the highest $n of the text on; what
/// logs, SHOW QUERIES and rule patterns see (words are in lower case: match without regard to
/// case). A literal-sensitive skeleton's literals become $n too, so no value reaches a log.
std::string normalised_text(std::string_view skeleton);

}  // namespace weir::querycache::sql

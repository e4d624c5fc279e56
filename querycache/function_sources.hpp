// What users' functions in SQL and PL/pgSQL do, by the tokens of their sources: which tables they
// write and what they call. Whatever is not plain (EXECUTE, MERGE, DDL, SET, a language that is not
// read) may do anything. With it the loader clears functions of the suspicion of running code that
// nobody has read: most triggers only stamp a row or write a log. Pure.
#pragma once

#include "querycache/catalog_rows.hpp"
#include "querycache/sql/statement.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace weir::querycache {

enum class source_language : std::uint8_t { sql, plpgsql };

struct source_facts {
    bool is_understood = false;              ///< else nothing follows
    std::vector<sql::relation_name> writes;  ///< targets of INSERT, UPDATE and DELETE
    std::vector<sql::function_call> calls;   ///< whatever is followed by a parenthesis
    std::vector<std::string> names;          ///< all identifiers, sorted: a relation is among them
};

[[nodiscard]] source_facts read_source(std::string_view source, source_language language);

/// A row of catalog_queries::sources: a function of the code.
struct source_row {
    oid function = 0;
    source_language language = source_language::plpgsql;
    std::string text;
    std::string defaults;  ///< of its arguments, a node tree; empty: none
};

/// The functions of the code whose sources tell all that they write, themselves or by what they
/// call; without writes: those that are harmless. `rows` holds relations,
/// rewrites, functions (which are in the code: runs_code) and operators; `invisible` are functions
/// of the code that run without being called: behind casts, operators, types. When one of those
/// writes or is not known, nothing is.
[[nodiscard]] std::vector<known_writes_row> know_functions(
    const catalog_rows& rows,
    const std::vector<source_row>& sources,
    const std::vector<oid>& invisible
);

}  // namespace weir::querycache

// What a comment may tell the daemon: `pgweir:` hints, and the two fields of SQLCommenter that the
// logs carry. Pure; the comment's text comes in without its delimiters. Source: interface.md,
// section 4; SQLCommenter's specification (key='url-encoded value', comma separated).
#pragma once

#include "querycache/sql/lexer.hpp"

#include <string_view>

namespace weir::querycache::sql {

/// Adds what the comment says to `facts`; a comment that says nothing leaves them as they are. Of
/// two comments the later wins, but `nocache` stays.
void read_comment(std::string_view comment, lexed& facts);

}  // namespace weir::querycache::sql

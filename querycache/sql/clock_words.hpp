// Whether a string literal holds a word that PostgreSQL's date and time input turns into the
// present moment. Pure. Source: datetktbl and special strings in src/backend/utils/adt/datetime.c.
#pragma once

#include <string_view>

namespace weir::querycache::sql {

/// True if a maximal run of ASCII letters in `text` is one of now, today, tomorrow, yesterday and
/// allballs, in any case. Also for text parameters of a Bind message.
bool has_clock_word(std::string_view text);

}  // namespace weir::querycache::sql

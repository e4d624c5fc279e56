// Whether a text is one that PostgreSQL's date and time input may turn into the present moment.
// Pure. Source: datetktbl and DecodeDateTime in src/backend/utils/adt/datetime.c.
#pragma once

#include <string_view>

namespace weir::querycache::sql {

/// True if `text`, or an element of the array or range that it spells, holds one of the words now,
/// today, tomorrow, yesterday and allballs, in any case, and beside it nothing but what may be a
/// field of a date: `today 10:00 Europe/Berlin` is one, `now hiring` is not. Wrong only towards
/// true. For string literals and for text parameters of a Bind message.
bool has_clock_word(std::string_view text);

}  // namespace weir::querycache::sql

// The one table of options. The YAML reader, `--check`, `SHOW CONFIG`, the reload's difference and
// the reference page (etc/reference.md) are all made from it, so an option exists exactly when it
// has a row here. Thread rule: constant data.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

namespace weir::daemon::config {

enum class option_type {
    integer,
    auto_or_integer,  // "auto" is 0
    real,
    duration,
    duration_or_off,  // -1 = off
    size,
    text,
    text_list,
    choice,
    named_sections,  // a map of names that the user chooses; the rows below it start with
                     // "<path>.*."
    section_list,    // a list of sections; the rows below it start with "<path>[]."
    pool_section     // the options of `pool.` again
};

enum class reload_effect { live, restart };

/// A row. `path` is a pattern: "*" stands for a name that the user chooses, "[]" for a place in a
/// list.
struct option {
    std::string_view path;
    option_type type = option_type::text;
    std::string_view default_text = {};  // as the file would say it; a list "[]"
    std::int64_t least = 0;              // durations in milliseconds, sizes in bytes
    std::int64_t most = std::numeric_limits<std::int64_t>::max();
    std::string_view choices = {};  // "a|b|c", in the enumerators' order
    reload_effect reload = reload_effect::live;
    bool is_secret = false;
    std::string_view since = "0.1";
    // What this version cannot do yet: not empty = only the default and the words of
    // `also_accepted` ("a|b") are taken, anything else is an error that ends in this advice.
    std::string_view not_yet = {};
    std::string_view also_accepted = {};
    std::string_view pgbouncer = {};  // PgBouncer's name, for hints
    std::string_view about = {};      // one line for a person at 3 a.m.
};

/// Every row, in the order of the file.
std::span<const option> options();

/// The row of a pattern ("databases.*.upstream"), nullptr when there is none. Options of a pool are
/// found under "pool.".
const option* find_option(std::string_view path);

/// False for rows that only hold other rows.
bool is_value(option_type type);

/// "a whole number", "a duration such as 250ms, 30s, 5m or 1h": for messages and the reference
/// page.
std::string_view describe(option_type type);

/// The reference page in Markdown, generated from the table.
std::string render_reference();

}  // namespace weir::daemon::config

// All of PgBouncer's settings (those of 1.25 and of older versions that still start): what each
// takes, its default there, and what becomes of it here. Thread rule: constant data.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace weir::daemon::config {

enum class pgbouncer_value : std::uint8_t {
    text,
    word,     // letters in any case
    number,   // whole, not negative
    flag,     // 0 or 1
    seconds,  // with a fraction, if need be
    whole_milliseconds,
    names  // separated by commas
};

enum class pgbouncer_effect : std::uint8_t {
    becomes,        // the option `path`
    each_database,  // the option `path` below every database that does not say otherwise
    each_user,      // the option `path` below every user of the file that does not say otherwise
    combined,       // means something together with others; the translator knows
    ignored,        // pgweir does it another way; told when it is not at PgBouncer's default
    refused         // leaving it out could harm; an error when it is not at PgBouncer's default
};

struct pgbouncer_setting {
    std::string_view name;
    pgbouncer_value value = pgbouncer_value::text;
    std::string_view default_text = {};  // PgBouncer's
    pgbouncer_effect effect = pgbouncer_effect::ignored;
    std::string_view path = {};  // of an option; below a database or a user "pool.size" or "user"
    std::string_view zero = {};  // what 0 becomes, where it means something else than there
    // What to tell a person: of ignored settings what pgweir does instead, of refused ones the
    // remedy, of others what is different (told when `zero` is used).
    std::string_view advice = {};
    bool is_secret = false;  // its value is not repeated
};

enum class pgbouncer_section : std::uint8_t { global, databases, users, peers };

/// The settings of a section, in the order of PgBouncer's manual; of the last three the keys of one
/// line.
std::span<const pgbouncer_setting> pgbouncer_settings(pgbouncer_section section);

/// nullptr when the section does not know it.
const pgbouncer_setting* find_pgbouncer_setting(pgbouncer_section section, std::string_view name);

/// As between the brackets: "pgbouncer", "databases".
std::string_view section_name(pgbouncer_section section);

}  // namespace weir::daemon::config

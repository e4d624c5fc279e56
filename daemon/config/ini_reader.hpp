// PgBouncer's file syntax, without a word of what its settings mean: sections, `key = value` lines,
// comments that begin with ; or # at the front of a line, %include, and the key=value pairs of
// [databases], [users] and [peers]. A comment of the form ";pgweir: option = value" is an option
// that only pgweir has; PgBouncer reads over it. Thread rule: functions that may block on included
// files.
#pragma once

#include "daemon/config/config.hpp"
#include "daemon/config/problem.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon::config {

struct ini_entry {
    std::string section;  // "pgbouncer"; "pgweir" for a comment that is an option
    std::string key;      // quotes undone
    std::string value;    // to the end of the line, without blanks around it
    place key_at;
    place at;  // of the value
};

struct ini_origin {
    std::string file;
    int line = 0;
};

/// A file with its included files put in where they are named. Lines are counted through all of
/// them (that is what a `place` holds, and how problems get into the order of reading); `lines` has
/// the place of each on disk.
struct ini_file {
    std::vector<ini_entry> entries;
    std::vector<ini_origin> lines;  // of line n: lines[n - 1]

    /// Problems found at places of this file get their file and line on disk.
    void locate(const std::string& file_name, std::vector<problem>& problems) const;
};

/// Errors: a line that is none of the above, an included file that cannot be read, too many or too
/// deep includes. %include takes its path from the folder of the file that it stands in.
ini_file read_ini(
    std::string_view text, const std::string& file_name, std::vector<problem>& problems
);

/// One key=value of a connection string.
struct ini_pair {
    std::string key;
    std::string value;
    place key_at;
    place at;
};

/// Cuts "host=a password='it''s'" into its pairs. Adds a problem and gives what stands before it
/// where there is none; never quotes a value.
std::vector<ini_pair> split_pairs(
    const ini_entry& entry, const std::string& file_name, std::vector<problem>& problems
);

}  // namespace weir::daemon::config

// The lines and words of pg_hba.conf and pg_ident.conf: quotes, lists, comments, continued lines,
// files in the place of names. Knows nothing of what the words mean. Any thread; no state.
#pragma once

#include "daemon/config/problem.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon::auth {

struct hba_token {
    std::string text;
    bool is_quoted = false;  ///< then it is a name and never a keyword
    int line = 0;
    int column = 0;
    std::string file;

    /// The keyword, or not that because of quotes.
    [[nodiscard]] bool is(std::string_view keyword) const { return !is_quoted && text == keyword; }
};

/// What stands between two blanks: names with commas between them.
using hba_field = std::vector<hba_token>;
using hba_line = std::vector<hba_field>;

struct included_text {
    bool is_read = false;
    std::string text;  ///< of the file, or why it cannot be read
    std::string path;
};
/// `name` as it stands behind "@"; `from`: the file that names it, which it stands beside.
using include_reader =
    std::function<included_text(const std::string& name, const std::string& from)>;

/// Empty lines and comments give none. A field that is wrong is told in `problems` and its line
/// left out.
std::vector<hba_line> split_hba(
    std::string_view text,
    const std::string& file_name,
    const include_reader& include,
    std::vector<config::problem>& problems
);

}  // namespace weir::daemon::auth

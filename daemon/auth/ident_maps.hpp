// pg_ident.conf: which names of the operating system or of certificates stand for which users.
// Immutable once parsed; any thread.
#pragma once

#include "daemon/auth/hba_tokens.hpp"
#include "daemon/config/problem.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace re2 {
class RE2;
}

namespace weir::daemon::auth {

class ident_maps {
public:
    /// Whether `system_name` may come as `user`. Without a map the two must be equal.
    [[nodiscard]] bool admits(
        std::string_view map, std::string_view system_name, std::string_view user
    ) const;
    [[nodiscard]] bool has(std::string_view map) const;
    [[nodiscard]] std::size_t size() const { return lines_.size(); }

private:
    friend ident_maps parse_ident(
        std::string_view text,
        const std::string& file_name,
        const include_reader& include,
        std::vector<config::problem>& problems
    );
    struct line {
        std::string map;
        std::string system_name;
        std::shared_ptr<const re2::RE2> pattern;  // instead of system_name
        hba_token user;
    };
    static bool fits(const line& one, std::string_view system_name, std::string_view user);

    std::vector<line> lines_;
};

/// Lines of MAP SYSTEM-NAME USER; a system name that begins with / is a regular expression, whose
/// first group stands for \1 in USER. Every wrong line is told with FILE:LINE:COL in `problems`.
ident_maps parse_ident(
    std::string_view text,
    const std::string& file_name,
    const include_reader& include,
    std::vector<config::problem>& problems
);

}  // namespace weir::daemon::auth

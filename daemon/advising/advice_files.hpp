// `pgweir --advice DIR`: asks the daemon that runs with this configuration for its advice, and
// writes what is SQL as versioned migrations. Blocking; the command line's.
#pragma once

#include "daemon/config/config.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon::advising {

/// One piece of advice with SQL to apply and to undo it.
struct migration {
    std::string kind;
    std::string database;
    std::string why;  ///< any text
    std::string gain;
    std::string apply;
    std::string undo;
};

/// GET /advice of the daemon at http.listen. Throws std::runtime_error with a text that says what
/// to do.
[[nodiscard]] std::string fetch_advice(const config::config& configuration);

/// Those of /advice's body that are SQL. Throws std::runtime_error when it is not such a body.
[[nodiscard]] std::vector<migration> migrations_in(std::string_view body);

struct written {
    std::vector<std::string> files;  ///< VERSION_what.up.sql, each with its .down.sql beside it
    std::size_t known = 0;           ///< that an .up.sql of the folder has already
};
/// Makes the folder if need be, and a pair of files each. One statement a file: CONCURRENTLY is not
/// allowed within a transaction. Nothing is overwritten. Throws std::runtime_error.
written write_migrations(
    const std::vector<migration>& all,
    const std::string& folder,
    std::chrono::system_clock::time_point now
);

}  // namespace weir::daemon::advising

// The rows of SHOW CACHE and EXPLAIN CACHE, INVALIDATE and WARM. Takes the cache's own lists; the
// functions that take a cache are not for an event loop, since they walk over entries. Any thread.
#pragma once

#include "daemon/config/config.hpp"
#include "daemon/console/commands.hpp"
#include "daemon/console/result.hpp"
#include "daemon/control.hpp"
#include "querycache/cache.hpp"

#include <chrono>
#include <string>
#include <variant>
#include <vector>

namespace weir::daemon::console {

[[nodiscard]] std::vector<row> cache_rows(
    const std::vector<querycache::cache_row>& rules, querycache::time_point now
);
[[nodiscard]] std::vector<row> cache_table_rows(const std::vector<querycache::table_row>& tables);
[[nodiscard]] std::vector<row> cache_reason_rows(const std::vector<querycache::reason_row>& reasons
);
/// A WARNING a line of cache_databases::problems().
[[nodiscard]] std::vector<notice> cache_problem_notices(const std::vector<std::string>& problems);

/// The answer to WARM RULE: the tag tells how many queries were run, a warning each what is wrong
/// with one; an error when none was kept.
[[nodiscard]] result warm_answer(const std::string& rule, const warm_report& report);

/// INVALIDATE in all its forms; the tag tells the entries. Done when it returns.
[[nodiscard]] result invalidate(
    querycache::cache& cache, const command& what, const config::config& configuration
);

/// EXPLAIN CACHE [DATABASE d] [USER u] sql, taken apart.
struct explain_request {
    std::string database;  ///< as clients ask for it
    std::string user;
    std::string sql;
};
/// `asking_user`: whose console it is, for when no USER is given. Errors: the right syntax when no
/// database is given and the configuration names not exactly one, "*" aside; 3D000 for a database
/// that is not there.
[[nodiscard]] std::variant<explain_request, client_error> parse_explain(
    const command& what, const config::config& configuration, const std::string& asking_user
);

/// `call_reasons`: what the literals and comments of this very text add. `ttl_hint` negative =
/// none.
[[nodiscard]] std::vector<row> explanation_rows(
    const explain_request& request,
    const querycache::explanation& explained,
    querycache::sql::reason_set call_reasons,
    std::chrono::milliseconds ttl_hint
);
/// The same for a database that the cache does not know: only what the text itself tells.
[[nodiscard]] std::vector<row> explanation_rows(
    const explain_request& request,
    const querycache::sql::statement& facts,
    querycache::sql::reason_set call_reasons
);

}  // namespace weir::daemon::console

#include "daemon/insight/observer.hpp"

#include <utility>

namespace weir::daemon::insight {
namespace {

// One byte more than is shown, so that the writer still sees that something was cut.
std::string bounded(std::string_view text, std::size_t limit) {
    return std::string{text.substr(0, limit + 1)};
}

constexpr std::size_t name_limit = 256;

}  // namespace

std::string_view to_string(cache_outcome outcome) {
    switch (outcome) {
        case cache_outcome::none:
            return "none";
        case cache_outcome::hit:
            return "hit";
        case cache_outcome::miss:
            return "miss";
        case cache_outcome::bypass:
            return "bypass";
    }
    return {};
}

void observer::log_slow(
    const pool_counters& pool, const query_event& event, const slow_query_texts& texts
) {
    slow_statement statement;
    statement.at = std::chrono::system_clock::now();
    statement.request_id = bounded(texts.request_id, name_limit);
    statement.trace_id = bounded(texts.trace_id, name_limit);
    statement.client = bounded(texts.client, name_limit);
    statement.database =
        texts.database.empty() ? pool.database() : bounded(texts.database, name_limit);
    statement.user = texts.user.empty() ? pool.user() : bounded(texts.user, name_limit);
    statement.application = bounded(texts.application, name_limit);
    statement.fingerprint = texts.fingerprint;
    statement.query = bounded(texts.query, slow_text_limit);
    statement.total = event.total;
    statement.wait = event.wait;
    statement.server = event.server;
    statement.rows = event.rows;
    statement.bytes = event.bytes;
    statement.cache = to_string(event.cache);
    statement.rule = bounded(texts.rule, name_limit);
    statement.sqlstate = bounded(texts.sqlstate, 5);
    slow_.add(std::move(statement));
}

}  // namespace weir::daemon::insight

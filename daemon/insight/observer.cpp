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
    statement.transfer = event.transfer;
    statement.rows = event.rows;
    statement.bytes = event.bytes;
    statement.cache = to_string(event.cache);
    statement.rule = bounded(texts.rule, name_limit);
    statement.sqlstate = bounded(texts.sqlstate, 5);
    if (shows_values_ && !texts.text.empty()) {
        statement.query = bounded(texts.text, slow_text_limit);
        statement.values = values_to_log(texts.bind_tail);
    }
    const bool has_plan = event.kind == query_kind::read || event.kind == query_kind::write;
    if (plans_ != nullptr && has_plan && texts.origin && !texts.text.empty()) {
        plan_question question{
            std::string{texts.text},
            std::string{texts.parameter_types},
            std::string{texts.bind_tail},
            texts.origin};
        if (plans_->take(statement, question)) return;
    }
    slow_.add(std::move(statement));
}

void observer::tell_repeats(
    pool_counters& pool,
    const query_event& event,
    const repeat_finding& found,
    const slow_query_texts& texts
) {
    pool.n_plus_one();
    n_plus_one_run run;
    run.database = pool.database();
    run.user = pool.user();
    run.application = texts.application;
    run.client = texts.client;
    run.request_id = texts.request_id;
    run.fingerprint = event.fingerprint;
    run.query = texts.query;
    run.parent_fingerprint = found.parent;
    if (const auto* const parent = statements_.find(pool.id(), found.parent)) {
        run.parent = parent->query();
    }
    run.repeats = found.count;
    run.window = of_clients_.window();
    run.at = std::chrono::system_clock::now();
    if (of_requests_.found().note(run)) slow_.add_line(n_plus_one_line(run));
}

}  // namespace weir::daemon::insight

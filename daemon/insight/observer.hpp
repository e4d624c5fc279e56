// Where a session tells once what became of a query: for the metrics, the statistics of its
// statement, the slow log and the watch for N+1. What is neither slow nor new costs some dozen
// stores and no allocation; the texts are asked for only then. One observer for each event loop;
// one thread.
#pragma once

#include "daemon/insight/counters.hpp"
#include "daemon/insight/plan.hpp"
#include "daemon/insight/query_event.hpp"
#include "daemon/insight/repeat_watch.hpp"
#include "daemon/insight/shared_repeats.hpp"
#include "daemon/insight/slow_log.hpp"
#include "daemon/insight/statement_book.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::daemon::insight {

class observer {
public:
    observer(
        worker_counters& counters,
        slow_log& slow,
        statement_book& statements,
        shared_repeats& repeats
    )
        : counters_(counters), slow_(slow), statements_(statements), of_requests_(repeats) {}

    [[nodiscard]] worker_counters& counters() { return counters_; }
    [[nodiscard]] statement_book& statements() { return statements_; }
    void watch_repeats(const repeat_options& options) { of_clients_.configure(options); }
    /// Whether the slow log shows what was sent, values among it.
    void show_values(bool on) { shows_values_ = on; }
    /// Who explains slow statements; null: nobody.
    void explain_with(plan_source* plans) { plans_ = plans; }
    [[nodiscard]] bool explains() const { return plans_ != nullptr; }
    /// Whether a session is to keep the texts and values of what it runs.
    [[nodiscard]] bool keeps_texts() const { return shows_values_ || explains(); }
    /// Whether a call's parameters are worth their hash.
    [[nodiscard]] bool watches_repeats() const { return of_clients_.is_on(); }

    /// Tells of one finished query. `describe` is called as `slow_query_texts describe()`, only
    /// when its texts are wanted; its views must live until this returns.
    template<class Describe>
    void query_finished(pool_counters& pool, const query_event& event, Describe&& describe) {
        const auto source =
            event.cache == cache_outcome::hit ? answer_source::cache : answer_source::server;
        pool.query_finished(event.kind, source, event.total);
        statement_row* row = statements_.find(pool.id(), event.fingerprint);
        if (row != nullptr && event.is_call) row->add(event);
        repeat_finding repeats;
        if (event.call.parameters != 0) repeats = look_for_repeats(event);
        const bool is_new = row == nullptr && event.is_call && statements_.is_on();
        const bool is_slow = event.total >= pool.slow_threshold();
        if (is_slow) pool.slow_query();
        const bool is_told = is_slow && slow_.is_sampled();
        if (repeats.count > 0 && row != nullptr) note_repeat(*row, repeats);
        if (!is_new && !is_told && !repeats.begins) [[likely]]
            return;
        const slow_query_texts& texts = describe();
        if (is_new) {
            statements_.make(pool, event.fingerprint, event.kind, texts.query).add(event);
        }
        if (is_told) log_slow(pool, event, texts);
        if (repeats.begins) tell_repeats(pool, event, repeats, texts);
    }
    /// A server was held idle behind a statement that had ended.
    void server_held(
        const pool_counters& pool, std::uint64_t fingerprint, std::chrono::nanoseconds idle
    ) {
        if (statement_row* const row = statements_.find(pool.id(), fingerprint)) row->held(idle);
    }

private:
    repeat_finding look_for_repeats(const query_event& event) {
        return event.is_of_request ? of_requests_.observe(event.call)
                                   : of_clients_.observe(event.call);
    }
    static void note_repeat(statement_row& row, const repeat_finding& found) {
        row.repeated(found.begins ? found.count : 1, found.begins);
    }
    void log_slow(
        const pool_counters& pool, const query_event& event, const slow_query_texts& texts
    );
    void tell_repeats(
        pool_counters& pool,
        const query_event& event,
        const repeat_finding& found,
        const slow_query_texts& texts
    );

    worker_counters& counters_;
    slow_log& slow_;
    statement_book& statements_;
    repeat_watch of_clients_;
    shared_repeats& of_requests_;
    bool shows_values_ = false;
    plan_source* plans_ = nullptr;
};

}  // namespace weir::daemon::insight

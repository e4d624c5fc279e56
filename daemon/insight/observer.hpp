// Where a session tells once what became of a query. Counts it, and hands it to the slow log when
// it was slow. Not slow costs two histogram steps and no allocation; the texts are asked for only
// when slow. One observer for each event loop; one thread.
#pragma once

#include "daemon/insight/counters.hpp"
#include "daemon/insight/slow_log.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::daemon::insight {

/// What the cache had to do with a query.
enum class cache_outcome : std::uint8_t {
    none,  ///< no rule was asked
    hit,
    miss,
    bypass,  ///< a rule admitted it, something else forbade
};
std::string_view to_string(cache_outcome outcome);

/// One finished query, in numbers.
struct query_event {
    query_kind kind = query_kind::unknown;
    cache_outcome cache = cache_outcome::none;
    std::chrono::nanoseconds total{0};   ///< first byte from the client to last byte to it
    std::chrono::nanoseconds wait{0};    ///< of that, in the pool's queue
    std::chrono::nanoseconds server{0};  ///< of that, first byte to the server until its last reply
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0;  ///< of the reply
};

class observer {
public:
    observer(worker_counters& counters, slow_log& slow) : counters_(counters), slow_(slow) {}

    [[nodiscard]] worker_counters& counters() { return counters_; }

    /// Tells of one finished query. `describe` is called as `slow_query_texts describe()`, only
    /// when the statement goes into the slow log; its views must live until this returns.
    template<class Describe>
    void query_finished(pool_counters& pool, const query_event& event, Describe&& describe) {
        const auto source =
            event.cache == cache_outcome::hit ? answer_source::cache : answer_source::server;
        pool.query_finished(event.kind, source, event.total);
        if (!slow_.is_slow(event.total)) [[likely]]
            return;
        pool.slow_query();
        if (slow_.is_sampled()) log_slow(pool, event, describe());
    }

private:
    void log_slow(
        const pool_counters& pool, const query_event& event, const slow_query_texts& texts
    );

    worker_counters& counters_;
    slow_log& slow_;
};

}  // namespace weir::daemon::insight

// A fixed set of long-lived threads with large stacks that parse SQL, so that no event loop ever
// does. Thread-safe. Knows no session: text in, facts out.
#pragma once

#include "querycache/sql/statement.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace weir::querycache::sql {

class parser_pool {
public:
    using callback = std::function<void(std::shared_ptr<const statement>)>;

    /// libpg_query recurses without checking; 32 MiB carries what complexity_limits lets through
    /// many times over.
    static constexpr std::size_t stack_bytes = 32U << 20U;

    struct counters {
        std::uint64_t parsed = 0;
        std::uint64_t refused = 0;  ///< the queue was full, or the pool had stopped
        std::size_t queued = 0;     ///< now
    };

    /// Starts `threads` threads (at least one). Errors: std::system_error if none can be started.
    explicit parser_pool(std::size_t threads, std::size_t queue_limit = 1024);
    ~parser_pool();  ///< stop()
    parser_pool(const parser_pool&) = delete;
    parser_pool& operator=(const parser_pool&) = delete;

    /// Calls `done` exactly once, on a parser thread; when the queue is full or the pool has
    /// stopped, at once on the calling thread with unparsed facts: kind unknown, writes_unknown,
    /// too_complex, opaque. Such facts must not be remembered. `done` must not throw nor call
    /// stop().
    void submit(std::string text, callback done);

    /// Finishes what is queued, then joins all threads. Idempotent.
    void stop();

    counters read_counters() const;

private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace weir::querycache::sql

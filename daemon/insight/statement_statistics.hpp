// The statement books of all event loops and their sum, for SHOW QUERIES, /stats.json and the
// dashboard. Thread-safe; the books outlive the loops that write them.
#pragma once

#include "daemon/insight/statement_book.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

namespace weir::daemon::insight {

/// All statements at one moment. Plain data.
struct statement_report {
    std::vector<statement_totals> rows;  ///< those that took the most time first
    std::size_t limit = 0;               ///< rows that a loop may keep; 0: off
    std::uint64_t evicted = 0;           ///< rows folded into "(other)"
};

class statement_statistics {
public:
    explicit statement_statistics(std::size_t limit) : limit_(limit) {}
    statement_statistics(const statement_statistics&) = delete;
    statement_statistics& operator=(const statement_statistics&) = delete;

    /// Once for each event loop, before it runs.
    statement_book& add_worker();
    /// Copies and adds up: milliseconds with thousands of statements. Not for a loop's thread.
    [[nodiscard]] statement_report report() const;

private:
    const std::size_t limit_;  // that books begin with
    mutable std::mutex mutex_;
    std::deque<statement_book> books_;  // guarded by mutex_
};

}  // namespace weir::daemon::insight

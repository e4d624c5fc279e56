// What one event loop has seen of each statement (by pool and fingerprint), as pg_stat_statements
// keeps it, with what only a pooler can see: the wait for a server, the time that a server was
// held, what memory answered. Bounded: when all places are taken, the row that was least in use
// lately is folded into one for all others. The loop writes without a lock; a reader copies while
// it writes.
#pragma once

#include "daemon/insight/latency_sketch.hpp"
#include "daemon/insight/query_event.hpp"
#include "daemon/insight/tally.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon::insight {

/// Sums of one statement. Plain data.
struct statement_totals {
    std::string database;
    std::string user;
    std::uint64_t fingerprint = 0;
    std::string query;  ///< normalised; cut at statement_book::longest_query bytes
    query_kind kind = query_kind::unknown;
    std::uint64_t calls = 0;
    std::uint64_t errors = 0;
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0;
    std::chrono::nanoseconds total{0};     ///< of which all but `occupied` are parts
    std::chrono::nanoseconds wait{0};      ///< in the pool's queue
    std::chrono::nanoseconds server{0};    ///< until the server's first reply
    std::chrono::nanoseconds transfer{0};  ///< from that to the last one
    std::chrono::nanoseconds cache{0};     ///< answered from memory
    /// How long a server was held for it: while it ran, and idle behind it until the next statement
    /// or until the server was given back.
    std::chrono::nanoseconds occupied{0};
    std::chrono::nanoseconds saved{0};  ///< server time that its hits did not need
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t bypasses = 0;
    std::uint64_t n_plus_one = 0;                     ///< runs of repetitions
    std::uint64_t repeated = 0;                       ///< calls in them
    std::optional<querycache::bypass_reason> reason;  ///< the last one
    latency_totals latency;
    bool is_own_world = false;      ///< some call was: see query_event
    std::uint64_t seen_values = 0;  ///< a bit for each 64th of all hashes of values

    /// About how many different sets of values it was called with; infinite: too many to tell.
    [[nodiscard]] double variants() const;
    /// Zero without a call.
    [[nodiscard]] std::chrono::nanoseconds mean() const {
        return calls == 0 ? total : total / static_cast<std::int64_t>(calls);
    }
    /// Adds numbers; not names, text and kind.
    statement_totals& operator+=(const statement_totals& other);
};

/// One row. Written by the book's loop.
class statement_row {
public:
    void add(const query_event& event);
    void held(std::chrono::nanoseconds idle) { add_time(occupied_, idle); }
    /// A call in a run of repetitions. The one that made it a run counts for those before it.
    void repeated(std::uint64_t calls, bool is_new_run) {
        repeated_.add(calls);
        if (is_new_run) n_plus_one_.add();
    }
    [[nodiscard]] std::string_view query() const { return query_; }

private:
    friend class statement_book;

    static void add_time(tally& to, std::chrono::nanoseconds time) {
        if (time.count() > 0) to.add(static_cast<std::uint64_t>(time.count()));
    }
    [[nodiscard]] statement_totals read() const;
    void clear();

    // Changed under the book's mutex only.
    bool is_used_ = false;
    query_kind kind_ = query_kind::unknown;
    std::uint8_t credit_ = 0;  // the loop's own: rounds that the row may stay without a call
    std::size_t pool_ = 0;
    std::uint64_t fingerprint_ = 0;
    std::string database_;
    std::string user_;
    std::string query_;

    std::atomic<std::uint8_t> reason_{0};  // bypass_reason + 1
    tally calls_;
    tally errors_;
    tally rows_;
    tally bytes_;
    tally total_;  // this and what follows: nanoseconds
    tally wait_;
    tally server_;
    tally transfer_;
    tally cache_;
    tally occupied_;
    tally saved_;
    tally hits_;
    tally misses_;
    tally bypasses_;
    tally n_plus_one_;
    tally repeated_;
    std::atomic<bool> is_own_world_{false};
    std::atomic<std::uint64_t> seen_values_{0};
    latency_sketch latency_;
};

class statement_book {
public:
    static constexpr std::size_t longest_query = 1024;
    /// Database, user and text of the row that takes what is pushed out.
    static constexpr std::string_view folded = "(other)";

    /// At most `limit` rows; 0: none, nothing is kept.
    explicit statement_book(std::size_t limit) : limit_(limit) {}
    statement_book(const statement_book&) = delete;
    statement_book& operator=(const statement_book&) = delete;

    // --- the loop's thread only ---
    [[nodiscard]] bool is_on() const { return limit_.load(std::memory_order_relaxed) > 0; }
    /// Null: not seen, or pushed out since.
    [[nodiscard]] statement_row* find(std::size_t pool, std::uint64_t fingerprint) {
        const auto found = index_.find({pool, fingerprint});
        return found == index_.end() ? nullptr : found->second;
    }
    /// A row for what find() does not know. Requires is_on(). Valid until the next call of this or
    /// a change of the limit.
    statement_row& make(
        const pool_counters& pool,
        std::uint64_t fingerprint,
        query_kind kind,
        std::string_view query
    );
    /// Rows beyond a smaller limit are folded.
    void set_limit(std::size_t limit);
    /// The rows of a database go for good.
    void forget(std::string_view database);

    // --- any thread ---
    /// Appends all rows, the one of the others last.
    void read(std::vector<statement_totals>& all) const;
    [[nodiscard]] std::size_t limit() const { return limit_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t evicted() const { return evicted_.read(); }

private:
    struct key {
        std::size_t pool;
        std::uint64_t fingerprint;
        bool operator==(const key&) const = default;
    };
    struct key_hash {
        // A fingerprint is a hash already.
        std::size_t operator()(const key& k) const {
            return k.fingerprint ^ (k.pool * 0x9E3779B97F4A7C15U);
        }
    };
    static constexpr std::size_t slab_rows = 64;
    using slab = std::array<statement_row, slab_rows>;

    statement_row& free_row();
    statement_row& victim();
    void fold(statement_row& row);

    std::atomic<std::size_t> limit_;
    boost::unordered_flat_map<key, statement_row*, key_hash> index_;  // the loop's own
    std::vector<statement_row*> free_;                                // the loop's own
    std::size_t hand_ = 0;  // the loop's own: where the search for a victim goes on
    mutable std::mutex mutex_;
    std::vector<std::unique_ptr<slab>> slabs_;  // guarded by mutex_, as rows' names are
    statement_totals others_;                   // guarded by mutex_
    tally evicted_;
};

}  // namespace weir::daemon::insight

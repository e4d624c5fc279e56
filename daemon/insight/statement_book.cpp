#include "daemon/insight/statement_book.hpp"

#include "daemon/insight/query_text.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace weir::daemon::insight {
namespace {

using std::chrono::nanoseconds;

nanoseconds time_of(const tally& sum) {
    return nanoseconds{static_cast<std::int64_t>(sum.read())};
}

// What is called once, as a text with its values in names is, goes first. What is slow stays longer
// than what is merely called: a report runs once an hour, and is what people look for.
constexpr std::uint8_t credit_of_a_call = 2;
constexpr std::uint8_t credit_of_a_slow_call = 6;
constexpr nanoseconds slow_call = std::chrono::milliseconds{100};

}  // namespace

statement_totals& statement_totals::operator+=(const statement_totals& other) {
    calls += other.calls;
    errors += other.errors;
    rows += other.rows;
    bytes += other.bytes;
    total += other.total;
    wait += other.wait;
    server += other.server;
    transfer += other.transfer;
    cache += other.cache;
    occupied += other.occupied;
    saved += other.saved;
    hits += other.hits;
    misses += other.misses;
    bypasses += other.bypasses;
    n_plus_one += other.n_plus_one;
    repeated += other.repeated;
    if (other.reason) reason = other.reason;
    seen_values |= other.seen_values;
    is_own_world = is_own_world || other.is_own_world;
    latency += other.latency;
    return *this;
}

// Linear counting: so many hashes have fallen that so many of 64 places are still free.
double statement_totals::variants() const {
    const int free_places = std::popcount(~seen_values);
    if (free_places == 0) return std::numeric_limits<double>::infinity();
    return -64.0 * std::log(free_places / 64.0);
}

// --- a row ---

void statement_row::add(const query_event& event) {
    const bool is_first = calls_.read() == 0;
    calls_.add();
    if (event.failed) errors_.add();
    rows_.add(event.rows);
    bytes_.add(event.bytes);
    add_time(total_, event.total);
    add_time(wait_, event.wait);
    add_time(server_, event.server - event.transfer);
    add_time(transfer_, event.transfer);
    add_time(occupied_, event.server);
    latency_.observe(event.total);
    if (event.is_own_world) is_own_world_.store(true, std::memory_order_relaxed);
    if (event.call.parameters != 0) {
        const auto bit = std::uint64_t{1} << (event.call.parameters >> 58U);
        const auto seen = seen_values_.load(std::memory_order_relaxed);
        if ((seen & bit) == 0) seen_values_.store(seen | bit, std::memory_order_relaxed);
    }
    switch (event.cache) {
        case cache_outcome::hit:
            hits_.add();
            add_time(cache_, event.total);
            add_time(saved_, event.saved);
            break;
        case cache_outcome::miss:
            misses_.add();
            break;
        case cache_outcome::bypass:
            bypasses_.add();
            break;
        case cache_outcome::none:
            break;
    }
    if (event.cache != cache_outcome::hit) {
        const unsigned code = event.reason ? static_cast<unsigned>(*event.reason) + 1 : 0;
        reason_.store(static_cast<std::uint8_t>(code), std::memory_order_relaxed);
    }
    if (event.total >= slow_call) {
        credit_ = credit_of_a_slow_call;
    } else if (!is_first) {
        credit_ = std::max(credit_, credit_of_a_call);
    }
}

statement_totals statement_row::read() const {
    statement_totals t;
    t.database = database_;
    t.user = user_;
    t.fingerprint = fingerprint_;
    t.query = query_;
    t.kind = kind_;
    t.calls = calls_.read();
    t.errors = errors_.read();
    t.rows = rows_.read();
    t.bytes = bytes_.read();
    t.total = time_of(total_);
    t.wait = time_of(wait_);
    t.server = time_of(server_);
    t.transfer = time_of(transfer_);
    t.cache = time_of(cache_);
    t.occupied = time_of(occupied_);
    t.saved = time_of(saved_);
    t.hits = hits_.read();
    t.misses = misses_.read();
    t.bypasses = bypasses_.read();
    t.n_plus_one = n_plus_one_.read();
    t.repeated = repeated_.read();
    if (const unsigned code = reason_.load(std::memory_order_relaxed); code > 0) {
        t.reason = static_cast<querycache::bypass_reason>(code - 1);
    }
    t.latency = latency_.read();
    t.is_own_world = is_own_world_.load(std::memory_order_relaxed);
    t.seen_values = seen_values_.load(std::memory_order_relaxed);
    return t;
}

void statement_row::clear() {
    is_used_ = false;
    credit_ = 0;
    reason_.store(0, std::memory_order_relaxed);
    for (tally* each :
         {&calls_,
          &errors_,
          &rows_,
          &bytes_,
          &total_,
          &wait_,
          &server_,
          &transfer_,
          &cache_,
          &occupied_,
          &saved_,
          &hits_,
          &misses_,
          &bypasses_,
          &n_plus_one_,
          &repeated_}) {
        each->clear();
    }
    latency_.clear();
    seen_values_.store(0, std::memory_order_relaxed);
    is_own_world_.store(false, std::memory_order_relaxed);
    query_ = std::string{};  // not clear(), which keeps the memory
}

// --- the book ---

statement_row& statement_book::make(
    const pool_counters& pool, std::uint64_t fingerprint, query_kind kind, std::string_view query
) {
    const std::lock_guard lock{mutex_};
    statement_row& row = free_row();
    row.is_used_ = true;
    row.kind_ = kind;
    row.pool_ = pool.id();
    row.fingerprint_ = fingerprint;
    row.database_ = pool.database();
    row.user_ = pool.user();
    row.query_ = printable_text(query, longest_query);
    index_.insert_or_assign(key{row.pool_, fingerprint}, &row);
    return row;
}

statement_row& statement_book::free_row() {
    if (index_.size() >= limit_.load(std::memory_order_relaxed)) {
        statement_row& out = victim();
        fold(out);
        return out;
    }
    if (free_.empty()) {
        slabs_.push_back(std::make_unique<slab>());
        for (auto each = slabs_.back()->rbegin(); each != slabs_.back()->rend(); ++each)
            free_.push_back(&*each);
    }
    statement_row& row = *free_.back();
    free_.pop_back();
    return row;
}

// The clock: a row gets as many rounds as its calls have earned. Requires a row in use.
statement_row& statement_book::victim() {
    for (;; ++hand_) {
        if (hand_ >= slabs_.size() * slab_rows) hand_ = 0;
        statement_row& row = (*slabs_[hand_ / slab_rows])[hand_ % slab_rows];
        if (!row.is_used_) continue;
        if (row.credit_ == 0) {
            ++hand_;
            return row;
        }
        --row.credit_;
    }
}

// Its numbers stay in the sum of all; the row is as new.
void statement_book::fold(statement_row& row) {
    others_ += row.read();
    index_.erase({row.pool_, row.fingerprint_});
    row.clear();
    evicted_.add();
}

void statement_book::set_limit(std::size_t limit) {
    const std::lock_guard lock{mutex_};
    limit_.store(limit, std::memory_order_relaxed);
    while (index_.size() > limit) {
        statement_row& row = victim();
        fold(row);
        free_.push_back(&row);
    }
    if (!index_.empty()) return;
    free_.clear();
    slabs_.clear();
}

void statement_book::forget(std::string_view database) {
    const std::lock_guard lock{mutex_};
    for (const auto& each : slabs_) {
        for (statement_row& row : *each) {
            if (!row.is_used_ || row.database_ != database) continue;
            index_.erase({row.pool_, row.fingerprint_});
            row.clear();
            free_.push_back(&row);
        }
    }
}

// The lock is given back between slabs: the loop may wait for 64 rows, not for thousands.
void statement_book::read(std::vector<statement_totals>& all) const {
    for (std::size_t i = 0;; ++i) {
        const std::lock_guard lock{mutex_};
        if (i >= slabs_.size()) {
            if (others_.calls == 0) break;
            all.push_back(others_);
            all.back().database = all.back().user = all.back().query = folded;
            break;
        }
        for (const statement_row& row : *slabs_[i]) {
            if (row.is_used_ && row.calls_.read() > 0) all.push_back(row.read());
        }
    }
}

}  // namespace weir::daemon::insight

// What the daemon counts, as verbs: call sites say what happened, `metrics.cpp` alone knows metric
// names. An event loop owns one `worker_counters` and through it one `pool_counters` for each pool
// that it serves; both are written by that thread only. `counter_registry` owns them all and adds
// them up for a reader. Not here: gauges, which their owners tell at scrape time (gauges.hpp).
#pragma once

#include "daemon/insight/tally.hpp"
#include "querycache/sql/statement.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::daemon::insight {

/// The statement's class is the label `kind`.
using query_kind = querycache::sql::statement_class;
inline constexpr std::size_t query_kind_count = static_cast<std::size_t>(query_kind::unknown) + 1;

/// Who answered a query.
enum class answer_source : std::uint8_t { server, cache };
inline constexpr std::size_t answer_source_count = 2;

/// How a client's login ended. The metric may be frank where the text to the client may not.
enum class login_result : std::uint8_t {
    ok,
    bad_credentials,  ///< wrong password or unknown user
    unknown_database,
    refused,  ///< by a rule: user, address, TLS demanded
    too_many_clients,
    timed_out,
    disconnected,  ///< the client left before the end
    malformed,     ///< not the protocol
    unsupported,   ///< an authentication method or protocol feature that is not offered
    shutting_down,
};
inline constexpr std::size_t login_result_count =
    static_cast<std::size_t>(login_result::shutting_down) + 1;

/// Why a server connection did not come to be.
enum class connect_failure : std::uint8_t {
    unresolved,   ///< no address for the host name
    refused,      ///< ECONNREFUSED, or no such unix socket
    unreachable,  ///< any other network error
    timed_out,
    lost,            ///< closed in the middle of the login
    authentication,  ///< SQLSTATE class 28
    no_database,     ///< 3D000
    too_many,        ///< 53300 from PostgreSQL
    not_accepting,   ///< 57P03: starting up, shutting down, recovering
    malformed,       ///< not the protocol
    unsupported,     ///< asks for what is not offered: TLS only, GSS, ...
    other,
};
inline constexpr std::size_t connect_failure_count =
    static_cast<std::size_t>(connect_failure::other) + 1;

/// Who made an error that a client was told.
enum class error_origin : std::uint8_t { server, pgweir };
inline constexpr std::size_t error_origin_count = 2;

/// The label values, as in the metrics. Static storage.
std::string_view to_string(answer_source source);
std::string_view to_string(login_result result);
std::string_view to_string(connect_failure reason);
std::string_view to_string(error_origin origin);

/// SQLSTATE classes are a bounded label: PostgreSQL's own by name, all else (a RAISE may invent
/// codes) is "other", the last.
struct sqlstate_classes {
    static constexpr std::size_t count = 44;
    /// Of a whole SQLSTATE or its first two characters.
    static std::size_t index_of(std::string_view sqlstate);
    /// `index` < count. Two characters, or "other".
    static std::string_view name(std::size_t index);
};

/// Sums over threads of what `pool_counters` counts. Plain data.
struct pool_totals {
    std::string database;
    std::string user;
    std::array<std::uint64_t, query_kind_count> queries{};
    std::array<histogram_totals, answer_source_count> query_seconds{};
    histogram_totals wait_seconds;
    std::uint64_t wait_timeouts = 0;
    std::uint64_t transactions = 0;
    std::chrono::nanoseconds transaction_time{0};
    std::uint64_t bytes_from_client = 0;
    std::uint64_t bytes_to_client = 0;
    std::uint64_t bytes_from_server = 0;
    std::uint64_t bytes_to_server = 0;
    std::uint64_t server_assignments = 0;
    std::uint64_t client_parses = 0;
    std::uint64_t server_parses = 0;
    std::uint64_t binds = 0;
    std::uint64_t logins = 0;
    std::uint64_t slow_queries = 0;
    std::uint64_t n_plus_one = 0;

    [[nodiscard]] std::uint64_t query_count() const;
    /// Adds everything but the names.
    pool_totals& operator+=(const pool_totals& other);
};

/// One event loop's counts for one pool (database and user). Written by that loop's thread only;
/// the address holds until the registry forgets the database, so a session keeps a reference.
class alignas(64) pool_counters {
public:
    pool_counters(std::size_t id, std::string database, std::string user)
        : id_(id), database_(std::move(database)), user_(std::move(user)) {}

    /// A query's last reply byte was passed on. `duration` is all of it: waiting, server and
    /// transfer.
    void query_finished(query_kind kind, answer_source source, std::chrono::nanoseconds duration) {
        queries_[static_cast<std::size_t>(kind)].add();
        query_seconds_[static_cast<std::size_t>(source)].observe(duration);
    }
    /// A transaction (or a query outside one) ended; `duration` from its first byte.
    void transaction_finished(std::chrono::nanoseconds duration) {
        transactions_.add();
        if (duration.count() > 0)
            transaction_time_.add(static_cast<std::uint64_t>(duration.count()));
    }
    void bytes_from_client(std::size_t n) { bytes_from_client_.add(n); }
    void bytes_to_client(std::size_t n) { bytes_to_client_.add(n); }
    void bytes_from_server(std::size_t n) { bytes_from_server_.add(n); }
    void bytes_to_server(std::size_t n) { bytes_to_server_.add(n); }
    /// A client stood in the queue and got a server. Not called for clients that did not wait.
    void client_waited(std::chrono::nanoseconds duration) { wait_seconds_.observe(duration); }
    /// A client stood in the queue until wait_timeout. The wait counts, too.
    void wait_timed_out(std::chrono::nanoseconds duration) {
        wait_seconds_.observe(duration);
        wait_timeouts_.add();
    }
    void server_assigned() { server_assignments_.add(); }
    void client_parsed() { client_parses_.add(); }
    void server_parsed() { server_parses_.add(); }
    void bound() { binds_.add(); }
    void client_logged_in() { logins_.add(); }
    void slow_query() { slow_queries_.add(); }
    /// A client has begun a run of repetitions.
    void n_plus_one() { n_plus_one_.add(); }

    /// From when on a statement is slow: what the pool's options say. The loop's own.
    [[nodiscard]] std::chrono::nanoseconds slow_threshold() const { return slow_threshold_; }
    void set_slow_threshold(std::chrono::nanoseconds threshold) { slow_threshold_ = threshold; }

    /// The pool's on all threads, and never another one's.
    [[nodiscard]] std::size_t id() const { return id_; }
    [[nodiscard]] const std::string& database() const { return database_; }
    [[nodiscard]] const std::string& user() const { return user_; }
    /// Any thread.
    [[nodiscard]] pool_totals read() const;

private:
    std::size_t id_;
    std::string database_;
    std::string user_;
    std::chrono::nanoseconds slow_threshold_ = std::chrono::nanoseconds::max();
    std::array<tally, query_kind_count> queries_;
    tally transactions_;
    tally transaction_time_;  // nanoseconds
    tally bytes_from_client_;
    tally bytes_to_client_;
    tally bytes_from_server_;
    tally bytes_to_server_;
    tally server_assignments_;
    tally client_parses_;
    tally server_parses_;
    tally binds_;
    tally logins_;
    tally slow_queries_;
    tally n_plus_one_;
    tally wait_timeouts_;
    std::array<duration_histogram, answer_source_count> query_seconds_;
    duration_histogram wait_seconds_;
};

/// Sums over threads of what belongs to no pool. Plain data.
struct worker_totals {
    std::uint64_t clients_connected = 0;
    std::uint64_t clients_disconnected = 0;
    std::array<std::uint64_t, login_result_count> logins{};
    histogram_totals server_connect_seconds;
    std::uint64_t servers_disconnected = 0;
    std::array<std::uint64_t, connect_failure_count> connect_failures{};
    std::array<std::array<std::uint64_t, sqlstate_classes::count>, error_origin_count> errors{};
    histogram_totals loop_lag;

    worker_totals& operator+=(const worker_totals& other);
};

class counter_registry;

/// One event loop's counts. Written by that loop's thread only.
class alignas(64) worker_counters {
public:
    explicit worker_counters(counter_registry& registry) : registry_(registry) {}
    worker_counters(const worker_counters&) = delete;
    worker_counters& operator=(const worker_counters&) = delete;

    void client_connected() { clients_connected_.add(); }
    void client_disconnected() { clients_disconnected_.add(); }
    void client_login_ended(login_result result) {
        logins_[static_cast<std::size_t>(result)].add();
    }
    /// A server connection is ready for its first query; `duration` from the first SYN or name
    /// lookup.
    void server_connected(std::chrono::nanoseconds duration) { connect_seconds_.observe(duration); }
    void server_disconnected() { servers_disconnected_.add(); }
    void server_connect_failed(connect_failure reason) {
        connect_failures_[static_cast<std::size_t>(reason)].add();
    }
    /// An ErrorResponse went to a client. `sqlstate`: all five characters or the first two.
    void error_sent(std::string_view sqlstate, error_origin origin) {
        errors_[static_cast<std::size_t>(origin)][sqlstate_classes::index_of(sqlstate)].add();
    }
    /// How much later than due this loop's heartbeat ran.
    void loop_lagged(std::chrono::nanoseconds duration) { loop_lag_.observe(duration); }

    /// This thread's counts for a pool, made at the first call. Call once a login, keep the
    /// reference. Beyond the registry's limit of pools all new ones share the names
    /// `counter_registry::folded`. Thread: the owning loop only.
    pool_counters& pool(std::string_view database, std::string_view user);

    /// Any thread.
    [[nodiscard]] worker_totals read() const;

private:
    friend class counter_registry;

    counter_registry& registry_;
    tally clients_connected_;
    tally clients_disconnected_;
    std::array<tally, login_result_count> logins_;
    tally servers_disconnected_;
    std::array<tally, connect_failure_count> connect_failures_;
    std::array<std::array<tally, sqlstate_classes::count>, error_origin_count> errors_;
    duration_histogram connect_seconds_;
    duration_histogram loop_lag_;
    // By id of the registry; the owning thread adds, under the registry's mutex. Shared with who
    // reads them meanwhile.
    std::map<std::size_t, std::shared_ptr<pool_counters>> pools_;
};

/// All sums at one moment. Plain data, ordered by database and user.
struct counter_totals {
    worker_totals workers;
    std::vector<pool_totals> pools;
    std::uint64_t reloads_applied = 0;
    std::uint64_t reloads_failed = 0;
    /// Logins whose pool has no label of its own: the limit was reached.
    std::uint64_t folded_logins = 0;

    /// The pools of one database added up, user empty, in order of name.
    [[nodiscard]] std::vector<pool_totals> databases() const;
};

/// Thread-safe. Owns every thread's counters; their addresses hold until it forgets the database or
/// dies, which must be after the event loops.
class counter_registry {
public:
    /// The names of the pool that takes the counts of all pools beyond the limit.
    static constexpr std::string_view folded = "(other)";

    /// `max_pools` bounds labels and memory: a client may name any database where "*" is
    /// configured.
    explicit counter_registry(std::size_t max_pools = 2000) : max_pools_(max_pools) {}
    counter_registry(const counter_registry&) = delete;
    counter_registry& operator=(const counter_registry&) = delete;

    /// Once for each event loop, before it runs.
    worker_counters& add_worker();
    void config_reloaded(bool applied) { (applied ? reloads_applied_ : reloads_failed_).add(); }
    /// All counts of a database go, as if no client had ever asked for it. Nobody may hold counters
    /// of it. Only whole databases: a sum over the users of one must not fall while it is shown.
    void forget(std::string_view database);
    [[nodiscard]] counter_totals totals() const;

private:
    friend class worker_counters;

    using pool_name = std::pair<std::string, std::string>;

    const std::size_t max_pools_;
    mutable std::mutex mutex_;
    std::map<pool_name, std::size_t> pool_ids_;  // guarded by mutex_
    std::size_t last_id_ = 0;                    // guarded by mutex_
    std::deque<worker_counters> workers_;        // guarded by mutex_
    shared_tally reloads_applied_;
    shared_tally reloads_failed_;
    shared_tally folded_logins_;
};

}  // namespace weir::daemon::insight

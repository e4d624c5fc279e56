// What all event loops share, by reference: made by the daemon before the first loop runs, gone
// after the last has stopped. Each member is thread-safe by itself. Nothing else in the daemon is
// shared between threads.
#pragma once

#include "daemon/config/config.hpp"

#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

namespace weir::pool {
class cancel_registry;
struct cancel_target;
class statement_registry;
}  // namespace weir::pool
namespace weir::querycache {
class cache;
namespace sql {
class parser_pool;
}
}  // namespace weir::querycache

namespace weir::daemon {

namespace insight {
class counter_registry;
class plan_source;
class shared_repeats;
class slow_log;
class statement_statistics;
}  // namespace insight

namespace console {
class stats_periods;
}

namespace auth {
class secret_lookup;
}

class pool_directory;
class credentials;
class user_places;
class cache_databases;
class warm_forms;
class control;

struct services {
    pool::cancel_registry& cancels;
    pool::statement_registry& statements;
    querycache::cache& cache;
    querycache::sql::parser_pool& parsers;
    insight::counter_registry& counters;
    insight::slow_log& slow;
    insight::statement_statistics& statistics;
    insight::shared_repeats& repeats;
    insight::plan_source& plans;
    console::stats_periods& stats;
    pool_directory& pools;
    credentials& users;
    auth::secret_lookup& secrets;
    user_places& places;
    user_places& database_places;
    cache_databases& cached;
    warm_forms& warm;
    control& daemon;
    boost::asio::thread_pool& blocking;  // PBKDF2, file reading
    std::atomic<int>& client_count;
    std::atomic<std::uint64_t>& code_changes;  // DDL of clients, after which code may be other
    std::atomic<std::uint64_t>& schema_age;    // and to schemas: see schema_watch
    /// Finds the client's worker and cancels what it runs.
    std::function<void(pool::cancel_target)> pass_cancel;
};

}  // namespace weir::daemon

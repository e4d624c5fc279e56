#include "daemon/insight/counters.hpp"

#include <numeric>

namespace weir::daemon::insight {
namespace {

template<class Tallies, class Totals>
void read_each(const Tallies& tallies, Totals& totals) {
    for (std::size_t i = 0; i < tallies.size(); ++i)
        totals[i] = tallies[i].read();
}

template<class Totals>
void add_each(Totals& totals, const Totals& other) {
    for (std::size_t i = 0; i < totals.size(); ++i)
        totals[i] += other[i];
}

}  // namespace

std::uint64_t pool_totals::query_count() const {
    return std::accumulate(queries.begin(), queries.end(), std::uint64_t{0});
}

pool_totals& pool_totals::operator+=(const pool_totals& other) {
    add_each(queries, other.queries);
    add_each(query_seconds, other.query_seconds);
    wait_seconds += other.wait_seconds;
    wait_timeouts += other.wait_timeouts;
    transactions += other.transactions;
    transaction_time += other.transaction_time;
    bytes_from_client += other.bytes_from_client;
    bytes_to_client += other.bytes_to_client;
    bytes_from_server += other.bytes_from_server;
    bytes_to_server += other.bytes_to_server;
    server_assignments += other.server_assignments;
    client_parses += other.client_parses;
    server_parses += other.server_parses;
    binds += other.binds;
    logins += other.logins;
    slow_queries += other.slow_queries;
    n_plus_one += other.n_plus_one;
    return *this;
}

pool_totals pool_counters::read() const {
    pool_totals totals;
    totals.database = database_;
    totals.user = user_;
    read_each(queries_, totals.queries);
    read_each(query_seconds_, totals.query_seconds);
    totals.wait_seconds = wait_seconds_.read();
    totals.wait_timeouts = wait_timeouts_.read();
    totals.transactions = transactions_.read();
    totals.transaction_time =
        std::chrono::nanoseconds{static_cast<std::int64_t>(transaction_time_.read())};
    totals.bytes_from_client = bytes_from_client_.read();
    totals.bytes_to_client = bytes_to_client_.read();
    totals.bytes_from_server = bytes_from_server_.read();
    totals.bytes_to_server = bytes_to_server_.read();
    totals.server_assignments = server_assignments_.read();
    totals.client_parses = client_parses_.read();
    totals.server_parses = server_parses_.read();
    totals.binds = binds_.read();
    totals.logins = logins_.read();
    totals.slow_queries = slow_queries_.read();
    totals.n_plus_one = n_plus_one_.read();
    return totals;
}

worker_totals& worker_totals::operator+=(const worker_totals& other) {
    clients_connected += other.clients_connected;
    clients_disconnected += other.clients_disconnected;
    add_each(logins, other.logins);
    server_connect_seconds += other.server_connect_seconds;
    servers_disconnected += other.servers_disconnected;
    add_each(connect_failures, other.connect_failures);
    for (std::size_t i = 0; i < errors.size(); ++i)
        add_each(errors[i], other.errors[i]);
    loop_lag += other.loop_lag;
    return *this;
}

worker_totals worker_counters::read() const {
    worker_totals totals;
    totals.clients_connected = clients_connected_.read();
    totals.clients_disconnected = clients_disconnected_.read();
    read_each(logins_, totals.logins);
    totals.server_connect_seconds = connect_seconds_.read();
    totals.servers_disconnected = servers_disconnected_.read();
    read_each(connect_failures_, totals.connect_failures);
    for (std::size_t i = 0; i < errors_.size(); ++i)
        read_each(errors_[i], totals.errors[i]);
    totals.loop_lag = loop_lag_.read();
    return totals;
}

pool_counters& worker_counters::pool(std::string_view database, std::string_view user) {
    counter_registry::pool_name name{database, user};
    const std::lock_guard lock{registry_.mutex_};
    auto& ids = registry_.pool_ids_;
    auto known = ids.find(name);
    if (known == ids.end()) {
        if (ids.size() >= registry_.max_pools_) {
            registry_.folded_logins_.add();
            name = counter_registry::pool_name{counter_registry::folded, counter_registry::folded};
        }
        known = ids.try_emplace(std::move(name)).first;
        if (known->second == 0) known->second = ++registry_.last_id_;
    }
    auto& counters = pools_[known->second];
    if (!counters) {
        counters =
            std::make_shared<pool_counters>(known->second, known->first.first, known->first.second);
    }
    return *counters;
}

worker_counters& counter_registry::add_worker() {
    const std::lock_guard lock{mutex_};
    return workers_.emplace_back(*this);
}

void counter_registry::forget(std::string_view database) {
    if (database == folded) return;  // of many databases, whose clients hold it
    const std::lock_guard lock{mutex_};
    std::erase_if(pool_ids_, [&](const auto& known) {
        const auto& [name, id] = known;
        if (name.first != database) return false;
        for (auto& worker : workers_)
            worker.pools_.erase(id);
        return true;
    });
}

counter_totals counter_registry::totals() const {
    // The lock is held to copy pointers only: a login that registers its pool must not wait for a
    // scrape.
    std::vector<const worker_counters*> workers;
    std::vector<std::shared_ptr<const pool_counters>> pools;
    {
        const std::lock_guard lock{mutex_};
        for (const auto& worker : workers_) {
            workers.push_back(&worker);
            for (const auto& [id, counters] : worker.pools_)
                pools.push_back(counters);
        }
    }
    counter_totals totals;
    for (const auto* worker : workers)
        totals.workers += worker->read();
    std::map<std::pair<std::string_view, std::string_view>, pool_totals> by_name;
    for (const auto& pool : pools) {
        const auto read = pool->read();
        auto [at, is_new] = by_name.try_emplace({pool->database(), pool->user()});
        if (is_new) {
            at->second.database = read.database;
            at->second.user = read.user;
        }
        at->second += read;
    }
    totals.pools.reserve(by_name.size());
    for (auto& [name, sum] : by_name)
        totals.pools.push_back(std::move(sum));
    totals.reloads_applied = reloads_applied_.read();
    totals.reloads_failed = reloads_failed_.read();
    totals.folded_logins = folded_logins_.read();
    return totals;
}

std::vector<pool_totals> counter_totals::databases() const {
    std::vector<pool_totals> sums;
    for (const auto& pool : pools) {
        if (sums.empty() || sums.back().database != pool.database) {
            sums.emplace_back().database = pool.database;
        }
        sums.back() += pool;
    }
    return sums;
}

}  // namespace weir::daemon::insight

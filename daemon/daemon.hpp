// The daemon: makes everything, starts it, and ends it in an order in which nothing is used after
// its end. Its own thread (the main one) handles signals, reloads and the service manager; clients
// live on the workers.
//   daemon.cpp         start, listening, reload, what comes every second, HTTP
//   daemon_end.cpp     signals, drain, the service manager
//   daemon_gauges.cpp  figures for metrics and /ready
#pragma once

#include "daemon/advising/advisor.hpp"
#include "daemon/auth/secret_lookup.hpp"
#include "daemon/blocked_signals.hpp"
#include "daemon/cache_databases.hpp"
#include "daemon/config/config.hpp"
#include "daemon/config/problem.hpp"
#include "daemon/console/show_stats.hpp"
#include "daemon/control.hpp"
#include "daemon/credentials.hpp"
#include "daemon/http/endpoints.hpp"
#include "daemon/http/server.hpp"
#include "daemon/insight/counters.hpp"
#include "daemon/insight/gauges.hpp"
#include "daemon/insight/metrics.hpp"
#include "daemon/insight/shared_repeats.hpp"
#include "daemon/insight/slow_log.hpp"
#include "daemon/insight/statement_statistics.hpp"
#include "daemon/insight/stats_json.hpp"
#include "daemon/net/listener.hpp"
#include "daemon/net/succession.hpp"
#include "daemon/net/worker.hpp"
#include "daemon/notified_events.hpp"
#include "daemon/pool_directory.hpp"
#include "daemon/removed_databases.hpp"
#include "daemon/services.hpp"
#include "daemon/upstream/explainer.hpp"
#include "daemon/user_places.hpp"
#include "daemon/warming/warm_forms.hpp"
#include "daemon/warming/warmer.hpp"
#include "pool/cancel_registry.hpp"
#include "pool/pool.hpp"
#include "querycache/cache.hpp"
#include "querycache/sql/parser_pool.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace weir::daemon {

class running_daemon final : public control, public pool::pool_events {
public:
    explicit running_daemon(config::config_ptr configuration);
    ~running_daemon();

    /// Listens, serves, and returns the exit status when a signal or the console has ended it.
    /// Errors: std::system_error from listening, with the address in its text.
    int run();

    // control
    void reload(std::function<void(std::string problems)> done) override;
    void stop(stop_mode mode, std::string asked_by) override;
    void warm(std::string rule, std::function<void(warm_report)> done) override;
    const std::vector<worker*>& workers() const override { return worker_list_; }
    std::vector<insight::advice_row> advice() const override;
    config::config_ptr configuration() const override;

private:
    // pool_events; on the loop where it happened
    void server_connected(
        const pool::pool& owner,
        unsigned loop,
        std::chrono::nanoseconds duration,
        const pool::outage& before
    ) override;
    void server_connect_failed(
        const pool::pool& owner,
        unsigned loop,
        const pool::lease_error& why,
        const pool::outage& so_far
    ) override;
    void connect_query_failed(const pool::pool& owner, unsigned loop, std::string_view said)
        override;
    void server_closed(const pool::pool& owner, unsigned loop, std::string_view reason) override;
    void wait_timed_out(const pool::pool& owner, unsigned loop, std::chrono::nanoseconds duration)
        override;
    void run_blocking(
        pool::event_loop& loop, std::function<void()> work, std::function<void()> done
    ) override;

    void listen();
    void close_listeners();
    void accepted(accepted_socket accepted);
    void start_http();
    void start_http_again();
    void begin_succession();
    void suspend_cache();
    http::invalidation invalidate_over_http(const http::invalidation_request& asked);
    http::reload_outcome reload_and_wait();
    void await_signal();
    void on_signal(int number);
    std::string apply_file();
    void apply(config::config_ptr next);
    void set_rules();
    void announce(const std::string& database);
    void begin_drain(stop_mode mode, const std::string& asked_by);
    void call_to_drain(drain_call call);
    void check_drained();
    std::size_t clients_left() const;
    std::size_t applications_left() const;
    std::string status() const;
    void tell_status();
    void sweep();
    insight::gauge_snapshot gauges() const;
    insight::cache_details cache_details() const;
    insight::metrics_input metrics_input() const;
    insight::breaker_gauges breaker_gauges() const;
    http::readiness readiness() const;

    // First: whatever below starts a thread inherits what is blocked.
    blocked_signals blocked_signals_;
    mutable std::mutex config_lock_;
    config::config_ptr config_;  // guarded by config_lock_

    insight::counter_registry counters_;
    insight::slow_log slow_;
    insight::statement_statistics statistics_;
    insight::shared_repeats repeats_;
    explainer explainer_{slow_};
    console::stats_periods stats_{std::chrono::steady_clock::now()};
    querycache::cache cache_;
    notified_events events_;
    querycache::sql::parser_pool parsers_;
    pool::cancel_registry cancels_;
    pool::statement_registry statements_;
    credentials users_;
    auth::secret_lookup secrets_;
    user_places places_;
    user_places database_places_;
    warm_forms warm_;
    std::atomic<int> client_count_{0};
    std::atomic<std::uint64_t> code_changes_{0};
    std::atomic<std::uint64_t> schema_age_{1};
    std::atomic<bool> draining_{false};
    bool asks_clients_to_leave_ = false;  // at the end of their transactions
    std::string told_status_;
    std::unique_ptr<pool_directory> pools_;
    std::unique_ptr<cache_databases> cached_;
    std::unique_ptr<removed_databases> removed_;
    std::unique_ptr<services> services_;
    std::unique_ptr<warmer> warmer_;
    std::vector<std::unique_ptr<worker>> workers_;
    std::vector<worker*> worker_list_;
    std::unique_ptr<advising::advisor> advisor_;
    std::unique_ptr<http::server> http_;
    // Destroyed before the workers: jobs that never ran hold connections of theirs.
    boost::asio::thread_pool blocking_;

    boost::asio::io_context main_{1};
    boost::asio::signal_set signals_;
    boost::asio::steady_timer sweeper_;
    boost::asio::steady_timer drain_timer_;
    boost::asio::steady_timer http_timer_;
    std::chrono::steady_clock::time_point last_call_at_{};
    std::unique_ptr<succession> succession_;  // with listen.reuse_port
    std::vector<std::shared_ptr<listener>> listeners_;
    std::atomic<std::size_t> next_worker_{0};
    int exit_status_ = 0;
};

}  // namespace weir::daemon

// One event loop's thread with all that lives on it: its clients, its memo of statement facts, its
// counters. A client lives and dies on its worker. Other threads talk to a worker through post()
// and with values only.
#pragma once

#include "daemon/config/config.hpp"
#include "daemon/insight/advice.hpp"
#include "daemon/insight/counters.hpp"
#include "daemon/insight/observer.hpp"
#include "daemon/net/listener.hpp"
#include "daemon/services.hpp"
#include "daemon/session/client_session.hpp"
#include "daemon/session/harmless_code.hpp"
#include "pool/event_loop.hpp"
#include "querycache/sql/lexer.hpp"
#include "querycache/sql/memo.hpp"
#include "querycache/verdict.hpp"

#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <unordered_map>
#include <vector>

namespace weir::daemon {

class database_code_by_pool;

class worker {
public:
    using time_point = std::chrono::steady_clock::time_point;

    worker(unsigned index, services& shared, config::config_ptr configuration);
    ~worker();
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;

    /// Starts the thread. begin_stop() ends all clients and lets go of all servers; stop() does so
    /// unless it has been done, and joins the thread, which ends when the clients have been told
    /// and PostgreSQL has been asked to cancel what they ran, or after a second.
    void start();
    void begin_stop();
    void stop();

    // --- any thread ---
    pool::event_loop& loop() { return loop_; }
    unsigned index() const { return loop_.index(); }
    void adopt(accepted_socket accepted);
    void set_config(config::config_ptr configuration);
    /// The figures of the statements of a database that is gone.
    void forget_statements(const std::string& database);
    /// New clients are served once up to the last call, and refused from then on.
    void drain(drain_call call);
    /// Runs `work` on the worker with the session of that id, if it still lives.
    void with_session(std::uint64_t id, std::function<void(client_session&)> work);
    /// Applications' clients.
    std::size_t client_count() const { return client_count_.load(std::memory_order_relaxed); }

    // --- the worker's thread only ---
    services& shared() { return shared_; }
    const config::config_ptr& configuration() const { return configuration_; }
    insight::worker_counters& counters() { return counters_; }
    insight::observer& observer() { return observer_; }
    insight::statement_book& statements() { return observer_.statements(); }
    insight::advice_book& advice() { return advice_; }
    querycache::sql::lexer& lexer() { return lexer_; }
    querycache::sql::statement_memo& memo() { return memo_; }
    querycache::binding_memo& bindings() { return bindings_; }
    const querycache::sql::hash_key& memo_key() const { return memo_key_; }
    harmless_code& harmless() { return harmless_; }
    database_code_by_pool& code() { return *code_; }
    const std::unordered_map<std::uint64_t, client_ptr>& clients() const { return clients_; }
    bool is_draining() const { return draining_; }
    /// The last call is over.
    bool is_drained() const { return drained_; }

    /// A session of the daemon's own (accepted_socket::warm_form), without a phase yet.
    client_ptr take_own(accepted_socket accepted);

    /// The session is closed: it leaves the list, and is destroyed when nothing is under way for
    /// it.
    void forget(client_session& session);
    /// Closes the session after a moment, whether its last bytes were taken or not.
    void close_soon(client_session& session);
    /// While on, the session's phase gets on_tick(): for the few clients that have a deadline.
    void set_ticking(client_session& session, bool on);

private:
    void adopt_config();
    void schedule_tick();
    void tick();

    services& shared_;
    pool::event_loop loop_;
    config::config_ptr configuration_;
    insight::worker_counters& counters_;
    insight::observer observer_;
    insight::advice_book advice_;
    querycache::sql::lexer lexer_;
    querycache::sql::statement_memo memo_;
    querycache::sql::hash_key memo_key_;
    querycache::binding_memo bindings_;
    harmless_code harmless_;
    const std::unique_ptr<database_code_by_pool> code_;
    std::unordered_map<std::uint64_t, client_ptr> clients_;
    std::unordered_map<std::uint64_t, client_ptr> ticking_;
    std::vector<std::pair<time_point, client_ptr>> closing_;
    std::atomic<std::size_t> client_count_{0};  // of clients_, own ones left out
    boost::asio::steady_timer ticker_;
    time_point tick_due_{};
    bool draining_ = false;
    bool drained_ = false;
    bool stopping_ = false;
    bool stop_begun_ = false;  // the thread's that stops the worker
    std::thread thread_;
};

/// Runs `work` on every worker, each on its own thread, and returns when all have done it. Not from
/// a worker; all must be running.
void on_every_worker(const std::vector<worker*>& workers, const std::function<void(worker&)>& work);

}  // namespace weir::daemon

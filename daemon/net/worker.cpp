#include "daemon/net/worker.hpp"

#include "daemon/error_reply.hpp"
#include "daemon/insight/shared_repeats.hpp"
#include "daemon/insight/statement_statistics.hpp"
#include "daemon/pool_directory.hpp"
#include "daemon/repeat_settings.hpp"
#include "daemon/session/database_code.hpp"
#include "daemon/session/login_phase.hpp"
#include "protocol/crypto.hpp"

#include <boost/asio/executor_work_guard.hpp>

#include <pthread.h>

#include <cstring>
#include <latch>
#include <utility>

namespace weir::daemon {

namespace {

constexpr std::chrono::milliseconds tick_interval{100};
// A client that was told why it is closed has this long to read it.
constexpr std::chrono::milliseconds farewell{2'000};
constexpr std::chrono::milliseconds last_words{1'000};

std::uint64_t next_client_id() {
    static std::atomic<std::uint64_t> last{0};
    return ++last;
}

querycache::sql::hash_key random_hash_key() {
    querycache::sql::hash_key key;
    const std::string bytes = protocol::random_bytes(key.secret.size());
    std::memcpy(key.secret.data(), bytes.data(), key.secret.size());
    return key;
}

}  // namespace

worker::worker(unsigned index, services& shared, config::config_ptr configuration)
    : shared_{shared},
      loop_{index, configuration->io_uring == config::io_uring_use::automatic},
      configuration_{std::move(configuration)},
      counters_{shared.counters.add_worker()},
      observer_{counters_, shared.slow, shared.statistics.add_worker(), shared.repeats},
      memo_key_{random_hash_key()},
      code_{std::make_unique<database_code_by_pool>()},
      ticker_{loop_.context()} {
    adopt_config();
}

worker::~worker() = default;

void worker::start() {
    tick_due_ = std::chrono::steady_clock::now();
    schedule_tick();
    thread_ = std::thread([this] {
        {
            const auto guard = boost::asio::make_work_guard(loop_.context());
            loop_.context().run();
        }
        // What is left are last words to clients and cancel requests to PostgreSQL. Neither may
        // hold up the end.
        loop_.context().restart();
        loop_.context().run_for(last_words);
        for (auto& [id, client] : std::unordered_map(clients_))
            client->close("the client does not read");
        loop_.context().restart();
        loop_.context().poll();
    });
    ::pthread_setname_np(thread_.native_handle(), ("pgweir-" + std::to_string(index())).c_str());
}

void worker::begin_stop() {
    if (std::exchange(stop_begun_, true)) return;
    loop_.post([this] {
        stopping_ = true;
        ticker_.cancel();
        for (auto& [id, client] : std::unordered_map(clients_)) {
            if (const client_phase_ptr phase = client->phase()) phase->on_end(shutting_down());
        }
        closing_.clear();
        shared_.pools.close_servers(loop_);
        // What was posted before this runs first.
        loop_.post([this] { loop_.context().stop(); });
    });
}

void worker::stop() {
    if (!thread_.joinable()) return;
    begin_stop();
    thread_.join();
}

void worker::adopt(accepted_socket accepted) {
    loop_.post([this, accepted = std::move(accepted)]() mutable {
        client_ptr client{new client_session(*this, std::move(accepted), next_client_id())};
        if (stopping_) {
            client->close("the daemon stops");
            return;
        }
        clients_.emplace(client->id(), client);
        client_count_.fetch_add(1, std::memory_order_relaxed);
        counters_.client_connected();
        client->enter(client_phase_ptr{new login_phase(*client)});
        client->resume_reading();
    });
}

client_ptr worker::take_own(accepted_socket accepted) {
    client_ptr client{new client_session(*this, std::move(accepted), next_client_id())};
    clients_.emplace(client->id(), client);
    return client;
}

void worker::set_config(config::config_ptr configuration) {
    loop_.post([this, configuration = std::move(configuration)]() mutable {
        configuration_ = std::move(configuration);
        adopt_config();
    });
}

void worker::forget_statements(const std::string& database) {
    loop_.post([this, database] { statements().forget(database); });
}

void worker::adopt_config() {
    statements().set_limit(static_cast<std::size_t>(configuration_->statement_limit));
    observer_.watch_repeats(make_repeat_options(*configuration_));
    const auto& slow = configuration_->slow_log;
    observer_.show_values(slow.parameters == config::slow_log_parameters::show);
    const bool is_explained = slow.explain == config::slow_log_explain::plan;
    observer_.explain_with(is_explained ? &shared_.plans : nullptr);
}

void worker::drain(drain_call call) {
    loop_.post([this, call] {
        draining_ = true;
        drained_ = call == drain_call::last;
        for (auto& [id, client] : std::unordered_map(clients_)) {
            const client_phase_ptr phase = client->phase();
            if (!phase) continue;
            if (client->is_own()) {
                phase->on_end(shutting_down());
            } else {
                phase->on_drain(call);
            }
        }
    });
}

void worker::with_session(std::uint64_t id, std::function<void(client_session&)> work) {
    loop_.post([this, id, work = std::move(work)] {
        const auto found = clients_.find(id);
        if (found == clients_.end()) return;
        const client_ptr keep = found->second;
        work(*keep);
    });
}

void worker::set_ticking(client_session& session, bool on) {
    if (on) {
        ticking_.emplace(session.id(), client_ptr{&session});
    } else {
        ticking_.erase(session.id());
    }
}

void worker::forget(client_session& session) {
    ticking_.erase(session.id());
    if (clients_.erase(session.id()) == 0 || session.is_own()) return;
    client_count_.fetch_sub(1, std::memory_order_relaxed);
    shared_.client_count.fetch_sub(1, std::memory_order_relaxed);
    counters_.client_disconnected();
}

void worker::close_soon(client_session& session) {
    closing_.emplace_back(std::chrono::steady_clock::now() + farewell, client_ptr{&session});
}

void worker::schedule_tick() {
    tick_due_ += tick_interval;
    ticker_.expires_at(tick_due_);
    ticker_.async_wait([this](boost::system::error_code error) {
        if (!error && !stopping_) tick();
    });
}

void worker::tick() {
    const auto now = std::chrono::steady_clock::now();
    counters_.loop_lagged(now - tick_due_);
    if (now - tick_due_ > std::chrono::seconds{1}) tick_due_ = now;  // a suspended machine
    shared_.pools.tick(loop_, now);
    for (auto& [due, client] : std::exchange(closing_, {})) {
        if (client->is_closed()) continue;
        if (now >= due) {
            client->close("the client does not read");
        } else {
            closing_.emplace_back(due, client);
        }
    }
    // Only phases with a deadline need this; a walk over thousands of idle clients ten times a
    // second is not free.
    std::vector<client_ptr> ticking;  // a phase may take its session off the list
    ticking.reserve(ticking_.size());
    for (const auto& [id, client] : ticking_)
        ticking.push_back(client);
    for (const auto& client : ticking) {
        if (const client_phase_ptr phase = client->phase()) phase->on_tick(now);
    }
    schedule_tick();
}

void on_every_worker(
    const std::vector<worker*>& workers, const std::function<void(worker&)>& work
) {
    std::latch done{static_cast<std::ptrdiff_t>(workers.size())};
    for (worker* one : workers) {
        one->loop().post([one, &work, &done] {
            work(*one);
            done.count_down();
        });
    }
    done.wait();
}

}  // namespace weir::daemon

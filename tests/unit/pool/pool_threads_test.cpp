// A pool whose loops are threads: what the protocol of pool.hpp promises, when
// all happens at once.
#include "pool/pool.hpp"
#include "tests/unit/pool/played_postgres.hpp"

#include <gtest/gtest.h>

#include <poll.h>
#include <sys/eventfd.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace weir::pool {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

/// A PostgreSQL on a thread of its own that lets everybody in, and says yes to
/// all queries.
class willing_postgres {
public:
    willing_postgres() : thread_{[this] { serve(); }} {}
    ~willing_postgres() {
        const std::uint64_t one = 1;
        EXPECT_EQ(::write(end_, &one, sizeof one), static_cast<ssize_t>(sizeof one));
        thread_.join();
        ::close(end_);
    }
    willing_postgres(const willing_postgres&) = delete;
    willing_postgres& operator=(const willing_postgres&) = delete;

    upstream_address address() const { return listener_.address(); }

private:
    struct session {
        played_backend backend;
        std::string heard;
        bool is_in = false;
    };

    void serve() {
        std::deque<session> sessions;
        for (;;) {
            std::vector<pollfd> all{{end_, POLLIN, 0}, {listener_.descriptor(), POLLIN, 0}};
            for (const auto& one : sessions)
                all.push_back({one.backend.descriptor(), POLLIN, 0});
            if (::poll(all.data(), all.size(), -1) < 0) continue;
            if (all[0].revents != 0) return;
            std::size_t at = 2;
            std::erase_if(sessions, [&](session& one) {
                return all[at++].revents != 0 && !answer(one);
            });
            while (auto made = listener_.accept())
                sessions.push_back({std::move(*made), "", false});
        }
    }
    // False: the pool has left.
    static bool answer(session& one) {
        if (one.backend.is_left()) return false;
        one.heard += one.backend.take();
        for (;;) {
            const std::size_t type = one.is_in ? 1 : 0;  // the start-up packet has none
            if (one.heard.size() < type + 4) return true;
            std::size_t length = 0;
            for (std::size_t i = type; i < type + 4; ++i)
                length = length << 8U | static_cast<unsigned char>(one.heard[i]);
            if (one.heard.size() < type + length) return true;
            const bool is_query = one.is_in && one.heard[0] == 'Q';
            one.heard.erase(0, type + length);
            if (!std::exchange(one.is_in, true)) {
                one.backend.try_to_send(played_login());
            } else if (is_query) {
                one.backend.try_to_send(played_complete("SELECT 1") + played_ready());
            }
        }
    }

    const played_postgres listener_;
    const int end_ = ::eventfd(0, EFD_CLOEXEC);
    std::thread thread_;
};

struct shape {
    unsigned loops;
    int size;
    int clients_per_loop;
    int leases;  // of each client

    int all_leases() const { return static_cast<int>(loops) * clients_per_loop * leases; }
};

/// Loops on threads of their own, and clients that ask for servers and give them back.
class crowd : private pool_events {
public:
    explicit crowd(const shape& of) : most{of.size} {
        std::vector<event_loop*> all;
        for (unsigned i = 0; i < of.loops; ++i) {
            loops.emplace_back(i);
            all.push_back(&loops.back());
        }
        auto target = std::make_shared<connect_target>();
        target->addresses = {postgres.address()};
        target->database = "shop";
        target->user = "clerk";
        servers = std::make_shared<pool>(
            "shop",
            "clerk",
            numbers(of.size),
            std::move(target),
            std::move(all),
            static_cast<pool_events&>(*this),
            hosts
        );
        for (auto& loop : loops) {
            for (int i = 0; i < of.clients_per_loop; ++i)
                clients_.emplace_back(new client{*this, loop, of.leases, clients_.size()});
        }
        at_work_ = static_cast<int>(clients_.size());
        for (auto& one : clients_)
            one->begin();
        for (auto& loop : loops) {
            threads_.emplace_back([&loop] {
                const auto work = boost::asio::make_work_guard(loop.context());
                loop.context().run();
            });
        }
    }
    ~crowd() {
        servers->shut_down({});
        for (auto& loop : loops) {
            loop.post([this, &loop] {
                for (auto* server : std::vector{servers->servers_on(loop)})
                    server->close("the test is over");
            });
            loop.post([&loop] { loop.context().stop(); });
        }
        for (auto& one : threads_)
            one.join();
        // Alone from here on.
        for (int i = 0; i < 3; ++i) {
            for (auto& loop : loops) {
                for (auto* server : std::vector{servers->servers_on(loop)})
                    server->close("the test is over");
                loop.context().restart();
                loop.context().poll();
            }
        }
        clients_.clear();
    }
    crowd(const crowd&) = delete;
    crowd& operator=(const crowd&) = delete;

    static pool_options numbers(int size) {
        pool_options options;
        options.size = size;
        options.overflow = 0;
        options.wait_timeout = 0ms;  // for ever: who is forgotten never comes to his end
        return options;
    }

    /// Until all clients have had their leases. False when that takes longer.
    bool wait_for(std::chrono::milliseconds time) {
        std::unique_lock guard{lock_};
        return done_.wait_for(guard, time, [&] { return at_work_ == 0; });
    }

    willing_postgres postgres;
    host_directory hosts;
    std::deque<event_loop> loops;
    std::shared_ptr<pool> servers;
    const int most;
    std::atomic<int> in_use{0};
    std::atomic<int> most_in_use{0};
    std::atomic<int> at_once{0};
    std::atomic<int> after_a_wait{0};
    std::atomic<int> refused{0};

private:
    class client final : public lease_waiter, public server_user {
    public:
        client(crowd& all, event_loop& loop, int leases, std::size_t seed)
            : all_{all}, loop_{loop}, left_{leases}, random_{static_cast<unsigned>(seed)} {}

        void begin() {
            later([this] { ask(); });
        }

        void on_lease(server_ptr given) override {
            ++all_.after_a_wait;
            use(std::move(given));
        }
        void on_put_back(waiting_ticket) override {}
        void on_lease_failed(const lease_error&) override {
            ++all_.refused;
            rest();
        }
        void on_server_input(server_connection& from) override {
            from.input().consume(from.input().unread().size());
        }
        void on_server_writable(server_connection&) override {}
        void on_server_lost(server_connection&, std::string_view) override {
            --all_.in_use;
            server_.reset();
        }

    private:
        template<class Work>
        void later(Work work) {
            loop_.post([keep = waiter_ptr{this}, work] { work(); });
        }
        int chance(int of) { return std::uniform_int_distribution<>{0, of - 1}(random_); }

        void ask() {
            waiting_ticket ticket = 0;
            auto given = all_.servers->acquire(loop_, this, steady_clock::now(), ticket);
            if (!given) return;
            ++all_.at_once;
            use(std::move(given));
        }
        void use(server_ptr given) {
            EXPECT_FALSE(given->is_closed());
            EXPECT_EQ(&given->loop(), &loop_);
            server_ = std::move(given);
            server_->link(*this);
            const int now = ++all_.in_use;
            for (int most = all_.most_in_use; now > most;) {
                if (all_.most_in_use.compare_exchange_weak(most, now)) break;
            }
            work(chance(4));
        }
        void work(int turns) {
            if (turns > 0) {
                later([this, turns] { work(turns - 1); });
                return;
            }
            if (server_) {
                server_->unlink();
                --all_.in_use;
                const int fate = chance(400);
                const auto action = fate == 0  ? release_action::close
                                    : fate < 4 ? release_action::reset_first
                                               : release_action::idle;
                all_.servers->release(
                    std::exchange(server_, nullptr), {action, "by chance"}, steady_clock::now()
                );
            }
            rest();
        }
        void rest() {
            if (--left_ > 0) {
                think(chance(6));
            } else {
                all_.has_left();
            }
        }
        void think(int turns) {
            if (turns == 0) {
                later([this] { ask(); });
            } else {
                later([this, turns] { think(turns - 1); });
            }
        }

        crowd& all_;
        event_loop& loop_;
        int left_;
        std::minstd_rand random_;
        server_ptr server_;
    };

    void has_left() {
        const std::lock_guard guard{lock_};
        if (--at_work_ == 0) done_.notify_all();
    }

    void server_connected(const pool&, unsigned, std::chrono::nanoseconds, const outage&) override {
    }
    void server_connect_failed(const pool&, unsigned, const lease_error&, const outage&) override {}
    void connect_query_failed(const pool&, unsigned, std::string_view) override {}
    void server_closed(const pool&, unsigned, std::string_view) override {}
    void wait_timed_out(const pool&, unsigned, std::chrono::nanoseconds) override {}
    void run_blocking(event_loop& loop, std::function<void()> work, std::function<void()> done)
        override {
        work();
        loop.post(std::move(done));
    }

    std::vector<boost::intrusive_ptr<client>> clients_;
    std::vector<std::thread> threads_;
    std::mutex lock_;
    std::condition_variable done_;
    int at_work_ = 0;
};

class pool_threads : public testing::TestWithParam<shape> {};

// As PAUSE of the console sees it.
bool is_paused(const pool& one) {
    const auto f = one.figures(steady_clock::now());
    return f.active + f.idle + f.tested + f.being_canceled == 0;
}

// No tick comes to anybody's help.
TEST_P(pool_threads, ForgetNobodyWhoWaits) {
    crowd all{GetParam()};
    EXPECT_TRUE(all.wait_for(60s))
        << all.servers->figures(steady_clock::now()).waiting << " clients wait for ever";
    EXPECT_LE(all.most_in_use, all.most);
    EXPECT_EQ(all.refused, 0);
    EXPECT_EQ(all.at_once + all.after_a_wait, GetParam().all_leases());
    const auto figures = all.servers->figures(steady_clock::now());
    EXPECT_LE(figures.open, static_cast<unsigned>(all.most));
    EXPECT_EQ(figures.waiting, 0U);
}

TEST_P(pool_threads, ForgetNobodyWhileOperatorsAreAtWork) {
    crowd all{GetParam()};
    std::minstd_rand random{7};
    const auto chance = [&](int of) { return std::uniform_int_distribution<>{0, of - 1}(random); };
    const auto deadline = steady_clock::now() + 60s;
    unsigned most_open = 0;
    bool is_done = false;
    while (!is_done && steady_clock::now() < deadline) {
        switch (chance(4)) {
            case 0:
                all.servers->pause();
                while (!is_paused(*all.servers) && steady_clock::now() < deadline)
                    is_done = all.wait_for(1ms);
                EXPECT_EQ(all.in_use, 0) << "lent although the pool is paused";
                all.servers->resume();
                break;
            case 1:
                all.servers->retire_all();
                break;
            case 2:
                all.servers->reconfigure(
                    crowd::numbers(1 + chance(all.most)), all.servers->target()
                );
                break;
            case 3:
                for (auto& loop : all.loops)
                    loop.post([&] { all.servers->tick(loop, steady_clock::now()); });
                break;
        }
        is_done = is_done || all.wait_for(std::chrono::milliseconds{chance(5)});
        most_open = std::max(most_open, all.servers->figures(steady_clock::now()).open);
    }
    EXPECT_TRUE(is_done) << all.servers->figures(steady_clock::now()).waiting
                         << " clients wait for ever";
    EXPECT_LE(all.most_in_use, all.most);
    EXPECT_LE(most_open, static_cast<unsigned>(all.most));
    EXPECT_EQ(all.refused, 0);
}

INSTANTIATE_TEST_SUITE_P(
    Some,
    pool_threads,
    // Two that share one server: when one of them is forgotten nothing else happens any more.
    testing::Values(
        shape{2, 1, 1, 40'000}, shape{4, 3, 1, 2'000}, shape{4, 5, 2, 1'000}, shape{4, 2, 6, 500}
    )
);

}  // namespace
}  // namespace weir::pool

// Finds out which database stands behind one upstream, and keeps the cache's snapshot of its
// catalog fresh: one thread with one libpqxx connection. It is not what decides which databases are
// looked at (cache_databases), and nothing of a client's passes through it.
//
// Thread rule: all public members are thread-safe; the connection belongs to the loader's own
// thread. That thread sleeps in poll(2) on the connection and an eventfd, so that a request, the
// end and a lost connection wake it.
#pragma once

#include "daemon/upstream/loader_wakeup.hpp"
#include "pool/pool_options.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace weir::querycache {
class cache;
class database_state;
struct database_identity;
}  // namespace weir::querycache

namespace weir::daemon {

class control_connection;

class catalog_loader {
public:
    using clock = std::chrono::steady_clock;

    /// What the loader needs of its owner. Called on the loader's thread, without locks of the
    /// loader.
    struct surroundings {
        querycache::cache& cache;
        /// The state has become known, or another: all sessions adopt it, then this returns.
        std::function<void()> announce;
        /// The addresses that must be known before a snapshot may be installed; when there are
        /// any, the loader waits for refresh() and asks again.
        std::function<std::string()> missing;
        /// is_placed() has changed to true.
        std::function<void()> placed;
        /// Some session of the database has said NOTIFY pgweir, 'EVENT'.
        std::function<void(querycache::database_state& database, const std::string& event)> told;
        std::chrono::milliseconds poll_interval;
    };

    /// Starts the thread.
    catalog_loader(surroundings around, pool::connect_target_ptr target);
    /// end() and join().
    ~catalog_loader();
    catalog_loader(const catalog_loader&) = delete;
    catalog_loader& operator=(const catalog_loader&) = delete;

    /// Whether the target is this database at these addresses, whoever logs in.
    [[nodiscard]] bool leads_to(const pool::connect_target& target) const;
    /// One more way to log in. A user's newer secret replaces the older.
    void offer(const pool::connect_target_ptr& target);

    /// Null until the database is known for the first time; afterwards never null.
    [[nodiscard]] querycache::database_state* state() const { return state_.load(); }
    /// Whether it is known where writes go: the state is known and announced, or it is a replica.
    [[nodiscard]] bool is_placed() const { return placed_.load(); }

    /// "HOST:PORT, HOST:PORT", for people.
    [[nodiscard]] std::string shown_addresses() const;
    /// What keeps the database out of the cache, as it was logged last; empty while it is cached.
    [[nodiscard]] std::string problem();

    /// Load again: at once, or after a moment in which more may come.
    void refresh(bool at_once);

    /// Begins the end: interrupts whatever the thread does, except the resolver's look-up of a host
    /// name.
    void end();
    void join();

private:
    void run();
    /// The connection, or null when none could be made; tells why in the log.
    [[nodiscard]] std::unique_ptr<control_connection> connect();
    /// follow(), and tells why it ended.
    void serve(control_connection& connection);
    /// Identifies the database and keeps its catalog fresh until the connection or the thread ends.
    /// False: it is a replica, which was told.
    bool follow(control_connection& connection);
    void place(const querycache::database_identity& identity, const std::string& name);
    /// Whether the snapshot is current now.
    bool load(control_connection& connection);
    /// Hears what sessions of the database tell with NOTIFY from here on.
    void listen(control_connection& connection);
    /// Does what was told. False: the connection is lost.
    bool hear(control_connection& connection);
    /// Sleeps until a load is due. False: the connection is lost, or the thread is to end.
    bool await_load(control_connection& connection, bool is_current);
    void back_off(std::chrono::milliseconds duration);
    /// Once a text, so that a server that stays away does not fill the log.
    void tell(std::string problem);
    /// `why`: of a connection that is still there; empty = it was lost.
    void tell_of_loss(const control_connection& connection, std::string_view why);

    const surroundings around_;
    const std::vector<pool::upstream_address> addresses_;
    const std::string database_;  // PostgreSQL's name for it
    loader_wakeup wakeup_;
    std::atomic<querycache::database_state*> state_{nullptr};
    std::atomic<bool> placed_{false};

    std::mutex lock_;
    std::vector<pool::connect_target_ptr> logins_;  // guarded by lock_; one a user
    bool has_new_login_ = false;                    // guarded by lock_
    bool due_now_ = false;                          // guarded by lock_
    std::optional<clock::time_point> due_soon_;     // guarded by lock_
    std::string last_problem_;                      // guarded by lock_

    // The thread's own.
    bool is_working_ = false;  // a load has succeeded since the last problem
    bool is_deaf_ = false;     // a server has refused LISTEN, which was told
    clock::time_point loaded_at_{};
    clock::duration load_took_{};

    std::thread thread_;  // last: it begins when all else is there
};

}  // namespace weir::daemon

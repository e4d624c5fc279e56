// All pools by (database, user): makes them at a client's first login and keeps them in step with
// the configuration. Thread-safe; a login looks here once, a query never.
#pragma once

#include "daemon/config/config.hpp"
#include "daemon/pause_state.hpp"
#include "pool/learnt_login.hpp"
#include "pool/pool.hpp"

#include <boost/asio/thread_pool.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weir::daemon {

class pool_directory {
public:
    using pool_ptr = std::shared_ptr<pool::pool>;
    using time_point = std::chrono::steady_clock::time_point;

    explicit pool_directory(pool::pool_events& events);
    /// Once, before the first login: pools spread over these.
    void set_loops(std::vector<pool::event_loop*> loops) {
        hosts_.set_most_logins(
            pool::host_directory::logins_per_loop * static_cast<unsigned>(loops.size())
        );
        loops_ = std::move(loops);
    }
    /// What all pools know together of the hosts that they lead to.
    pool::host_directory& hosts() { return hosts_; }
    const pool::host_directory& hosts() const { return hosts_; }

    /// The pool of a client's database and user, made when it is not there. `database` must be one
    /// of `configuration`. `learnt`: what the client's login has shown; the pool's servers log in
    /// with it where the configuration has no password for them.
    pool_ptr find_or_make(
        const config::config& configuration,
        const config::database_options& entry,
        const std::string& database,
        const std::string& user,
        const pool::learnt_secret& learnt = {}
    );

    /// A pool for one client alone, whose server is told `startup` at its login, on top of what the
    /// configuration says. It has one server, and goes when its holder does; all() is without it.
    pool_ptr make_dedicated(
        const config::config& configuration,
        const config::database_options& entry,
        const std::string& database,
        const std::string& user,
        std::vector<std::pair<std::string, std::string>> startup,
        const pool::learnt_secret& learnt = {}
    );
    /// Those that are held.
    std::vector<pool_ptr> dedicated() const;

    /// All pools, in order of database and user.
    std::vector<pool_ptr> all() const;
    std::vector<pool_ptr> of_database(const std::string& database) const;

    /// Gives every pool its new numbers; pools whose database is gone shut down and leave. Whether
    /// there were any of those.
    bool reconfigure(const config::config& configuration);
    /// Whether it is one of all() or dedicated(): not one that has left, whatever stands at its
    /// name by now.
    bool holds(const pool_ptr& one) const;
    /// Whether a pool that has left still has servers.
    bool has_leaving();

    /// PAUSE and RESUME of one database, or of all when `database` is empty: of the pools that are
    /// there, which are returned, and of those that are still to be made.
    std::vector<pool_ptr> pause(const std::string& database);
    void resume(const std::string& database);
    /// DISABLE and ENABLE of one database: whether it takes new clients.
    void set_disabled(const std::string& database, bool disabled);
    bool is_disabled(const std::string& database) const;
    pause_state paused() const;

    /// Pools without clients and servers go after unused_for: with auth.type trust any name makes
    /// one. Those that never had a server although PostgreSQL can be reached go as soon as the
    /// failure is no news any more, or after useless_for. `forget` is called, with the directory's
    /// lock held, for each database of the entry "*" of which no pool is left: nobody holds
    /// anything of it then. To be called every second or so.
    void drop_unused(
        const config::config& configuration,
        time_point now,
        const std::function<void(const std::string& database)>& forget
    );
    /// How many limits that pools share are held.
    std::size_t limits() const;
    static constexpr std::chrono::seconds unused_for{3600};  // PgBouncer's autodb_idle_timeout
    static constexpr std::chrono::seconds useless_for{30};   // without ever a server

    void tick(pool::event_loop& loop, time_point now);
    /// Closes all servers that live on `loop`; for the end. On the loop's thread.
    void close_servers(pool::event_loop& loop);

private:
    struct record {
        pool_ptr pool;
        std::weak_ptr<pool_ptr> clients;  // alive while somebody holds what find_or_make() gave him
        std::shared_ptr<pool::learnt_login> learnt;
        std::optional<time_point> unused_since;
    };
    using pool_name = std::pair<std::string, std::string>;

    std::shared_ptr<pool::learnt_login> learnt_of(const pool_name& name) const;
    std::vector<pool_ptr> with_leaving();
    // With lock_ held:
    pool::shared_limit_ptr limit(const std::string& name, int most);
    pool::pool::limit_list limits_of(
        const config::config& configuration, const std::string& database, const std::string& user
    );
    void drop_unused_limits();
    void drop_left();
    std::vector<pool_ptr> set_paused(const std::string& database, bool paused);
    static pool_ptr hand_out(record& from);
    static bool is_unused(const record& one, time_point now);
    static bool is_superfluous(record& one, time_point now);
    bool has_pool_of(const std::string& database) const;

    std::vector<pool::event_loop*> loops_;
    pool::pool_events& events_;
    pool::host_directory hosts_;  // outlives the pools
    mutable std::mutex lock_;
    std::map<pool_name, record> pools_;  // guarded by lock_
    std::vector<record> dedicated_;      // guarded by lock_
    std::vector<record> leaving_;        // guarded by lock_; shut down, but still in use
    std::map<std::string, pool::shared_limit_ptr> limits_;  // guarded by lock_; by their options
    pause_state paused_;                                    // guarded by lock_
};

/// Why a pool that has left lends no server, and its clients are closed: 57P01.
pool::lease_error database_removed(const std::string& database);

/// The numbers and the place of one pool, from the configuration.
pool::pool_options make_pool_options(const config::pool_options& options);
pool::connect_target_ptr make_connect_target(
    const config::config& configuration,
    const config::database_options& entry,
    const std::string& database,
    const std::string& user,
    std::shared_ptr<const pool::learnt_login> learnt = nullptr
);

}  // namespace weir::daemon

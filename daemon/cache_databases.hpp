// Which databases are known to the cache: identifies a database over a control connection, has
// every worker adopt it, loads its catalog and keeps the snapshot fresh. One thread with one
// libpqxx connection a database, shared by all names that lead to it over the same addresses.
// Thread-safe.
//
// The order is what makes it sound: first all workers have adopted the database (from then on every
// write is seen), only then the first snapshot is installed (before it nothing is stored).
#pragma once

#include "daemon/config/config.hpp"
#include "pool/pool_options.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::querycache {
class cache;
class database_state;
}  // namespace weir::querycache

namespace weir::daemon {

class catalog_loader;

class cache_databases {
public:
    /// `announce` makes all workers adopt a database by its name, with "" every session whatever
    /// its database, and returns when they have; the workers must run until stop() has returned.
    /// `told`: some session of the database has said NOTIFY pgweir, 'EVENT'; called on the thread
    /// of its control connection.
    cache_databases(
        querycache::cache& cache,
        std::function<void(const std::string& database)> announce,
        std::function<void(querycache::database_state& database, const std::string& event)> told
    );
    ~cache_databases();

    /// A client has logged in to `database`, whose servers are at `target`. The state if it is
    /// known; else null, and when a rule may apply to the database, finding out begins: announce()
    /// follows. To be called before the client may write, and again after every announcement and
    /// change of the configuration: another state than the session's own means that another
    /// database stands behind the name now.
    querycache::database_state* find(
        const std::string& database,
        const config::config& configuration,
        const pool::connect_target_ptr& target
    );

    /// For who only asks: begins nothing and changes nothing. Nothing when no client has come this
    /// way yet, or no rule may apply; null while it is being found out.
    [[nodiscard]] std::optional<querycache::database_state*> look_up(
        const pool::connect_target& target
    );
    /// What keeps databases out of the cache now, a line each, as it stands in the log.
    [[nodiscard]] std::vector<std::string> problems();

    /// DDL has passed: load the catalog again, at once or soon.
    void refresh(std::string_view database, bool at_once);

    /// Ends the control connections that only names lead to that the configuration does not have
    /// any more. Not before their last session has ended: what it writes must be seen.
    void forget_removed(const config::config& configuration);

    /// How often a catalog that nobody is known to have changed is loaded again.
    static constexpr std::chrono::seconds poll_interval{30};

    /// Ends all control connections and joins their threads. States that are known stay known.
    void stop();

private:
    using loader_group = std::vector<std::unique_ptr<catalog_loader>>;

    /// With lock_ held.
    void start_loader(
        loader_group& group, const std::string& database, const pool::connect_target_ptr& target
    );
    /// The name leads to the loader's database from now on. With lock_ held.
    void follow(const std::string& database, catalog_loader& loader);
    /// A name does not lead to the loader's database any more. With lock_ held.
    void leave(catalog_loader& before);
    /// The addresses of which it is not known yet to which database of PostgreSQL's name `dbname`
    /// they lead; empty = all are known.
    std::string unsettled(const std::string& dbname);
    void refresh_group(const std::string& dbname);

    querycache::cache& cache_;
    const std::function<void(const std::string&)> announce_;
    const std::function<void(querycache::database_state&, const std::string&)> told_;
    std::mutex lock_;
    bool stopped_ = false;  // guarded by lock_
    /// By PostgreSQL's name of the database; in a group one for each list of addresses. Guarded by
    /// lock_.
    std::map<std::string, loader_group, std::less<>> loaders_;
    /// By the name that clients ask for. Guarded by lock_.
    std::map<std::string, catalog_loader*, std::less<>> names_;
    loader_group leaving_;  // guarded by lock_; their threads end, stop() joins them
};

}  // namespace weir::daemon

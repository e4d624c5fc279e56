#include "daemon/pool_directory.hpp"

#include <algorithm>
#include <set>

namespace weir::daemon {

pool::pool_options make_pool_options(const config::pool_options& from) {
    pool::pool_options to;
    to.mode = from.mode == config::pool_mode::session ? pool::pool_mode::session
                                                      : pool::pool_mode::transaction;
    to.size = from.size;
    to.overflow = from.overflow;
    to.min_idle = from.min_idle;
    to.overflow_idle = from.overflow_idle;
    to.wait_timeout = from.wait_timeout;
    to.wait_notice = from.wait_notice;
    to.connect_timeout = from.connect_timeout;
    to.idle_timeout = from.idle_timeout;
    to.lifetime = from.lifetime;
    to.check_after_idle = from.check_after_idle;
    to.reset_query = from.reset_query;
    to.max_prepared = static_cast<std::size_t>(from.max_prepared);
    return to;
}

pool::connect_target_ptr make_connect_target(
    const config::config& configuration,
    const config::database_options& entry,
    const std::string& database,
    const std::string& user
) {
    auto target = std::make_shared<pool::connect_target>();
    for (const auto& host : entry.upstream.hosts) {
        target->addresses.push_back({host.hostaddr.empty() ? host.host : host.hostaddr, host.port});
    }
    target->database = std::string{entry.server_dbname(database)};
    target->options = entry.upstream.options;
    if (!entry.user.empty()) {
        target->user = entry.user;
        target->secret = entry.password;
        return target;
    }
    target->user = user;
    target->secret = entry.password;
    const auto known = configuration.auth.users.find(user);
    if (target->secret.empty() && known != configuration.auth.users.end() &&
        known->second.kind != config::secret_kind::scram_sha_256) {
        target->secret = known->second.value;
    }
    return target;
}

pool_directory::pool_directory(pool::pool_events& events) : events_{events} {}

pool_directory::pool_ptr pool_directory::find_or_make(
    const config::config& configuration,
    const config::database_options& entry,
    const std::string& database,
    const std::string& user
) {
    std::lock_guard guard{lock_};
    auto& known = pools_[{database, user}].pool;
    if (!known) {
        known = std::make_shared<pool::pool>(
            database,
            user,
            make_pool_options(configuration.resolve(database, user)),
            make_connect_target(configuration, entry, database, user),
            loops_,
            events_
        );
        if (paused_.is_paused(database)) known->pause();
    }
    return known;
}

pool_directory::pool_ptr pool_directory::make_dedicated(
    const config::config& configuration,
    const config::database_options& entry,
    const std::string& database,
    const std::string& user,
    std::vector<std::pair<std::string, std::string>> startup
) {
    auto options = make_pool_options(configuration.resolve(database, user));
    options.mode = pool::pool_mode::session;
    options.size = 1;
    options.overflow = 0;
    options.min_idle = 0;
    auto target = std::make_shared<pool::connect_target>(
        *make_connect_target(configuration, entry, database, user)
    );
    target->startup = std::move(startup);
    std::lock_guard guard{lock_};
    auto made = std::make_shared<pool::pool>(
        database, user, std::move(options), std::move(target), loops_, events_
    );
    if (paused_.is_paused(database)) made->pause();
    dedicated_.push_back(made);
    return made;
}

std::vector<pool_directory::pool_ptr> pool_directory::dedicated() const {
    std::lock_guard guard{lock_};
    return dedicated_;
}

std::vector<pool_directory::pool_ptr> pool_directory::all() const {
    std::lock_guard guard{lock_};
    std::vector<pool_ptr> found;
    found.reserve(pools_.size());
    for (const auto& [name, one] : pools_)
        found.push_back(one.pool);
    return found;
}

std::vector<pool_directory::pool_ptr> pool_directory::of_database(const std::string& database
) const {
    std::vector<pool_ptr> found;
    for (auto& one : all()) {
        if (one->database() == database) found.push_back(std::move(one));
    }
    return found;
}

pool::lease_error database_removed(const std::string& database) {
    pool::lease_error gone;
    gone.sqlstate = "57P01";
    gone.message = "database \"" + database + "\" was taken out of the configuration";
    gone.hint = "Connect to a database that pgweir's configuration names.";
    return gone;
}

bool pool_directory::reconfigure(const config::config& configuration) {
    bool has_removed = false;
    for (const auto& one : all()) {
        const auto* entry = configuration.find_database(one->database());
        if (entry == nullptr) {
            has_removed = true;
            one->shut_down(database_removed(one->database()));
            std::lock_guard guard{lock_};
            pools_.erase({one->database(), one->user()});
            leaving_.push_back(one);
            continue;
        }
        one->reconfigure(
            make_pool_options(configuration.resolve(one->database(), one->user())),
            make_connect_target(configuration, *entry, one->database(), one->user())
        );
    }
    std::lock_guard guard{lock_};
    for (auto at = dedicated_.begin(); at != dedicated_.end();) {
        if (configuration.find_database((*at)->database()) != nullptr) {
            ++at;
            continue;
        }
        has_removed = true;
        (*at)->shut_down(database_removed((*at)->database()));
        leaving_.push_back(std::move(*at));
        at = dedicated_.erase(at);
    }
    return has_removed;
}

bool pool_directory::holds(const pool_ptr& one) const {
    std::lock_guard guard{lock_};
    const auto found = pools_.find({one->database(), one->user()});
    if (found != pools_.end() && found->second.pool == one) return true;
    return std::find(dedicated_.begin(), dedicated_.end(), one) != dedicated_.end();
}

// Those that nobody holds: no client and no server. Here alone a reference could still be taken.
void pool_directory::drop_left() {
    const auto is_left = [](const pool_ptr& one) { return one.use_count() == 1; };
    std::erase_if(leaving_, is_left);
    std::erase_if(dedicated_, is_left);
}

bool pool_directory::has_leaving() {
    std::lock_guard guard{lock_};
    drop_left();
    const auto now = std::chrono::steady_clock::now();
    return std::any_of(leaving_.begin(), leaving_.end(), [&](const pool_ptr& one) {
        return one->figures(now).open > 0;
    });
}

std::vector<pool_directory::pool_ptr> pool_directory::with_leaving() {
    std::lock_guard guard{lock_};
    drop_left();
    std::vector<pool_ptr> found = leaving_;
    found.insert(found.end(), dedicated_.begin(), dedicated_.end());
    for (const auto& [name, one] : pools_)
        found.push_back(one.pool);
    return found;
}

// --- PAUSE and RESUME ---

std::vector<pool_directory::pool_ptr> pool_directory::pause(const std::string& database) {
    std::lock_guard guard{lock_};
    auto paused = set_paused(database, true);
    for (const auto& one : paused)
        one->pause();
    return paused;
}

void pool_directory::resume(const std::string& database) {
    std::lock_guard guard{lock_};
    for (const auto& one : set_paused(database, false))
        one->resume();
}

// Under the lock that a new pool is made under, so that none slips through between.
std::vector<pool_directory::pool_ptr> pool_directory::set_paused(
    const std::string& database, bool paused
) {
    if (database.empty()) {
        paused_.set_all(paused);
    } else {
        paused_.set(database, paused);
    }
    std::vector<pool_ptr> meant;
    for (const auto& [name, one] : pools_) {
        if (database.empty() || name.first == database) meant.push_back(one.pool);
    }
    for (const auto& one : dedicated_) {
        if (database.empty() || one->database() == database) meant.push_back(one);
    }
    return meant;
}

pause_state pool_directory::paused() const {
    std::lock_guard guard{lock_};
    return paused_;
}

// --- pools that nobody uses ---

void pool_directory::drop_unused(
    const config::config& configuration,
    time_point now,
    const std::function<void(const std::string& database)>& forget
) {
    std::lock_guard guard{lock_};
    drop_left();
    std::set<std::string> gone;
    for (auto at = pools_.begin(); at != pools_.end();) {
        const std::string& database = at->first.first;
        if (configuration.databases.contains(database) || !is_superfluous(at->second, now)) {
            ++at;
            continue;
        }
        gone.insert(database);
        at = pools_.erase(at);
    }
    for (const auto& database : gone) {
        if (!has_pool_of(database)) forget(database);
    }
}

bool pool_directory::is_superfluous(place& one, time_point now) {
    // Its clients, its servers and all that is under way for it hold a reference.
    if (one.pool.use_count() > 1) {
        one.unused_since.reset();
        return false;
    }
    if (!one.unused_since) one.unused_since = now;
    const auto unused = now - *one.unused_since;
    // The failure is kept as long as it is news, for clients that try again to find the back-off;
    // but not for as long as the pool itself tries again, for min_idle.
    if (!one.pool->greeting()) {
        return !one.pool->figures(now).failed_lately || unused >= useless_for;
    }
    return unused >= unused_for;
}

bool pool_directory::has_pool_of(const std::string& database) const {
    const auto first = pools_.lower_bound({database, ""});
    if (first != pools_.end() && first->first.first == database) return true;
    const auto is_of = [&](const pool_ptr& one) { return one->database() == database; };
    return std::any_of(leaving_.begin(), leaving_.end(), is_of) ||
           std::any_of(dedicated_.begin(), dedicated_.end(), is_of);
}

void pool_directory::tick(pool::event_loop& loop, time_point now) {
    for (const auto& one : with_leaving())
        one->tick(loop, now);
}

void pool_directory::close_servers(pool::event_loop& loop) {
    for (const auto& one : with_leaving()) {
        for (pool::server_connection* server :
             std::vector<pool::server_connection*>(one->servers_on(loop))) {
            server->close("the daemon stops");
        }
    }
}

}  // namespace weir::daemon

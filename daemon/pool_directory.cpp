#include "daemon/pool_directory.hpp"

#include <algorithm>
#include <set>

namespace weir::daemon {

namespace {

pool::host_order order_of(config::host_order from) {
    switch (from) {
        case config::host_order::disable:
            return pool::host_order::listed;
        case config::host_order::random:
            return pool::host_order::random;
        case config::host_order::round_robin:
            return pool::host_order::round_robin;
    }
    return pool::host_order::listed;
}

pool::session_attrs attrs_of(config::session_attrs from) {
    using to = pool::session_attrs;
    switch (from) {
        case config::session_attrs::any:
            return to::any;
        case config::session_attrs::read_write:
            return to::read_write;
        case config::session_attrs::read_only:
            return to::read_only;
        case config::session_attrs::primary:
            return to::primary;
        case config::session_attrs::standby:
            return to::standby;
        case config::session_attrs::prefer_standby:
            return to::prefer_standby;
    }
    return to::any;
}

pool::pool_mode made_mode(config::pool_mode mode) {
    switch (mode) {
        case config::pool_mode::session:
            return pool::pool_mode::session;
        case config::pool_mode::transaction:
            return pool::pool_mode::transaction;
        case config::pool_mode::statement:
            return pool::pool_mode::statement;
    }
    return pool::pool_mode::transaction;
}

}  // namespace

pool::pool_options make_pool_options(const config::pool_options& from) {
    pool::pool_options to;
    to.mode = made_mode(from.mode);
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
    to.breaker.failures = static_cast<unsigned>(from.breaker.failures);
    to.breaker.window = from.breaker.window;
    to.breaker.open = from.breaker.open;
    to.times.query = from.query_timeout;
    to.times.transaction = from.transaction_timeout;
    to.times.idle_in_transaction = from.idle_in_transaction_timeout;
    to.times.idle = from.client_idle_timeout;
    to.advise = from.advise;
    return to;
}

pool::connect_target_ptr make_connect_target(
    const config::config& configuration,
    const config::database_options& entry,
    const std::string& database,
    const std::string& user,
    std::shared_ptr<const pool::learnt_login> learnt
) {
    auto target = std::make_shared<pool::connect_target>();
    for (const auto& host : entry.upstream.hosts) {
        if (host.hostaddr.empty()) {
            target->addresses.push_back({host.host, host.port});
        } else {
            target->addresses.push_back({host.hostaddr, host.port, host.host});
        }
    }
    target->order = order_of(entry.upstream.load_balance_hosts);
    target->attrs = attrs_of(entry.upstream.target_session_attrs);
    target->tls = {
        entry.tls.mode,
        entry.tls.negotiation == config::tls_negotiation::direct,
        entry.tls.files(),
        entry.tls.context};
    target->database = std::string{entry.server_dbname(database)};
    target->binding = entry.upstream.channel_binding;
    target->options = entry.upstream.options;
    target->connect_query = entry.connect_query;
    target->user = entry.user.empty() ? user : entry.user;
    target->secret = entry.password;
    // As in PgBouncer, a user that is given without a password has the one of the users file.
    const auto known = configuration.auth.users.find(target->user);
    if (target->secret.empty() && known != configuration.auth.users.end() &&
        known->second.kind != config::secret_kind::scram_sha_256) {
        target->secret = known->second.value;
    }
    // What a client shows of itself is no password of the user that was forced on it.
    if (target->secret.empty() && entry.user.empty()) target->learnt = std::move(learnt);
    return target;
}

pool_directory::pool_directory(pool::pool_events& events) : events_{events} {}

pool_directory::pool_ptr pool_directory::find_or_make(
    const config::config& configuration,
    const config::database_options& entry,
    const std::string& database,
    const std::string& user,
    const pool::learnt_secret& learnt
) {
    std::lock_guard guard{lock_};
    record& here = pools_[{database, user}];
    auto& known = here.pool;
    if (!here.learnt) here.learnt = std::make_shared<pool::learnt_login>();
    here.learnt->set(learnt);
    if (!known) {
        known = std::make_shared<pool::pool>(
            database,
            user,
            make_pool_options(configuration.resolve(database, user)),
            make_connect_target(configuration, entry, database, user, here.learnt),
            loops_,
            events_,
            hosts_
        );
        known->share(limits_of(configuration, database, user));
        if (paused_.is_paused(database)) known->pause();
    }
    return hand_out(here);
}

pool_directory::pool_ptr pool_directory::hand_out(record& from) {
    auto clients = from.clients.lock();
    if (!clients) {
        clients = std::make_shared<pool_ptr>(from.pool);
        from.clients = clients;
    }
    return {clients, from.pool.get()};
}

pool_directory::pool_ptr pool_directory::make_dedicated(
    const config::config& configuration,
    const config::database_options& entry,
    const std::string& database,
    const std::string& user,
    std::vector<std::pair<std::string, std::string>> startup,
    const pool::learnt_secret& learnt
) {
    auto options = make_pool_options(configuration.resolve(database, user));
    options.mode = pool::pool_mode::session;
    options.size = 1;
    options.overflow = 0;
    options.min_idle = 0;
    auto own = std::make_shared<pool::learnt_login>();
    own->set(learnt);
    auto target = std::make_shared<pool::connect_target>(
        *make_connect_target(configuration, entry, database, user, std::move(own))
    );
    target->startup = std::move(startup);
    target->connect_query.clear();  // the client's connection, from its first message on
    std::lock_guard guard{lock_};
    auto made = std::make_shared<pool::pool>(
        database, user, std::move(options), std::move(target), loops_, events_, hosts_
    );
    made->share(limits_of(configuration, database, user));
    if (paused_.is_paused(database)) made->pause();
    return hand_out(dedicated_.emplace_back(record{std::move(made), {}, {}, {}}));
}

std::vector<pool_directory::pool_ptr> pool_directory::dedicated() const {
    std::lock_guard guard{lock_};
    std::vector<pool_ptr> found;
    for (const record& one : dedicated_)
        found.push_back(one.pool);
    return found;
}

pool::shared_limit_ptr pool_directory::limit(const std::string& name, int most) {
    auto& known = limits_[name];
    if (known) {
        known->set_most(static_cast<unsigned>(most));
    } else {
        known = std::make_shared<pool::shared_limit>(name, static_cast<unsigned>(most));
    }
    return known;
}

// Those of names of the entry "*" come with any name that a client asks for.
void pool_directory::drop_unused_limits() {
    std::erase_if(limits_, [](const auto& named) { return named.second.use_count() == 1; });
}

std::size_t pool_directory::limits() const {
    std::lock_guard guard{lock_};
    return limits_.size();
}

// The user is the client's, also where all log in to PostgreSQL as another.
pool::pool::limit_list pool_directory::limits_of(
    const config::config& configuration, const std::string& database, const std::string& user
) {
    pool::pool::limit_list found;
    const auto* const entry = configuration.find_database(database);
    if (entry != nullptr && entry->max_connections > 0) {
        found.push_back(limit("databases." + database + ".max_connections", entry->max_connections)
        );
    }
    const auto* const own = configuration.find_user(user);
    if (own != nullptr && own->max_server_connections > 0) {
        found.push_back(
            limit("users." + user + ".max_server_connections", own->max_server_connections)
        );
    }
    return found;
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
            const auto at = pools_.find({one->database(), one->user()});
            if (at == pools_.end()) continue;
            leaving_.push_back(std::move(at->second));
            pools_.erase(at);
            continue;
        }
        one->reconfigure(
            make_pool_options(configuration.resolve(one->database(), one->user())),
            make_connect_target(
                configuration,
                *entry,
                one->database(),
                one->user(),
                learnt_of({one->database(), one->user()})
            )
        );
        std::lock_guard guard{lock_};
        one->share(limits_of(configuration, one->database(), one->user()));
    }
    std::lock_guard guard{lock_};
    for (auto at = dedicated_.begin(); at != dedicated_.end();) {
        if (configuration.find_database(at->pool->database()) != nullptr) {
            ++at;
            continue;
        }
        has_removed = true;
        at->pool->shut_down(database_removed(at->pool->database()));
        leaving_.push_back(std::move(*at));
        at = dedicated_.erase(at);
    }
    drop_unused_limits();
    hosts_.drop_unused();
    return has_removed;
}

std::shared_ptr<pool::learnt_login> pool_directory::learnt_of(const pool_name& name) const {
    std::lock_guard guard{lock_};
    const auto found = pools_.find(name);
    return found == pools_.end() ? nullptr : found->second.learnt;
}

bool pool_directory::holds(const pool_ptr& one) const {
    std::lock_guard guard{lock_};
    const auto found = pools_.find({one->database(), one->user()});
    if (found != pools_.end() && found->second.pool == one) return true;
    return std::any_of(dedicated_.begin(), dedicated_.end(), [&](const record& other) {
        return other.pool == one;
    });
}

void pool_directory::drop_left() {
    const auto is_left = [now = std::chrono::steady_clock::now()](const record& one) {
        return is_unused(one, now);
    };
    std::erase_if(leaving_, is_left);
    std::erase_if(dedicated_, is_left);
}

bool pool_directory::has_leaving() {
    std::lock_guard guard{lock_};
    drop_left();
    const auto now = std::chrono::steady_clock::now();
    return std::any_of(leaving_.begin(), leaving_.end(), [&](const record& one) {
        return one.pool->figures(now).open > 0;
    });
}

std::vector<pool_directory::pool_ptr> pool_directory::with_leaving() {
    std::lock_guard guard{lock_};
    drop_left();
    std::vector<pool_ptr> found;
    for (const auto* list : {&leaving_, &dedicated_}) {
        for (const record& one : *list)
            found.push_back(one.pool);
    }
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
        if (database.empty() || one.pool->database() == database) meant.push_back(one.pool);
    }
    return meant;
}

void pool_directory::set_disabled(const std::string& database, bool disabled) {
    std::lock_guard guard{lock_};
    paused_.set_disabled(database, disabled);
}

bool pool_directory::is_disabled(const std::string& database) const {
    std::lock_guard guard{lock_};
    return paused_.is_disabled(database);
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
        if (!is_superfluous(at->second, now)) {
            ++at;
            continue;
        }
        if (!configuration.databases.contains(database)) gone.insert(database);
        at = pools_.erase(at);
    }
    drop_unused_limits();
    for (const auto& database : gone) {
        if (!has_pool_of(database)) forget(database);
    }
}

// No client, no server, none on its way. Whoever else holds it for a moment, to look at it or to
// run what was posted, finds it empty and needs it no longer.
bool pool_directory::is_unused(const record& one, time_point now) {
    if (!one.clients.expired()) return false;
    const auto figures = one.pool->figures(now);
    return figures.open == 0 && figures.waiting == 0;
}

bool pool_directory::is_superfluous(record& one, time_point now) {
    if (!is_unused(one, now)) {
        one.unused_since.reset();
        return false;
    }
    if (!one.unused_since) one.unused_since = now;
    const auto unused = now - *one.unused_since;
    // The failure is kept as long as it is news, for clients that try again to find the back-off;
    // but not for as long as the pool itself tries again, for min_idle.
    // And when PostgreSQL could not be reached at all, it is not the name that was wrong: /ready
    // goes on telling of it.
    const auto figures = one.pool->figures(now);
    if (!one.pool->greeting() && !figures.unreachable) {
        return !figures.failed_lately || unused >= useless_for;
    }
    return unused >= unused_for;
}

bool pool_directory::has_pool_of(const std::string& database) const {
    const auto first = pools_.lower_bound({database, ""});
    if (first != pools_.end() && first->first.first == database) return true;
    const auto is_of = [&](const record& one) { return one.pool->database() == database; };
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

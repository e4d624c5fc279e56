#include "daemon/auth/secret_lookup.hpp"

#include "daemon/auth/secret_connection.hpp"
#include "daemon/pool_directory.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <deque>
#include <map>
#include <thread>
#include <utility>
#include <vector>

namespace weir::daemon::auth {

namespace {

using time_point = std::chrono::steady_clock::time_point;

// PgBouncer's default: a password past its VALID UNTIL is NULL and lets nobody in.
const char* const default_query =
    "SELECT rolname, CASE WHEN rolvaliduntil < pg_catalog.now() THEN NULL ELSE rolpassword END "
    "FROM pg_catalog.pg_authid WHERE rolname=$1 AND rolcanlogin";

constexpr std::size_t most_connections_a_database = 2;
constexpr std::size_t most_connections = 32;
constexpr std::size_t most_questions = 10'000;
constexpr std::chrono::seconds longest_idle{30};
/// A wrong password makes the server be asked again, but not more often than this for one user.
constexpr std::chrono::seconds young{1};

secret_connection::where target_of(
    const config::config& configuration, const secret_lookup::source& from
) {
    const auto* const entry = configuration.find_database(from.database);
    secret_connection::where at;
    at.target = *make_connect_target(configuration, *entry, from.database, from.auth_user);
    // The database's own user is the clients'; this one is ours.
    at.target.user = from.auth_user;
    at.target.learnt = nullptr;
    at.target.secret.clear();
    const auto known = configuration.auth.users.find(from.auth_user);
    if (known != configuration.auth.users.end()) at.target.secret = known->second.value;
    at.query = from.query;
    return at;
}

}  // namespace

class secret_lookup::runner {
public:
    runner() : sweeper_{loop_}, thread_{[this] { loop_.run(); }} {}
    ~runner() { stop(); }

    void post(std::function<void()> work) { boost::asio::post(loop_, std::move(work)); }

    void stop() {
        if (!thread_.joinable()) return;
        loop_.stop();
        thread_.join();
        groups_.clear();
    }

    void find(question asked, callback done);
    void forget(const secret_name& name) { cache_.forget(name); }
    void reset(config::config_ptr next);

private:
    struct caller {
        question asked;
        callback done;
    };
    struct wanted {
        source from;
        config::config_ptr configuration;
        std::vector<caller> callers;
    };
    using connection_ptr = std::shared_ptr<secret_connection>;
    /// The questions to one source and the connections that carry them.
    struct group {
        std::deque<secret_name> waiting;
        std::vector<connection_ptr> connections;
    };

    void enqueue(question asked, callback done);
    void pump();
    bool start_next(group& here);
    connection_ptr free_connection(const wanted& one, group& here);
    bool make_room();
    void ask(const connection_ptr& connection, const secret_name& name);
    void answered(
        const connection_ptr& connection, const secret_name& name, secret_connection::outcome what
    );
    void settle(const secret_name& name, const fetched_secret& found);
    void drop(const std::string& source_name, const connection_ptr& connection);
    void sweep();
    std::size_t connection_count() const;

    boost::asio::io_context loop_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
        loop_.get_executor()};
    boost::asio::steady_timer sweeper_;
    bool is_sweeping_ = false;
    config::config_ptr current_;  // null before the first reload; then every question's
    secret_cache cache_;
    std::map<secret_name, wanted> wanted_;  // asked, or waiting to be
    std::map<std::string, group> groups_;   // by the name of the source
    std::thread thread_;
};

void secret_lookup::runner::find(question asked, callback done) {
    enqueue(std::move(asked), std::move(done));
    pump();
}

void secret_lookup::runner::enqueue(question asked, callback done) {
    if (current_) asked.configuration = current_;
    source from = source_of(*asked.configuration, asked.database);
    if (!from.can_be_asked()) {
        done({fetched_secret::result::none, {}, false, "unknown database", {}});
        return;
    }
    const secret_name name{from.name(), asked.user};
    const auto now = std::chrono::steady_clock::now();
    const auto ttl = asked.configuration->auth.cache_ttl;
    if (const auto* const known = cache_.find(name, ttl, now)) {
        const bool is_young = now - known->fetched_at < young;
        if (!asked.anew || is_young) {
            fetched_secret found{fetched_secret::result::none, {}, !is_young, known->reason, {}};
            if (known->secret) {
                found.what = fetched_secret::result::found;
                found.secret = *known->secret;
            }
            done(std::move(found));
            return;
        }
    }
    if (const auto same = wanted_.find(name); same != wanted_.end()) {
        same->second.callers.push_back({std::move(asked), std::move(done)});
        return;
    }
    if (wanted_.size() >= most_questions) {
        done(
            {fetched_secret::result::unavailable,
             {},
             false,
             "auth.query: too many users are asked for at once",
             "Try again in a moment."}
        );
        return;
    }
    groups_[name.first].waiting.push_back(name);
    auto& one = wanted_[name];
    one.from = std::move(from);
    one.configuration = asked.configuration;
    one.callers.push_back({std::move(asked), std::move(done)});
}

void secret_lookup::runner::reset(config::config_ptr next) {
    cache_.clear();
    current_ = std::move(next);
    for (auto& [source_name, here] : groups_) {
        std::erase_if(here.connections, [](const connection_ptr& one) {
            one->retire();
            if (one->current() != secret_connection::state::idle) return false;
            one->close();
            return true;
        });
    }
}

std::size_t secret_lookup::runner::connection_count() const {
    std::size_t count = 0;
    for (const auto& [source_name, here] : groups_)
        count += here.connections.size();
    return count;
}

void secret_lookup::runner::pump() {
    for (bool goes_on = true; goes_on;) {
        goes_on = false;
        for (auto& [source_name, here] : groups_) {
            // The map may change inside: then from the front.
            if (start_next(here)) {
                goes_on = true;
                break;
            }
        }
    }
    std::erase_if(groups_, [](const auto& one) {
        return one.second.waiting.empty() && one.second.connections.empty();
    });
}

/// Gives the oldest question of a source to a connection. False: none, or none is free.
bool secret_lookup::runner::start_next(group& here) {
    if (here.waiting.empty()) return false;
    const secret_name name = here.waiting.front();
    const auto found = wanted_.find(name);
    if (current_ && found->second.configuration != current_) {
        // Since a reload each caller's question may be another source's.
        here.waiting.pop_front();
        auto callers = std::move(found->second.callers);
        wanted_.erase(found);
        for (auto& each : callers)
            enqueue(std::move(each.asked), std::move(each.done));
        return true;
    }
    const auto connection = free_connection(found->second, here);
    if (!connection) return false;
    here.waiting.pop_front();
    ask(connection, name);
    return true;
}

auto secret_lookup::runner::free_connection(const wanted& one_wanted, group& here)
    -> connection_ptr {
    for (const auto& one : here.connections) {
        const bool is_free = one->current() == secret_connection::state::idle;
        if (is_free && !one->is_retired()) return one;
    }
    if (here.connections.size() >= most_connections_a_database) return nullptr;
    if (connection_count() >= most_connections && !make_room()) return nullptr;
    here.connections.push_back(std::make_shared<secret_connection>(
        loop_, target_of(*one_wanted.configuration, one_wanted.from)
    ));
    sweep();
    return here.connections.back();
}

/// Closes the connection that has been idle for longest. False: all are busy.
bool secret_lookup::runner::make_room() {
    connection_ptr oldest;
    group* where = nullptr;
    for (auto& [source_name, here] : groups_) {
        for (const auto& one : here.connections) {
            if (one->current() != secret_connection::state::idle) continue;
            if (oldest && oldest->idle_since() <= one->idle_since()) continue;
            oldest = one;
            where = &here;
        }
    }
    if (!oldest) return false;
    oldest->close();
    std::erase(where->connections, oldest);
    return true;
}

void secret_lookup::runner::ask(const connection_ptr& connection, const secret_name& name) {
    connection->ask(
        name.second,
        [this, weak = std::weak_ptr{connection}, name](secret_connection::outcome what) {
            // From the loop: the connection is still inside a call of its own.
            post([this, connection = weak.lock(), name, what = std::move(what)]() mutable {
                answered(connection, name, std::move(what));
            });
        }
    );
}

void secret_lookup::runner::answered(
    const connection_ptr& connection, const secret_name& name, secret_connection::outcome what
) {
    const bool is_retired = connection && connection->is_retired();
    if (is_retired) connection->close();
    const bool is_closed = !connection || connection->current() == secret_connection::state::closed;
    if (is_closed) drop(name.first, connection);
    // An idle connection may have ended unseen since, and one that a reload has retired has asked
    // what is not asked any more: nobody was told anything yet.
    if (is_retired || (what.is_lost && connection && connection->was_used())) {
        groups_[name.first].waiting.push_front(name);
        pump();
        return;
    }
    settle(name, what.secret);
    if (what.is_unreached) {
        // Nobody is there: those that wait shall not wait for the same, one after the other.
        auto waiting = std::exchange(groups_[name.first].waiting, {});
        for (const auto& other : waiting)
            settle(other, what.secret);
    }
    pump();
}

void secret_lookup::runner::settle(const secret_name& name, const fetched_secret& found) {
    const auto at = wanted_.find(name);
    if (at == wanted_.end()) return;
    const auto callers = std::move(at->second.callers);
    wanted_.erase(at);
    if (found.what != fetched_secret::result::unavailable) {
        secret_cache::entry one{{}, found.reason, std::chrono::steady_clock::now()};
        if (found.what == fetched_secret::result::found) one.secret = found.secret;
        cache_.store(name, std::move(one));
    }
    for (const auto& each : callers)
        each.done(found);
}

void secret_lookup::runner::drop(const std::string& source_name, const connection_ptr& connection) {
    const auto found = groups_.find(source_name);
    if (found != groups_.end()) std::erase(found->second.connections, connection);
}

/// Every few seconds while there are connections: those that nobody needs go.
void secret_lookup::runner::sweep() {
    if (std::exchange(is_sweeping_, true)) return;
    sweeper_.expires_after(std::chrono::seconds{5});
    sweeper_.async_wait([this](boost::system::error_code error) {
        is_sweeping_ = false;
        if (error) return;
        const auto now = std::chrono::steady_clock::now();
        for (auto& [source_name, here] : groups_) {
            std::erase_if(here.connections, [now](const connection_ptr& one) {
                const bool is_old = one->current() == secret_connection::state::idle &&
                                    now - one->idle_since() >= longest_idle;
                if (is_old) one->close();
                return is_old;
            });
        }
        pump();
        if (connection_count() > 0) sweep();
    });
}

// --- the face ---

secret_lookup::secret_lookup() : runner_{std::make_unique<runner>()} {}

secret_lookup::~secret_lookup() = default;

std::string secret_lookup::source::name() const {
    // No zero byte stands in any of them.
    return database + '\0' + auth_user + '\0' + query;
}

auto secret_lookup::source_of(const config::config& configuration, std::string_view database)
    -> source {
    const auto is_console = [](std::string_view name) {
        return name == "pgweir" || name == "pgbouncer";
    };
    const auto& all = configuration.auth;
    // The entry "*" takes any name, but not the console's.
    const auto* const entry =
        is_console(database) ? nullptr : configuration.find_database(database);
    const auto chosen = [entry](
                            std::string config::database_options::*own, const std::string& other
                        ) -> const std::string& {
        return entry == nullptr || (entry->*own).empty() ? other : entry->*own;
    };
    source made;
    made.auth_user = chosen(&config::database_options::auth_user, all.auth_user);
    if (made.auth_user.empty()) return made;
    made.query = chosen(&config::database_options::auth_query, all.query);
    if (made.query.empty()) made.query = default_query;
    const auto& asked = chosen(&config::database_options::auth_dbname, all.dbname);
    made.database = asked.empty() ? database : asked;
    if (is_console(made.database) || configuration.find_database(made.database) == nullptr) {
        made.database.clear();
    }
    return made;
}

void secret_lookup::find(question asked, callback done) {
    runner_->post([runner = runner_.get(), asked = std::move(asked), done = std::move(done)](
                  ) mutable { runner->find(std::move(asked), std::move(done)); });
}

void secret_lookup::forget(const source& from, const std::string& user) {
    runner_->post([runner = runner_.get(), name = secret_name{from.name(), user}] {
        runner->forget(name);
    });
}

void secret_lookup::reset(config::config_ptr next) {
    runner_->post([runner = runner_.get(), next = std::move(next)]() mutable {
        runner->reset(std::move(next));
    });
}

void secret_lookup::stop() {
    runner_->stop();
}

}  // namespace weir::daemon::auth

#include "daemon/upstream/catalog_loader.hpp"

#include "daemon/insight/log.hpp"
#include "daemon/upstream/control_connection.hpp"
#include "querycache/cache.hpp"
#include "querycache/catalog.hpp"
#include "querycache/key.hpp"

#include <pqxx/except>

#include <poll.h>

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

namespace weir::daemon {

namespace {

constexpr std::chrono::milliseconds first_back_off{500};
constexpr std::chrono::milliseconds longest_back_off{30'000};
constexpr std::chrono::milliseconds soon{100};
constexpr std::size_t most_logins = 8;

}  // namespace

catalog_loader::catalog_loader(surroundings around, pool::connect_target_ptr target)
    : around_(std::move(around)), addresses_(target->addresses), database_(target->database) {
    logins_.push_back(std::move(target));
    thread_ = std::thread([this] { run(); });
}

catalog_loader::~catalog_loader() {
    end();
    join();
}

bool catalog_loader::leads_to(const pool::connect_target& target) const {
    return target.database == database_ && target.addresses == addresses_;
}

void catalog_loader::offer(const pool::connect_target_ptr& target) {
    const std::lock_guard guard(lock_);
    const auto same_user = std::find_if(logins_.begin(), logins_.end(), [&](const auto& known) {
        return known->user == target->user;
    });
    if (same_user != logins_.end()) {
        if (*same_user == target || **same_user == *target) return;
        *same_user = target;
    } else {
        if (logins_.size() >= most_logins) return;
        logins_.push_back(target);
    }
    has_new_login_ = true;
    wakeup_.notify();
}

std::string catalog_loader::shown_addresses() const {
    return pool::to_string(addresses_);
}

std::string catalog_loader::problem() {
    const std::lock_guard guard(lock_);
    return last_problem_;
}

void catalog_loader::refresh(bool at_once) {
    {
        const std::lock_guard guard(lock_);
        if (at_once) {
            due_now_ = true;
        } else if (!due_soon_) {
            due_soon_ = clock::now() + soon;
        }
    }
    wakeup_.notify();
}

void catalog_loader::end() {
    wakeup_.end();
}

void catalog_loader::join() {
    if (thread_.joinable()) thread_.join();
}

void catalog_loader::run() {
    auto pause = first_back_off;
    while (!wakeup_.is_ending()) {
        is_working_ = false;
        try {
            if (const auto connection = connect()) serve(*connection);
        } catch (const std::exception& error) {
            if (!wakeup_.is_ending()) tell(error.what());
        }
        if (is_working_) pause = first_back_off;
        back_off(pause);
        pause = std::min(pause * 2, longest_back_off);
    }
}

std::unique_ptr<control_connection> catalog_loader::connect() {
    std::vector<pool::connect_target_ptr> logins;
    {
        const std::lock_guard guard(lock_);
        logins = logins_;
        has_new_login_ = false;
    }
    std::string problem;
    for (const auto& login : logins) {
        // In the pool's order, and like it with the first that lets us in: the next address may be
        // another server.
        for (const auto& address : addresses_) {
            try {
                return std::make_unique<control_connection>(*login, address, wakeup_);
            } catch (const pqxx::failure& error) {
                if (wakeup_.is_ending()) return nullptr;
                if (!problem.empty()) problem += "; ";
                problem += "as user " + login->user + ": " + error.what();
                if (is_stored_secret(login->secret)) {
                    problem +=
                        " (of this user only a stored hash is known, with which a control "
                        "connection cannot log in:"
                        " set databases." +
                        database_ + ".password or write the plain password into auth.users_file)";
                }
            }
        }
    }
    tell("no control connection: " + problem);
    return nullptr;
}

void catalog_loader::serve(control_connection& connection) {
    std::string why;
    try {
        if (!follow(connection)) return;
    } catch (const std::exception& error) {
        // When the connection is gone, libpqxx tells of the call that it could not make.
        if (connection.is_open()) why = error.what();
    }
    if (wakeup_.is_ending()) return;
    // Until somebody listens again, events that are told are not heard: nothing is served
    // meanwhile.
    if (auto* const state = state_.load()) state->set_watched(false);
    tell_of_loss(connection, why);
}

bool catalog_loader::follow(control_connection& connection) {
    const auto facts = connection.ask_facts();
    if (facts.is_in_recovery) {
        // A replica's answers may be older than a write that was acknowledged before they were
        // asked for.
        tell(connection.address() + " is a replica: what is read there is not cached");
        if (!placed_.exchange(true)) around_.placed();
        return false;
    }
    // Before place(), which drops everything: what was told before is contained in that, what is
    // told after comes in.
    listen(connection);
    place(facts.identity, facts.name);
    bool is_current = load(connection);
    while (await_load(connection, is_current))
        is_current = load(connection);
    return true;
}

void catalog_loader::place(const querycache::database_identity& identity, const std::string& name) {
    auto& next = around_.cache.database(identity, name);
    auto* const before = state_.load();
    if (before != nullptr && before != &next) {
        log_warning(
            "cache: another database stands behind {} now; what was stored is dropped", database_
        );
        // Its snapshot is out of date from here on, and nobody loads another: who still holds it
        // reads past it.
        before->versions().catalog()->bump(querycache::bump_cause::other);
        around_.cache.invalidate_database(*before);
    }
    state_.store(&next);
    around_.announce();
    // Unlogged tables may have been emptied, a standby promoted without the last writes, and until
    // the announcement not everybody's writes were seen: nothing from before a connection is taken
    // for true after it.
    around_.cache.invalidate_database(next);
    next.set_watched(true);
    placed_.store(true);
    around_.placed();
}

bool catalog_loader::load(control_connection& connection) {
    auto& state = *state_.load();
    {
        // Before the version is read: DDL that is seen later asks again.
        const std::lock_guard guard(lock_);
        due_now_ = false;
        due_soon_.reset();
    }
    const auto version = state.catalog_version();
    // After the version was read: who forbids it first says so and then moves the version.
    if (const std::string missing = around_.missing(); !missing.empty()) {
        tell(
            "waits until every way to a database of this name is known, since a write there may be "
            "one here; nothing is cached until then; not known yet: " +
            missing + " (make it reachable, or take it out of databases and reload)"
        );
        return true;  // a refresh follows when it may go on
    }
    const auto begin = clock::now();
    auto snapshot = std::make_shared<querycache::catalog>(connection.read_catalog(), version);
    const auto relations = snapshot->relation_count();
    const bool is_current = state.install(std::move(snapshot));
    loaded_at_ = clock::now();
    load_took_ = loaded_at_ - begin;
    if (is_working_) {
        log_debug("cache: catalog of {} loaded again, {} relations", database_, relations);
    } else {
        log_info(
            "cache: catalog of {} loaded from {}, {} relations",
            database_,
            connection.address(),
            relations
        );
    }
    is_working_ = true;
    const std::lock_guard guard(lock_);
    last_problem_.clear();
    return is_current;
}

void catalog_loader::listen(control_connection& connection) {
    try {
        connection.listen();
    } catch (const pqxx::sql_error& error) {
        // The cache's promise does not hang on it.
        if (std::exchange(is_deaf_, true)) return;
        std::string why = error.what();
        std::replace(why.begin(), why.end(), '\n', ' ');
        log_warning(
            "cache of {}: events that are told with NOTIFY are not heard, INVALIDATE EVENT at the "
            "console works: {}",
            database_,
            why
        );
    }
}

bool catalog_loader::hear(control_connection& connection) {
    std::vector<std::string> events;
    const bool is_alive = connection.take_in(events);
    for (const auto& event : events)
        around_.told(*state_.load(), event);
    return is_alive;
}

bool catalog_loader::await_load(control_connection& connection, bool is_current) {
    if (!hear(connection)) return false;
    const auto poll_due = clock::now() + around_.poll_interval;
    while (!wakeup_.is_ending()) {
        auto due = poll_due;
        {
            const std::lock_guard guard(lock_);
            if (due_soon_) due = std::min(due, *due_soon_);
            // One after the other as long as DDL comes, but never more than a third of the time: a
            // migration of a thousand statements must not have the server read its catalog all the
            // while.
            if (due_now_ || !is_current) due = std::min(due, clock::now());
        }
        due = std::max(due, loaded_at_ + 2 * load_took_);
        if (clock::now() >= due) return true;
        if (wakeup_.wait(connection.sock(), POLLIN, due) && !hear(connection)) return false;
    }
    return false;
}

void catalog_loader::back_off(std::chrono::milliseconds duration) {
    const auto until = clock::now() + duration;
    while (!wakeup_.is_ending() && clock::now() < until) {
        {
            const std::lock_guard guard(lock_);
            if (has_new_login_) return;
        }
        wakeup_.wait(-1, 0, until);
    }
}

void catalog_loader::tell(std::string problem) {
    std::replace(problem.begin(), problem.end(), '\n', ' ');
    while (problem.ends_with(' '))
        problem.pop_back();
    problem.insert(0, "cache of " + database_ + ": ");
    {
        const std::lock_guard guard(lock_);
        if (problem == last_problem_) return;
        last_problem_ = problem;
    }
    log_warning("{}", problem);
}

void catalog_loader::tell_of_loss(const control_connection& connection, std::string_view why) {
    std::string what = "the control connection to " + connection.address();
    what += why.empty() ? std::string(" was lost") : " failed: " + std::string(why);
    tell(
        what +
        "; nothing is cached until it is back: see whether PostgreSQL runs there, pgweir "
        "tries again by itself"
    );
}

}  // namespace weir::daemon

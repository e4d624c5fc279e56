#include "daemon/cache_databases.hpp"

#include "daemon/upstream/catalog_loader.hpp"
#include "querycache/cache.hpp"

#include <algorithm>
#include <utility>

namespace weir::daemon {

namespace {

/// Whether a rule may select a database that PostgreSQL knows as `dbname`, under whatever name
/// clients ask for it: a name that no rule selects is watched all the same when it may lead to
/// where a selected one does.
bool may_be_cached(const config::config& configuration, const std::string& dbname) {
    const auto leads_there = [&](const std::string& name) {
        const auto* const entry = configuration.find_database(name);
        return entry != nullptr && entry->server_dbname(name) == dbname;
    };
    const auto& rules = configuration.cache.rules;
    return std::any_of(rules.begin(), rules.end(), [&](const config::cache_rule& rule) {
        return rule.databases.empty() ||
               std::any_of(rule.databases.begin(), rule.databases.end(), leads_there);
    });
}

void put_out_of_date(const catalog_loader& loader) {
    if (auto* const state = loader.state()) {
        state->versions().catalog()->bump(querycache::bump_cause::other);
    }
}

}  // namespace

cache_databases::cache_databases(
    querycache::cache& cache,
    std::function<void(const std::string& database)> announce,
    std::function<void(querycache::database_state& database, const std::string& event)> told
)
    : cache_{cache}, announce_{std::move(announce)}, told_{std::move(told)} {}

cache_databases::~cache_databases() {
    stop();
}

querycache::database_state* cache_databases::find(
    const std::string& database,
    const config::config& configuration,
    const pool::connect_target_ptr& target
) {
    if (target == nullptr || target->addresses.empty()) return nullptr;
    const std::lock_guard guard{lock_};
    auto group = loaders_.find(target->database);
    if (group != loaders_.end()) {
        const auto found =
            std::find_if(group->second.begin(), group->second.end(), [&](const auto& one) {
                return one->leads_to(*target);
            });
        if (found != group->second.end()) {
            catalog_loader& loader = **found;
            loader.offer(target);
            follow(database, loader);  // may take another loader out of the group
            return loader.state();
        }
    }
    if (stopped_) return nullptr;
    if (group == loaders_.end()) {
        if (!may_be_cached(configuration, target->database)) return nullptr;
        group = loaders_.try_emplace(target->database).first;
    }
    start_loader(group->second, database, target);
    return nullptr;
}

std::optional<querycache::database_state*> cache_databases::look_up(
    const pool::connect_target& target
) {
    const std::lock_guard guard{lock_};
    const auto group = loaders_.find(target.database);
    if (group == loaders_.end()) return std::nullopt;
    for (const auto& loader : group->second) {
        if (loader->leads_to(target)) return loader->state();
    }
    return std::nullopt;
}

std::vector<std::string> cache_databases::problems() {
    const std::lock_guard guard{lock_};
    std::vector<std::string> found;
    for (const auto& [dbname, group] : loaders_) {
        for (const auto& loader : group) {
            if (auto problem = loader->problem(); !problem.empty())
                found.push_back(std::move(problem));
        }
    }
    return found;
}

void cache_databases::start_loader(
    loader_group& group, const std::string& database, const pool::connect_target_ptr& target
) {
    const std::string dbname = target->database;
    catalog_loader::surroundings around{
        cache_,
        // Every session, not those of one name: several names may lead to the database.
        [this] { announce_(""); },
        [this, dbname] { return unsettled(dbname); },
        [this, dbname] { refresh_group(dbname); },
        told_,
        poll_interval};
    group.push_back(std::make_unique<catalog_loader>(std::move(around), target));
    follow(database, *group.back());
    // The new road may lead to a database that another already leads to, and until that is known
    // nobody sees what is written on it. unsettled() names it from here on, and what is installed
    // is out of date.
    for (const auto& other : group)
        put_out_of_date(*other);
}

void cache_databases::follow(const std::string& database, catalog_loader& loader) {
    auto& current = names_[database];
    auto* const before = std::exchange(current, &loader);
    if (before != nullptr && before != &loader) leave(*before);  // the configuration has moved it
}

void cache_databases::leave(catalog_loader& before) {
    // When nobody else goes the old way, its loader goes, too.
    put_out_of_date(before);
    const bool is_used = std::any_of(names_.begin(), names_.end(), [&](const auto& name) {
        return name.second == &before;
    });
    for (auto at = loaders_.begin(); at != loaders_.end(); ++at) {
        auto& group = at->second;
        const auto found = std::find_if(group.begin(), group.end(), [&](const auto& one) {
            return one.get() == &before;
        });
        if (found == group.end()) continue;
        if (!is_used) {
            before.end();
            leaving_.push_back(std::move(*found));
            group.erase(found);
        }
        // They may lead to the same database, or have waited for the one that went.
        for (const auto& one : group)
            one->refresh(true);
        if (group.empty()) loaders_.erase(at);
        return;
    }
}

void cache_databases::forget_removed(const config::config& configuration) {
    const std::lock_guard guard{lock_};
    for (auto name = names_.begin(); name != names_.end();) {
        if (configuration.find_database(name->first) != nullptr) {
            ++name;
            continue;
        }
        auto* const loader = name->second;
        name = names_.erase(name);
        leave(*loader);
    }
}

std::string cache_databases::unsettled(const std::string& dbname) {
    const std::lock_guard guard{lock_};
    std::string found;
    const auto group = loaders_.find(dbname);
    if (group == loaders_.end()) return found;
    for (const auto& loader : group->second) {
        if (!loader->is_placed()) found += (found.empty() ? "" : ", ") + loader->shown_addresses();
    }
    return found;
}

void cache_databases::refresh_group(const std::string& dbname) {
    const std::lock_guard guard{lock_};
    const auto group = loaders_.find(dbname);
    if (group == loaders_.end()) return;
    for (const auto& loader : group->second)
        loader->refresh(true);
}

void cache_databases::refresh(std::string_view database, bool at_once) {
    const std::lock_guard guard{lock_};
    const auto named = names_.find(database);
    if (named == names_.end()) return;
    auto* const state = named->second->state();
    for (const auto& [dbname, group] : loaders_) {
        for (const auto& loader : group) {
            if (loader->state() == state) loader->refresh(at_once);
        }
    }
}

void cache_databases::stop() {
    std::vector<catalog_loader*> ending;
    {
        const std::lock_guard guard{lock_};
        stopped_ = true;
        for (const auto& [dbname, group] : loaders_) {
            for (const auto& loader : group)
                ending.push_back(loader.get());
        }
        for (const auto& loader : leaving_)
            ending.push_back(loader.get());
    }
    // Without the lock: a thread that announces waits for workers that may be in find().
    for (auto* const loader : ending)
        loader->end();
    for (auto* const loader : ending)
        loader->join();
}

}  // namespace weir::daemon

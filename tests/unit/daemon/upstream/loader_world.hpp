// A cache, its databases and a log file, before the PostgreSQL of this program; for the tests of
// this folder. The announcement is played as the daemon does it: on another thread, which calls
// find().
#pragma once

#include "daemon/cache_databases.hpp"
#include "daemon/insight/log.hpp"
#include "querycache/cache.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/wait_until.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace weir::daemon {

/// A server for tests that stop it or put others in its place; started at the first call.
inline test::postgres_server& postgres() {
    return test::shared_postgres();
}

inline pool::connect_target_ptr target_at(
    pool::upstream_address address,
    std::string database,
    std::string user = "postgres",
    std::string secret = ""
) {
    auto target = std::make_shared<pool::connect_target>();
    target->addresses.push_back(std::move(address));
    target->database = std::move(database);
    target->user = std::move(user);
    target->secret = std::move(secret);
    return target;
}

inline pool::upstream_address tcp_address(int port) {
    return {"127.0.0.1", static_cast<std::uint16_t>(port)};
}

/// The database, made anew and empty.
inline void make_database(const std::string& name) {
    postgres().execute("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)");
    postgres().execute("CREATE DATABASE " + name);
}

struct loader_world {
    loader_world() {
        // One rule without selectors: any database.
        configuration.cache.rules.emplace_back().name = "all";
        log_options options;
        options.file = (folder.path() / "log").string();
        if (const auto problem = set_up_log(options)) throw std::runtime_error(*problem);
    }
    ~loader_world() {
        databases.stop();
        (void)set_up_log({});
    }

    querycache::database_state* find(const std::string& name, const pool::connect_target_ptr& at) {
        return databases.find(name, configuration, at);
    }
    querycache::database_state* find(const std::string& name) {
        return find(name, target_at(tcp_address(postgres().port()), name));
    }
    /// The state, as soon as it is known and its snapshot current.
    querycache::database_state& loaded(
        const std::string& name, const pool::connect_target_ptr& at
    ) {
        const auto is_loaded = [&] {
            auto* const state = find(name, at);
            return state != nullptr && !state->needs_refresh();
        };
        test::wait_until(is_loaded, [&] { return "a snapshot of " + name + "; log: " + log(); });
        return *find(name, at);
    }
    querycache::database_state& loaded(const std::string& name) {
        return loaded(name, target_at(tcp_address(postgres().port()), name));
    }

    [[nodiscard]] std::string log() const { return test::read_file(folder.path() / "log"); }
    [[nodiscard]] std::size_t told(std::string_view text) const {
        std::size_t count = 0;
        const auto all = log();
        for (auto at = all.find(text); at != std::string::npos; at = all.find(text, at + 1))
            ++count;
        return count;
    }
    void wait_for_log(const std::string& text) const {
        test::wait_until([&] { return told(text) > 0; }, [&] { return text + "; log: " + log(); });
    }

    test::temporary_folder folder;
    config::config configuration;
    querycache::cache cache{querycache::cache_limits{}};
    std::atomic<int> announcements{0};
    std::function<void()> on_announce = [] {};
    std::mutex lock;
    std::vector<std::string> events;  // guarded by lock; "DATABASE EVENT" as they were told
    cache_databases databases{
        cache,
        [this](const std::string&) {
            std::thread worker([this] { on_announce(); });
            worker.join();
            ++announcements;
        },
        [this](querycache::database_state& database, const std::string& event) {
            const std::lock_guard guard(lock);
            events.push_back(database.name() + " " + event);
        }};
    std::vector<std::string> events_so_far() {
        const std::lock_guard guard(lock);
        return events;
    }
};

/// How long stop() takes.
inline std::chrono::milliseconds time_to_stop(loader_world& world) {
    const auto begin = std::chrono::steady_clock::now();
    world.databases.stop();
    return std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - begin
    );
}

inline int control_connections(const std::string& database) {
    return std::stoi(postgres().scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgweir-control' AND "
        "datname = '" +
        database + "'"
    ));
}

}  // namespace weir::daemon

#include "daemon/console/answer_slot.hpp"
#include "daemon/console/console_phase.hpp"
#include "daemon/control.hpp"
#include "daemon/net/worker.hpp"
#include "daemon/pool_directory.hpp"
#include "protocol/sqlstate.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <unordered_map>
#include <utility>

namespace weir::daemon {

namespace {

namespace sqlstate = protocol::sqlstate;
using console::command_id;
using console::make_error;
using console::result;
using console::sightings;

/// Empty: all databases.
std::string named_database(const console::command& what) {
    return what.arguments.empty() ? std::string{} : what.arguments[0].text;
}

/// Ends a client of an administrator's will.
void end_client(client_session& session) {
    client_error why = shutting_down();
    why.detail = "An administrator closed this connection.";
    if (const client_phase_ptr phase = session.phase()) phase->on_end(why);
}

}  // namespace

std::optional<result> console_phase::warm(const command& what) {
    const std::string& rule = what.arguments[0].text;
    shared().daemon.warm(rule, [to = slot(), rule](const warm_report& report) {
        to.give(console::warm_answer(rule, report));
    });
    on_cancel_ = [] {
        return result::of_error(make_error(
            sqlstate::query_canceled,
            "WARM RULE is no longer waited for",
            "The queries are run all the same."
        ));
    };
    return {};
}

std::optional<result> console_phase::reload() {
    shared().daemon.reload([to = slot()](std::string problems) {
        if (problems.empty()) {
            to.give(result{});
            return;
        }
        while (problems.ends_with('\n'))
            problems.pop_back();
        to.give(result::of_error(make_error(
            "F0000",  // config_file_error
            "the configuration was not applied",
            "Correct the file and RELOAD again; until then everything runs as before.",
            std::move(problems)
        )));
    });
    return {};
}

std::optional<result> console_phase::refuse_database(const std::string& name) const {
    if (name.empty() || shared().daemon.configuration()->find_database(name) != nullptr) return {};
    return result::of_error(make_error(
        sqlstate::invalid_catalog_name,
        "database \"" + name + "\" is not configured",
        "SHOW DATABASES lists them."
    ));
}

std::optional<result> console_phase::pause(const command& what) {
    const std::string database = named_database(what);
    if (auto refused = refuse_database(database)) return refused;
    const auto pools = shared().pools.pause(database);
    // A client that goes away leaves the pools paused: maintenance must not end with a dropped
    // shell.
    wait_for([pools](time_point now) -> std::optional<result> {
        const bool busy = std::any_of(pools.begin(), pools.end(), [now](const auto& one) {
            // An idle one counts as well, until the pause has closed it: a client may be taking it.
            const auto f = one->figures(now);
            return f.active + f.idle + f.tested + f.being_canceled > 0;
        });
        if (busy) return {};
        return result{};
    });
    on_cancel_ = [&directory = shared().pools, database] {
        directory.resume(database);
        return result::of_error(make_error(
            sqlstate::query_canceled,
            "PAUSE was canceled",
            "The pools are in use again; PAUSE once more to try again."
        ));
    };
    return {};
}

std::optional<result> console_phase::resume(const command& what) {
    const std::string database = named_database(what);
    if (auto refused = refuse_database(database)) return refused;
    shared().pools.resume(database);
    return result{};
}

std::optional<result> console_phase::set_disabled(const command& what) {
    const std::string database = named_database(what);
    if (auto refused = refuse_database(database)) return refused;
    shared().pools.set_disabled(database, what.entry->id == command_id::disable);
    return result{};
}

std::optional<result> console_phase::reconnect(const command& what) {
    const std::string database = named_database(what);
    if (auto refused = refuse_database(database)) return refused;
    const auto& pools = shared().pools;
    for (const auto& one : database.empty() ? pools.all() : pools.of_database(database))
        one->retire_all();
    return result{};
}

std::optional<result> console_phase::wait_close(const command& what) {
    const std::string database = named_database(what);
    if (auto refused = refuse_database(database)) return refused;
    // Which servers are retired only their loops know: they are asked again and again.
    struct search {
        std::atomic<bool> is_asking{false};
        std::atomic<bool> are_closed{false};
    };
    const auto state = std::make_shared<search>();
    wait_for([state, database, &daemon = shared().daemon](time_point) -> std::optional<result> {
        if (state->are_closed) return result{};
        if (state->is_asking.exchange(true)) return {};
        console::look_everywhere(daemon, [state, database](const sightings& seen) {
            state->are_closed =
                std::none_of(seen.servers.begin(), seen.servers.end(), [&](const auto& one) {
                    return one.is_close_needed && (database.empty() || one.database == database);
                });
            state->is_asking = false;
        });
        return {};
    });
    on_cancel_ = [] {
        return result::of_error(make_error(
            sqlstate::query_canceled,
            "WAIT_CLOSE was canceled",
            "Servers go on closing as their clients release them."
        ));
    };
    return {};
}

std::optional<result> console_phase::kill(const command& what) {
    const std::string database = named_database(what);
    if (auto refused = refuse_database(database)) return refused;
    const auto pools = shared().pools.pause(database);
    for (const auto& one : pools)
        one->retire_all();
    for (worker* const one : shared().daemon.workers()) {
        one->loop().post([one, database] {
            for (auto& [id, client] : std::unordered_map(one->clients())) {
                const client_phase* const phase = client->phase();
                if (phase == nullptr || phase->served_database().empty()) continue;
                if (!database.empty() && phase->served_database() != database) continue;
                end_client(*client);
            }
        });
    }
    wait_for([pools](time_point now) -> std::optional<result> {
        const bool open = std::any_of(pools.begin(), pools.end(), [now](const auto& one) {
            return one->figures(now).open > 0;
        });
        if (open) return {};
        return result{};
    });
    on_cancel_ = [] {
        return result::of_error(make_error(
            sqlstate::query_canceled,
            "KILL is no longer waited for",
            "Clients and servers are being closed all the same; RESUME ends the pause."
        ));
    };
    return {};
}

std::optional<result> console_phase::kill_client(const command& what) {
    const std::string& given = what.arguments[0].text;
    std::uint64_t id = 0;
    const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), id);
    if (error != std::errc{} || end != given.data() + given.size()) {
        return result::of_error(make_error(
            sqlstate::syntax_error,
            "KILL_CLIENT needs a number, not \"" + given + "\"",
            "The number is the column id of SHOW CLIENTS."
        ));
    }
    struct search {
        std::atomic<std::size_t> left;
        std::atomic<bool> found{false};
    };
    const auto& workers = shared().daemon.workers();
    auto all = std::make_shared<search>();
    all->left = workers.size();
    for (worker* const one : workers) {
        one->loop().post([one, id, all, to = slot()] {
            const auto client = one->clients().find(id);
            if (client != one->clients().end()) {
                all->found = true;
                end_client(*client_ptr{client->second});
            }
            if (--all->left > 0) return;
            if (all->found) {
                to.give(result{});
                return;
            }
            to.give(result::of_error(make_error(
                sqlstate::undefined_object,
                "no client has the id " + std::to_string(id),
                "The column id of SHOW CLIENTS lists them; it may have left already."
            )));
        });
    }
    return {};
}

std::optional<result> console_phase::shut_down(const command& what) {
    stop_mode mode = stop_mode::fast;
    if (!what.arguments.empty()) {
        const auto& how = what.arguments[0];
        const bool waits_for_clients = how.is("wait_for_clients");
        if (!waits_for_clients && !how.is("wait_for_servers")) {
            return result::of_error(make_error(
                sqlstate::syntax_error,
                "SHUTDOWN does not know \"" + how.text + "\"",
                "The form is: SHUTDOWN [WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS]."
            ));
        }
        mode = waits_for_clients ? stop_mode::wait_for_clients : stop_mode::drain;
    }
    // Posted, so that the answer goes out first.
    session_->home().loop().post(
        [&daemon = shared().daemon, mode, who = "user " + user_ + " at the console"] {
            daemon.stop(mode, who);
        }
    );
    return result{};
}

}  // namespace weir::daemon

#include "daemon/cache_databases.hpp"
#include "daemon/config/options.hpp"
#include "daemon/config/show.hpp"
#include "daemon/console/answer_slot.hpp"
#include "daemon/console/console_phase.hpp"
#include "daemon/console/driver_settings.hpp"
#include "daemon/console/show_advice.hpp"
#include "daemon/console/show_queries.hpp"
#include "daemon/control.hpp"
#include "daemon/insight/log.hpp"
#include "daemon/insight/process_facts.hpp"
#include "daemon/insight/slow_log.hpp"
#include "daemon/insight/statement_statistics.hpp"
#include "daemon/net/worker.hpp"
#include "daemon/pool_directory.hpp"
#include "daemon/version.hpp"
#include "querycache/sql/lexed_statement.hpp"
#include "querycache/sql/parser_pool.hpp"

#include <boost/asio/post.hpp>

#include <utility>

namespace weir::daemon {

namespace {

namespace sql = querycache::sql;
using console::command_id;
using console::number;
using console::result;
using console::row;
using console::sightings;
using console::text;
using console::value;

// EXPLAIN CACHE waits this long for the catalog of a database whose first client has just come.
constexpr std::chrono::seconds catalog_patience{3};

std::vector<console::pool_sighting> look_at_pools(const pool_directory& pools) {
    const auto now = std::chrono::steady_clock::now();
    std::vector<console::pool_sighting> seen;
    for (const auto& one : pools.all()) {
        const auto target = one->target();
        seen.push_back(
            {one->database(),
             one->user(),
             one->figures(now),
             one->options(),
             target ? target->addresses.size() : 0,
             target ? target->order : pool::host_order::listed,
             one->last_error()}
        );
    }
    return seen;
}

result rollback_answer() {
    result r;
    r.notices.push_back(
        {"WARNING", "console commands take effect at once: nothing was undone", "", ""}
    );
    return r;
}

result constant_answer(const console::command& what) {
    result r = result::of_rows({{text(what.constant)}});
    if (what.entry->id == command_id::select_constant) r.tag = "SELECT 1";
    return r;
}

/// The process as a whole, and what of it the results hold.
std::vector<row> memory_rows(const querycache::cache& cache) {
    const auto facts = insight::read_process_facts();
    std::uint64_t entries = 0;
    std::uint64_t bytes = 0;
    for (const auto& rule : cache.show_cache()) {
        entries += static_cast<std::uint64_t>(rule.entries);
        bytes += static_cast<std::uint64_t>(rule.bytes);
    }
    return {
        {text("process"),
         number(facts.resident_bytes),
         number(1),
         number(0),
         number(facts.resident_bytes)},
        {text("result_cache"),
         number(entries == 0 ? 0 : bytes / entries),
         number(entries),
         number(0),
         number(bytes)}};
}

value pgbouncers_name(const std::string& key) {
    const auto* const option = config::find_option(key);
    if (option == nullptr || option->pgbouncer.empty()) return {};
    return text(option->pgbouncer);
}

std::vector<row> config_rows(const config::config& configuration) {
    std::vector<row> rows;
    for (const auto& one : config::render_config(configuration)) {
        rows.push_back(
            {text(one.key),
             text(one.value),
             text(one.default_value),
             text(one.changeable ? "yes" : "no"),
             pgbouncers_name(one.key)}
        );
    }
    return rows;
}

}  // namespace

services& console_phase::shared() const {
    return session_->home().shared();
}

console::answer_slot console_phase::slot() const {
    return {session_->home(), session_->id(), ticket_};
}

void console_phase::run_blocking(std::function<result()> make) {
    boost::asio::post(shared().blocking, [to = slot(), make = std::move(make)] {
        to.give(make());
    });
}

void console_phase::gather(std::function<result(const sightings&)> make) {
    console::look_everywhere(
        shared().daemon,
        [&blocking = shared().blocking, to = slot(), make = std::move(make)](sightings seen) {
            boost::asio::post(blocking, [to, make, seen = std::move(seen)] {
                to.give(make(seen));
            });
        }
    );
}

std::optional<result> console_phase::run(const command& what) {
    if (what.entry->allowed == console::audience::admins) {
        log_info(
            "console command: user={} command=\"{}{}{}\"",
            user_,
            what.entry->name,
            what.rest.empty() ? "" : " ",
            what.rest
        );
    }
    const auto configuration = shared().daemon.configuration();
    const auto& pools = shared().pools;
    auto& cache = shared().cache;
    const auto gathered = [&](auto rows) {
        gather([rows](const sightings& seen) { return result::of_rows(rows(seen)); });
        return std::optional<result>{};
    };
    const auto blocking = [&](auto rows) {
        run_blocking([rows] { return result::of_rows(rows()); });
        return std::optional<result>{};
    };
    switch (what.entry->id) {
        case command_id::show_help:
            return show_help();
        case command_id::show_pools:
            return gathered([&pools](const sightings& seen) {
                return console::pool_rows(look_at_pools(pools), seen);
            });
        case command_id::show_clients:
            return gathered([](const sightings& seen) { return console::client_rows(seen, {}); });
        case command_id::show_servers:
            return gathered([](const sightings& seen) { return console::server_rows(seen, {}); });
        case command_id::show_sockets:
            return gathered([](const sightings& seen) {
                return console::socket_rows(seen, {}, false);
            });
        case command_id::show_active_sockets:
            return gathered([](const sightings& seen) {
                return console::socket_rows(seen, {}, true);
            });
        case command_id::show_pins:
            return gathered([](const sightings& seen) { return console::pin_rows(seen); });
        case command_id::show_advice:
            return blocking([&daemon = shared().daemon] {
                return console::advice_rows(daemon.advice());
            });
        case command_id::show_queries:
            return blocking([&statistics = shared().statistics] {
                return console::query_rows(statistics.report());
            });
        case command_id::show_slow:
            return blocking([&statistics = shared().statistics, &slow = shared().slow] {
                return console::slow_rows(slow.last(), statistics.report());
            });
        case command_id::show_breakers:
            return blocking([&pools] { return console::breaker_rows(pools.hosts().figures(), {}); }
            );
        case command_id::show_databases:
            return gathered([&pools, configuration](const sightings& seen) {
                return console::database_rows(
                    *configuration, look_at_pools(pools), pools.paused(), seen
                );
            });
        case command_id::show_users:
            return gathered([&pools, configuration](const sightings& seen) {
                return console::user_rows(*configuration, look_at_pools(pools), seen);
            });
        case command_id::show_lists:
            return gathered([&pools, configuration](const sightings& seen) {
                return console::list_rows(*configuration, look_at_pools(pools), seen);
            });
        case command_id::show_stats:
        case command_id::show_stats_totals:
        case command_id::show_stats_averages:
        case command_id::show_totals:
            return show_stats(what.entry->id);
        case command_id::show_state:
            return blocking([&pools] { return console::state_rows(pools.paused()); });
        case command_id::show_config:
            return blocking([configuration] { return config_rows(*configuration); });
        case command_id::show_dns_hosts:
        case command_id::show_dns_zones:
        case command_id::show_peers:
        case command_id::show_peer_pools:
            return result{};
        case command_id::show_version:
            return result::of_rows({{text("pgweir " + std::string{version})}});
        case command_id::show_memory:
            return blocking([&cache] { return memory_rows(cache); });
        case command_id::show_cache:
            return blocking([&cache] {
                return console::cache_rows(cache.show_cache(), std::chrono::steady_clock::now());
            });
        case command_id::show_cache_tables:
            return blocking([&cache] { return console::cache_table_rows(cache.show_tables()); });
        case command_id::show_cache_reasons:
            run_blocking([&cache, &cached = shared().cached] {
                result r = result::of_rows(console::cache_reason_rows(cache.show_reasons()));
                r.notices = console::cache_problem_notices(cached.problems());
                return r;
            });
            return {};
        case command_id::explain_cache:
            return explain(what);
        case command_id::invalidate_table:
        case command_id::invalidate_rule:
        case command_id::invalidate_event:
        case command_id::invalidate_database:
        case command_id::invalidate_all:
            run_blocking([&cache, what, configuration] {
                return console::invalidate(cache, what, *configuration);
            });
            return {};
        case command_id::warm_rule:
            return warm(what);
        case command_id::reload:
            return reload();
        case command_id::pause:
            return pause(what);
        case command_id::resume:
            return resume(what);
        case command_id::disable:
        case command_id::enable:
            return set_disabled(what);
        case command_id::reconnect:
            return reconnect(what);
        case command_id::wait_close:
            return wait_close(what);
        case command_id::kill:
            return kill(what);
        case command_id::kill_client:
            return kill_client(what);
        case command_id::shutdown:
            return shut_down(what);
        case command_id::set:
            return console::answer_set(what.arguments, *configuration);
        case command_id::begin:
        case command_id::commit:
            return result{};
        case command_id::rollback:
            return rollback_answer();
        case command_id::show_parameter:
        case command_id::select_constant:
            return constant_answer(what);
        case command_id::unsupported:
            break;  // parse_command() has refused it
    }
    return result{};
}

result console_phase::show_help() const {
    result r;
    std::string usage;
    for (const auto& one : console::command_table()) {
        std::string form{one.name};
        if (!one.arguments.empty()) form += ' ' + std::string{one.arguments};
        usage += "\n\t" + form;
        const bool admins_only = one.allowed == console::audience::admins;
        r.rows.push_back({text(form), text(admins_only ? "admins" : "all"), text(one.what)});
    }
    r.notices.push_back({"NOTICE", "Console usage", usage, ""});
    return r;
}

std::optional<result> console_phase::show_stats(command_id which) {
    run_blocking([&counters = shared().counters, &periods = shared().stats, which] {
        const auto now_counters = console::count_stats(counters.totals().databases());
        const auto span = periods.last(std::chrono::steady_clock::now(), now_counters);
        if (which == command_id::show_totals) {
            return result::of_rows(console::total_rows(now_counters, span));
        }
        auto part = console::stats_part::all;
        if (which == command_id::show_stats_totals) part = console::stats_part::totals;
        if (which == command_id::show_stats_averages) part = console::stats_part::averages;
        return result::of_rows(console::stats_rows(now_counters, span, part));
    });
    return {};
}

// --- EXPLAIN CACHE ---

std::optional<result> console_phase::explain(const command& what) {
    auto parsed = console::parse_explain(what, *shared().daemon.configuration(), user_);
    if (auto* error = std::get_if<client_error>(&parsed))
        return result::of_error(std::move(*error));
    const auto request = std::get<console::explain_request>(std::move(parsed));

    auto& lexer = session_->home().lexer();
    const auto& lexed = lexer.run(request.sql);
    const auto reasons = sql::call_reasons(lexed);
    const auto ttl_hint = lexed.hint_ttl;
    if (lexed.too_complex || lexed.malformed || lexed.invalid_utf8) {
        const auto facts = sql::lex_statement(lexed, lexer.skeleton());
        result r = explain_parsed(request, facts, reasons, ttl_hint);
        if (awaited_) return {};
        return r;
    }
    shared().parsers.submit(
        request.sql,
        [to = slot(), request, reasons, ttl_hint](std::shared_ptr<const sql::statement> facts) {
            to.give([request, reasons, ttl_hint, facts](console_phase& self) {
                return self.explain_parsed(request, facts, reasons, ttl_hint);
            });
        }
    );
    return {};
}

result console_phase::explain_parsed(
    const console::explain_request& request,
    const std::shared_ptr<const sql::statement>& facts,
    sql::reason_set call_reasons,
    std::chrono::milliseconds ttl_hint
) {
    const auto give_up = std::chrono::steady_clock::now() + catalog_patience;
    const auto try_it = [this, request, facts, call_reasons, ttl_hint, give_up](time_point now
                        ) -> std::optional<result> {
        services& all = shared();
        const auto configuration = all.daemon.configuration();
        const auto* const entry = configuration->find_database(request.database);
        std::optional<querycache::database_state*> found;
        if (entry != nullptr) {
            const auto pools = all.pools.of_database(request.database);
            const auto target =
                pools.empty()
                    ? make_connect_target(*configuration, *entry, request.database, request.user)
                    : pools.front()->target();
            found = all.cached.look_up(*target);
        }
        auto* const known = found.value_or(nullptr);
        const bool is_on_its_way = found && (known == nullptr || !known->snapshot());
        if (is_on_its_way && now < give_up) return {};
        result r;
        r.notices = console::cache_problem_notices(all.cached.problems());
        if (known == nullptr) {
            r.rows = console::explanation_rows(request, *facts, call_reasons);
            return r;
        }
        const auto explained =
            all.cache.explain(*facts, *known, {request.database, request.user, "", ""});
        r.rows = console::explanation_rows(request, explained, call_reasons, ttl_hint);
        return r;
    };
    if (auto now = try_it(std::chrono::steady_clock::now())) return std::move(*now);
    wait_for(try_it);
    return {};
}

}  // namespace weir::daemon

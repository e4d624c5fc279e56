#include "daemon/daemon.hpp"

#include "daemon/background_priority.hpp"
#include "daemon/config/cache_rules.hpp"
#include "daemon/config/load.hpp"
#include "daemon/config/reload.hpp"
#include "daemon/config/show.hpp"
#include "daemon/connect_failures.hpp"
#include "daemon/console/show_cache.hpp"
#include "daemon/error_reply.hpp"
#include "daemon/http/endpoints.hpp"
#include "daemon/http/events.hpp"
#include "daemon/http/response_encoder.hpp"
#include "daemon/insight/log.hpp"
#include "daemon/insight/stats_json.hpp"
#include "daemon/invalidation.hpp"
#include "daemon/repeat_settings.hpp"
#include "daemon/session/relay.hpp"
#include "daemon/version.hpp"

#include <boost/asio/post.hpp>
#include <systemd/sd-daemon.h>

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <csignal>
#include <cstdlib>
#include <future>
#include <thread>

namespace weir::daemon {

namespace {

using std::chrono::steady_clock;

// POST /reload waits this long for the reload's end; meanwhile no other request is answered.
constexpr std::chrono::seconds http_patience{5};

// Connections beyond listen.max_clients that are heard at all: to cancel a query, to use the admin
// console, or to be told in their turn why they may not stay (a driver takes no error before its
// SSLRequest is answered).
constexpr int surplus_clients = 100;

std::size_t thread_count(const config::config& configuration) {
    if (configuration.threads > 0) return static_cast<std::size_t>(configuration.threads);
    return std::max(1U, std::thread::hardware_concurrency());
}

insight::slow_log_options make_slow_options(const config::config& configuration) {
    const auto& from = configuration.slow_log;
    return {from.file, from.sample};
}

explainer::options make_explain_options(const config::config& configuration) {
    const auto& from = configuration.slow_log;
    return {
        from.explain == config::slow_log_explain::plan,
        from.explain_per_minute,
        from.parameters == config::slow_log_parameters::show};
}

log_options make_log_options(const config::config& configuration) {
    log_options options;
    switch (configuration.log.level) {
        case config::log_level::trace:
        case config::log_level::debug:
            options.level = log_level::debug;
            break;
        case config::log_level::info:
            options.level = log_level::info;
            break;
        case config::log_level::warning:
            options.level = log_level::warning;
            break;
        case config::log_level::error:
            options.level = log_level::error;
            break;
    }
    options.format =
        configuration.log.format == config::log_format::json ? log_format::json : log_format::text;
    options.file = configuration.log.file;
    return options;
}

// Each client and each server needs a descriptor; the soft limit is often 1024.
void raise_descriptor_limit(const config::config& configuration) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    const auto wanted = static_cast<rlim_t>(configuration.listen.max_clients) + 256;
    if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < wanted) {
        log_warning(
            "the limit of open files is {} (was {}), listen.max_clients = {} may need {}: raise "
            "LimitNOFILE",
            limit.rlim_max,
            before,
            configuration.listen.max_clients,
            wanted
        );
    }
}

// On a loop, maybe under a pool's lock: says its line and calls nobody.
void log_breaker(pool::breaker_state before, const pool::host_figures& now) {
    switch (now.state) {
        case pool::breaker_state::open:
            log_error(
                "breaker of {}: {} -> open after {} failures, next try in {} s, last error: {}",
                now.upstream,
                pool::to_string(before),
                now.failures,
                std::chrono::ceil<std::chrono::seconds>(
                    now.next_try.value_or(steady_clock::now()) - steady_clock::now()
                )
                    .count(),
                now.last_error
            );
            return;
        case pool::breaker_state::half_open:
            log_info(
                "breaker of {}: {} -> half_open, one connection tries it",
                now.upstream,
                pool::to_string(before)
            );
            return;
        case pool::breaker_state::closed:
            log_info("breaker of {}: {} -> closed", now.upstream, pool::to_string(before));
            return;
    }
}

// The files have changed behind the same names, which no difference of options shows.
void log_new_certificates(const config::config& running, const config::config& next) {
    const auto log = [](const std::string& key, const auto& before, const auto& after) {
        if (before.files() == after.files() && !pool::is_same(before.context, after.context)) {
            log_info("reload: {}: the contents of its files have changed", key);
        }
    };
    log("listen.tls", running.listen.tls, next.listen.tls);
    for (const auto& [name, entry] : next.databases) {
        const auto before = running.databases.find(name);
        if (before != running.databases.end() && before->second.tls.mode == entry.tls.mode) {
            log("databases." + name + ".tls", before->second.tls, entry.tls);
        }
    }
}

}  // namespace

running_daemon::running_daemon(config::config_ptr configuration)
    : config_{std::move(configuration)},
      slow_{make_slow_options(*config_)},
      statistics_{static_cast<std::size_t>(config_->statement_limit)},
      cache_{make_cache_limits(*config_, thread_count(*config_))},
      events_{cache_, [this] { return this->configuration(); }},
      parsers_{1},
      blocking_{2},
      signals_{main_},
      sweeper_{main_},
      drain_timer_{main_},
      http_timer_{main_} {
    cached_ = std::make_unique<cache_databases>(
        cache_,
        [this](const std::string& database) { announce(database); },
        [this](querycache::database_state& database, const std::string& event) {
            events_.carry_out(database, event);
        }
    );
    // The loops must exist before the directory, the directory before the workers that use it: so
    // the services come first, with references to what is filled in next.
    std::vector<pool::event_loop*> loops;
    const std::size_t count = thread_count(*config_);
    pools_ = std::make_unique<pool_directory>(*this);
    pools_->hosts().set_listener(log_breaker);
    removed_ = std::make_unique<removed_databases>(*this, *pools_, *cached_);
    services_ = std::make_unique<services>(services{
        cancels_,
        statements_,
        cache_,
        parsers_,
        counters_,
        slow_,
        statistics_,
        repeats_,
        explainer_,
        stats_,
        *pools_,
        users_,
        secrets_,
        places_,
        database_places_,
        *cached_,
        warm_,
        *this,
        blocking_,
        client_count_,
        code_changes_,
        schema_age_,
        [this](pool::cancel_target target) {
            if (target.worker >= workers_.size()) return;
            workers_[target.worker]->with_session(target.client, [](client_session& session) {
                if (const client_phase_ptr phase = session.phase()) phase->on_cancel();
            });
        }});
    warmer_ =
        std::make_unique<warmer>(warm_, *services_, *this, [this](std::function<void()> work) {
            boost::asio::post(main_, std::move(work));
        });
    for (unsigned i = 0; i < count; ++i) {
        workers_.push_back(std::make_unique<worker>(i, *services_, config_));
        worker_list_.push_back(workers_.back().get());
        loops.push_back(&workers_.back()->loop());
    }
    pools_->set_loops(std::move(loops));
    advisor_ = std::make_unique<advising::advisor>(advising::advisor::sources{
        [this] { return statistics_.report(); },
        [this](const std::string& database, const std::string& user) -> pool::connect_target_ptr {
            for (const auto& each : pools_->of_database(database)) {
                if (each->user() == user) return each->target();
            }
            return nullptr;
        }});
}

running_daemon::~running_daemon() = default;

config::config_ptr running_daemon::configuration() const {
    std::lock_guard guard{config_lock_};
    return config_;
}

int running_daemon::run() {
    std::signal(SIGPIPE, SIG_IGN);
    // Before anybody can see that we run; what comes until the loop turns is kept.
    await_signal();
    if (const auto problem = set_up_log(make_log_options(*config_))) log_error("{}", *problem);
    raise_descriptor_limit(*config_);
    repeats_.configure(make_repeat_options(*config_));
    explainer_.configure(make_explain_options(*config_));
    advisor_->configure(config_->advisor_interval);
    if (const auto problem = slow_.start()) log_error("{}", *problem);
    begin_succession();
    set_rules();
    listen();
    start_http();
    for (const auto& one : workers_)
        one->start();
    for (const auto& one : listeners_)
        one->start();
    warmer_->tick(steady_clock::now());
    sweep();
    log_info(
        "pgweir {} serves on {} with {} threads, pid {}",
        version,
        listeners_.empty() ? "nothing" : listeners_.front()->name(),
        workers_.size(),
        ::getpid()
    );
    ::sd_notify(0, ("READY=1\nSTATUS=" + status()).c_str());
    // All threads but this one were started with signals blocked.
    blocked_signals_.let_through();
    main_.run();

    ::sd_notify(0, "STOPPING=1");
    close_listeners();
    if (http_) http_->stop();
    advisor_->stop();
    cached_->stop();
    secrets_.stop();
    parsers_.stop();
    blocking_.join();
    (void)pools_->pause({});  // a pool with min_idle would open a server for each that is closed
    for (const auto& one : workers_)
        one->begin_stop();
    for (const auto& one : workers_)
        one->stop();
    explainer_.stop();
    slow_.stop();
    const auto totals = counters_.totals();
    std::uint64_t queries = 0;
    for (const auto& pool : totals.pools)
        queries += pool.query_count();
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    for (const auto& row : cache_.show_cache()) {
        hits += row.totals.hits;
        misses += row.totals.misses;
    }
    log_info(
        "pgweir ends: {} clients, {} queries, {} cache hits, {} misses",
        totals.workers.clients_connected,
        queries,
        hits,
        misses
    );
    return exit_status_;
}

// --- listening ---

void running_daemon::listen() {
    // Listeners live on the first worker's loop; connections go round all of them.
    auto& loop = workers_.front()->loop();
    const auto handler = [this](accepted_socket socket) { accepted(std::move(socket)); };
    const int inherited = ::sd_listen_fds(1);
    for (int i = 0; i < inherited; ++i) {
        listeners_.push_back(listener::adopt(loop, SD_LISTEN_FDS_START + i, handler));
    }
    if (inherited > 0) {
        log_info("{} sockets are systemd's: the addresses under listen are not used", inherited);
        return;
    }
    const auto use = config_->listen.reuse_port == config::port_sharing::yes
                         ? listener::address_use::shared
                         : listener::address_use::alone;
    for (const auto& host : config_->listen.hosts) {
        if (host == "*") {
            listeners_.push_back(
                listener::listen_tcp(loop, "0.0.0.0", config_->listen.port, use, handler)
            );
            try {
                listeners_.push_back(
                    listener::listen_tcp(loop, "::", config_->listen.port, use, handler)
                );
            } catch (const std::system_error& no_ipv6) {
                log_warning("not listening on IPv6: {}", no_ipv6.what());
            }
        } else {
            listeners_.push_back(listener::listen_tcp(
                loop, host == "localhost" ? "127.0.0.1" : host, config_->listen.port, use, handler
            ));
        }
    }
    if (!config_->listen.unix_socket_dir.empty()) {
        listeners_.push_back(listener::listen_unix(
            loop,
            config_->listen.unix_socket_dir + "/.s.PGSQL." + std::to_string(config_->listen.port),
            use,
            handler
        ));
    }
}

void running_daemon::begin_succession() {
    if (config_->listen.reuse_port == config::port_sharing::no) return;
    const auto use_cache_again = [this] {
        announce("");
        set_rules();
    };
    succession::events events;
    events.on_successor = [this] {
        log_info("a process that takes over has started: the cache and HTTP are off here");
        suspend_cache();
        http_timer_.cancel();
        // Stopped first: a scrape that is under way asks http_ for its counts.
        if (http_) http_->stop();
        http_.reset();  // the address is the successor's
    };
    events.on_successor_gone = [this, use_cache_again] {
        log_warning("the process that was to take over has ended: this one goes on as before");
        use_cache_again();
        start_http_again();
    };
    events.on_elder_gone = [use_cache_again] {
        log_info("the process that served this port before has ended: the cache is on");
        use_cache_again();
    };
    succession_ = std::make_unique<succession>(main_, config_->listen.port, std::move(events));
    succession_->begin();
}

// A process that ends closes one descriptor after the other: the address may be free only in a
// moment.
void running_daemon::start_http_again() {
    try {
        start_http();
    } catch (const std::runtime_error& error) {
        log_info("{}: trying again", error.what());
        http_.reset();
        http_timer_.expires_after(std::chrono::milliseconds{200});
        http_timer_.async_wait([this](boost::system::error_code stopped) {
            if (!stopped) start_http_again();
        });
    }
}

// In force on every thread when this returns.
void running_daemon::suspend_cache() {
    std::vector<querycache::rule_error> none;
    const auto before = cache_.rules();
    cache_.set_rules(make_rules(config::config{}, before.get(), none));
    on_every_worker(worker_list_, [](worker&) {});
    (void)cache_.invalidate_all();
}

void running_daemon::accepted(accepted_socket socket) {
    const int limit = workers_.front()->configuration()->listen.max_clients;
    const int before = client_count_.fetch_add(1, std::memory_order_relaxed);
    socket.is_surplus = before >= limit;
    if (before >= limit + surplus_clients) {
        client_count_.fetch_sub(1, std::memory_order_relaxed);
        std::string reply;
        const auto error = too_many_clients("listen.max_clients", limit);
        write_error(reply, error);
        // One try: a stranger must not cost more than this.
        (void)::send(socket.descriptor, reply.data(), reply.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        ::close(socket.descriptor);
        auto& counters = workers_.front()->counters();
        counters.client_login_ended(insight::login_result::too_many_clients);
        counters.error_sent(error.sqlstate, insight::error_origin::pgweir);
        return;
    }
    const std::size_t turn = next_worker_.fetch_add(1, std::memory_order_relaxed);
    workers_[turn % workers_.size()]->adopt(std::move(socket));
}

// On their loop, which goes on until its worker stops and does this before.
void running_daemon::close_listeners() {
    auto& loop = workers_.front()->loop();
    for (const auto& one : listeners_)
        loop.post([one] { one->close(); });
}

// --- reload ---

void running_daemon::reload(std::function<void(std::string problems)> done) {
    boost::asio::post(main_, [this, done = std::move(done)] { done(apply_file()); });
}

void running_daemon::warm(std::string rule, std::function<void(warm_report)> done) {
    boost::asio::post(main_, [this, rule = std::move(rule), done = std::move(done)]() mutable {
        warmer_->warm_rule(rule, std::move(done));
    });
}

std::string running_daemon::apply_file() {
    if (draining_) {
        // The service manager was told STOPPING; RELOADING and READY would take that back.
        log_warning("configuration not reloaded: pgweir is draining");
        counters_.config_reloaded(false);
        return "pgweir is draining\n";
    }
    ::sd_notify(0, "RELOADING=1");
    const auto running = configuration();
    auto loaded = config::load(running->file);
    std::string problems;
    for (const auto& found : loaded.problems)
        problems += config::to_string(found) + "\n";
    if (!loaded.value) {
        log_error("configuration not reloaded, everything runs as before");
        for (const auto& found : loaded.problems)
            log_error("reload: {}", config::to_string(found));
        counters_.config_reloaded(false);
    } else {
        for (const auto& found : loaded.problems)
            log_warning("reload: {}", config::to_string(found));
        for (const auto& change : config::diff(*running, *loaded.value)) {
            if (change.needs_restart) {
                log_warning(
                    "reload: {} needs a restart; it stays {}", change.key, change.old_value
                );
            } else {
                log_info("reload: {}: {} -> {}", change.key, change.old_value, change.new_value);
            }
        }
        const auto next = config::without_restart(*running, *loaded.value);
        log_new_certificates(*running, *next);
        apply(next);
        counters_.config_reloaded(true);
        problems.clear();
        log_info("configuration reloaded");
    }
    ::sd_notify(0, "READY=1");
    return problems;
}

void running_daemon::apply(config::config_ptr next) {
    {
        std::lock_guard guard{config_lock_};
        config_ = next;
    }
    if (const auto problem = set_up_log(make_log_options(*next))) log_error("{}", *problem);
    slow_.configure(make_slow_options(*next));
    repeats_.configure(make_repeat_options(*next));
    explainer_.configure(make_explain_options(*next));
    advisor_->configure(next->advisor_interval);
    slow_.reopen();
    cache_.set_limits(make_cache_limits(*next, workers_.size()));
    // A login that sees the old configuration still makes its pool from that; after this none does.
    for (worker* one : worker_list_)
        one->set_config(next);
    on_every_worker(worker_list_, [](worker&) {});
    const bool has_removed = pools_->reconfigure(*next);
    secrets_.reset(next);
    // First every worker watches all writes, then the rules apply: nothing that was written unseen
    // can be stored.
    announce("");
    set_rules();
    if (has_removed) removed_->begin();
}

// With two processes on the port none: what is written through the other is not seen here.
void running_daemon::set_rules() {
    const bool is_alone =
        !succession_ || (!succession_->has_elder() && !succession_->has_successor());
    std::vector<querycache::rule_error> errors;
    const auto before = cache_.rules();
    cache_.set_rules(
        make_rules(is_alone ? *configuration() : config::config{}, before.get(), errors)
    );
    // The loader has compiled them already and let nothing pass that does not.
    for (const auto& error : errors)
        log_error("cache.rules[{}].{}: {}", error.rule, error.field, error.what);
}

void running_daemon::announce(const std::string& database) {
    on_every_worker(worker_list_, [&database](worker& at) {
        for (const auto& [id, client] : at.clients()) {
            auto* const session = dynamic_cast<relay*>(client->phase());
            if (session != nullptr && (database.empty() || session->database() == database)) {
                session->adopt_cache();
                session->adopt_limits();
            }
        }
    });
}

// --- every second ---

void running_daemon::sweep() {
    sweeper_.expires_after(std::chrono::seconds{1});
    sweeper_.async_wait([this](boost::system::error_code error) {
        if (error) return;
        const auto now = steady_clock::now();
        cache_.sweep(now);
        stats_.tick(now, [this] { return console::count_stats(counters_.totals().databases()); });
        removed_->sweep();
        warmer_->tick(now);
        tell_status();
        pools_->drop_unused(*configuration(), steady_clock::now(), [this](const auto& database) {
            counters_.forget(database);
            // Not waited for: the loops may wait for the directory, whose lock is held here.
            for (worker* one : worker_list_)
                one->forget_statements(database);
        });
        sweep();
    });
}

// --- pool events ---

void running_daemon::server_connected(
    const pool::pool& owner,
    unsigned loop,
    std::chrono::nanoseconds duration,
    const pool::outage& before
) {
    workers_[loop]->counters().server_connected(duration);
    if (before.failures == 0) return;
    log_info(
        "pool {}/{}: PostgreSQL is back after {} failed attempts, {} clients were refused",
        owner.database(),
        owner.user(),
        before.failures,
        before.refused
    );
}

void running_daemon::server_connect_failed(
    const pool::pool& owner, unsigned loop, const pool::lease_error& why, const pool::outage& so_far
) {
    workers_[loop]->counters().server_connect_failed(reason_of(why));
    // With clients that wait there is an attempt every two seconds: the 1st, 2nd, 4th, 8th ...
    // failure tell the same in an outage of hours.
    if (!std::has_single_bit(so_far.failures)) return;
    log_error(
        "pool {}/{}: {}: {} (attempt {}, {} clients refused)",
        owner.database(),
        owner.user(),
        why.message,
        why.detail,
        so_far.failures,
        so_far.refused
    );
}

void running_daemon::connect_query_failed(
    const pool::pool& owner, unsigned, std::string_view said
) {
    log_warning("pool {}/{}: connect_query failed: {}", owner.database(), owner.user(), said);
}

void running_daemon::server_closed(
    const pool::pool& owner, unsigned loop, std::string_view reason
) {
    workers_[loop]->counters().server_disconnected();
    log_debug("pool {}/{}: server closed: {}", owner.database(), owner.user(), reason);
}

void running_daemon::wait_timed_out(
    const pool::pool& owner, unsigned loop, std::chrono::nanoseconds duration
) {
    workers_[loop]->counters().pool(owner.database(), owner.user()).wait_timed_out(duration);
}

void running_daemon::run_blocking(
    pool::event_loop& loop, std::function<void()> work, std::function<void()> done
) {
    // One holder that both steps share: copies of `done` would carry counts that are not atomic
    // across threads.
    struct job {
        std::function<void()> work, done;
    };
    auto held = std::make_shared<job>(job{std::move(work), std::move(done)});
    boost::asio::post(blocking_, [&loop, held] {
        let_loops_go_first();
        held->work();
        loop.post([held] { std::exchange(held->done, nullptr)(); });
    });
}

// --- HTTP ---

void running_daemon::start_http() {
    if (!config_->http.enabled) return;
    http::endpoint_sources sources;
    sources.metrics = [this] { return insight::metrics_text(metrics_input()); };
    sources.ready = [this] { return readiness(); };
    sources.stats = [this] {
        return insight::stats_json(
            metrics_input(), {statistics_.report(), repeats_.found().patterns(), advice()}
        );
    };
    sources.cache_stats = [this] {
        return insight::cache_stats_json(gauges().cache, cache_details());
    };
    sources.slow = [this] { return insight::slow_json(slow_.last(), slow_.counts()); };
    sources.breakers = [this] { return insight::breakers_json(breaker_gauges()); };
    sources.advice = [this] { return insight::advice_json(advice()); };
    sources.events = [] { return http::events_json(recent_log_events()); };
    const auto encoder = std::make_shared<http::response_encoder>();
    sources.compression = [encoder] { return encoder->stats_json(); };
    sources.tokens.change = [this] { return configuration()->http.token; };
    sources.tokens.view = [this] { return configuration()->http.view_token; };
    sources.reload = [this] { return reload_and_wait(); };
    sources.invalidate = [this](const http::invalidation_request& asked) {
        return invalidate_over_http(asked);
    };
    http_ = std::make_unique<http::server>(
        http::make_routes(std::move(sources)), http::limits{}, encoder
    );
    if (const auto problem = http_->start(config_->http.host, config_->http.port)) {
        throw std::runtime_error(*problem);
    }
}

http::invalidation running_daemon::invalidate_over_http(const http::invalidation_request& asked) {
    using scope = http::invalidation_scope;
    invalidation_target target;
    target.name = asked.name;
    const char* word = "all";
    switch (asked.scope) {
        case scope::table:
            target.kind = invalidation_kind::table;
            word = "table";
            break;
        case scope::rule:
            target.kind = invalidation_kind::rule;
            word = "rule";
            break;
        case scope::event:
            target.kind = invalidation_kind::event;
            word = "event";
            break;
        case scope::database:
            target.kind = invalidation_kind::database;
            word = "database";
            break;
        case scope::all:
            break;
    }
    log_info("http command: invalidate {}=\"{}\"", word, asked.name);
    auto done = invalidate(cache_, target, *configuration());
    return {
        done.entries,
        std::move(done.problem),
        std::move(done.hint),
        std::move(done.unknown_tables)};
}

http::reload_outcome running_daemon::reload_and_wait() {
    log_info("http command: reload");
    // Shared: whoever stops waiting leaves it to the reload that is still to come.
    const auto ended = std::make_shared<std::promise<std::string>>();
    auto problems = ended->get_future();
    reload([ended](std::string found) { ended->set_value(std::move(found)); });
    if (problems.wait_for(http_patience) != std::future_status::ready) {
        return {http::reload_end::unfinished};
    }
    std::string found = problems.get();
    if (found.empty()) return {http::reload_end::applied};
    return {http::reload_end::refused, std::move(found)};
}

}  // namespace weir::daemon

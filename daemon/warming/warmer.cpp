#include "daemon/warming/warmer.hpp"

#include "daemon/cache_databases.hpp"
#include "daemon/config/nearest.hpp"
#include "daemon/insight/log.hpp"
#include "daemon/net/worker.hpp"
#include "daemon/pool_directory.hpp"
#include "daemon/services.hpp"
#include "protocol/sqlstate.hpp"
#include "querycache/sql/lexer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::daemon {

namespace {

using querycache::reply_shape;

// What ends before the next look, and the query that follows it, is fetched anew while it is there.
constexpr std::chrono::milliseconds before_its_end{1'500};

/// Whether the text holds $1, $2, ...: what they stand for only a client can tell.
bool has_parameters(std::string_view text) {
    querycache::sql::lexer lexer;
    (void)lexer.run(text);
    const std::string_view skeleton = lexer.skeleton();
    for (std::size_t at = skeleton.find('$'); at != std::string_view::npos;
         at = skeleton.find('$', at + 1)) {
        if (at + 1 < skeleton.size() &&
            std::isdigit(static_cast<unsigned char>(skeleton[at + 1]))) {
            return true;
        }
    }
    return false;
}

/// As libpq's PQexecParams() has it without parameters: one format for all columns, text.
warm_request described(const std::string& text) {
    warm_request what;
    what.shape = reply_shape::extended_described;
    what.text = text;
    what.bind_tail = std::string("\0\0\0\0\0\1\0\0", 8);
    return what;
}

warm_request simple(const std::string& text) {
    warm_request what;
    what.text = text;
    return what;
}

/// Whether the configuration alone lets the daemon log in.
bool knows_password(
    const config::config& configuration,
    const config::database_options& entry,
    const std::string& database,
    const std::string& user
) {
    return !entry.user.empty() ||
           !make_connect_target(configuration, entry, database, user)->secret.empty();
}

std::string name_of(const warm_forms::job& job) {
    return fmt::format(
        "rule {}: warm query {} for user {} of database {}",
        job.rule,
        job.index + 1,
        job.form.who.user,
        job.form.who.database
    );
}

/// Not for the query's sake: no server was to be had, or somebody has ended the session.
bool was_turned_away(const warm_reply& reply) {
    namespace sqlstate = protocol::sqlstate;
    if (!reply.error) return false;
    const std::string& code = reply.error->code;
    return code == sqlstate::too_many_connections || code == sqlstate::admin_shutdown ||
           code == sqlstate::cannot_connect_now;
}

/// PostgreSQL's messages quote values.
std::string said_by(const warm_forms::job& job, const warm_reply& reply) {
    if (!reply.error) return "the session was closed";
    const bool may_be_told = !job.form.what.has_values() && !reply.error->message.empty();
    return reply.error->code + (may_be_told ? " " + reply.error->message : std::string{});
}

}  // namespace

warmer::warmer(warm_forms& forms, services& shared, control& daemon, poster to_own_thread)
    : forms_{forms}, shared_{shared}, daemon_{daemon}, to_own_thread_{std::move(to_own_thread)} {}

// --- what there is to be asked ---

void warmer::tick(time_point now) {
    if (is_stopped_) return;
    read_rules(now);
    if (forms_.empty()) return;
    auto due = forms_.due(now, [&](const warm_form& form, const warm_forms::place& at) {
        const auto met =
            rules_->for_session(form.who.database, form.who.user, form.who.application());
        return shared_.cache.look(at.hash, at.key, *rules_, met, now + before_its_end) !=
               querycache::cache::presence::absent;
    });
    for (auto& job : due) {
        const std::string database = job.form.who.database;
        lanes_[database].tasks.push_back({std::move(job), nullptr});
        go_on(database);
    }
}

void warmer::read_rules(time_point now) {
    auto rules = shared_.cache.rules();
    auto configuration = daemon_.configuration();
    if (rules == rules_ && configuration == configuration_) return;
    rules_ = std::move(rules);
    configuration_ = std::move(configuration);
    std::vector<warm_text> texts;
    for (const auto& rule : rules_->rules()) {
        for (std::size_t i = 0; i < rule.warm.size(); ++i) {
            texts.push_back(
                {rule.source.name, i, rule.warm[i], forms_of_file(rule.source, rule.warm[i])}
            );
        }
    }
    forms_.set_texts(std::move(texts), now);
}

std::vector<warm_form> warmer::forms_of_file(const querycache::rule& rule, const std::string& text)
    const {
    std::vector<warm_form> found;
    if (has_parameters(text)) return found;
    for (const auto& database : rule.databases) {
        const auto known = configuration_->databases.find(database);
        if (known == configuration_->databases.end()) continue;
        const auto& entry = known->second;
        auto users = rule.users;
        if (users.empty() && !entry.user.empty()) users.push_back(entry.user);
        for (const auto& user : users) {
            if (!knows_password(*configuration_, entry, database, user)) continue;
            warm_asker who{database, user, {}};
            if (!rule.applications.empty()) {
                who.settings.assign(
                    "application_name", rule.applications.front(), pool::value_form::raw
                );
            }
            found.push_back({who, simple(text)});
            found.push_back({who, described(text)});
        }
    }
    return found;
}

void warmer::warm_rule(const std::string& rule, std::function<void(warm_report)> done) {
    const auto now = std::chrono::steady_clock::now();
    const auto refused = [&](std::string problem, std::string hint, bool is_unknown) {
        warm_report report;
        report.problem = std::move(problem);
        report.hint = std::move(hint);
        report.is_unknown = is_unknown;
        done(std::move(report));
    };
    if (is_stopped_) return refused("pgweir is shutting down", "Connect again in a moment.", false);
    read_rules(now);
    if (!shared_.cache.knows_rule(rule)) {
        std::vector<std::string_view> known;
        for (const auto& one : rules_->rules())
            known.push_back(one.source.name);
        const auto near = config::nearest(rule, known);
        return refused(
            "no cache rule \"" + rule + "\"",
            (near.empty() ? "" : fmt::format("Did you mean {}? ", near)) +
                "SHOW CACHE lists the rules.",
            true
        );
    }
    if (!forms_.has_rule(rule)) {
        return refused(
            "cache rule \"" + rule + "\" has no warm queries",
            "List them in the configuration: cache.rules[].warm.",
            false
        );
    }
    auto jobs = forms_.all_of(rule);
    auto one = std::make_shared<round>();
    one->left = jobs.size();
    one->done = std::move(done);
    if (jobs.empty()) return one->done(std::move(one->report));
    for (auto& job : jobs) {
        const std::string database = job.form.who.database;
        lanes_[database].tasks.push_back({std::move(job), one});
        go_on(database);
    }
}

void warmer::stop() {
    is_stopped_ = true;
    for (auto& [database, here] : lanes_) {
        for (const auto& dropped : std::exchange(here.tasks, {}))
            end_one(dropped);
    }
}

// --- asking ---

void warmer::go_on(const std::string& database) {
    lane& here = lanes_[database];
    while (!here.is_busy && !here.tasks.empty()) {
        task next = std::move(here.tasks.front());
        here.tasks.pop_front();
        begin(here, std::move(next));
    }
}

void warmer::begin(lane& in, task next) {
    auto ready = look_at(next.job, next.of != nullptr);
    if (!ready.pool) {
        (void)forms_.ended(
            next.job.id, warm_forms::outcome::not_asked, std::chrono::steady_clock::now()
        );
        if (next.of) {
            next.of->report.complaints.push_back(
                {name_of(next.job) + " was not asked: " + ready.problem, ready.hint}
            );
        }
        end_one(next);
        return;
    }
    in.is_busy = true;
    const auto& workers = daemon_.workers();
    worker& home = *workers[next_worker_++ % workers.size()];
    if (next.of) ++next.of->report.asked;
    auto job = next.job;
    warm_client::ask(
        home,
        std::move(job),
        std::move(ready.pool),
        [this, next = std::move(next)](warm_reply reply) {
            to_own_thread_([this, next, reply = std::move(reply)] { on_reply(next, reply); });
        }
    );
}

// Whether the database can be asked now. What nobody is waiting for (`is_asked_for`) also steps
// back for clients that wait and where an attempt to connect would fail.
warmer::readiness warmer::look_at(const warm_forms::job& job, bool is_asked_for) {
    const auto& who = job.form.who;
    const auto* const entry = configuration_->find_database(who.database);
    if (entry == nullptr) {
        return {nullptr, "the database is not configured any more", "SHOW DATABASES lists them."};
    }
    const auto paused = shared_.pools.paused();
    if (paused.is_paused(who.database)) {
        return {nullptr, "the database is paused", "RESUME ends the pause."};
    }
    if (paused.is_disabled(who.database)) {
        return {nullptr, "the database is disabled", "ENABLE ends that."};
    }
    const auto pools = shared_.pools.of_database(who.database);
    const bool is_there = std::any_of(pools.begin(), pools.end(), [&](const auto& one) {
        return one->user() == who.user;
    });
    if (!is_there && !knows_password(*configuration_, *entry, who.database, who.user)) {
        return {
            nullptr,
            "the user has not logged in for long, and the configuration has no password for it",
            "Give the database a user and a password, or let a client log in."};
    }
    auto pool = shared_.pools.find_or_make(*configuration_, *entry, who.database, who.user);
    const auto figures = pool->figures(std::chrono::steady_clock::now());
    const bool is_full =
        figures.idle == 0 && figures.open >= static_cast<unsigned>(pool->options().size);
    const bool has_trouble = figures.failed_lately || figures.unreachable;
    if (!is_asked_for && (figures.waiting > 0 || is_full || has_trouble)) return {};
    const auto* const state = shared_.cached.find(who.database, *configuration_, pool->target());
    if (state == nullptr || !state->is_watched() || state->needs_refresh()) {
        return {
            nullptr,
            "the catalog of the database is not known yet",
            "Try again in a moment; SHOW CACHE REASONS tells what is in the way."};
    }
    return {std::move(pool), {}, {}};
}

void warmer::on_reply(const task& ended, const warm_reply& reply) {
    const auto how = reply.is_answered        ? warm_forms::outcome::answered
                     : was_turned_away(reply) ? warm_forms::outcome::not_asked
                                              : warm_forms::outcome::failed;
    const auto verdict = forms_.ended(ended.job.id, how, std::chrono::steady_clock::now());
    if (!is_stopped_) tell(ended, reply, verdict);
    end_one(ended);
    const std::string& database = ended.job.form.who.database;
    lanes_[database].is_busy = false;
    go_on(database);
}

void warmer::tell(const task& ended, const warm_reply& reply, const warm_forms::verdict& verdict)
    const {
    if (verdict.is_kept) {
        if (ended.of) ++ended.of->report.kept;
        return;
    }
    const std::string what =
        name_of(ended.job) + (reply.is_answered ? " was answered, but not kept"
                                                : " failed: " + said_by(ended.job, reply));
    if (ended.of) {
        ended.of->report.complaints.push_back(
            {what,
             reply.is_answered ? "EXPLAIN CACHE with the query tells why."
                               : "Correct the query in cache.rules[].warm and RELOAD, or what "
                                 "PostgreSQL complains of."}
        );
    } else if (verdict.is_news) {
        log_warning(
            "cache: {}; {}",
            what,
            reply.is_answered ? "EXPLAIN CACHE tells why"
                              : "it is tried again, after a minute at the most"
        );
    }
}

void warmer::end_one(const task& ended) {
    if (ended.of && --ended.of->left == 0) ended.of->done(std::move(ended.of->report));
}

}  // namespace weir::daemon

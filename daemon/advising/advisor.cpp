#include "daemon/advising/advisor.hpp"

#include "daemon/advising/index_questions.hpp"
#include "daemon/background_priority.hpp"
#include "daemon/insight/log.hpp"
#include "daemon/upstream/control_connection.hpp"
#include "querycache/sql/tokens.hpp"

#include <fmt/format.h>
#include <pqxx/except>
#include <pqxx/transaction>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace weir::daemon::advising {
namespace {

// A plan changes with the tables, not from one minute to the next.
constexpr std::chrono::minutes examined_for{10};
// Whether what was advised has been done: after so many rounds, and soon enough for who waits for
// it.
constexpr int rounds_between_looks = 10;
constexpr std::chrono::minutes longest_between_looks{1};
constexpr std::size_t most_examined = 10'000;
constexpr std::chrono::milliseconds plan_limit{2'000};
constexpr const char* catalog_limits =
    "SET LOCAL statement_timeout = 10000; SET LOCAL lock_timeout = 2000";

using pool_target = pool::connect_target_ptr;

double seconds(std::chrono::nanoseconds time) {
    return std::chrono::duration<double>(time).count();
}

/// The number of a normalised text's parameters; nothing: it is not one whole statement.
std::optional<int> parameters_of(std::string_view text) {
    if (text.empty() || text.size() >= insight::statement_book::longest_query) return std::nullopt;
    const querycache::sql::token_list tokens{text};
    if (!tokens.is_sound()) return std::nullopt;
    int highest = 0;
    for (std::size_t at = 0; at < tokens.size(); ++at) {
        if (tokens.kind(at) == querycache::sql::token_kind::semicolon && at + 1 < tokens.size()) {
            return std::nullopt;
        }
        const auto word = tokens.text(at);
        if (tokens.kind(at) != querycache::sql::token_kind::literal ||
            !querycache::sql::is_parameter(word)) {
            continue;
        }
        int parameter = 0;
        std::from_chars(word.data() + 1, word.data() + word.size(), parameter);
        highest = std::max(highest, parameter);
    }
    return highest <= 1000 ? std::optional{highest} : std::nullopt;
}

std::unique_ptr<control_connection> connect(const pool_target& target, loader_wakeup& wakeup) {
    std::string problem;
    for (const auto& address : target->addresses) {
        try {
            return std::make_unique<control_connection>(*target, address, wakeup);
        } catch (const pqxx::failure& error) {
            problem += (problem.empty() ? "" : "; ") + std::string{error.what()};
        }
    }
    throw pqxx::failure(problem);
}

std::string on_one_line(std::string text) {
    std::replace(text.begin(), text.end(), '\n', ' ');
    while (text.ends_with(' '))
        text.pop_back();
    return text;
}

}  // namespace

advisor::advisor(sources from, advisor_limits limits) : from_(std::move(from)), limits_(limits) {
    thread_ = std::thread{[this] { run(); }};
}

advisor::~advisor() {
    stop();
}

void advisor::configure(std::chrono::milliseconds interval) {
    {
        const std::lock_guard lock{mutex_};
        interval_ = interval;
        if (interval.count() == 0) rows_.clear();
    }
    wakeup_.notify();
}

void advisor::stop() {
    wakeup_.end();
    if (thread_.joinable()) thread_.join();
}

std::vector<insight::advice_row> advisor::advice() const {
    const std::lock_guard lock{mutex_};
    return rows_;
}

void advisor::run() {
    let_loops_go_first();
    auto last = clock::now();
    while (!wakeup_.is_ending()) {
        std::chrono::milliseconds interval{};
        {
            const std::lock_guard lock{mutex_};
            interval = interval_;
        }
        const auto next =
            interval.count() == 0 ? clock::now() + std::chrono::hours{1} : last + interval;
        if (clock::now() < next) {
            wakeup_.wait(-1, 0, next);
            continue;
        }
        last = clock::now();
        try {
            round(std::min<clock::duration>(interval * rounds_between_looks, longest_between_looks)
            );
        } catch (const std::exception& error) {
            log_warning("advisor: {}", on_one_line(error.what()));
        }
    }
}

void advisor::round(clock::duration between_looks) {
    const auto report = from_.statements();
    const auto now = clock::now();
    auto todo = chosen(report);
    // What was advised may have been done since.
    for (const auto& [name, known] : known_) {
        if (now - known.looked_at >= between_looks) todo.try_emplace(name);
    }
    for (const auto& [name, statements] : todo) {
        if (wakeup_.is_ending()) return;
        look_at(name, statements);
    }
    publish();
}

std::map<advisor::pool_name, std::vector<const insight::statement_totals*>> advisor::chosen(
    const insight::statement_report& report
) {
    const auto now = clock::now();
    std::map<pool_name, std::vector<const insight::statement_totals*>> todo;
    if (examined_.size() > most_examined) examined_.clear();
    for (const auto& row : report.rows) {
        const auto time = row.server + row.transfer;
        const bool has_plan =
            row.kind == insight::query_kind::read || row.kind == insight::query_kind::write;
        if (!has_plan || row.is_own_world || row.calls == 0 || time < limits_.server_time ||
            time / static_cast<std::int64_t>(row.calls) < limits_.mean) {
            continue;
        }
        auto& examined = examined_[{row.database, row.user, row.fingerprint}];
        if (examined != clock::time_point{} && now - examined < examined_for) continue;
        auto& chosen = todo[{row.database, row.user}];
        if (chosen.size() >= limits_.statements) continue;
        examined = now;
        chosen.push_back(&row);
    }
    return todo;
}

void advisor::look_at(
    const pool_name& name, const std::vector<const insight::statement_totals*>& statements
) {
    auto& known = known_[name];
    known.looked_at = clock::now();
    const auto target = from_.target(name.first, name.second);
    if (!target) {
        known_.erase(name);
        return;
    }
    try {
        const auto connection = connect(target, wakeup_);
        examine(*connection, known, statements);
        known.problem.clear();
    } catch (const pqxx::failure& error) {
        const auto problem = on_one_line(error.what());
        if (problem != known.problem) {
            log_info("advisor: {}/{}: {}", name.first, name.second, problem);
        }
        known.problem = problem;
    }
}

void advisor::examine(
    control_connection& connection,
    knowledge& known,
    const std::vector<const insight::statement_totals*>& statements
) {
    std::vector<std::pair<const insight::statement_totals*, plan_uses>> plans;
    for (const auto* statement : statements) {
        known.by_statement.erase(statement->fingerprint);
        const auto parameters = parameters_of(statement->query);
        if (!parameters) continue;
        try {
            auto uses =
                read_plan(connection.generic_plan({statement->query, *parameters}, {}, plan_limit));
            if (uses) plans.emplace_back(statement, std::move(*uses));
        } catch (const pqxx::failure& refused) {
            // A literal that the grammar wants, a table of another search_path.
            if (!connection.is_open()) throw;
            log_debug("advisor: no plan of {:016x}: {}", statement->fingerprint, refused.what());
        }
    }
    std::vector<plan_uses> all;
    for (const auto& [statement, uses] : plans)
        all.push_back(uses);
    std::vector<table_facts> tables;
    std::vector<index_facts> indexes;
    database_facts facts;
    {
        pqxx::transaction<pqxx::read_committed, pqxx::read_only> work(connection);
        work.exec(catalog_limits);
        tables = ask_tables(work, all);
        indexes = ask_indexes(work);
        facts = ask_database(work);
        work.commit();
    }
    for (const auto& [statement, uses] : plans) {
        const auto proposals = propose(uses, tables, indexes);
        if (proposals.empty()) continue;
        if (auto found = judge(connection, *statement, uses, proposals, facts.hypopg_schema)) {
            known.by_statement.insert_or_assign(statement->fingerprint, std::move(*found));
        }
    }
    std::erase_if(known.by_statement, [&](const auto& each) {
        return std::any_of(indexes.begin(), indexes.end(), [&](const auto& index) {
            const auto& wanted = each.second.proposal;
            return index.schema == wanted.schema && index.table == wanted.table &&
                   index.name == name_of(wanted) && index.is_valid;
        });
    });
    known.superfluous = superfluous_rows({}, indexes, facts.counted_since);
}

// Nothing: PostgreSQL makes no such index, a type may have no order; or not in time.
std::optional<plan_uses> advisor::try_index(
    control_connection& connection,
    const generic_statement& statement,
    const index_proposal& proposal,
    std::string_view hypopg
) {
    try {
        return read_plan(connection.generic_plan(
            statement, {std::string{hypopg}, create_sql(proposal, false)}, plan_limit
        ));
    } catch (const pqxx::failure& refused) {
        if (!connection.is_open()) throw;
        log_debug("advisor: {} was not tried: {}", name_of(proposal), refused.what());
        return std::nullopt;
    }
}

// The cheapest that PostgreSQL would take; without hypopg the most promising, if it is selective.
std::optional<advisor::finding> advisor::judge(
    control_connection& connection,
    const insight::statement_totals& statement,
    const plan_uses& plan,
    const std::vector<index_proposal>& proposals,
    std::string_view hypopg
) {
    finding best;
    best.query = statement.query;
    best.calls = statement.calls;
    best.time = statement.server + statement.transfer;
    best.cost_before = plan.cost;
    if (hypopg.empty()) {
        const auto good = std::find_if(proposals.begin(), proposals.end(), [&](const auto& each) {
            return each.share <= limits_.largest_share;
        });
        if (good == proposals.end()) return std::nullopt;
        best.proposal = *good;
        return best;
    }
    const int parameters = parameters_of(statement.query).value_or(0);
    for (const auto& proposal : proposals) {
        const auto tried = try_index(connection, {statement.query, parameters}, proposal, hypopg);
        if (!tried || tried->cost > plan.cost * limits_.largest_cost) continue;
        // A few per cent are not worth another column.
        if (best.cost_after > 0 && tried->cost > best.cost_after * 0.95) continue;
        best.proposal = proposal;
        best.cost_after = tried->cost;
    }
    return best.cost_after > 0 ? std::optional{best} : std::nullopt;
}

namespace {

insight::advice_row missing_row(
    const index_proposal& proposal,
    std::uint64_t calls,
    std::chrono::nanoseconds time,
    double before,
    double after
) {
    insight::advice_row row;
    row.kind = "missing_index";
    row.verdict = "missing";
    row.count = calls;
    row.advice = fmt::format(
        "{}.{} is read from front to back: {} calls took {:.1f} s of the server's time. {}",
        proposal.schema,
        proposal.table,
        calls,
        seconds(time),
        after > 0 ? "hypopg has tried the index."
                  : "Nobody has tried it: with the extension hypopg in this database the plan with "
                    "the index would be known."
    );
    row.apply = create_sql(proposal, true);
    row.undo = drop_sql(proposal.schema, name_of(proposal));
    row.gain = after > 0 ? fmt::format("the plan's cost goes from {:.0f} to {:.0f}", before, after)
                         : fmt::format("it leaves {:.2g} of the rows", proposal.share);
    return row;
}

}  // namespace

std::vector<advisor::finding> advisor::merged(const knowledge& known) {
    std::vector<const finding*> all;
    for (const auto& [fingerprint, found] : known.by_statement)
        all.push_back(&found);
    std::stable_sort(all.begin(), all.end(), [](const auto* a, const auto* b) {
        const auto size = [](const auto* f) { return f->proposal.columns.size(); };
        return std::pair{size(a), a->time} > std::pair{size(b), b->time};
    });
    std::vector<finding> left;
    for (const auto* each : all) {
        const auto same = std::find_if(left.begin(), left.end(), [&](const auto& other) {
            return is_served_by(each->proposal, other.proposal);
        });
        if (same == left.end()) {
            left.push_back(*each);
        } else {
            same->calls += each->calls;
            same->time += each->time;
        }
    }
    std::stable_sort(left.begin(), left.end(), [](const auto& a, const auto& b) {
        return a.time > b.time;
    });
    return left;
}

void advisor::publish() {
    std::vector<insight::advice_row> rows;
    // Two users of a database want the same.
    const auto add = [&rows](insight::advice_row row) {
        const bool is_told = std::any_of(rows.begin(), rows.end(), [&](const auto& other) {
            return other.database == row.database && other.apply == row.apply;
        });
        if (!is_told) rows.push_back(std::move(row));
    };
    for (const auto& [name, known] : known_) {
        for (const auto& each : merged(known)) {
            auto row = missing_row(
                each.proposal, each.calls, each.time, each.cost_before, each.cost_after
            );
            row.database = name.first;
            row.user = name.second;
            row.query = each.query;
            add(std::move(row));
        }
        for (auto row : known.superfluous) {
            row.database = name.first;
            add(std::move(row));
        }
        if (known.problem.empty()) continue;
        auto& row = rows.emplace_back();
        row.database = name.first;
        row.user = name.second;
        row.kind = "no_index_advice";
        row.verdict = "blind";
        row.advice = "PostgreSQL could not be asked for plans and indexes: " + known.problem;
    }
    const std::lock_guard lock{mutex_};
    if (interval_.count() > 0) rows_ = std::move(rows);
}

}  // namespace weir::daemon::advising

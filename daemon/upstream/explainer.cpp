#include "daemon/upstream/explainer.hpp"

#include "daemon/background_priority.hpp"
#include "daemon/upstream/control_connection.hpp"
#include "daemon/upstream/pool_origin.hpp"

#include <pqxx/except>

#include <algorithm>
#include <string>
#include <utility>

namespace weir::daemon {
namespace {

std::string on_one_line(std::string text) {
    std::replace(text.begin(), text.end(), '\n', ' ');
    while (text.ends_with(' '))
        text.pop_back();
    return text;
}

}  // namespace

explainer::explainer(insight::slow_log& slow) : slow_(slow) {
    thread_ = std::thread([this] { run(); });
}

explainer::~explainer() {
    stop();
}

void explainer::configure(const options& wanted) {
    const std::lock_guard lock{mutex_};
    options_ = wanted;
}

bool explainer::may_start(clock::time_point now) {
    while (!begun_.empty() && now - begun_.front() >= std::chrono::minutes{1})
        begun_.pop_front();
    return options_.is_on && !stopping_ && waiting_.size() < most_waiting &&
           begun_.size() < static_cast<std::size_t>(options_.per_minute);
}

bool explainer::take(insight::slow_statement& statement, insight::plan_question& question) {
    const auto now = clock::now();
    {
        const std::lock_guard lock{mutex_};
        if (!may_start(now)) {
            skipped_.add();
            return false;
        }
        begun_.push_back(now);
        waiting_.push_back({std::move(statement), std::move(question)});
    }
    wake_.notify_one();
    return true;
}

void explainer::stop() {
    {
        const std::lock_guard lock{mutex_};
        stopping_ = true;
    }
    wakeup_.end();
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
}

explainer::counts explainer::totals() const {
    return {explained_.read(), failed_.read(), skipped_.read()};
}

void explainer::run() {
    let_loops_go_first();
    for (;;) {
        job one;
        {
            std::unique_lock lock{mutex_};
            const auto has_work = [this] { return stopping_ || !waiting_.empty(); };
            if (connection_ && !wake_.wait_for(lock, idle_limit, has_work)) {
                lock.unlock();
                connection_.reset();
                connected_to_.reset();
                continue;
            }
            wake_.wait(lock, has_work);
            if (waiting_.empty()) break;
            one = std::move(waiting_.front());
            waiting_.pop_front();
        }
        explain(one);
        slow_.add(std::move(one.statement));
    }
    connection_.reset();
}

void explainer::explain(job& one) {
    bool shows_values = false;
    {
        const std::lock_guard lock{mutex_};
        shows_values = options_.shows_values;
    }
    const auto& origin = static_cast<const pool_origin&>(*one.question.origin);
    if (!origin.is_whole()) {
        // Under other rights, or of another table, the plan would be another one.
        one.statement.no_plan = "its session or transaction had set more than is known afterwards";
        failed_.add();
        return;
    }
    try {
        auto& connection = connection_to(origin.target());
        const auto plan = connection.explain(one.question, origin.settings(), time_limit);
        one.statement.plan = insight::plan_to_log(plan, shows_values);
        explained_.add();
    } catch (const std::exception& error) {
        // PostgreSQL's message may quote a value.
        one.statement.no_plan = shows_values || !connection_ ? on_one_line(error.what())
                                                             : "PostgreSQL refused to explain it";
        failed_.add();
        connection_.reset();
        connected_to_.reset();
    }
}

control_connection& explainer::connection_to(const pool::connect_target_ptr& target) {
    if (connection_ && connected_to_ && *connected_to_ == *target) return *connection_;
    connection_.reset();
    connected_to_.reset();
    std::string problem;
    for (const auto& address : target->addresses) {
        try {
            connection_ = std::make_unique<control_connection>(*target, address, wakeup_);
            connected_to_ = target;
            return *connection_;
        } catch (const pqxx::failure& error) {
            problem += (problem.empty() ? "" : "; ") + std::string{error.what()};
        }
    }
    throw pqxx::failure("no control connection as user " + target->user + ": " + problem);
}

}  // namespace weir::daemon

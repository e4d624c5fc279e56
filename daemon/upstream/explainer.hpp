// Asks PostgreSQL for the plans of slow statements: a thread with a control connection of its own,
// as the user whose statement it was, so that nobody's code is planned with more rights. Bounded:
// so many a minute, a few waiting, a short time each. A statement goes on to the slow log in any
// case. Thread-safe.
#pragma once

#include "daemon/insight/plan.hpp"
#include "daemon/insight/slow_log.hpp"
#include "daemon/insight/tally.hpp"
#include "daemon/upstream/loader_wakeup.hpp"
#include "pool/pool_options.hpp"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

namespace weir::daemon {

class control_connection;
class pool_origin;

class explainer final : public insight::plan_source {
public:
    struct options {
        bool is_on = false;
        int per_minute = 6;
        bool shows_values = false;  ///< else the plan's literals are parameters
    };
    struct counts {
        std::uint64_t explained = 0;
        std::uint64_t failed = 0;
        std::uint64_t skipped = 0;  ///< too many a minute, or too many waiting
    };

    /// Starts the thread, which does nothing before there is something to explain.
    explicit explainer(insight::slow_log& slow);
    /// Stops.
    ~explainer() override;
    explainer(const explainer&) = delete;
    explainer& operator=(const explainer&) = delete;

    void configure(const options& wanted);
    [[nodiscard]] bool take(insight::slow_statement& statement, insight::plan_question& question)
        override;
    /// What waits goes to the slow log without a plan. May be called twice.
    void stop();
    [[nodiscard]] counts totals() const;

private:
    using clock = std::chrono::steady_clock;
    struct job {
        insight::slow_statement statement;
        insight::plan_question question;
    };
    static constexpr std::size_t most_waiting = 16;
    static constexpr std::chrono::milliseconds time_limit{2'000};
    /// The connection is closed when nothing was asked for so long.
    static constexpr std::chrono::seconds idle_limit{10};

    void run();
    void explain(job& one);
    control_connection& connection_to(const pool::connect_target_ptr& target);
    bool may_start(clock::time_point now);

    insight::slow_log& slow_;
    loader_wakeup wakeup_;
    mutable std::mutex mutex_;
    std::condition_variable wake_;
    options options_;                      // guarded by mutex_
    std::deque<clock::time_point> begun_;  // guarded by mutex_: within the last minute
    std::deque<job> waiting_;              // guarded by mutex_
    bool stopping_ = false;                // guarded by mutex_
    insight::shared_tally explained_;
    insight::shared_tally failed_;
    insight::shared_tally skipped_;
    // The thread's own.
    std::unique_ptr<control_connection> connection_;
    pool::connect_target_ptr connected_to_;
    std::thread thread_;
};

}  // namespace weir::daemon

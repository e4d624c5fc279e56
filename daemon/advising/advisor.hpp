// Looks from time to time at the statements that cost most, and asks PostgreSQL for their plans and
// what indexes there are: which one is missing, which are superfluous. A thread of its own with a
// control connection a round, as the user whose statements they are, so that nothing is planned
// with more rights. It plans and never runs a statement. Thread-safe.
#pragma once

#include "daemon/advising/index_advice.hpp"
#include "daemon/insight/advice_row.hpp"
#include "daemon/insight/statement_statistics.hpp"
#include "daemon/upstream/loader_wakeup.hpp"
#include "pool/pool_options.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace weir::daemon {
class control_connection;
struct generic_statement;
}  // namespace weir::daemon

namespace weir::daemon::advising {

/// Which statements are looked at.
struct advisor_limits {
    std::chrono::nanoseconds server_time = std::chrono::milliseconds{200};  ///< of all calls
    std::chrono::nanoseconds mean = std::chrono::milliseconds{1};
    std::size_t statements = 10;  ///< of one database and user in one round
    /// A plan must become so much cheaper with an index that is to be advised.
    double largest_cost = 0.7;
    /// Without hypopg, an index must leave less than this share of the rows.
    double largest_share = 0.05;
};

class advisor {
public:
    struct sources {
        std::function<insight::statement_report()> statements;
        /// Where a pool's servers are; null: it is gone.
        std::function<
            pool::connect_target_ptr(const std::string& database, const std::string& user)>
            target;
    };

    /// Starts the thread.
    explicit advisor(sources from, advisor_limits limits = {});
    /// Stops.
    ~advisor();
    advisor(const advisor&) = delete;
    advisor& operator=(const advisor&) = delete;

    /// Time from round to round; zero, as at first: none.
    void configure(std::chrono::milliseconds interval);
    /// May be called twice.
    void stop();
    [[nodiscard]] std::vector<insight::advice_row> advice() const;

private:
    using clock = std::chrono::steady_clock;
    using pool_name = std::pair<std::string, std::string>;  // database, user
    using statement_name = std::tuple<std::string, std::string, std::uint64_t>;

    struct finding {
        index_proposal proposal;
        std::string query;  ///< the one that takes most time
        std::uint64_t calls = 0;
        std::chrono::nanoseconds time{0};
        double cost_before = 0;
        double cost_after = 0;  ///< 0: nobody has asked
    };
    /// What is known of one database, by the names of a pool.
    struct knowledge {
        std::map<std::uint64_t, finding> by_statement;
        std::vector<insight::advice_row> superfluous;
        std::string problem;
        clock::time_point looked_at{};
    };

    void run();
    void round(clock::duration between_looks);
    std::map<pool_name, std::vector<const insight::statement_totals*>> chosen(
        const insight::statement_report& report
    );
    void look_at(
        const pool_name& name, const std::vector<const insight::statement_totals*>& statements
    );
    void examine(
        control_connection& connection,
        knowledge& known,
        const std::vector<const insight::statement_totals*>& statements
    );
    static std::optional<plan_uses> try_index(
        control_connection& connection,
        const generic_statement& statement,
        const index_proposal& proposal,
        std::string_view hypopg
    );
    std::optional<finding> judge(
        control_connection& connection,
        const insight::statement_totals& statement,
        const plan_uses& plan,
        const std::vector<index_proposal>& proposals,
        std::string_view hypopg
    );
    /// Those that another one serves go into that; the most wanted first.
    [[nodiscard]] static std::vector<finding> merged(const knowledge& known);
    void publish();

    const sources from_;
    const advisor_limits limits_;
    loader_wakeup wakeup_;
    mutable std::mutex mutex_;
    std::chrono::milliseconds interval_{0};  // guarded by mutex_
    std::vector<insight::advice_row> rows_;  // guarded by mutex_
    std::map<pool_name, knowledge> known_;   // the thread's own, as the next
    std::map<statement_name, clock::time_point> examined_;
    std::thread thread_;
};

}  // namespace weir::daemon::advising

// Keeps the warm queries of cache rules in memory: looks once a second which of their forms
// (warm_forms.hpp) are not there and has them asked (warm_client.hpp), one at a time for each
// database, so that it takes no more than one server from the clients; and all of a rule at once
// when the console says WARM RULE. Invalidation knows nothing of it and stays as cheap as it is.
// One thread, the daemon's own; what takes long runs elsewhere and is posted back.
#pragma once

#include "daemon/config/config.hpp"
#include "daemon/control.hpp"
#include "daemon/warming/warm_client.hpp"
#include "daemon/warming/warm_forms.hpp"

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace weir::querycache {
struct rule;
class rule_set;
}  // namespace weir::querycache

namespace weir::daemon {

struct services;

class warmer {
public:
    using time_point = warm_forms::time_point;
    using poster = std::function<void(std::function<void()>)>;

    /// `to_own_thread` runs something there; any thread may call it while the workers run.
    warmer(warm_forms& forms, services& shared, control& daemon, poster to_own_thread);

    /// To be called about once a second, and after a change of the configuration.
    void tick(time_point now);
    /// Asks all that is known of the rule's queries; `done` follows, here.
    void warm_rule(const std::string& rule, std::function<void(warm_report)> done);
    /// Asks nothing any more; who waits is told so.
    void stop();

private:
    using rules_ptr = std::shared_ptr<const querycache::rule_set>;
    /// One WARM RULE.
    struct round {
        warm_report report;
        std::size_t left = 0;
        std::function<void(warm_report)> done;
    };
    struct task {
        warm_forms::job job;
        std::shared_ptr<round> of;  // null: it was due
    };
    /// The tasks of a database, one after the other.
    struct lane {
        bool is_busy = false;
        std::deque<task> tasks;
    };
    struct readiness {
        std::shared_ptr<pool::pool> pool;  // null: it cannot be asked now
        std::string problem;
        std::string hint;
    };

    void read_rules(time_point now);
    std::vector<warm_form> forms_of_file(const querycache::rule& rule, const std::string& text)
        const;
    void go_on(const std::string& database);
    void begin(lane& in, task next);
    readiness look_at(const warm_forms::job& job, bool is_asked_for);
    void on_reply(const task& ended, const warm_reply& reply);
    void tell(const task& ended, const warm_reply& reply, const warm_forms::verdict& verdict) const;
    static void end_one(const task& ended);

    warm_forms& forms_;
    services& shared_;
    control& daemon_;
    const poster to_own_thread_;
    rules_ptr rules_;                    // those that forms_ was told of
    config::config_ptr configuration_;   // likewise
    std::map<std::string, lane> lanes_;  // by database
    std::size_t next_worker_ = 0;
    bool is_stopped_ = false;
};

}  // namespace weir::daemon

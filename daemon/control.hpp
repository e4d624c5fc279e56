// What the console may ask of the daemon as a whole. Implemented by the daemon; thread-safe.
#pragma once

#include "daemon/config/config.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace weir::daemon {

class worker;

namespace insight {
struct advice_row;
}

enum class stop_mode : unsigned char {
    drain,             ///< no new clients; each client leaves at the end of its transaction
    fast,              ///< at once
    wait_for_clients,  ///< no new clients; each client leaves when it likes
};

/// What became of WARM RULE.
struct warm_report {
    /// Why nothing was asked. Empty: something was, or nothing is known to ask for.
    std::string problem = {};
    std::string hint = {};
    bool is_unknown = false;  ///< the problem: there is no such rule
    std::size_t asked = 0;
    std::size_t kept = 0;
    struct complaint {
        std::string text;
        std::string hint;
    };
    std::vector<complaint> complaints = {};  ///< of queries that failed, or were not kept
};

class control {
public:
    /// Reads the configuration again. `done` is called on some other thread with the problems, one
    /// a line; empty means it was applied. Never blocks.
    virtual void reload(std::function<void(std::string problems)> done) = 0;
    /// `asked_by`: a signal or a user, for the log.
    virtual void stop(stop_mode mode, std::string asked_by) = 0;
    /// Asks the warm queries of the rule now. `done` is called on some other thread when they are
    /// answered, or not at all when the daemon ends meanwhile. Never blocks.
    virtual void warm(std::string rule, std::function<void(warm_report)> done) = 0;
    /// All event loops, in order of their number; constant while the daemon runs.
    virtual const std::vector<worker*>& workers() const = 0;
    /// Of all kinds. Waits for the loops: not to be called on one.
    virtual std::vector<insight::advice_row> advice() const = 0;
    virtual config::config_ptr configuration() const = 0;

protected:
    ~control() = default;
};

}  // namespace weir::daemon

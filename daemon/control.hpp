// What the console may ask of the daemon as a whole. Implemented by the daemon; thread-safe.
#pragma once

#include "daemon/config/config.hpp"

#include <functional>
#include <string>
#include <vector>

namespace weir::daemon {

class worker;

enum class stop_mode : unsigned char {
    drain,             ///< no new clients; each client leaves at the end of its transaction
    fast,              ///< at once
    wait_for_clients,  ///< no new clients; each client leaves when it likes
};

class control {
public:
    /// Reads the configuration again. `done` is called on some other thread with the problems, one
    /// a line; empty means it was applied. Never blocks.
    virtual void reload(std::function<void(std::string problems)> done) = 0;
    /// `asked_by`: a signal or a user, for the log.
    virtual void stop(stop_mode mode, std::string asked_by) = 0;
    /// All event loops, in order of their number; constant while the daemon runs.
    virtual const std::vector<worker*>& workers() const = 0;
    virtual config::config_ptr configuration() const = 0;

protected:
    ~control() = default;
};

}  // namespace weir::daemon

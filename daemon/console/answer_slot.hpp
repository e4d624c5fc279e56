// Where the answer of a console command goes when it is made elsewhere: values only, so that the
// client may be gone by then. Copyable; may be called from any thread, once.
#pragma once

#include "daemon/console/result.hpp"

#include <cstdint>
#include <functional>

namespace weir::daemon {
class console_phase;
class worker;
}  // namespace weir::daemon

namespace weir::daemon::console {

class answer_slot {
public:
    answer_slot(worker& home, std::uint64_t session, std::uint64_t ticket)
        : home_(&home), session_(session), ticket_(ticket) {}

    /// Dropped when the client is gone or its command has ended.
    void give(result r) const;
    /// `make` runs on the client's loop and has the phase; for answers that need its memory.
    /// Posted.
    void give(std::function<result(console_phase&)> make) const;

private:
    worker* home_;  // lives as long as the daemon
    std::uint64_t session_;
    std::uint64_t ticket_;
};

}  // namespace weir::daemon::console

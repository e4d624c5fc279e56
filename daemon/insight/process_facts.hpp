// What the kernel says about this process, for the process_* metrics. Reads /proc: not on an event
// loop.
#pragma once

#include <cstdint>

namespace weir::daemon::insight {

/// Zero where the kernel did not tell.
struct process_facts {
    double cpu_seconds = 0;         ///< user and system, all threads
    double start_time_seconds = 0;  ///< since the epoch
    std::uint64_t resident_bytes = 0;
    std::uint64_t virtual_bytes = 0;
    std::uint64_t open_fds = 0;
    std::uint64_t max_fds = 0;
    std::uint64_t threads = 0;
};

process_facts read_process_facts();

}  // namespace weir::daemon::insight

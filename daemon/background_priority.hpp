// Where cores are few, key derivations and handshakes of a storm of logins would slow the queries
// that run. Any thread.
#pragma once

#include <sys/resource.h>

namespace weir::daemon {

/// The calling thread leaves the processor to the event loops from now on. On Linux a priority is
/// a thread's own.
inline void let_loops_go_first() {
    constexpr int lower = 10;
    static thread_local const int once = ::setpriority(PRIO_PROCESS, 0, lower);
    (void)once;
}

}  // namespace weir::daemon

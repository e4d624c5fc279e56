// Keeps the process's signals away from all threads but the one that handles them: a signal that is
// delivered to an event loop interrupts it, and under a sanitizer may be held back there until the
// loop does something. Main thread only.
#pragma once

#include <pthread.h>

#include <csignal>
#include <initializer_list>

namespace weir::daemon {

class blocked_signals {
public:
    /// Blocks all that come from outside, for this thread and those that it starts; faults stay.
    blocked_signals() {
        sigset_t all{};
        ::sigfillset(&all);
        for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS})
            ::sigdelset(&all, fault);
        ::pthread_sigmask(SIG_BLOCK, &all, &before_);
    }
    ~blocked_signals() { let_through(); }
    blocked_signals(const blocked_signals&) = delete;
    blocked_signals& operator=(const blocked_signals&) = delete;

    /// From now on this thread gets them, also those that came meanwhile.
    void let_through() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
    sigset_t before_{};
};

}  // namespace weir::daemon

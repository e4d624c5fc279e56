// What all event loops share of the watch for N+1: the requests whose statements come over several
// connections, and the patterns that were found. Thread-safe.
#pragma once

#include "daemon/insight/n_plus_one.hpp"
#include "daemon/insight/repeat_watch.hpp"

#include <mutex>

namespace weir::daemon::insight {

class shared_repeats {
public:
    void configure(const repeat_options& options) {
        const std::lock_guard lock{mutex_};
        watch_.configure(options);
    }
    /// Of a call whose owner is a request. Only statements that name one come here.
    repeat_finding observe(const repeat_call& call) {
        const std::lock_guard lock{mutex_};
        return watch_.observe(call);
    }
    [[nodiscard]] n_plus_one_book& found() { return found_; }
    [[nodiscard]] const n_plus_one_book& found() const { return found_; }

private:
    std::mutex mutex_;
    repeat_watch watch_;  // guarded by mutex_
    n_plus_one_book found_;
};

}  // namespace weir::daemon::insight

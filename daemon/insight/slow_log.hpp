// The slow-query log: event loops hand statements over a bounded queue to one writer thread, which
// appends JSON lines to a file or to the daemon's log and remembers the last ones for /slow. A full
// queue drops and counts; a full disk counts and says so once. Nothing here makes a loop wait. From
// when on a statement is slow is its pool's to say. Thread-safe.
#pragma once

#include "daemon/insight/append_file.hpp"
#include "daemon/insight/slow_statement.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

namespace weir::daemon::insight {

struct slow_log_options {
    std::string file;     ///< empty = with the log
    double sample = 1.0;  ///< the share of slow statements that is written, 0..1
};

struct slow_log_limits {
    std::size_t queued = 1024;     ///< statements between the loops and the writer
    std::size_t remembered = 100;  ///< statements that /slow shows
};

struct slow_log_counts {
    std::uint64_t written = 0;
    std::uint64_t dropped = 0;  ///< the queue was full
    std::uint64_t failed = 0;   ///< the file could not be written
};

class slow_log {
public:
    explicit slow_log(slow_log_options options, slow_log_limits limits = {});
    /// Stops.
    ~slow_log();
    slow_log(const slow_log&) = delete;
    slow_log& operator=(const slow_log&) = delete;

    /// Opens the file and starts the writer. Nothing on success; else what failed, the log goes
    /// without its file (each line counts as failed) until a reopen succeeds. The writer runs in
    /// either case.
    [[nodiscard]] std::optional<std::string> start();
    /// Writes what is queued, joins the writer. May be called twice.
    void stop();

    /// The new sample at once; the file, when its name changed, before the next line.
    void configure(const slow_log_options& options);
    /// Opens the file anew before the next line (SIGUSR1, SIGHUP). Does not wait.
    void reopen();

    /// Whether this slow statement falls into the sample. Thread-local random numbers.
    [[nodiscard]] bool is_sampled() const;

    /// Queues one statement, or a ready line (without a newline) of another event, or drops it;
    /// never waits for the disk.
    void add(slow_statement statement) { enqueue(std::move(statement)); }
    void add_line(std::string line) { enqueue(std::move(line)); }

    /// Waits until all that was queued before the call is written, or until `deadline`. For tests
    /// and shutdown.
    bool flush(std::chrono::steady_clock::time_point deadline);

    [[nodiscard]] slow_log_counts counts() const;
    /// Newest first.
    [[nodiscard]] std::vector<slow_statement> last() const;

private:
    using item = std::variant<slow_statement, std::string>;

    /// What the writer does at one waking.
    struct work {
        std::deque<item> items;
        std::string path;
        bool open_wanted = false;
        bool last = false;
    };

    void enqueue(item one);
    void run();
    work next_work();
    void open_file(const std::string& path);
    bool write_line(std::string line);
    void report_failure(const std::string& what);

    const slow_log_limits limits_;
    std::atomic<double> sample_;

    mutable std::mutex mutex_;
    std::condition_variable wake_;           // the writer waits here
    std::condition_variable written_up_to_;  // flush() waits here
    std::deque<item> queue_;                 // guarded by mutex_
    std::string path_;                       // guarded by mutex_
    bool open_wanted_ = false;               // guarded by mutex_
    bool stopping_ = false;                  // guarded by mutex_
    bool writer_waits_ = false;              // guarded by mutex_
    std::uint64_t accepted_ = 0;             // guarded by mutex_
    std::uint64_t handled_ = 0;              // guarded by mutex_
    slow_log_counts counts_;                 // guarded by mutex_
    std::deque<slow_statement> last_;        // guarded by mutex_; newest at the back

    // The writer's own once it runs.
    append_file file_;
    bool to_file_ = false;  // else to the log
    bool failing_ = false;

    std::thread writer_;
};

}  // namespace weir::daemon::insight

#include "daemon/insight/slow_log.hpp"

#include "daemon/insight/log.hpp"

#include <algorithm>
#include <functional>
#include <random>
#include <utility>

namespace weir::daemon::insight {

slow_log::slow_log(slow_log_options options, slow_log_limits limits)
    : limits_(limits), sample_(options.sample), path_(std::move(options.file)) {}

slow_log::~slow_log() {
    stop();
}

std::optional<std::string> slow_log::start() {
    std::optional<std::string> problem;
    to_file_ = !path_.empty();
    if (to_file_) problem = file_.open(path_);
    failing_ = problem.has_value();  // the caller reports it
    writer_ = std::thread{[this] { run(); }};
    return problem;
}

void slow_log::stop() {
    {
        const std::lock_guard lock{mutex_};
        stopping_ = true;
    }
    wake_.notify_one();
    if (writer_.joinable()) writer_.join();
}

void slow_log::configure(const slow_log_options& options) {
    sample_.store(options.sample, std::memory_order_relaxed);
    {
        const std::lock_guard lock{mutex_};
        if (path_ == options.file) return;
        path_ = options.file;
        open_wanted_ = true;
    }
    wake_.notify_one();
}

void slow_log::reopen() {
    {
        const std::lock_guard lock{mutex_};
        open_wanted_ = true;
    }
    wake_.notify_one();
}

bool slow_log::is_sampled() const {
    const double share = sample_.load(std::memory_order_relaxed);
    if (share >= 1.0) return true;
    if (!(share > 0.0)) return false;
    thread_local std::minstd_rand random{static_cast<std::minstd_rand::result_type>(
        std::hash<std::thread::id>{}(std::this_thread::get_id())
    )};
    return std::uniform_real_distribution<double>{0.0, 1.0}(random) < share;
}

void slow_log::enqueue(item one) {
    bool wake = false;
    {
        const std::lock_guard lock{mutex_};
        if (stopping_ || queue_.size() >= limits_.queued) {
            ++counts_.dropped;
            return;
        }
        queue_.push_back(std::move(one));
        ++accepted_;
        wake = std::exchange(writer_waits_, false);
    }
    // A writer that is at work looks at the queue again by itself: no system call for it.
    if (wake) wake_.notify_one();
}

bool slow_log::flush(std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock{mutex_};
    const auto wanted = accepted_;
    return written_up_to_.wait_until(lock, deadline, [&] {
        return handled_ >= wanted && !open_wanted_;
    });
}

slow_log_counts slow_log::counts() const {
    const std::lock_guard lock{mutex_};
    return counts_;
}

std::vector<slow_statement> slow_log::last() const {
    const std::lock_guard lock{mutex_};
    return {last_.rbegin(), last_.rend()};
}

slow_log::work slow_log::next_work() {
    std::unique_lock lock{mutex_};
    const auto has_work = [this] { return !queue_.empty() || open_wanted_ || stopping_; };
    writer_waits_ = !has_work();
    wake_.wait(lock, has_work);
    writer_waits_ = false;
    work next;
    next.items.swap(queue_);
    next.path = path_;
    next.open_wanted = open_wanted_;
    next.last = stopping_;
    return next;
}

void slow_log::run() {
    for (;;) {
        work next = next_work();
        if (next.open_wanted) open_file(next.path);
        slow_log_counts done;
        for (const auto& one : next.items) {
            const auto* const statement = std::get_if<slow_statement>(&one);
            std::string line =
                statement != nullptr ? slow_log_line(*statement) : std::get<std::string>(one);
            ++(write_line(std::move(line)) ? done.written : done.failed);
        }
        {
            const std::lock_guard lock{mutex_};
            counts_.written += done.written;
            counts_.failed += done.failed;
            handled_ += next.items.size();
            if (next.open_wanted && path_ == next.path) open_wanted_ = false;
            for (auto& one : next.items) {
                auto* const statement = std::get_if<slow_statement>(&one);
                if (statement == nullptr) continue;
                last_.push_back(std::move(*statement));
                if (last_.size() > limits_.remembered) last_.pop_front();
            }
        }
        written_up_to_.notify_all();
        if (next.last) return;
    }
}

void slow_log::open_file(const std::string& path) {
    to_file_ = !path.empty();
    if (!to_file_) {
        file_.close();
        failing_ = false;
        return;
    }
    if (const auto problem = file_.open(path)) {
        report_failure(*problem);
    } else {
        failing_ = false;
    }
}

bool slow_log::write_line(std::string line) {
    if (!to_file_) {
        log_raw_line(line);
        return true;
    }
    line += '\n';
    if (const auto problem = file_.write(line)) {
        report_failure(*problem);
        return false;
    }
    if (std::exchange(failing_, false)) log_info("slow log: writes again");
    return true;
}

void slow_log::report_failure(const std::string& what) {
    if (std::exchange(failing_, true)) return;
    log_error("slow log: {}; slow statements are lost until this ends", what);
}

}  // namespace weir::daemon::insight

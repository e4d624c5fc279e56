#include "daemon/insight/log.hpp"

#include "daemon/insight/append_file.hpp"
#include "daemon/insight/json_writer.hpp"
#include "daemon/insight/query_text.hpp"
#include "daemon/insight/tally.hpp"

#include <fmt/format.h>
#include <spdlog/formatter.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>

#include <unistd.h>

#include <deque>
#include <memory>
#include <mutex>
#include <utility>

namespace weir::daemon {
namespace {

using insight::append_file;

// One event may quote what a peer sent; it does not get more of the log than this.
constexpr std::size_t longest_message = 16 * 1024;

// Of what is kept for a page, all together no more than half a MiB.
constexpr std::size_t longest_recent_message = 2 * 1024;

constexpr std::string_view raw_logger = "raw";

log_level level_of(spdlog::level::level_enum level) {
    if (level <= spdlog::level::debug) return log_level::debug;
    if (level == spdlog::level::info) return log_level::info;
    if (level == spdlog::level::warn) return log_level::warning;
    return log_level::error;
}

spdlog::level::level_enum spdlog_level(log_level level) {
    switch (level) {
        case log_level::debug:
            return spdlog::level::debug;
        case log_level::info:
            return spdlog::level::info;
        case log_level::warning:
            return spdlog::level::warn;
        case log_level::error:
            return spdlog::level::err;
    }
    return spdlog::level::err;
}

std::string event_line(const spdlog::details::log_msg& message, log_format format) {
    const auto payload =
        insight::printable_text({message.payload.data(), message.payload.size()}, longest_message);
    const auto level = to_string(level_of(message.level));
    if (format == log_format::json) {
        insight::json_writer json;
        json.begin_object().key("ts").text(insight::rfc3339(message.time));
        json.key("level").text(level).key("event").text("log").key("message").text(payload);
        return json.end_object().take();
    }
    std::string line = fmt::format("{} {:<7} ", insight::rfc3339(message.time), level);
    insight::append_on_one_line(line, payload);
    return line;
}

// Not spdlog's own file sink: that one buffers, cannot be reopened, and throws on a full disk.
class line_sink final : public spdlog::sinks::base_sink<std::mutex> {
public:
    line_sink() { file_.borrow(STDERR_FILENO); }

    std::optional<std::string> direct_to(const log_options& options) {
        const std::lock_guard lock{mutex_};
        format_ = options.format;
        if (options.file.empty()) {
            file_.borrow(STDERR_FILENO);
            path_.clear();
            return std::nullopt;
        }
        auto problem = file_.open(options.file);
        if (!problem) path_ = options.file;
        return problem;
    }

    std::optional<std::string> reopen() {
        const std::lock_guard lock{mutex_};
        return path_.empty() ? std::nullopt : file_.open(path_);
    }

    std::uint64_t lost() const { return lost_.read(); }

    std::vector<log_event> recent() {
        const std::lock_guard lock{mutex_};
        return {recent_.rbegin(), recent_.rend()};
    }

private:
    void sink_it_(const spdlog::details::log_msg& message) override {
        const bool raw =
            std::string_view{message.logger_name.data(), message.logger_name.size()} == raw_logger;
        std::string line = raw ? std::string{message.payload.data(), message.payload.size()}
                               : event_line(message, format_);
        line += '\n';
        if (!raw && message.level >= spdlog::level::info) remember(message);
        // There is nowhere to tell: the counter is what is left.
        if (file_.write(line)) lost_.add();
    }
    void flush_() override {}

    void remember(const spdlog::details::log_msg& message) {
        if (recent_.size() == recent_log_events_kept) recent_.pop_front();
        recent_.push_back(
            {message.time,
             level_of(message.level),
             insight::printable_text(
                 {message.payload.data(), message.payload.size()}, longest_recent_message
             )}
        );
    }

    append_file file_;
    std::string path_;
    std::deque<log_event> recent_;  // oldest first; guarded by mutex_, as all here
    log_format format_ = log_format::text;
    insight::shared_tally lost_;
};

struct log_state {
    std::shared_ptr<line_sink> sink = std::make_shared<line_sink>();
    spdlog::logger events{"pgweir", sink};
    spdlog::logger raw{std::string{raw_logger}, sink};
};

// Never destroyed: threads and static destructors may log until the process has ended.
log_state& state() {
    static auto* const made = [] {
        auto* fresh = new log_state;
        fresh->events.set_level(spdlog::level::trace);  // detail::threshold decides
        fresh->raw.set_level(spdlog::level::trace);
        return fresh;
    }();
    return *made;
}

}  // namespace

std::optional<log_level> parse_log_level(std::string_view word) {
    if (word == "debug") return log_level::debug;
    if (word == "info") return log_level::info;
    if (word == "warning" || word == "warn") return log_level::warning;
    if (word == "error") return log_level::error;
    return std::nullopt;
}

std::optional<log_format> parse_log_format(std::string_view word) {
    if (word == "text") return log_format::text;
    if (word == "json") return log_format::json;
    return std::nullopt;
}

std::string_view to_string(log_level level) {
    switch (level) {
        case log_level::debug:
            return "debug";
        case log_level::info:
            return "info";
        case log_level::warning:
            return "warning";
        case log_level::error:
            return "error";
    }
    return "error";
}

std::optional<std::string> set_up_log(const log_options& options) {
    detail::threshold.store(options.level, std::memory_order_relaxed);
    return state().sink->direct_to(options);
}

std::optional<std::string> reopen_log() {
    return state().sink->reopen();
}

std::uint64_t log_lines_lost() {
    return state().sink->lost();
}

std::vector<log_event> recent_log_events() {
    return state().sink->recent();
}

void log_raw_line(std::string_view line) {
    state().raw.log(spdlog::level::info, spdlog::string_view_t{line.data(), line.size()});
}

namespace detail {

void write_log(log_level level, fmt::string_view format, fmt::format_args args) {
    fmt::memory_buffer text;
    fmt::vformat_to(std::back_inserter(text), format, args);
    state().events.log(spdlog_level(level), spdlog::string_view_t{text.data(), text.size()});
}

}  // namespace detail

}  // namespace weir::daemon

// The daemon's log: one line an event, text or JSON, to stderr or a file that can be reopened.
// Call sites say `log_info("client login failed: {}", reason)`; a level that is off costs one
// relaxed load. Never pass passwords, keys or parameter values. Thread-safe; a line is one write(2)
// under a mutex.
#pragma once

#include <fmt/core.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon {

/// Level by fault: the peer's is info, credentials warning, ours or PostgreSQL's error.
enum class log_level : std::uint8_t { debug, info, warning, error };
enum class log_format : std::uint8_t { text, json };

/// "debug", "info", "warning" ("warn"), "error", and "text", "json"; nothing for any other word.
std::optional<log_level> parse_log_level(std::string_view word);
std::optional<log_format> parse_log_format(std::string_view word);
std::string_view to_string(log_level level);

struct log_options {
    log_level level = log_level::info;
    log_format format = log_format::text;
    std::string file;  ///< empty = stderr
};

/// Applies `options` at start and at a reload. Nothing on success; else the text of what failed
/// (the file could not be opened), and the log goes where it went before, with the new level and
/// format.
[[nodiscard]] std::optional<std::string> set_up_log(const log_options& options);

/// Opens the file anew by its name, after logrotate moved it. Nothing on success or when the log is
/// stderr; else the text of what failed, and the old file stays in use.
[[nodiscard]] std::optional<std::string> reopen_log();

/// Lines that could not be written (disk full, pipe closed) since start.
std::uint64_t log_lines_lost();

/// One event as it was logged.
struct log_event {
    std::chrono::system_clock::time_point at;
    log_level level = log_level::info;
    std::string message;  ///< one that is very long, without its end
};

inline constexpr std::size_t recent_log_events_kept = 200;

/// The last events of level info and above that `log.level` let through, newest first. Ready lines
/// are not among them.
std::vector<log_event> recent_log_events();

/// Writes one ready line, without its newline and without time or level: for slow-log lines that
/// share the log. The caller answers for it holding no newline.
void log_raw_line(std::string_view line);

namespace detail {
inline std::atomic<log_level> threshold{log_level::info};
void write_log(log_level level, fmt::string_view format, fmt::format_args args);
}  // namespace detail

inline bool log_enabled(log_level level) {
    return level >= detail::threshold.load(std::memory_order_relaxed);
}

template<class... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
    if (log_enabled(log_level::debug)) {
        detail::write_log(log_level::debug, format, fmt::make_format_args(args...));
    }
}
template<class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
    if (log_enabled(log_level::info)) {
        detail::write_log(log_level::info, format, fmt::make_format_args(args...));
    }
}
template<class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
    if (log_enabled(log_level::warning)) {
        detail::write_log(log_level::warning, format, fmt::make_format_args(args...));
    }
}
template<class... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
    if (log_enabled(log_level::error)) {
        detail::write_log(log_level::error, format, fmt::make_format_args(args...));
    }
}

}  // namespace weir::daemon

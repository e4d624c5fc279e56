// One slow statement as the slow log tells it, and its line. Plain data and pure functions; any
// thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace weir::daemon::insight {

class statement_origin;

/// Views, valid for the call that they are handed to. Empty texts are left out of the line.
struct slow_query_texts {
    std::string_view query;        ///< normalised: no literal values
    std::string_view application;  ///< application_name
    std::string_view client;       ///< "address:port", or "unix:pid"
    std::string_view request_id;   ///< ours or from an SQLCommenter comment
    std::string_view trace_id;     ///< from traceparent
    std::string_view rule;         ///< the cache rule that admitted the statement
    std::string_view sqlstate;     ///< of the error that ended it
    std::string_view database;     ///< empty = the pool's; to be given where labels are folded
    std::string_view user;         ///< as `database`
    std::uint64_t fingerprint = 0;
    // Kept only where the observer keeps_texts(): what was sent.
    std::string_view text;
    std::string_view parameter_types;
    std::string_view bind_tail;
    /// Only where it explains().
    std::shared_ptr<const statement_origin> origin = nullptr;
};

/// What the slow log keeps of one statement; texts cut to `slow_text_limit` bytes.
struct slow_statement {
    std::chrono::system_clock::time_point at;
    std::string request_id;
    std::string trace_id;
    std::string client;
    std::string database;
    std::string user;
    std::string application;
    std::uint64_t fingerprint = 0;
    std::string query;
    std::chrono::nanoseconds total{0};
    std::chrono::nanoseconds wait{0};
    std::chrono::nanoseconds server{0};
    std::chrono::nanoseconds transfer{0};
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0;
    std::string_view cache;  ///< static storage: to_string(cache_outcome)
    std::string rule;
    std::string sqlstate;
    std::string values;   ///< a JSON array, or empty: they are not shown
    std::string plan;     ///< a JSON object, or empty: there is none
    std::string no_plan;  ///< why there is none, though one was asked for
};

/// Query text beyond this many bytes is cut at a character and ends in "...": a statement may be
/// 100 MB.
inline constexpr std::size_t slow_text_limit = 8192;

/// The line of interface.md §8: one JSON object, no newline, valid for any bytes in the texts.
std::string slow_log_line(const slow_statement& statement);

}  // namespace weir::daemon::insight

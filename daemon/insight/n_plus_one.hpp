// The N+1 patterns that were found, by database, user, application and statement: what SHOW ADVICE,
// /stats.json and the dashboard show, and what was logged already. Thread-safe; told of once a run,
// which is rare.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace weir::daemon::insight {

/// One run of repetitions as it is told. Views are copied.
struct n_plus_one_run {
    std::string_view database;
    std::string_view user;
    std::string_view application;
    std::string_view client;
    std::string_view request_id;
    std::uint64_t fingerprint = 0;
    std::string_view query;
    std::uint64_t parent_fingerprint = 0;
    std::string_view parent;  ///< empty: not known
    std::uint32_t repeats = 0;
    std::chrono::nanoseconds window{0};
    std::chrono::system_clock::time_point at;
};

/// All runs of one pattern. Plain data.
struct n_plus_one_pattern {
    std::string database;
    std::string user;
    std::string application;
    std::uint64_t fingerprint = 0;
    std::string query;
    std::string parent;  ///< of the last run
    std::uint64_t runs = 0;
    std::uint32_t repeats = 0;  ///< that make a run
    std::chrono::system_clock::time_point last_seen;
};

class n_plus_one_book {
public:
    /// Beyond these the one that was seen longest ago goes, and is counted.
    static constexpr std::size_t max_patterns = 1000;
    static constexpr std::size_t longest_query = 1024;

    /// True: it is the first one of its pattern, to be logged.
    bool note(const n_plus_one_run& run);
    /// Those seen last first.
    [[nodiscard]] std::vector<n_plus_one_pattern> patterns() const;
    [[nodiscard]] std::uint64_t dropped() const;

private:
    using key = std::tuple<std::string, std::string, std::string, std::uint64_t>;

    mutable std::mutex mutex_;
    std::map<key, n_plus_one_pattern> patterns_;  // guarded by mutex_
    std::uint64_t dropped_ = 0;                   // guarded by mutex_
};

/// The slow log's line, one JSON object without a newline.
[[nodiscard]] std::string n_plus_one_line(const n_plus_one_run& run);

}  // namespace weir::daemon::insight

#include "pool/parse_settings.hpp"

#include <algorithm>
#include <iterator>

namespace weir::pool {
namespace {

constexpr std::string_view beginnings[] = {
    "default_transaction_",
    "enable_",
    "geqo",
    "jit",
    "log_",
    "max_parallel_",
    "min_parallel_",
    "parallel_",
    "tcp_",
    "track_",
    "vacuum_",
};

constexpr std::string_view endings[] = {
    "_collapse_limit",
    "_cost",
    "_timeout",
    "_work_mem",
};

constexpr std::string_view names[] = {
    "application_name",
    "client_min_messages",
    "constraint_exclusion",
    "cursor_tuple_fraction",
    "effective_cache_size",
    "effective_io_concurrency",
    "hash_mem_multiplier",
    "in_hot_standby",
    "lc_messages",
    "plan_cache_mode",
    "scram_iterations",
    "synchronous_commit",
    "temp_buffers",
    "transaction_deferrable",
    "transaction_isolation",
    "transaction_read_only",
    "work_mem",
};

}  // namespace

bool matters_to_parse(std::string_view name) noexcept {
    const auto begins = [name](std::string_view with) { return name.starts_with(with); };
    const auto ends = [name](std::string_view with) { return name.ends_with(with); };
    return name.find('.') == std::string_view::npos &&
           std::none_of(std::begin(beginnings), std::end(beginnings), begins) &&
           std::none_of(std::begin(endings), std::end(endings), ends) &&
           std::find(std::begin(names), std::end(names), name) == std::end(names);
}

}  // namespace weir::pool

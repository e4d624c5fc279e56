// One finished query in numbers, as a session tells it. Plain data.
#pragma once

#include "daemon/insight/counters.hpp"
#include "daemon/insight/repeat_watch.hpp"
#include "querycache/reasons.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace weir::daemon::insight {

/// What the cache had to do with a query.
enum class cache_outcome : std::uint8_t {
    none,  ///< no rule was asked
    hit,
    miss,
    bypass,  ///< a rule admitted it, something else forbade
};
std::string_view to_string(cache_outcome outcome);

struct query_event {
    query_kind kind = query_kind::unknown;
    cache_outcome cache = cache_outcome::none;
    bool is_call = true;  ///< it was run, or was to be; else a statement was only prepared
    /// Run as another role, or where names mean other tables, than the pool's user would.
    bool is_own_world = false;
    bool failed = false;                 ///< an error ended it
    std::uint64_t fingerprint = 0;       ///< 0: its text was not looked at
    std::chrono::nanoseconds total{0};   ///< first byte from the client to last byte to it
    std::chrono::nanoseconds wait{0};    ///< of that, in the pool's queue
    std::chrono::nanoseconds server{0};  ///< of that, first byte to the server until its last reply
    std::chrono::nanoseconds transfer{0};  ///< of `server`, from the first reply on
    std::chrono::nanoseconds saved{0};     ///< server time that a hit did not need
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0;  ///< of the reply
    /// Why it was not answered from memory and will not be the next time.
    std::optional<querycache::bypass_reason> reason;
    /// For the watch for N+1; parameters 0: not of interest.
    repeat_call call;
    bool is_of_request = false;  ///< the call's owner is a request, not a client
};

}  // namespace weir::daemon::insight

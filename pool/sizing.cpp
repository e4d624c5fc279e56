#include "pool/sizing.hpp"

#include <algorithm>

namespace weir::pool {
namespace {

constexpr unsigned saturated_difference(unsigned a, unsigned b) noexcept {
    return a > b ? a - b : 0;
}

}  // namespace

unsigned connections_to_open(const pool_numbers& numbers, unsigned parallel) noexcept {
    // A sum of two configured numbers may pass the type's end; a pool without bound would be worse
    // than a small one.
    const auto most = std::max(numbers.size + numbers.overflow, numbers.size);

    auto supply = numbers.connecting;
    const auto wanted_by_waiters =
        saturated_difference(saturated_difference(numbers.waiting, supply), numbers.idle);
    const auto for_waiters = std::min(wanted_by_waiters, saturated_difference(most, numbers.open));

    // What is left of the supply once every waiter has one stands ready for min_idle.
    supply = saturated_difference(numbers.idle + numbers.connecting, numbers.waiting);
    const auto wanted_ready = saturated_difference(numbers.min_idle, supply);
    const auto for_min_idle =
        std::min(wanted_ready, saturated_difference(numbers.size, numbers.open + for_waiters));

    return std::min(for_waiters + for_min_idle, saturated_difference(parallel, numbers.connecting));
}

bool is_too_old(
    std::chrono::milliseconds lifetime,
    unsigned size,
    std::chrono::milliseconds age,
    std::chrono::milliseconds since_lifetime_close
) noexcept {
    if (lifetime <= lifetime.zero() || age < lifetime) return false;
    return since_lifetime_close >= lifetime / std::max<std::chrono::milliseconds::rep>(size, 1);
}

close_reason should_close(
    const pool_numbers& numbers,
    const idle_limits& limits,
    const idle_server& server,
    std::chrono::milliseconds since_lifetime_close
) noexcept {
    using std::chrono::milliseconds;

    if (server.retire) return close_reason::retired;

    if (is_too_old(limits.lifetime, numbers.size, server.age, since_lifetime_close)) {
        return close_reason::lifetime;
    }

    if (numbers.waiting > 0) return close_reason::keep;

    if (numbers.open > numbers.size && server.idle_for >= limits.overflow_idle) {
        return close_reason::overflow_idle;
    }
    if (limits.idle_timeout > milliseconds::zero() && server.idle_for >= limits.idle_timeout &&
        numbers.idle > numbers.min_idle) {
        return close_reason::idle_timeout;
    }
    return close_reason::keep;
}

const char* to_string(close_reason reason) noexcept {
    switch (reason) {
        case close_reason::keep:
            return "keep";
        case close_reason::retired:
            return "retired";
        case close_reason::lifetime:
            return "lifetime";
        case close_reason::overflow_idle:
            return "overflow_idle";
        case close_reason::idle_timeout:
            return "idle_timeout";
        case close_reason::shared_limit:
            return "shared_limit";
    }
    return "";
}

}  // namespace weir::pool

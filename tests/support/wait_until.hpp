// Waiting in tests: for a condition, with a deadline, never for a time. Any thread.
#pragma once

#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>

namespace weir::test {

// What a step of a test may take before it has failed. Generous, as sanitizers and a loaded machine
// slow all down ten times.
inline constexpr std::chrono::seconds patience{30};

/// Returns as soon as `condition()` holds; throws, and so fails the test, when it does not hold
/// before the deadline. `what` is the text of the failure, or gives it.
template<typename Condition, typename What>
void wait_until(Condition condition, What const& what, std::chrono::milliseconds limit = patience) {
    auto const deadline = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() >= deadline) {
            std::string text;
            if constexpr (std::is_invocable_v<What>) {
                text = what();
            } else {
                text = what;
            }
            throw std::runtime_error(
                "not within " + std::to_string(limit.count()) + " ms: " + text
            );
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
}

}  // namespace weir::test

// How long to leave something alone after it failed: longer each time, spread by chance so that
// many who met the same failure do not come back in the same moment. Pure; guarded by its owner's
// lock.
#pragma once

#include <algorithm>
#include <chrono>

namespace weir::pool {

class back_off {
public:
    using time_point = std::chrono::steady_clock::time_point;
    static constexpr std::chrono::milliseconds first{100};

    /// `chance`: 0..1, shortens the pause by up to a quarter.
    void on_failure(time_point now, std::chrono::milliseconds longest, double chance) {
        pause_ = std::clamp(pause_ * 2, first, longest);
        failed_at_ = now;
        drawn_ =
            std::chrono::duration_cast<std::chrono::milliseconds>(pause_ * (1.0 - 0.25 * chance));
    }
    void on_success() { pause_ = drawn_ = {}; }

    /// When the next attempt may follow. `at_most`: a shorter pause than the one that has grown,
    /// for those who have more reason.
    [[nodiscard]] time_point next(
        std::chrono::milliseconds at_most = std::chrono::milliseconds::max()
    ) const {
        return failed_at_ + std::min(drawn_, at_most);
    }
    [[nodiscard]] time_point failed_at() const { return failed_at_; }

private:
    std::chrono::milliseconds pause_{};  // before chance
    std::chrono::milliseconds drawn_{};
    time_point failed_at_{};
};

}  // namespace weir::pool

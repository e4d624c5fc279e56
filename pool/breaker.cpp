#include "pool/breaker.hpp"

#include <algorithm>
#include <utility>

namespace weir::pool {

const char* to_string(breaker_state state) noexcept {
    switch (state) {
        case breaker_state::closed:
            return "closed";
        case breaker_state::half_open:
            return "half_open";
        case breaker_state::open:
            return "open";
    }
    return "";
}

bool breaker::may_try(time_point now) const noexcept {
    switch (state_) {
        case breaker_state::closed:
            return true;
        case breaker_state::half_open:
            return false;
        case breaker_state::open:
            return now >= next_try_;
    }
    return false;
}

unsigned breaker::failures() const noexcept {
    return state_ == breaker_state::closed ? static_cast<unsigned>(recent_.size()) : in_a_row_;
}

void breaker::enter(breaker_state state, time_point now) {
    state_ = state;
    since_ = now;
}

void breaker::on_attempt(time_point now) {
    if (state_ == breaker_state::open) enter(breaker_state::half_open, now);
}

void breaker::on_success(time_point now) {
    if (state_ != breaker_state::closed) {
        enter(breaker_state::closed, now);
        recent_.assign(1, last_failure_);
    }
    forgotten_ = std::exchange(recent_, {});
    in_a_row_ = 0;
}

void breaker::take_success_back() {
    if (state_ == breaker_state::closed && recent_.empty()) recent_ = std::exchange(forgotten_, {});
}

void breaker::open(time_point now, const breaker_options& options, double chance) {
    using std::chrono::duration_cast;
    if (state_ == breaker_state::closed) opened_ = now;
    const auto grown = duration_cast<std::chrono::milliseconds>(now - opened_) / 4;
    const auto pause = std::min(std::max(grown, first_pause), options.open);
    next_try_ = now + duration_cast<time_point::duration>(pause * (0.9 + 0.2 * chance));
    enter(breaker_state::open, now);
}

void breaker::on_failure(
    time_point began, time_point now, const breaker_options& options, double chance
) {
    if (began < last_failure_) return;
    // What an attempt takes does not count as time passed: connect_timeout may be longer than the
    // window, which would then never hold two failures of a host that is silent.
    const auto taken = now - std::min(began, now);
    for (auto& one : recent_)
        one += taken;
    last_failure_ = now;
    switch (state_) {
        case breaker_state::open:
            return;
        case breaker_state::half_open:
            ++in_a_row_;
            open(now, options, chance);
            return;
        case breaker_state::closed:
            while (!recent_.empty() && recent_.front() + options.window < now)
                recent_.pop_front();
            recent_.push_back(now);
            if (recent_.size() < options.failures) return;
            in_a_row_ = static_cast<unsigned>(recent_.size());
            recent_.clear();
            open(now, options, chance);
            return;
    }
}

void breaker::on_probe_given_up(time_point now) {
    if (state_ != breaker_state::half_open) return;
    enter(breaker_state::open, now);
    next_try_ = now;
}

void breaker::try_soon(time_point now) {
    if (state_ == breaker_state::open) next_try_ = std::min(next_try_, now);
}

}  // namespace weir::pool

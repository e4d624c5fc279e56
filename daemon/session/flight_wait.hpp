// How one session takes part in "one miss at a time" (querycache/flights.hpp): it leads until its
// statement is sent, or waits for who does. A landing counts only while it is the one that is
// awaited. Who has waited some times and still finds nothing goes to a server: what changes faster
// than it is read is not worth more. One thread: the session's.
#pragma once

#include "querycache/flights.hpp"

#include <cstdint>
#include <utility>

namespace weir::daemon {

class flight_wait {
public:
    static constexpr unsigned most_waits = 3;

    /// Whether the next miss is to ask nobody; once.
    [[nodiscard]] bool goes_alone() { return std::exchange(is_alone_, false); }
    /// The ticket under which lead_or_wait() is to tell of its landing.
    [[nodiscard]] std::uint64_t next_ticket() { return ++last_; }
    /// What lead_or_wait() gave for the last ticket and `key`. True: the session waits.
    bool take(querycache::flights::lead lead, const querycache::hash128& key) {
        lead_ = std::move(lead);
        if (lead_) {
            waits_ = 0;
        } else {
            awaited_ = last_;
            key_ = key;
        }
        return is_waiting();
    }
    [[nodiscard]] bool is_waiting() const noexcept { return awaited_ != 0; }
    /// What it waits for; of a session that waits.
    [[nodiscard]] const querycache::hash128& awaited() const noexcept { return key_; }
    /// False: nobody waits for this landing any more.
    bool on_landing(std::uint64_t ticket, querycache::landing how) {
        if (ticket != awaited_) return false;
        awaited_ = 0;
        is_alone_ = how == querycache::landing::go_alone || ++waits_ >= most_waits;
        if (is_alone_) waits_ = 0;
        return true;
    }
    /// It has waited for long enough: the next miss asks nobody.
    void give_up() { is_alone_ = cancel(); }
    /// The client has cancelled. False: it did not wait.
    bool cancel() {
        waits_ = 0;
        return std::exchange(awaited_, 0) != 0;
    }
    /// Memory has answered after all.
    void forget() {
        is_alone_ = false;
        waits_ = 0;
    }
    /// The lead, for who fetches the reply; it may be none.
    [[nodiscard]] querycache::flights::lead hand_on() { return std::move(lead_); }
    /// Ends the lead, if there is one.
    void land(querycache::landing how) { lead_.land(how); }

private:
    querycache::flights::lead lead_;
    std::uint64_t awaited_ = 0;  // 0 = none
    querycache::hash128 key_;
    std::uint64_t last_ = 0;
    unsigned waits_ = 0;  // of this request
    bool is_alone_ = false;
};

}  // namespace weir::daemon

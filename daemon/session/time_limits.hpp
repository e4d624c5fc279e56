// Which of its limits of time a client has broken. It is shown several times a second what the
// client is doing and knows nothing but what it was shown, so that statements touch no clock and no
// timer for it. A time counts from the first look that has seen its beginning: a limit never breaks
// too early, and up to two looks' distance too late. Not a driver: who shows, acts. One thread.
#pragma once

#include "pool/pool_options.hpp"

#include <chrono>
#include <cstdint>

namespace weir::daemon {

class time_limits {
public:
    using time_point = std::chrono::steady_clock::time_point;

    enum class activity : std::uint8_t {
        unlimited,  ///< it logs in, waits in the pool's queue or has not taken what it was sent:
                    ///< none of its own times runs, but that of a transaction
        idle,       ///< it is the client's turn, outside a transaction
        idle_in_transaction,  ///< the same inside one, an implicit one that waits for Sync included
        running,              ///< its server owes it a reply, or another's that it waits for
    };
    /// What is seen at one look.
    struct sight {
        activity doing = activity::unlimited;
        /// Another number means that something was done meanwhile: of a statement that runs, that
        /// it is another one; of an idle client, that it was not idle all the time.
        std::uint64_t progress = 0;
        /// A server holds a transaction for it.
        bool in_transaction = false;
        /// Another value means another transaction.
        time_point transaction{};
    };
    enum class verdict : std::uint8_t {
        nothing,
        cancel_statement,         ///< query: PostgreSQL is to be asked to cancel; once a statement
        end_statement,            ///< the same did not end it
        end_transaction,          ///< transaction
        end_idle_in_transaction,  ///< idle_in_transaction
        end_idle,                 ///< idle
    };
    /// From the cancel to the end of the server.
    static constexpr std::chrono::seconds cancel_patience{5};

    explicit time_limits(const pool::client_times& limits) : limits_{limits} {}

    /// A reload has changed them. What runs already is measured by the new ones.
    void set(const pool::client_times& limits) { limits_ = limits; }
    [[nodiscard]] const pool::client_times& limits() const noexcept { return limits_; }

    /// `now` never decreases. The first limit that is broken; those that end the session before the
    /// one that does not.
    [[nodiscard]] verdict look(time_point now, const sight& seen);

private:
    using limit = std::chrono::milliseconds;

    static bool is_broken(limit limit, time_point since, time_point now) {
        return limit.count() > 0 && now - since >= limit;
    }
    verdict judge_statement(time_point now);

    pool::client_times limits_;
    sight last_;
    time_point doing_since_{};
    time_point transaction_since_{};
    time_point canceled_at_{};  // the epoch: the statement was not
};

}  // namespace weir::daemon

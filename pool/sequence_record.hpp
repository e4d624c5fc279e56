// Who may have moved a sequence in one server's session since PostgreSQL last forgot what
// currval() and lastval() tell there: nobody, one client, or several. What is written down is
// "may have": a client too many costs it an error, one too few would give it another client's
// value. Not a parser: it is told. Goes with the session from loop to loop; one thread at a time.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

namespace weir::pool {

class sequence_record {
public:
    /// A client session's number, which is never used again. Not 0.
    using client = std::uint64_t;
    /// In place of a client: the daemon itself, by connect_query.
    static constexpr client daemon = std::numeric_limits<client>::max() - 1;

    void moved_by(client who) noexcept {
        if (mover_ != who) mover_ = mover_ == nobody ? who : several;
    }
    /// DISCARD SEQUENCES, DISCARD ALL, a new session.
    void forget() noexcept { mover_ = nobody; }
    /// The same, but `who` may have moved one since.
    void forget_but(client who) noexcept { mover_ = who; }

    /// currval() may tell `who` what somebody else has taken.
    [[nodiscard]] bool is_of_others(client who) const noexcept {
        return mover_ != nobody && mover_ != who;
    }
    /// `who` has moved some, and nobody else.
    [[nodiscard]] bool is_of(client who) const noexcept { return mover_ == who; }

private:
    static constexpr client nobody = 0;
    static constexpr client several = std::numeric_limits<client>::max();

    client mover_ = nobody;
};

/// Whether behind these statements, all of which have succeeded, PostgreSQL has surely forgotten
/// them: one is DISCARD ALL or DISCARD SEQUENCES, plainly written.
[[nodiscard]] bool forgets_sequences(std::string_view sql);

}  // namespace weir::pool

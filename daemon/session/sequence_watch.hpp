// currval() and lastval() tell what a server's session has taken from sequences, not what a client
// has. Here is what one client has to do with that, for the promise of transaction mode:
//
//   A statement whose text calls currval() or lastval() never gets a value that another client has
//   moved a sequence to. It gets its own client's, or an error with SQLSTATE 55000.
//
// Each server's session has a record of who may have moved a sequence there (sequence_record), and
// a client that asks where others may have is treated so:
//   - it has moved none in this lease: PostgreSQL is told DISCARD SEQUENCES in front of the
//     statement, and then gives the right answer itself. So it is in front of the first nextval()
//     or setval() of a lease that the text shows;
//   - it has: its own values must not be lost, and which of all are its own is not known. The
//     statement is not sent; its client is told 55000.
// The next client of that pool and application_name that asks is better off: its leases begin with
// DISCARD SEQUENCES where others were, in the packet of the settings; and where a client has asked
// in a later transaction, its like keep their servers (left_behind::sequence_value) once they have
// sent what is likely to move a sequence.
//
// Not in the promise, as the text does not show it: currval() in a function, view, default or
// trigger, by the function call protocol, and in a text over 1 MiB; nextval() hidden in a view, an
// operator or a cast is not on the record. A session pooled by session is PostgreSQL's own affair.
// No I/O; one thread.
#pragma once

#include "daemon/session/statement_facts.hpp"
#include "pool/sequence_habits.hpp"
#include "pool/sequence_record.hpp"

#include <cstdint>

namespace weir::daemon {

class sequence_watch {
public:
    using client = pool::sequence_record::client;

    /// The text calls currval() or lastval().
    [[nodiscard]] static bool asks(const text_facts& facts) noexcept;
    /// The text calls nextval() or setval().
    [[nodiscard]] static bool moves_plainly(const text_facts& facts) noexcept;
    /// Nothing is known that tells that it moves no sequence.
    [[nodiscard]] static bool may_move(const text_facts& facts) noexcept;

    /// Under which number the records of servers know the client session `number`: a new one behind
    /// each DISCARD SEQUENCES of its own, so that what it took before counts as somebody else's on
    /// the servers that the statement has not reached.
    [[nodiscard]] client as_client(std::uint64_t number) const noexcept {
        return number + (client{discards_} << discards_shift);
    }

    void begin_lease() noexcept { has_moved_here_ = has_likely_moved_here_ = is_lost_ = false; }

    /// Such a statement is sent to a server with this record: what the application shows by it.
    [[nodiscard]] pool::sequence_habit on_asked(
        const text_facts& facts, const pool::sequence_record& record, client who
    ) noexcept;
    /// A statement that may move one is sent. True: it is likely to.
    bool on_moved(const text_facts& facts) noexcept;
    /// DISCARD SEQUENCES, DISCARD ALL of the client's own.
    void on_discarded() noexcept {
        has_moved_ = false;
        ++discards_;
    }

    /// In this lease.
    [[nodiscard]] bool has_moved_here() const noexcept { return has_moved_here_; }
    /// The same, but for what hardly ever does, as CREATE TABLE.
    [[nodiscard]] bool has_likely_moved_here() const noexcept { return has_likely_moved_here_; }
    /// What it asks for in this lease was taken on a server that it has no more.
    [[nodiscard]] bool is_lost() const noexcept { return is_lost_; }

private:
    // Of 64 bits, 40 are enough for the numbers of sessions, at ten thousand a second for years.
    static constexpr unsigned discards_shift = 40;

    std::uint32_t discards_ = 0;
    bool has_moved_ = false;  // ever, likely
    bool has_moved_here_ = false;
    bool has_likely_moved_here_ = false;
    bool is_lost_ = false;
};

}  // namespace weir::daemon

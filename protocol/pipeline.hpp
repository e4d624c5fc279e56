// The queue of replies that a server still owes, and for each what is to be done with it: forward
// it to the client, swallow it, or make it here. It follows the protocol's order (error until Sync,
// COPY, many tags for one Query), so that whoever holds it always knows which request a reply
// belongs to and when the server has nothing left to say. It sees types and a few body bytes, never
// sends, and owns no message. One thread; one object a server connection.
//
// Use: push() each request in the order in which it is sent. For each message from the server,
// on_reply(); then next_made_here() until it is empty. The same after a push().
#pragma once

#include "protocol/errc.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>
#include <vector>

namespace weir::protocol {

/// What was asked. Flush has no reply and is never pushed; Terminate neither. `copy_end` is
/// CopyDone or CopyFail.
enum class request_kind : std::uint8_t {
    parse,
    bind,
    describe_statement,
    describe_portal,
    execute,
    close,
    sync,
    query,
    function_call,
    copy_end
};

enum class reply_action : std::uint8_t {
    forward,    ///< the client gets the reply
    swallow,    ///< the daemon asked; the client gets nothing, except the error of an extended
                ///< request
    make_here,  ///< not sent to the server; it stands in order until next_made_here() hands it out
    replace_error,  ///< sent, and known to fail: the client gets the caller's error in place of the
                    ///< server's
};

struct owed {
    request_kind kind = request_kind::sync;
    reply_action action = reply_action::forward;
    std::uint32_t tag = 0;  ///< the caller's, for instance a statement's id

    bool operator==(const owed&) const = default;
};

/// All states. Transitions are in pipeline.cpp, one function a state.
enum class pipeline_state : std::uint8_t {
    answering,   ///< replies answer the head of the queue, or nothing is owed
    describing,  ///< the head describes a statement, its ParameterDescription came; T or n is due
    awaiting_ready,  ///< the head (query, function_call or sync) failed; only its ReadyForQuery is
                     ///< due
    skipping_to_sync,  ///< an extended request failed; the server ignores everything up to the next
                       ///< Sync
    copy_in,           ///< the head (query or execute) reads CopyData from the client
    copy_out,          ///< the head sends CopyData; its CopyDone is due
    copy_both,         ///< both directions (replication); the server's CopyDone is due
    out_of_sync,       ///< a message came that must not come; the server has to be closed
};

enum class reply_event : std::uint8_t {
    part,          ///< a part of the head's reply; more is due
    ended,         ///< `request` got the last message of its reply
    asynchronous,  ///< notice, parameter status or notification: belongs to no request
    unsolicited,   ///< an error that answers no request (FATAL of a server that goes away), or a
                   ///< ReadyForQuery for a Sync of which it was not known whether a failed COPY had
                   ///< eaten it
};

struct reply_verdict {
    std::error_code
        error;  ///< set: the server is out of sync, close it; nothing else here means anything
    reply_action action = reply_action::forward;  ///< forward, swallow or replace_error
    reply_event event = reply_event::part;
    /// The head failed: with the ErrorResponse, and again with the ReadyForQuery of a failed query,
    /// function_call or sync. An extended request ends with its error; the other three end with
    /// their ReadyForQuery.
    bool failure = false;
    bool fatal = false;  ///< an ErrorResponse that says FATAL or PANIC; always forwarded
    owed request;  ///< the head that the message belongs to; unset when asynchronous or unsolicited
};

/// Invariants: a copy_end is never at the head outside copy_in and copy_both. In skipping_to_sync
/// the head is a sync or the queue is empty. A make_here entry at the head is taken by the caller
/// before the next reply.
class pipeline {
public:
    /// For a server that has sent its first ReadyForQuery.
    explicit pipeline(char transaction_status = 'I');

    /// A request was sent, or, with make_here, will be answered here. Call before or after sending,
    /// but before reading the next reply.
    /// False: it was not queued, because it will never be answered: the server skips to the next
    /// Sync, the copy_end comes too late, or the server is out of sync. The caller undoes what it
    /// had noted for it; sending it does no harm.
    /// A sync or query may be make_here only when nothing was sent since the last Sync.
    bool push(owed request);

    /// Takes one message from the server.
    /// `body_prefix`: the body, or as much of it as has arrived, never bytes behind it.
    ///                ReadyForQuery must be there in full; others may come with an empty view (an
    ///                ErrorResponse then counts as not fatal).
    /// Errors:        errc::unexpected_message; for ReadyForQuery also what its decode() says.
    ///                After one, every call returns errc::unexpected_message.
    [[nodiscard]] reply_verdict on_reply(char type, std::string_view body_prefix);

    /// The requests that the last on_reply() found will never be answered, in order, without the
    /// one that failed: the rest up to the next Sync, and Syncs that a COPY has eaten. No copy_end
    /// is in here, nor what push() refused.
    /// Lifetime: the next on_reply().
    [[nodiscard]] std::span<const owed> dropped() const noexcept { return dropped_; }

    /// The next reply that the caller makes itself, when it is its turn.
    [[nodiscard]] std::optional<owed> next_made_here();

    /// Nothing is owed. Not enough for reuse: see is_idle().
    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
    [[nodiscard]] std::size_t size() const noexcept { return count_; }
    /// The request whose reply is due, or nullptr. Lifetime: the next call that changes the queue.
    [[nodiscard]] const owed* head() const noexcept { return count_ == 0 ? nullptr : &at(0); }
    /// Entry `index` < size(), 0 is the head. For undoing the notes of all that is owed when a
    /// server is lost.
    [[nodiscard]] const owed& at(std::size_t index) const noexcept {
        return ring_[(first_ + index) & (ring_.size() - 1)];
    }

    [[nodiscard]] pipeline_state state() const noexcept { return state_; }
    /// Of the last ReadyForQuery: I, T or E.
    [[nodiscard]] char transaction_status() const noexcept { return transaction_status_; }
    /// The server reads CopyData.
    [[nodiscard]] bool in_copy_in() const noexcept {
        return state_ == pipeline_state::copy_in || state_ == pipeline_state::copy_both;
    }
    /// The same, and nobody has sent the end of the data yet: any message but CopyData, CopyDone,
    /// CopyFail, Flush and Sync would be a violation of the protocol.
    [[nodiscard]] bool reads_copy_data() const noexcept;
    /// Any COPY is running.
    [[nodiscard]] bool in_copy() const noexcept {
        return in_copy_in() || state_ == pipeline_state::copy_out;
    }
    /// CopyData, CopyDone and CopyFail that were sent now would be ignored by the server: no COPY
    /// runs and no request is out that may open one. They may be forwarded or thrown away.
    [[nodiscard]] bool discards_copy_data() const noexcept;
    [[nodiscard]] bool in_failed_extended() const noexcept {
        return state_ == pipeline_state::skipping_to_sync;
    }
    /// Extended requests were answered since the last ReadyForQuery: the server is inside an
    /// implicit transaction, though nothing is owed and the last status may have been I.
    [[nodiscard]] bool awaits_sync() const noexcept { return awaits_sync_; }
    /// One or more ReadyForQuery may still come that nobody can foretell: a COPY failed, and
    /// whether it had eaten the Syncs sent behind it is not visible. Ends with the next reply to a
    /// later request. A caller that wants the server back earlier closes it.
    [[nodiscard]] bool is_doubtful() const noexcept { return doubtful_syncs_ != 0; }
    /// Nothing owed, no transaction, no COPY, no doubt: as far as the protocol goes, another client
    /// may have the server.
    [[nodiscard]] bool is_idle() const noexcept { return is_quiet() && transaction_status_ == 'I'; }

    /// A request that is sent now is the first of its segment and will be answered: something of
    /// the caller's own may go in front of it.
    [[nodiscard]] bool is_quiet() const noexcept {
        return count_ == 0 && state_ == pipeline_state::answering && !awaits_sync_ &&
               doubtful_syncs_ == 0;
    }

private:
    reply_verdict on_asynchronous() noexcept;
    reply_verdict on_answering(char type);
    reply_verdict on_extended(char type);
    reply_verdict on_ready_ended(char type);
    reply_verdict on_copy_data(char type);
    reply_verdict on_ready(std::string_view body);
    reply_verdict on_error(std::string_view body);
    bool ready_answers_head() const noexcept;

    reply_verdict part() const noexcept;
    reply_verdict part(pipeline_state next) noexcept;
    reply_verdict end_head() noexcept;
    reply_verdict open_copy(pipeline_state next) noexcept;
    reply_verdict close_copy_in();
    void doubt_syncs_behind_head();
    reply_verdict lost(errc code) noexcept;

    void drop_head();
    void drop_stray_copy_ends() noexcept;
    void pop() noexcept;
    void push_front(owed request) noexcept;
    void grow();

    std::vector<owed> ring_;  // capacity is a power of two
    std::size_t first_ = 0;
    std::size_t count_ = 0;
    std::vector<owed> dropped_;
    std::size_t doubtful_syncs_ = 0;
    pipeline_state state_ = pipeline_state::answering;
    char transaction_status_;
    bool awaits_sync_ = false;
    bool has_head_begun_ = false;  // a Query or FunctionCall at the head has got a first reply
};

[[nodiscard]] const char* to_string(request_kind kind) noexcept;
[[nodiscard]] const char* to_string(pipeline_state state) noexcept;

}  // namespace weir::protocol

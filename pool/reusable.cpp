#include "pool/reusable.hpp"

namespace weir::pool {
namespace {

/// Why the server must be closed, or nullptr.
const char* reason_to_close(const server_facts& facts) noexcept {
    if (facts.protocol_error) return "protocol error";
    if (facts.copy_open) return "COPY not finished";
    if (!facts.everything_sent) return "request not sent in full";
    if (facts.replies_owed > 0) return "replies outstanding";
    if (!facts.everything_delivered) return "reply not read in full";
    switch (facts.transaction_status) {
        case 'I':
            break;
        case 'T':
            return "transaction open";
        case 'E':
            return "failed transaction open";
        default:
            return "transaction status unknown";
    }
    if (facts.retire) return "retired";
    return nullptr;
}

}  // namespace

release_decision reusable(const server_facts& facts) noexcept {
    if (const auto* reason = reason_to_close(facts)) return {release_action::close, reason};
    if (facts.cancels_in_flight > 0) return {release_action::park, "cancel request in flight"};
    if (facts.left != left_behind::nothing) {
        return {release_action::reset_first, to_string(facts.left)};
    }
    if (facts.always_reset) return {release_action::reset_first, "end of session"};
    if (facts.owes_us) return {release_action::check_first, "a question of the daemon"};
    return {release_action::idle, ""};
}

const char* to_string(left_behind set) noexcept {
    const auto holds = [set](left_behind one) { return (set & one) == one; };
    if (set == left_behind::nothing) return "";
    if (holds(left_behind::listen)) return "listen";
    if (holds(left_behind::temporary_table)) return "temporary_table";
    if (holds(left_behind::advisory_lock)) return "advisory_lock";
    if (holds(left_behind::hold_cursor)) return "hold_cursor";
    if (holds(left_behind::sql_prepare)) return "sql_prepare";
    if (holds(left_behind::settings_uncertain)) return "settings_uncertain";
    if (holds(left_behind::sequence_value)) return "sequence_value";
    return "unknown session state";
}

}  // namespace weir::pool

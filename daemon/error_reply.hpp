// The errors that pgweir itself tells a client: one shape, one place that turns them into an
// ErrorResponse. What PostgreSQL says is passed on as it came and never goes through here. Any
// thread.
#pragma once

#include "pool/lease.hpp"

#include <string>
#include <string_view>
#include <system_error>

namespace weir::daemon {

enum class severity : unsigned char { notice, error, fatal };

/// Ready for the wire; every one names a remedy in detail or hint.
struct client_error {
    severity level = severity::error;
    std::string_view sqlstate;  ///< static storage
    std::string message;
    std::string detail;
    std::string hint;
    std::string_view routine = {};  ///< PostgreSQL's function, where drivers go by it; static
};

/// Appends an ErrorResponse.
void write_error(std::string& out, const client_error& error);
/// Appends a NoticeResponse, which may stand between any two messages.
void write_notice(std::string& out, const client_error& notice);

client_error make_error(severity level, const pool::lease_error& error);
/// A peer's bytes broke the protocol: 08P01, FATAL. `what` names the message type and length.
client_error protocol_violation(std::string_view what);
/// 57P01, FATAL.
client_error shutting_down();
/// 57014, of a statement that no server has seen yet.
client_error canceled_while_waiting();
/// 0A000, in pool.mode: statement. FATAL where the block was open already.
client_error block_refused(severity level);
/// 53300, FATAL; `limit` is the option's name.
client_error too_many_clients(std::string_view limit, int value);
/// The same text whether the user, the database or the password is wrong, so that nothing can be
/// probed.
client_error login_refused(
    std::string_view sqlstate, std::string_view user, std::string_view database
);

}  // namespace weir::daemon

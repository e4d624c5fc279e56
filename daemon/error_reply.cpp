#include "daemon/error_reply.hpp"

#include "protocol/error_fields.hpp"
#include "protocol/sqlstate.hpp"

namespace weir::daemon {

namespace sqlstate = protocol::sqlstate;

namespace {

const char* to_string(severity level) {
    switch (level) {
        case severity::notice:
            return "NOTICE";
        case severity::error:
            return "ERROR";
        case severity::fatal:
            return "FATAL";
    }
    return "ERROR";
}

protocol::error_fields make_fields(const client_error& error) {
    protocol::error_fields fields;
    fields.severity = to_string(error.level);
    fields.code = error.sqlstate;
    fields.message = error.message;
    fields.detail = error.detail;
    fields.hint = error.hint;
    if (!error.routine.empty()) fields.others.emplace_back('R', error.routine);
    return fields;
}

}  // namespace

void write_error(std::string& out, const client_error& error) {
    protocol::write_error_response(out, make_fields(error));
}

void write_notice(std::string& out, const client_error& notice) {
    protocol::write_notice_response(out, make_fields(notice));
}

client_error make_error(severity level, const pool::lease_error& error) {
    return {level, error.sqlstate, error.message, error.detail, error.hint};
}

client_error protocol_violation(std::string_view what) {
    return {
        severity::fatal,
        sqlstate::protocol_violation,
        "protocol violation: " + std::string{what},
        "",
        "Only the PostgreSQL frontend/backend protocol, version 3, is spoken on this port."};
}

client_error shutting_down() {
    return {
        severity::fatal,
        sqlstate::admin_shutdown,
        "terminating connection due to administrator command",
        "pgweir is shutting down.",
        "Connect again in a moment."};
}

client_error canceled_while_waiting() {
    return {
        severity::error,
        sqlstate::query_canceled,
        "canceling statement due to user request",
        "The statement was still waiting for a server.",
        ""};
}

client_error block_refused(severity level) {
    return {
        level,
        sqlstate::feature_not_supported,
        "transaction blocks are not allowed in statement pooling mode",
        "Each message may go to another server connection.",
        "Send the whole block, from BEGIN to COMMIT, as one query, or give this database or user "
        "pool.mode: transaction."};
}

client_error too_many_clients(std::string_view limit, int value) {
    return {
        severity::fatal,
        sqlstate::too_many_connections,
        "too many clients: " + std::string{limit} + " is " + std::to_string(value),
        "",
        "Raise " + std::string{limit} + " or let the application keep fewer connections."};
}

client_error login_refused(
    std::string_view code, std::string_view user, std::string_view database
) {
    return {
        severity::fatal,
        code,
        "login failed for user \"" + std::string{user} + "\" on database \"" +
            std::string{database} + "\"",
        "The user or the database is not known here, or the password is wrong.",
        "Compare databases and auth.users_file in pgweir's configuration with what the application "
        "sends."};
}

}  // namespace weir::daemon

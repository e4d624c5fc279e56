// ErrorResponse and NoticeResponse: a list of fields, each a letter and a string. Servers and
// poolers in between leave fields out, repeat them, send bytes that are not UTF-8 and texts of any
// length; none of that is an error here. Any thread; no state.
#pragma once

#include "protocol/errc.hpp"

#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace weir::protocol {

/// Owned strings: errors are rare and outlive the buffer they came in. Missing fields are empty.
struct error_fields {
    std::string severity;  ///< 'V', never translated: ERROR, FATAL, PANIC, NOTICE...; 'S' when
                           ///< there is no 'V'
    std::string code;      ///< 'C', the SQLSTATE
    std::string message;   ///< 'M'
    std::string detail;    ///< 'D'
    std::string hint;      ///< 'H'
    std::string localized_severity;                    ///< 'S', when it differs from `severity`
    std::vector<std::pair<char, std::string>> others;  ///< all other fields, in their order

    /// FATAL and PANIC: the server closes the connection behind this message.
    [[nodiscard]] bool is_fatal() const noexcept {
        return severity == "FATAL" || severity == "PANIC";
    }
};

/// The body of 'E' or 'N'. The first of a repeated field counts, the others go to `others`.
/// Errors: errc::unterminated_string, errc::incomplete_message, errc::extra_bytes; the fields
///         before the mistake are set all the same, so that a broken message can still be shown.
[[nodiscard]] std::error_code decode(std::string_view body, error_fields& out);

/// Whether the body, or as much of it as has arrived, says FATAL or PANIC. PostgreSQL sends the
/// severity first.
[[nodiscard]] bool is_fatal_error(std::string_view body_prefix) noexcept;
/// The SQLSTATE of the body, or of as much as has arrived; empty when there is none. Lifetime: a
/// view over the body.
[[nodiscard]] std::string_view find_sqlstate(std::string_view body_prefix) noexcept;

/// S, V, C, M, then D and H unless empty, then the others. Empty severity is written as ERROR,
/// empty code as XX000, since clients rely on both.
void write_error_response(std::string& out, const error_fields& fields);
/// The same with type 'N'; empty severity is written as NOTICE, empty code as 00000.
void write_notice_response(std::string& out, const error_fields& fields);

}  // namespace weir::protocol

// What a client asks: the simple Query and the extended Parse, Bind, Describe, Execute, Close,
// Sync, Flush, FunctionCall, Terminate; and the server's short answers to them. Messages are views
// over a body; the write functions append whole frames and serve to send a message on under another
// statement name. Any thread; no state.
#pragma once

#include "protocol/errc.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace weir::protocol {

// Lifetime of every message below: views over the body it was decoded from.

struct query_message {
    std::string_view text;
};

struct parse_message {
    std::string_view name;  ///< of the statement; empty = the unnamed one
    std::string_view text;
    std::string_view parameter_types;  ///< four bytes an oid, big endian; see parameter_type()

    [[nodiscard]] std::size_t parameter_count() const noexcept {
        return parameter_types.size() / 4;
    }
    /// The oid given for parameter `index` < parameter_count(); 0 = unspecified.
    [[nodiscard]] std::uint32_t parameter_type(std::size_t index) const noexcept;
};

/// Only the two names are taken apart. `tail` is the rest of the body, untouched: a rewritten Bind
/// is a new header and the same tail. A body that is not there in full can be decoded too, with
/// decode_bind_names().
struct bind_message {
    std::string_view portal;
    std::string_view statement;
    std::string_view tail;
};

/// The tail of a Bind, taken apart. The vectors keep their capacity when the object is used again.
struct bind_values {
    std::vector<std::int16_t>
        parameter_formats;  ///< 0, 1 or as many as parameters; 0 = text, 1 = binary
    std::vector<std::optional<std::string_view>> parameters;  ///< nothing = NULL
    std::vector<std::int16_t> result_formats;                 ///< 0, 1 or as many as columns

    /// The format of parameter `index`, by the rule for 0, 1 or many codes.
    [[nodiscard]] std::int16_t parameter_format(std::size_t index) const noexcept;
};

/// Describe and Close. `kind` is 'S' for a statement and 'P' for a portal.
struct name_message {
    char kind = 0;
    std::string_view name;
};

struct execute_message {
    std::string_view portal;
    std::int32_t max_rows = 0;  ///< 0 and below = all, as in PostgreSQL
};

// Errors: the reader's; errc::invalid_value for a kind other than 'S' and 'P', a count that
// disagrees with the bytes, or a format other than 0 and 1.
[[nodiscard]] std::error_code decode(std::string_view body, query_message& out) noexcept;
[[nodiscard]] std::error_code decode(std::string_view body, parse_message& out) noexcept;
[[nodiscard]] std::error_code decode(std::string_view body, bind_message& out) noexcept;
[[nodiscard]] std::error_code decode(std::string_view body, name_message& out) noexcept;
[[nodiscard]] std::error_code decode(std::string_view body, execute_message& out) noexcept;
/// Takes bind_message::tail.
[[nodiscard]] std::error_code decode_bind_values(std::string_view tail, bind_values& out);

/// How many formats it asks for; 0 when the tail is not there in full.
[[nodiscard]] std::size_t count_result_formats(std::string_view tail) noexcept;

/// The two names of a Bind whose body is still arriving; `out.tail` is what has come of the tail.
/// Shape: false = the names are not complete in `body_prefix` yet.
[[nodiscard]] bool decode_bind_names(std::string_view body_prefix, bind_message& out) noexcept;

void write_query(std::string& out, std::string_view text);
void write_parse(std::string& out, std::string_view name, const parse_message& message);
void write_bind(
    std::string& out, std::string_view portal, std::string_view statement, std::string_view tail
);
/// Type, length and the two names of a Bind whose tail of `tail_size` bytes the caller sends by
/// itself.
void write_bind_header(
    std::string& out, std::string_view portal, std::string_view statement, std::size_t tail_size
);
/// `kind` 'S' or 'P'.
void write_describe(std::string& out, char kind, std::string_view name);
void write_close(std::string& out, char kind, std::string_view name);
void write_execute(std::string& out, std::string_view portal, std::int32_t max_rows);
void write_sync(std::string& out);
void write_flush(std::string& out);
void write_terminate(std::string& out);

void write_parse_complete(std::string& out);
void write_bind_complete(std::string& out);
void write_close_complete(std::string& out);
void write_no_data(std::string& out);
void write_empty_query_response(std::string& out);
void write_portal_suspended(std::string& out);

}  // namespace weir::protocol

// Bytes from strangers made fit for a log line: valid UTF-8, bounded, on one line; and the ids of
// an SQLCommenter comment, once they are checked. Not a normaliser: the text without literals comes
// from the statement's facts. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace weir::daemon::insight {

/// `bytes` as UTF-8: each maximal wrong piece becomes U+FFFD. Beyond `limit` bytes of input it is
/// cut at a character and "..." is added.
std::string printable_text(std::string_view bytes, std::size_t limit);

/// Control characters as \n, \t, \x1b ...: an event stays on its line whatever a peer put into a
/// name.
void append_on_one_line(std::string& out, std::string_view text);

/// Whose request a statement belongs to; empty where its comment says nothing or nothing valid.
struct trace_tags {
    std::string request_id;  ///< at most 128 characters of [A-Za-z0-9._:/+=%-]
    std::string trace_id;    ///< the 32 hex digits in 00-<trace>-<span>-<flags>
};
/// From the values of request_id='...' and traceparent='...', as the lexer finds them in comments.
/// Source: google/sqlcommenter, W3C Trace Context.
trace_tags make_trace_tags(std::string_view request_id, std::string_view traceparent);

}  // namespace weir::daemon::insight

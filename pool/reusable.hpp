// The one predicate "may this server connection go back to idle?". Every path that gives a server
// back asks here and nowhere else. Facts in, decision and reason out. Any thread; no state.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weir::pool {

/// What a session can leave behind on a server. A set: values are or-ed. The same words are the
/// reasons of a pin.
enum class left_behind : std::uint16_t {
    nothing = 0,
    listen = 1,               ///< LISTEN
    temporary_table = 2,      ///< CREATE TEMPORARY ..., SELECT INTO TEMPORARY
    advisory_lock = 4,        ///< pg_advisory_lock() and kin, session level
    hold_cursor = 8,          ///< DECLARE ... WITH HOLD
    sql_prepare = 16,         ///< PREPARE name AS ...
    settings_uncertain = 32,  ///< a SET whose fate is not known
    unknown = 64,             ///< DO, LOAD, an unparsable statement: anything
    sequence_value = 128,     ///< a sequence was moved whose currval() may be asked for
};

[[nodiscard]] constexpr left_behind operator|(left_behind a, left_behind b) noexcept {
    return static_cast<left_behind>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
[[nodiscard]] constexpr left_behind operator&(left_behind a, left_behind b) noexcept {
    return static_cast<left_behind>(static_cast<unsigned>(a) & static_cast<unsigned>(b));
}
constexpr left_behind& operator|=(left_behind& a, left_behind b) noexcept {
    return a = a | b;
}
/// `set` without `gone`, for instance after UNLISTEN *.
[[nodiscard]] constexpr left_behind without(left_behind set, left_behind gone) noexcept {
    return static_cast<left_behind>(static_cast<unsigned>(set) & ~static_cast<unsigned>(gone));
}

struct server_facts {
    char transaction_status = 0;   ///< of the last ReadyForQuery: I, T or E; 0 = none yet
    std::size_t replies_owed = 0;  ///< entries in the pipeline that have no reply yet
    bool everything_sent =
        false;  ///< no byte for the server waits in our buffers, none is half accepted
    bool everything_delivered =
        false;  ///< no reply byte of this client is still unread on this connection
    bool copy_open =
        false;  ///< between CopyInResponse/CopyOutResponse/CopyBothResponse and its end
    bool protocol_error =
        false;  ///< a message that must not come, a bad length, FATAL, a time-out in mid-query
    bool retire = false;        ///< RECONNECT, lifetime, changed configuration
    bool always_reset = false;  ///< session mode
    bool owes_us = false;  ///< it answers a question of the daemon's, which is not in replies_owed
    unsigned cancels_in_flight = 0;  ///< cancel_gate::in_flight()
    left_behind left = left_behind::nothing;
};

enum class release_action : std::uint8_t {
    idle,         ///< lease it to the next client
    reset_first,  ///< run the reset query, then idle
    check_first,  ///< run the check, which is answered behind what it owes the daemon, then idle
    park,         ///< only a cancel in flight stands against it: ask again when the gate is empty
    close,        ///< never reuse
};

struct release_decision {
    release_action action;
    const char* reason;  ///< static text for the log and SHOW; "" for idle
};

/// Close beats park, park beats reset_first, and that beats check_first: a reset query that a late
/// cancel hits would fail for nothing.
[[nodiscard]] release_decision reusable(const server_facts& facts) noexcept;

/// The first reason in the set, as SHOW PINS prints it; "" for nothing.
[[nodiscard]] const char* to_string(left_behind set) noexcept;

}  // namespace weir::pool

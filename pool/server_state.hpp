// The states of a server connection, in PgBouncer's words (SHOW SERVERS), and the one function that
// moves between them. Not the connection: it does no I/O and knows no client. state_counts is
// guarded by the pool's lock.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace weir::pool {

enum class server_state : std::uint8_t {
    login,           ///< connecting, TLS, start-up, authentication
    tested,          ///< runs the reset query or the check; nobody may lease it
    idle,            ///< may be leased
    active,          ///< leased to a client
    being_canceled,  ///< left by its client while a cancel request for it is on the way; nobody may
                     ///< lease it
    closing,         ///< on its way out; counts against the pool until the backend is gone
};
inline constexpr std::size_t server_state_count = 6;

enum class server_event : std::uint8_t {
    logged_in,       ///< first ReadyForQuery
    linked,          ///< leased to a client
    released,        ///< the client is done, reusable() said idle
    released_dirty,  ///< the client is done, reusable() said reset_first
    parked,          ///< the client is done, reusable() said park
    check_due,       ///< idle for longer than check_after_idle
    check_passed,    ///< the reset or check query's ReadyForQuery said I and nothing else is owed
    retired,         ///< age, overflow, RECONNECT, reusable() said close: end it in good order
    failed,          ///< error, timeout, EOF, a message that must not come
};
inline constexpr std::size_t server_event_count = 9;

/// Where `event` leads from `from`; nothing when it must not happen there, which is a defect of the
/// caller. A server enters idle from tested only by check_passed: linking it earlier would show one
/// client another client's temporary tables, so tested is a state of its own and not a flag on
/// idle. `retired` from active is refused: a server in use is marked to be retired and closed when
/// it is released.
[[nodiscard]] std::optional<server_state> transition(
    server_state from, server_event event
) noexcept;

[[nodiscard]] const char* to_string(server_state state) noexcept;
[[nodiscard]] const char* to_string(server_event event) noexcept;

/// Servers by state, idle and active ones as one number: a server goes between the two without the
/// pool's lock. Every other change of a server's state goes through here, so the numbers cannot
/// drift.
class state_counts {
public:
    /// A new server: it starts in login.
    void enter(server_state& state) noexcept;
    /// Moves one server. False, and nothing changed, when the transition does not exist.
    [[nodiscard]] bool move(server_state& state, server_event event) noexcept;
    /// The server is gone; legal in every state.
    void leave(server_state state) noexcept;

    /// Not for idle and active, of which in_service() is the sum.
    [[nodiscard]] unsigned in(server_state state) const noexcept { return counts_[slot(state)]; }
    [[nodiscard]] unsigned in_service() const noexcept { return counts_[slot(server_state::idle)]; }
    /// All servers, including closing ones.
    [[nodiscard]] unsigned open() const noexcept;

private:
    static constexpr std::size_t slot(server_state state) noexcept {
        return static_cast<std::size_t>(state == server_state::active ? server_state::idle : state);
    }

    std::array<unsigned, server_state_count> counts_{};
};

}  // namespace weir::pool

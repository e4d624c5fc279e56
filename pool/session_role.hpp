// Which of several hosts a session may be on: target_session_attrs as libpq 15 has it, and the
// order in which hosts are tried. Pure values and functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace weir::pool {

/// libpq's target_session_attrs.
enum class session_attrs : std::uint8_t {
    any,
    read_write,      ///< writes are accepted
    read_only,       ///< they are not
    primary,         ///< not in recovery
    standby,         ///< in recovery
    prefer_standby,  ///< a standby if there is one, else any
};

/// The order in which a new connection tries the hosts.
enum class host_order : std::uint8_t {
    listed,       ///< as they stand in the list
    random,       ///< libpq 16's load_balance_hosts=random
    round_robin,  ///< PgBouncer's
};

/// What a session says of its server: PostgreSQL 14 and later with ParameterStatus, of an older one
/// it has to be asked.
struct session_role {
    std::optional<bool> in_hot_standby;
    std::optional<bool> is_read_only;  ///< new transactions are
    friend bool operator==(const session_role&, const session_role&) = default;
};

/// From in_hot_standby and default_transaction_read_only as reported ("on", "off" or empty = not
/// reported).
[[nodiscard]] session_role role_of(
    std::string_view in_hot_standby, std::string_view default_transaction_read_only
) noexcept;

enum class fitness : std::uint8_t { fits, unfit, unknown };

/// `takes_any`: the second round of prefer_standby, which takes what there is.
[[nodiscard]] fitness fits(
    session_attrs wanted, const session_role& role, bool takes_any = false
) noexcept;

/// What an old server is asked when fits() says unknown: one row of one boolean as text.
[[nodiscard]] std::string_view role_question(session_attrs wanted) noexcept;
/// `role` with the answer to role_question().
[[nodiscard]] session_role with_answer(
    session_attrs wanted, session_role role, std::string_view answer
) noexcept;

/// "read-write", as in a connection string.
[[nodiscard]] const char* to_string(session_attrs wanted) noexcept;
/// Nothing when it is none of libpq's words.
[[nodiscard]] std::optional<session_attrs> session_attrs_of(std::string_view word) noexcept;

}  // namespace weir::pool

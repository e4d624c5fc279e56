// Why a client is kept on its server between transactions, by name where the reason has one, so
// that it can end: LISTEN by UNLISTEN, PREPARE by DEALLOCATE, and what a transaction began by its
// ROLLBACK. Not a parser: told by the caller, in the order of the server's replies. One thread.
#pragma once

#include "pool/reusable.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace weir::pool {

class session_pins {
public:
    /// More names than this are not told apart, and end only all together.
    static constexpr std::size_t max_names = 256;

    /// `reason` is one reason. `name` is empty if there is none or it is not known: then only
    /// remove_all() ends it.
    void add(left_behind reason, std::string_view name = {});
    /// Takes effect at once for what PostgreSQL does outside of transactions (PREPARE, advisory
    /// locks, sequences), else at the commit.
    void remove(left_behind reason, std::string_view name);
    void remove_all(left_behind reason);
    /// DISCARD ALL.
    void clear();

    void on_commit();
    void on_rollback();
    /// What was removed since may be back.
    void on_rollback_to() noexcept;
    void on_error() noexcept { error_ = true; }
    /// ReadyForQuery.
    void on_ready(char transaction_status);

    /// By name; one without a name is not found.
    [[nodiscard]] bool holds(left_behind reason, std::string_view name) const noexcept;
    [[nodiscard]] left_behind held() const noexcept { return held_; }
    /// The end of the transaction, or a part of it, will change something.
    [[nodiscard]] bool has_staged() const noexcept { return staged_; }

private:
    struct pin {
        left_behind reason;
        std::string name;
        bool is_new = false;   ///< of this transaction
        bool is_gone = false;  ///< when this transaction commits
    };
    void end(pin& one);
    void settle();

    std::vector<pin> pins_;
    left_behind held_ = left_behind::nothing;
    bool staged_ = false;
    bool error_ = false;    ///< ErrorResponse since the last ReadyForQuery
    bool aborted_ = false;  ///< the last ReadyForQuery said E
};

}  // namespace weir::pool

// What code that nobody has read (functions, triggers, procedures, DO) may have left in a server's
// session, and the one query that tells. It is asked when the server would be given away, after the
// client has its answer. Where database_code finds nothing that could leave anything, a statement
// that has left nothing twice is not asked after again, until the code changes. It finds temporary
// objects, LISTEN, WITH HOLD cursors, SQL PREPARE, session advisory locks, roles, settings that
// pg_settings shows to the role of then, what the client has set and code has reset, and settings
// with a prefix (app.user) whose names database_code knows: not those whose names a function makes
// at run time, or loaded libraries. Of one client; one thread, no I/O.
#pragma once

#include "daemon/session/database_code.hpp"
#include "daemon/session/harmless_code.hpp"
#include "daemon/session/statement_facts.hpp"
#include "pool/reusable.hpp"
#include "pool/session_settings.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::daemon {

/// What the session holds, as PostgreSQL tells it.
struct session_inventory {
    /// Of listen, temporary_table, advisory_lock, hold_cursor and sql_prepare those that are there.
    pool::left_behind kinds = pool::left_behind::nothing;
    struct setting {
        std::string name, value, unit;  ///< as in pg_settings, the name in lower case
    };
    std::vector<setting> settings;  ///< those that were set in the session
    std::vector<setting> unset;     ///< of those the client has set: what is not, and its value now
    struct authority {
        std::string session_authorization;
        std::string role;          ///< or "none"
        std::string default_role;  ///< what the session began with (ALTER ROLE .. SET ROLE)
    };
    std::optional<authority> as;  ///< as whom statements run
    struct placeholder {
        std::string name, value;  ///< the name in lower case; "" = not set, or set to that
        std::string by_default;   ///< what a session begins with
    };
    std::vector<placeholder> placeholders;  ///< all that were asked for and no extension's
    std::string newest_function;
    std::optional<code_reading> catalog;  ///< if it was asked for
};

/// The reasons that an inventory tells of, in the order of the answer's columns.
inline constexpr std::array inventoried = {
    pool::left_behind::temporary_table,
    pool::left_behind::listen,
    pool::left_behind::hold_cursor,
    pool::left_behind::sql_prepare,
    pool::left_behind::advisory_lock,
};

class unseen_traces {
public:
    /// One row, to be given to on_row(). Reads nothing through search_path, and holds no backslash,
    /// which sessions read differently. `reads_catalog`: also what
    /// database_code wants to know.
    /// `has_sql_bodies`: of PostgreSQL 14 and later, whose functions may have a body besides a
    /// text. `held`: what the client has set, as far as it is known.
    [[nodiscard]] std::string question(
        const database_code& code,
        bool reads_catalog,
        bool has_sql_bodies,
        const pool::settings& held = {}
    );

    /// A statement is sent to a server of `pool`; `text` as far as it is at hand. A key: it is
    /// trusted to leave nothing.
    std::optional<harmless_code::key> on_sent(
        const text_facts& facts,
        const void* pool,
        const harmless_code& known,
        database_code& code,
        std::string_view text = {}
    );
    /// It is not trusted, this time.
    void doubt(harmless_code::key trusted);
    /// The same statement's Bind, which comes first.
    void on_bound(
        const text_facts& facts,
        const void* pool,
        const harmless_code& known,
        database_code& code,
        std::string_view text,
        std::string_view bind_tail
    );
    /// Whether functions, or what runs them, may have changed since this was asked last.
    [[nodiscard]] bool take_code_change() noexcept { return std::exchange(changes_code_, false); }

    /// Something has run that may have left traces, and nobody has looked since.
    [[nodiscard]] bool may_be_there() const noexcept { return may_be_there_; }
    /// Reasons of which one may have ended, with nothing to tell but a look: DROP TABLE of a
    /// temporary one, pg_advisory_unlock().
    [[nodiscard]] pool::left_behind may_have_ended() const noexcept { return may_have_ended_; }

    /// What has run was undone or wiped in part, or will not be looked after now: that nothing is
    /// there proves nothing about it.
    void learn_nothing() noexcept {
        suspects_.clear();
        is_unlearnable_ = false;
    }

    /// Reasons that a look has found: their names are not known, so what ends them may be any code.
    void on_pinned(pool::left_behind found) noexcept { by_look_ |= found; }
    /// When the pins of now have ended, which a look cannot see through.
    void look_again() noexcept { may_be_there_ = true; }

    /// DataRow of the answer.
    void on_row(std::string_view body);
    /// The answer is complete; nothing if it was an error.
    [[nodiscard]] std::optional<session_inventory> take() noexcept;
    /// What take() told was looked through.
    void settle(bool have_left_something, harmless_code& known);

    /// Nothing of before matters any more: another server, or one that was wiped.
    void forget() noexcept;

private:
    /// Of a look that is due or under way.
    struct candidates {
        std::vector<std::string> of_texts;  // that were sent
        std::vector<std::string> asked;     // in the order of the answer's columns
        bool reads_catalog = false;
        std::uint64_t changes = 0;  // database_code's
        std::optional<session_inventory> found;
    };
    candidates& make_candidates();
    void ask_for_held(const pool::settings& held);

    bool may_be_there_ = false;
    bool is_unlearnable_ = false;  // what is not among suspects_ has run, too
    bool changes_code_ = false;
    pool::left_behind may_have_ended_ = pool::left_behind::nothing;
    pool::left_behind by_look_ = pool::left_behind::nothing;
    std::vector<harmless_code::key> suspects_;
    std::unique_ptr<candidates> candidates_;  // null while nobody is to look
};

}  // namespace weir::daemon

// Whether a server surely takes the text of a client's statements apart as our lexer does. If not,
// a write may hide in what looks like a constant, and nothing that the lexer tells may be relied
// on. Of one client on one server at a time. No I/O; one thread.
#pragma once

#include "daemon/session/statement_facts.hpp"
#include "pool/session_settings.hpp"

#include <string_view>

namespace weir::daemon {

class text_trust {
public:
    /// A server is leased, with nothing of this client's under way.
    void begin_lease() noexcept { is_in_doubt_ = met_others_ = false; }

    /// Whether `server` will read `text` alike when it is sent now. `ahead`: the client's settings,
    /// when they are on their way in front of it; else null.
    [[nodiscard]] bool reads_alike(
        std::string_view text, const pool::server_settings& server, const pool::settings* ahead
    ) const;

    /// Something is sent to `server`.
    void meet(const pool::server_settings& server) noexcept {
        met_others_ |= server.texts() != pool::text_rules::plain;
    }
    /// A statement that is read alike is sent: does it change by which rules the server reads what
    /// follows? `ran_unknown_code`: the server has done so, and what it left there may run later.
    void on_sent(const text_facts& facts, bool ran_unknown_code) {
        is_in_doubt_ |= may_change_rules(facts, ran_unknown_code);
    }
    /// Anything may have been changed.
    void doubt() noexcept { is_in_doubt_ = true; }
    /// Nothing is owed: what a statement has set is reported before its ReadyForQuery.
    void on_nothing_owed() noexcept { is_in_doubt_ = false; }

private:
    [[nodiscard]] bool may_change_rules(const text_facts& facts, bool ran_unknown_code) const;

    bool is_in_doubt_ = false;
    bool met_others_ = false;  // the server read by other rules than ours in this lease
};

}  // namespace weir::daemon

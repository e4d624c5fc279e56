// What a client's statements do to its session: noted when they are sent, applied when a reply
// tells what has become of them. Its settings are its own and go with it to its next server; what
// cannot go with it pins it to this one, and the rest is to be wiped off before the next client.
// Also the statements of our own that give a server the client's settings, as far as they are under
// way. Not a driver: it is told of requests and replies, and tells what has to be sent. One thread.
#pragma once

#include "daemon/session/in_order.hpp"
#include "daemon/session/request_tag.hpp"
#include "daemon/session/statement_facts.hpp"
#include "daemon/session/unseen_traces.hpp"
#include "pool/prepared_statements.hpp"
#include "pool/reusable.hpp"
#include "pool/session_pins.hpp"
#include "pool/session_settings.hpp"
#include "protocol/status.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace weir::daemon {

class session_effects {
public:
    // --- before the first server ---

    /// See client_settings.
    [[nodiscard]] std::error_code on_startup(std::string_view name, std::string_view value) {
        return settings_.on_startup(name, value);
    }
    void on_known_spelling(std::string_view name, std::string_view value) {
        settings_.on_known_spelling(name, value);
    }

    /// See client_settings.
    void take_settings(const pool::settings& all) { settings_.take(all); }

    // --- a lease ---

    /// Appends to `sql` what gives `server` this client's settings: one simple Query in front of
    /// its messages. What stands there already is its first part. False: nothing, they agree.
    /// `alone`: nothing of the client's may be sent
    /// before it is answered; it may come to that anyway, see is_held().
    [[nodiscard]] bool begin_lease(pool::server_settings& server, bool alone, std::string& sql);
    /// Those statements have succeeded.
    void on_applied(pool::server_settings& server);
    /// A statement of our own that changes no setting is sent in front of what the client sends
    /// next; no other is under way.
    void begin_own() noexcept { own_ = own_statement::plain; }
    /// Statements of the client are being prepared under its own names: nothing may follow before
    /// all of that is answered.
    void begin_names() noexcept { own_ = own_statement::names; }
    void end_names() noexcept { own_ = own_statement::none; }
    /// The transaction is asked for its locks: nothing may follow before the answer.
    void begin_lock_probe() noexcept { own_ = own_statement::locks; }
    void end_lock_probe() noexcept { own_ = own_statement::none; }
    /// The server is given back: what is left there is none of this client's business any more.
    void end_lease(pool::server_settings& server);

    // --- what the client sends ---

    /// A Query or Execute under `tag` with these facts; without any, anything may happen.
    void on_sent(const text_facts& facts, change_tag tag);
    /// A Parse or Close of a statement that the server has by the name that the client knows: it
    /// pins as PREPARE does, or ends that as DEALLOCATE (`effect`) does. When it has succeeded,
    /// on_command_complete() is due, without a tag of the server's.
    void on_name_sent(
        std::string_view name, querycache::sql::session_effect effect, change_tag tag
    );
    /// Its ReadyForQuery is asked for. Behind a RESET of start-up values nothing may follow.
    void on_cycle_sent() noexcept {
        if (reset_ == reset_stage::sent) reset_ = reset_stage::held;
    }
    /// What the client has sent may move a sequence whose value it is likely to ask for later.
    void keep_sequences() { pins_.add(pool::left_behind::sequence_value); }
    /// The server may hold what nobody knows of.
    void leave_unknown() noexcept { dirt_ |= pool::left_behind::unknown; }

    // --- what the server answers, in the order of its replies ---

    /// ParameterStatus, also noted in `server`. False: the client is not told. It knows its values
    /// since its login, and a RESET leads it to its start-up value, of which the server learns only
    /// afterwards.
    [[nodiscard]] bool tells(
        const protocol::parameter_status& report, pool::server_settings& server
    );
    /// CommandComplete of what was sent under `tag`. True: of DISCARD ALL.
    [[nodiscard]] bool on_command_complete(change_tag tag, std::string_view command_tag) {
        return !pending_.empty() && apply(tag, command_tag);
    }
    /// Nothing was sent behind a DISCARD ALL that has succeeded: the server is as new.
    void wiped() noexcept { dirt_ = pool::left_behind::nothing; }
    void on_error() noexcept;
    /// It is known what became of `tag`, and of all before it. A query's last CommandComplete comes
    /// before.
    void resolve(change_tag tag, pool::change_outcome outcome) {
        if (!pending_.empty()) settle(tag, outcome);
    }
    /// ReadyForQuery. `is_idle`: nothing more is under way.
    void on_ready(char transaction_status, pool::server_settings& server, bool is_idle) {
        settings_.on_ready(transaction_status, server);
        pins_.on_ready(transaction_status);
        if (own_signature_ != 0 && is_idle) trust_signature();
    }

    // --- start-up values after RESET and DISCARD ALL ---

    [[nodiscard]] bool awaits_restoring() const noexcept { return reset_ != reset_stage::none; }
    /// That ReadyForQuery has come, and on_ready() was called: what brings the values back, if the
    /// server stays with the client (`keeps_server`) or the client has to hear of it. It is to run
    /// in the same transaction, so that both are undone together. Empty: nothing.
    [[nodiscard]] std::string restore(char transaction_status, bool keeps_server);
    /// They are back. Appends what the client was not told yet.
    void on_restored(char transaction_status, pool::server_settings& server, std::string& out);

    // --- what code that nobody has read has left ---

    /// A query that asks for it is under way, and nothing may follow it.
    void begin_look() noexcept { own_ = own_statement::looks; }
    [[nodiscard]] bool is_looking() const noexcept { return own_ == own_statement::looks; }
    /// It was answered, and this was its ReadyForQuery. Pins end and begin by what is there;
    /// settings and roles that the client did not know of are its own from now on, and what code
    /// has reset is so no more.
    /// True: statements have left something.
    bool on_looked(const session_inventory& found, pool::server_settings& server);
    /// Code has reset start-up values on this server: appends to `sql` what brings them back, a
    /// query that nothing may follow, and whose reports the client is told. False: nothing has to
    /// be sent.
    [[nodiscard]] bool begin_regain(pool::server_settings& server, std::string& sql);
    [[nodiscard]] bool is_regaining() const noexcept { return own_ == own_statement::regains; }
    /// It has failed, and nothing may have been left.
    void end_look() noexcept { own_ = own_statement::none; }
    /// It has failed.
    void on_look_failed() noexcept {
        end_look();
        leave_unknown();
    }

    // --- how it stands ---

    /// A statement of our own is under way, and reports are its, not the client's.
    [[nodiscard]] bool is_applying() const noexcept { return own_ != own_statement::none; }
    /// It is the one of begin_own().
    [[nodiscard]] bool is_plain() const noexcept { return own_ == own_statement::plain; }
    [[nodiscard]] bool is_telling_names() const noexcept { return own_ == own_statement::names; }
    [[nodiscard]] bool is_probing_locks() const noexcept { return own_ == own_statement::locks; }
    [[nodiscard]] bool is_restoring() const noexcept { return own_ == own_statement::restores; }
    /// It is under way, and nothing may follow it.
    [[nodiscard]] bool is_applying_alone() const noexcept {
        return own_ == own_statement::alone || own_ == own_statement::restores ||
               own_ == own_statement::names || is_probing_locks() || is_looking() || is_regaining();
    }
    /// Nothing of the client's may be sent now.
    [[nodiscard]] bool is_held() const noexcept {
        return is_applying_alone() || reset_ == reset_stage::held;
    }

    [[nodiscard]] const pool::client_settings& settings() const noexcept { return settings_; }
    /// As the client has set it; empty when it has not.
    [[nodiscard]] std::string_view application_name() const noexcept;
    /// What keeps the client on its server.
    [[nodiscard]] pool::left_behind pins() const noexcept {
        return settings_.is_uncertain() ? pins_.held() | pool::left_behind::settings_uncertain
                                        : pins_.held();
    }
    [[nodiscard]] bool is_pinned() const noexcept { return pins() != pool::left_behind::nothing; }
    /// This reason by this name.
    [[nodiscard]] bool holds(pool::left_behind reason, std::string_view name) const noexcept {
        return pins_.holds(reason, name);
    }
    /// What was sent and has no answer yet gives up the prepared statement of this name.
    [[nodiscard]] bool is_ending(std::string_view name) const;
    /// Something that is under way may pin the client.
    [[nodiscard]] bool may_pin() const;
    /// Something has to be wiped off before the next client.
    [[nodiscard]] bool is_dirty() const noexcept { return dirt_ != pool::left_behind::nothing; }
    /// Both, but for what the server's record of sequences keeps from others.
    [[nodiscard]] pool::left_behind left() const noexcept {
        return without(pins(), pool::left_behind::sequence_value) | dirt_;
    }

    /// From a statement that may change what a text means up to the end of its transaction, what is
    /// prepared is this client's alone: the signature that stands for it. 0: there is no doubt.
    [[nodiscard]] pool::settings_signature own_signature() const noexcept { return own_signature_; }
    /// Of what a Parse runs under when it is sent now to `server`, or to a server of the pool
    /// (null).
    [[nodiscard]] pool::settings_signature signature(const pool::server_settings* server
    ) const noexcept;

private:
    /// A statement whose CommandComplete changes what we know about the session.
    struct pending {
        change_tag tag = tag_none;
        std::shared_ptr<const querycache::sql::statement> statement;
        std::shared_ptr<const querycache::sql::session_step> bound;  // in place of its first step
        std::size_t next = 0;  // of its steps: each is answered by a CommandComplete
    };
    /// A report that was kept from the client, because its own start-up value is about to return.
    struct withheld_report {
        std::string name;
        std::string told;  // what the client was told last
    };
    /// A swallowed SET that is under way.
    enum class own_statement : std::uint8_t {
        none,
        ahead,     ///< in front of the client's own messages
        plain,     ///< the same, and no setting is concerned
        alone,     ///< nothing may follow before its reply
        restores,  ///< the same; it brings start-up values back after a RESET
        looks,     ///< the same; it asks what the session holds
        names,     ///< the same; see begin_names()
        locks,     ///< the same; see begin_lock_probe()
        regains,   ///< the same; see begin_regain()
    };
    /// A RESET that takes start-up values.
    enum class reset_stage : std::uint8_t {
        none,
        sent,
        held,  ///< and nothing may follow before they are back
    };

    void note(const text_facts& facts, change_tag tag);
    void doubt_signature(const text_facts& facts);
    void trust_signature();
    bool takes_startup_values(const text_facts& facts) const;
    bool apply(change_tag tag, std::string_view command_tag);
    void settle(change_tag tag, pool::change_outcome outcome);
    void apply_transaction(const querycache::sql::session_step& did, std::string_view command_tag);
    void apply_setting(const querycache::sql::session_step& did, std::string_view command_tag);
    void apply_pins(const querycache::sql::session_step& did);
    void note_unfinished(const pending& one, bool has_failed);
    bool note_authority(
        const session_inventory::authority& found, const pool::server_settings& server
    );
    bool note_unset(const session_inventory& found);

    pool::client_settings settings_;
    pool::session_pins pins_;
    in_order<pending> pending_;
    std::vector<withheld_report> withheld_;
    pool::settings_signature own_signature_ = 0;
    pool::left_behind dirt_ = pool::left_behind::nothing;  // only to be wiped off
    own_statement own_ = own_statement::none;
    reset_stage reset_ = reset_stage::none;
    bool has_to_regain_ = false;  // code has reset a start-up value
};

}  // namespace weir::daemon

// What GUCs a client wants, what a server has, and the statements that close the difference. Not a
// parser: SET and RESET statements come in already taken apart. One thread, but `settings` values
// may be shared between threads.
//
// Three layers decide a client's value, as in PostgreSQL: SET in its session, else its start-up
// packet, else the server's default. A server that comes from the pool has only the last, so
// start-up values are applied like SETs, and RESET by the client means "back to the start-up
// value".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <vector>

namespace weir::pool {

/// How a setting's value is kept.
enum class value_form : std::uint8_t {
    raw,  ///< the string itself, as in a start-up packet or in ParameterStatus
    sql,  ///< SQL text as it stood after SET name TO, for instance  'a', "b"  or  on
};

struct setting {
    std::string name;  ///< lower case
    std::string value;
    value_form form = value_form::raw;
    friend bool operator==(const setting&, const setting&) = default;
};

/// Settings that PostgreSQL reports and that change how it reads a statement or writes a value.
inline constexpr std::array<std::string_view, 5> look_names{
    "client_encoding", "datestyle", "intervalstyle", "standard_conforming_strings", "timezone"};

/// How a server reads the text of a statement. Order matters: later is worse.
enum class text_rules : std::uint8_t {
    plain,           ///< UTF-8, and a backslash is a letter like others
    plain_if_ascii,  ///< other letters may have a backslash or an operator for their second byte
    other,           ///< a backslash may hide a quote, or nothing is known
};

/// A set of settings: immutable and shared until it is changed, so copies cost a pointer. Sorted by
/// name. Names are compared without case, as GUC names are; values exactly.
class settings {
public:
    [[nodiscard]] bool empty() const noexcept { return !data_; }
    [[nodiscard]] const setting* find(std::string_view name) const noexcept;
    void assign(std::string_view name, std::string_view value, value_form form);
    void erase(std::string_view name);
    void clear() noexcept { data_.reset(); }

    [[nodiscard]] const std::vector<setting>& all() const noexcept;

    /// A hash of everything but application_name, for the key of the cache. 0 = nothing is set but
    /// that. Seeded at random a process: equal only within this daemon. O(1).
    [[nodiscard]] std::uint64_t signature() const noexcept { return data_ ? data_->signature : 0; }
    /// The same of those settings alone that matter to a Parse; see matters_to_parse(). O(1).
    [[nodiscard]] std::uint64_t parse_signature() const noexcept {
        return data_ ? data_->parse_signature : 0;
    }
    /// Nothing is set, application_name aside.
    [[nodiscard]] bool only_defaults() const noexcept;
    /// Bytes of all names and values.
    [[nodiscard]] std::size_t bytes() const noexcept { return data_ ? data_->bytes : 0; }
    /// Appends everything as bytes that are equal exactly for equal settings, for keys that leave
    /// this process.
    void append_canonical(std::string& out) const;

    /// O(1) for copies of each other and, in practice, for different ones.
    friend bool operator==(const settings& a, const settings& b) noexcept;

    /// Makes equal sets share one copy again. Used where a set is kept for long, by idle clients.
    void share_with(const settings& other) noexcept {
        if (*this == other) data_ = other.data_;
    }

private:
    struct content {
        std::vector<setting> values;
        std::uint64_t hash = 0;       ///< of everything
        std::uint64_t signature = 0;  ///< without application_name
        std::size_t bytes = 0;
        std::uint64_t parse_signature = 0;
    };
    void replace(std::vector<setting> values);

    std::shared_ptr<const content> data_;  ///< never empty when set
};

/// The settings of one server connection.
class server_settings {
public:
    /// Any ParameterStatus of this server, from log-in on. `name` in the server's spelling.
    void on_parameter_status(std::string_view name, std::string_view value);
    /// First ReadyForQuery: what is reported by now is the server's default.
    void on_login_done();
    /// The reset query succeeded: everything has its default again.
    void on_reset();
    /// connect_query was run: what it has set counts as this server's defaults from here on, and
    /// RESET does not lead back to them.
    void on_connect_query() noexcept { has_own_defaults_ = true; }
    /// Only reset query and connect_query bring the defaults back: a client has said RESET, or has
    /// set what is not reported, so that nobody knows what it was.
    [[nodiscard]] bool has_lost_defaults() const;

    /// What is set beyond the defaults.
    [[nodiscard]] const settings& current() const noexcept { return current_; }
    /// By what was reported last. A statement under way may change them.
    [[nodiscard]] text_rules texts() const noexcept { return texts_; }
    /// The values last reported of look_names, each ended by a zero byte.
    [[nodiscard]] const std::string& looks() const noexcept { return looks_; }
    /// Last reported value; nullptr when the server never reported `name` (any case).
    [[nodiscard]] const std::string* reported(std::string_view name) const noexcept;
    /// Value at log-in; nullptr when unknown.
    [[nodiscard]] const std::string* reported_default(std::string_view name) const noexcept;

private:
    friend class client_settings;
    struct reported_value {
        std::string now;
        std::string at_login;
        bool changed = false;  ///< since the lease began
    };

    settings current_;
    std::unordered_map<std::string, reported_value> reports_;  ///< by lower-case name
    void note_looks(std::string_view changed);

    text_rules texts_ = text_rules::other;
    std::string looks_;
    bool any_changed_ = false;
    bool leased_ = false;  ///< a client's statements, or ours for it, may change values
    bool logged_in_ = false;
    bool has_own_defaults_ = false;  ///< see on_connect_query()
    bool was_reset_by_client_ = false;
};

/// What difference() found.
enum class settings_gap : std::uint8_t {
    none,      ///< nothing to send
    pipeline,  ///< send the statements in front of the client's messages, in one packet
    wait,      ///< send the statements and nothing else before their reply: they may fail, and then
               ///< what follows would run with the wrong values. Start-up values that no server has
               ///< taken yet, and roles.
};

/// The settings of one client, over its start-up packet, its transactions and its servers.
/// A lease: difference() → send → applied() → on_...() as replies come → on_ready() at each
/// ReadyForQuery.
class client_settings {
public:
    /// What a transaction may stage, and what a client may hold, both with names. Beyond it the
    /// settings are uncertain: only the server has them.
    static constexpr std::size_t max_bytes = 1U << 20;

    /// One name and value of the start-up packet. Takes `options` apart; leaves out user, database,
    /// replication and _pq_.*. Errors: protocol::errc::unsupported_option, errc::invalid_setting.
    [[nodiscard]] std::error_code on_startup(std::string_view name, std::string_view value);

    /// A server would spell the start-up value of `name` like this.
    void on_known_spelling(std::string_view name, std::string_view value) {
        current_.assign(name, value, value_form::raw);
    }

    /// In place of a start-up packet: another client's current().
    void take(const settings& all) { current_ = all; }

    /// What this client's sessions have beyond the server's defaults, by the last finished
    /// transaction.
    [[nodiscard]] const settings& current() const noexcept { return current_; }
    [[nodiscard]] const settings& startup() const noexcept { return startup_; }

    /// Begins the lease and appends the statements, each ended by ";", that give `server` what this
    /// client wants. Nothing appended and settings_gap::none when they agree already, usually by
    /// one comparison of pointers. Send as one simple Query before the client's own messages: one
    /// implicit transaction, so it takes effect as a whole or not at all. The reply may hold rows
    /// (set_config) and is to be swallowed whole.
    [[nodiscard]] settings_gap difference(server_settings& server, std::string& sql) const;

    /// The server is this client's from now on, and the difference is applied (or was empty). Also
    /// takes over the spelling that the server reported ('utf-8' became UTF8), so that it is not
    /// sent again (PgBouncer #879).
    void applied(server_settings& server);

    // What the server has answered, in the order of its replies. All but on_ready() are staged
    // until the transaction, explicit or implicit, ends.

    /// CommandComplete of SET [SESSION] name TO value. Not for SET LOCAL, which ends with its
    /// transaction.
    void on_set(std::string_view name, std::string_view value, value_form form = value_form::sql);
    /// RESET name, SET name TO DEFAULT.
    void on_reset(std::string_view name);
    /// RESET ALL: leaves role and session_authorization alone.
    void on_reset_all();
    /// DISCARD ALL.
    void on_discard_all();
    /// SAVEPOINT, ROLLBACK TO, RELEASE. `name` folded by the parser; empty = not known, which makes
    /// the outcome uncertain if it matters. A savepoint before which nothing is staged need not be
    /// told: rolling back to one that is not known takes everything.
    void on_savepoint(std::string_view name);
    void on_rollback_to(std::string_view name);
    void on_release(std::string_view name);
    /// CommandComplete COMMIT (and END); PREPARE TRANSACTION.
    void on_commit();
    /// CommandComplete ROLLBACK of a whole transaction; also for COMMIT of a failed one, which is
    /// answered so.
    void on_rollback();
    /// ErrorResponse.
    void on_error() noexcept;

    /// ReadyForQuery. With I the staged changes are settled: kept, or dropped after an error.
    void on_ready(char transaction_status, server_settings& server);

    /// RESET and DISCARD ALL have left the leased server without start-up values that this client
    /// has again: appends the statements that bring them back. They are part of the transaction
    /// that runs. Nothing appended: nothing is missing. Call after on_ready().
    void restore(std::string& sql) const;
    /// Those statements have succeeded, and this was their ReadyForQuery.
    void on_restored(char transaction_status, server_settings& server);
    /// Whether restore() will have something to do after a RESET of `name`, or of everything
    /// (empty).
    [[nodiscard]] bool has_startup(std::string_view name) const noexcept {
        return name.empty() ? !startup_.empty() : startup_.find(name) != nullptr;
    }

    /// CREATE TABLE may make a temporary one, as search_path names pg_temp.
    [[nodiscard]] bool creates_in_pg_temp() const noexcept;

    /// The server is given back. Call after on_ready('I').
    void end_lease(server_settings& server) noexcept { server.leased_ = false; }

    /// What a SET has led to is known to the server alone: keep it as long as the client wants its
    /// values, and reset it before anybody else uses it. So it is with what was set with the rights
    /// of a superuser's role, where no superuser logs in: it could not be set again. Cleared by
    /// applied() and DISCARD ALL.
    [[nodiscard]] bool is_uncertain() const noexcept { return uncertain_ || used_rights_; }
    [[nodiscard]] bool has_staged() const noexcept { return !staged_.empty(); }

private:
    enum class step_kind : std::uint8_t { set, reset, reset_all, discard_all, savepoint };
    struct step {
        step_kind kind;
        value_form form;
        std::string name;
        std::string value;
    };
    void stage(step_kind kind, std::string_view name, std::string_view value, value_form form);
    step* replaceable(std::string_view name) noexcept;
    void push_step(step one);
    void drop_staged() noexcept;
    void give_up() noexcept;
    void keep_staged();
    void keep_set(const step& staged);
    void apply_step(const step& staged);
    void take_reports(server_settings& server);
    [[nodiscard]] bool uses_rights(const server_settings& server) const;
    void take_spelling(const server_settings& server);
    void undo_to_savepoint(std::string_view name, bool keep_changes);

    settings explicit_;  ///< of the start-up packet, by name
    settings
        options_;  ///< of the start-up packet's `options`; explicit_ beats them, as in PostgreSQL
    settings startup_;  ///< both
    settings current_;
    settings on_server_;  ///< what the leased server has; differs from current_ after RESET of a
                          ///< start-up value
    std::vector<step> staged_;
    std::size_t staged_bytes_ = 0;
    bool error_ = false;    ///< ErrorResponse since the last ReadyForQuery
    bool aborted_ = false;  ///< the last ReadyForQuery said E
    bool uncertain_ = false;
    bool used_rights_ = false;  ///< a role's, which who logs in does not have
    bool proven_ = false;       ///< a server has taken the start-up values once
    bool went_back_ = false;    ///< RESET, since the last ReadyForQuery outside a transaction
    bool unconfirmed_ = false;  ///< a SET was kept, and the server's own spelling not yet looked at
};

/// A name in double quotes, and a string as a literal that means the same under either
/// standard_conforming_strings.
void append_quoted_identifier(std::string& out, std::string_view name);
void append_quoted_literal(std::string& out, std::string_view value);

}  // namespace weir::pool

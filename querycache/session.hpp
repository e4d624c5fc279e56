// The cache's view of one client session: whether its next read may be served, what its statements
// have written and not settled yet, and when that is to be made known. It is told what is sent and
// what comes back; it sends nothing itself. The order of calls is the proof's:
//
//   request complete  -> quick_hit()            hit: send its bytes, tell nothing else
//   before forwarding -> begin_statement()      at Query, or at Bind (the snapshot is taken there)
//   Sync forwarded    -> end_of_cycle()         a simple Query does that by itself
//   CommandComplete   -> on_command_complete()  BEFORE it is forwarded to the client
//   ReadyForQuery     -> on_ready()             BEFORE it is forwarded to the client
//   server gone       -> on_server_lost()       before the client is told
//
// Thread rule: one thread. Not movable: one client.
#pragma once

#include "querycache/cache.hpp"
#include "querycache/capture.hpp"
#include "querycache/entry.hpp"
#include "querycache/key.hpp"
#include "querycache/verdict.hpp"

#include <boost/container/small_vector.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace weir::querycache {

/// An answer from memory; empty when there is none.
struct hit {
    entry_ref reply;  ///< reply->reply() are the bytes; alive while this is
    explicit operator bool() const { return reply != nullptr; }
    /// The rule's counters, for count_hit_time and the slow log's rule name.
    [[nodiscard]] rule_counters& rule() const { return reply->rule(); }
};

/// What the caller knows about a statement besides its bytes.
struct statement_context {
    /// Null: the text is not understood, too long or not there (FunctionCall).
    std::shared_ptr<const sql::statement> facts;
    bool clock_word = false;           ///< the lexer saw 'now', 'today', ... in a literal
    bool nocache = false;              ///< a hint comment forbids it
    sql::reason_set call_reasons = 0;  ///< sql::call_reasons(), of this very text
    std::optional<std::chrono::milliseconds> hint_ttl =
        std::nullopt;  ///< `ttl=` hint; only shortens or lengthens
                       ///< what a rule admits
    std::optional<bypass_reason> refused =
        std::nullopt;  ///< the caller's own reason, e.g. pinned or pipelined
};

/// What becomes of a statement.
struct decision {
    /// Set: a miss. Feed it the reply; after ReadyForQuery give it to finish_capture().
    std::unique_ptr<capture> fill;
    std::optional<bypass_reason> reason;  ///< why there is no capture
    std::string_view rule;                ///< name of the rule that admitted it; "" for none
    bool writes = false;                  ///< it may write: something was marked
    /// It may leave a temporary table or a search_path in the session that nobody sees: until the
    /// session is wiped, what is read there is not what others would read.
    bool runs_unknown_code = false;
};

/// What the caller has to do after an event.
struct settlement {
    bool bumped = false;           ///< something was written, or may have been
    bool catalog_changed = false;  ///< load the database's catalog again, at once
    bool catalog_suspect = false;  ///< code ran that may have held DDL: load it soon
};

/// As whom, and with which defaults, the servers of a session's pool run its statements.
struct server_side {
    std::string_view user;  ///< empty: the client's
    /// Start-up options and statements that are run after the login; not empty: the isolation that
    /// sessions begin with is not known.
    std::string_view defaults;
};

/// What a session has set, as far as answers depend on it.
struct session_settings {
    /// Canonical bytes of all settings that may differ between sessions (sorted name=value).
    std::string_view signature;
    /// The same without custom ones (app.tenant, and application_name), if there are any: part of
    /// the keys of statements that cannot read those.
    std::optional<std::string_view> without_custom = std::nullopt;
    bool is_understood = true;          ///< if not, nothing is served or stored
    bool has_default_isolation = true;  ///< the session has set none of its own
};

class cache_session {
public:
    cache_session(cache& cache, binding_memo& memo);
    /// Settles what is open as on_server_lost does: nobody will tell the outcome any more.
    ~cache_session();
    cache_session(const cache_session&) = delete;
    cache_session& operator=(const cache_session&) = delete;

    /// After login. `database_name` and `application` are what rules select by. Nothing may be
    /// open. The database outlives the session.
    void set_identity(
        database_state& database,
        std::string_view database_name,
        std::string_view user,
        std::string_view application,
        const server_side& servers = {}
    );
    /// application_name changed.
    void set_application(std::string_view application);
    /// At login and whenever a setting changed.
    void set_settings(const session_settings& settings);

    /// Whether the session is in a state to be answered from memory at all: identity set, settings
    /// understood, no transaction or one that has done nothing but read, nothing outstanding,
    /// nothing written and unsettled.
    [[nodiscard]] bool may_hit() const;

    /// The valid entry for the request, counted as a hit, or nothing. Looks at no SQL: the whole
    /// key matches or it does not. Nothing when !may_hit().
    [[nodiscard]] hit quick_hit(const request& asked, time_point now);

    /// Whether the session fetches what others will ask for: it is never given an answer from
    /// memory, and is neither a hit nor a miss of the rule's clients.
    void set_warming(bool warms) { is_warming_ = warms; }

    /// Whether quick_hit() may give what rules allow when no server can be had (stale_if_error).
    void take_stale(bool takes) { takes_stale_ = takes; }

    /// The hash of the key under which the reply would be kept if the statement were sent now;
    /// nothing when it would not be.
    [[nodiscard]] std::optional<hash128> fill_key(
        const request& asked, const statement_context& context
    );

    /// A statement is about to be sent: marks what it may write, decides whether its reply is to be
    /// captured, counts. For the extended protocol call it at Bind with the portal's whole unit
    /// known (or `refused`), and again at every Execute that follows another Execute of the portal.
    [[nodiscard]] decision begin_statement(
        const request& r, const statement_context& context, time_point now
    );
    /// Whether the locks of the transaction would tell more of what it has written than is known,
    /// so that lock_probe is worth to be asked: nothing is under way, and COMMIT is to be sent.
    [[nodiscard]] bool wants_lock_probe() const;
    /// It was answered. Unless that narrows what was written, it is as unknown as before.
    void on_lock_probe(const lock_probe::answer& told);
    /// A Sync was sent: one more ReadyForQuery will come. (A request of shape `simple`, so also a
    /// FunctionCall, which is one without facts, does this by itself.)
    void end_of_cycle();

    /// To be called before CommandComplete is forwarded. `tag` without the final zero.
    settlement on_command_complete(std::string_view tag);
    /// ErrorResponse. `before_execution`: it was raised over the text, so nothing had run.
    void on_error(bool before_execution);
    /// To be called before ReadyForQuery is forwarded. `status` is I, T or E.
    settlement on_ready(char status);
    /// Everything that was sent is answered, the last by on_ready(). Cycles that were counted and
    /// never ended (a Sync that COPY ate, a statement that was refused) are settled with it. Before
    /// ReadyForQuery is forwarded.
    settlement on_nothing_owed();
    /// The server connection is gone or given up, whatever was under way.
    settlement on_server_lost();

    /// Stores what was captured, or counts why not. Null is allowed. Returns what was stored if its
    /// rule wants that text ready; else null.
    entry_ref finish_capture(std::unique_ptr<capture> fill, time_point now);

    /// Whether anything is marked and not settled.
    [[nodiscard]] bool is_dirty() const { return !dirty_.empty(); }
    [[nodiscard]] char transaction_status() const { return status_; }
    [[nodiscard]] database_state* database() const { return database_; }
    /// The rules this session can meet, of the newest rule set.
    [[nodiscard]] const session_rules& rules();

private:
    /// A slot that the session marked. Cycles are numbered by the ReadyForQuery that ends them.
    struct dirty_slot {
        version_slot* slot;
        std::uint64_t first_cycle;
        std::uint64_t last_cycle;
        bool
            alone;  ///< written last by a simple Query of one statement: its tag follows its commit
        bool zero_rows_are_nothing;
        bool hidden_code;
        bool cluster;
    };

    /// What may become of the transaction by the statement, which is about to be sent.
    void follow_transaction(const sql::statement* facts, const verdict& verdict);
    [[nodiscard]] bool begins_read_committed(const sql::statement& facts) const;
    [[nodiscard]] bool is_plain_transaction() const { return status_ == 'T' && only_reads_; }
    /// The session's parts of keys, for both ways of sharing.
    struct key_scopes {
        key_scope user;
        key_scope database;
    };
    [[nodiscard]] key_scopes make_scopes(std::string_view settings) const;
    [[nodiscard]] const key_scope& scope_of(const verdict& verdict) const;
    void refresh_rules();
    void build_scopes();
    [[nodiscard]] hit look_up(
        const key_scopes& scopes, const request& r, bool reads_custom_settings, time_point now
    );
    /// Those of the session without its custom settings.
    [[nodiscard]] const key_scopes& plain_scopes() const {
        return plain_scopes_ ? *plain_scopes_ : scopes_;
    }
    [[nodiscard]] bool is_due(const entry& found, duration left, time_point now) const;
    [[nodiscard]] bool is_verified(const entry_ref& found);
    void verify(const capture_plan& plan, const entry_ref& made, time_point now);
    [[nodiscard]] hit look_up(const key_view& key, time_point now);
    /// Why the session is in no state to have an answer kept, as `rule` would have it.
    [[nodiscard]] std::optional<bypass_reason> session_reason(
        const statement_context& context, const rule& rule
    ) const;
    [[nodiscard]] std::unique_ptr<capture> plan_capture(
        const request& r,
        const statement_context& context,
        const verdict& verdict,
        time_point now,
        std::optional<bypass_reason>& reason
    );
    /// Whether a name may lead where it does by "$user" in the search_path, which leads elsewhere
    /// for whom the entry is shared with.
    [[nodiscard]] bool reads_own_schema(const sql::statement& facts) const;
    /// Puts the entry into the store, unless it is not worth it.
    [[nodiscard]] std::optional<bypass_reason> store(const capture_plan& plan, entry_ref made);
    void mark(const write_set& writes, std::uint64_t generation, bool alone);
    void mark(version_slot* slot, const write_set& writes, bool alone);
    /// Whatever is not one of the session's own tables: everything, the catalog, what other
    /// databases share. Code of unknown effect marks them, and DDL.
    [[nodiscard]] static bool is_of_unknown_extent(const dirty_slot& d) {
        return d.slot->relation() == 0;
    }
    /// In a transaction, and nothing is under way.
    [[nodiscard]] bool rests_in_transaction() const;
    void mark_written(version_slot* slot);
    settlement bump(std::uint64_t up_to_cycle);
    /// Whether DDL may have changed what our writes touch since they were bound.
    [[nodiscard]] bool catalog_moved() const;
    /// Whether something was sent that may commit although nobody will tell.
    [[nodiscard]] bool may_commit_unseen() const;
    /// Takes back the marks of a cycle that holds one statement outside a transaction, which
    /// failed.
    void forgive_failed(std::uint64_t cycle);
    template<class Settled>
    void remove_if(Settled settled);
    void count_bypass(
        bypass_reason reason, const verdict& verdict, const sql::statement* facts, time_point now
    );

    cache& cache_;
    binding_memo& memo_;
    database_state* database_ = nullptr;
    std::string database_name_;
    std::string user_;
    std::string application_;
    std::string keyed_user_;  ///< user_, and the server's
    std::string defaults_;
    std::string settings_;
    std::optional<std::string> plain_settings_;  ///< without custom ones, if there are any
    bool settings_cacheable_ = true;
    bool default_isolation_ = true;
    bool takes_stale_ = false;
    bool is_warming_ = false;
    entry_ref verified_;  ///< until its statement is planned

    std::uint64_t rules_serial_ = 0;
    std::shared_ptr<const rule_set> rule_set_;
    std::shared_ptr<const session_rules> session_rules_;
    key_scopes scopes_;
    std::unique_ptr<const key_scopes> plain_scopes_;  ///< of plain_settings_, if there are any

    char status_ = 'I';
    /// The transaction, once it is open, is READ COMMITTED and has done nothing but plain reads.
    bool only_reads_ = false;
    std::uint64_t cycles_sent_ = 0;  ///< cycles closed by Query or Sync; also the open one's index
    std::uint64_t cycles_done_ = 0;  ///< ReadyForQuery received
    std::uint32_t open_statements_ = 0;  ///< begun in the open cycle
    std::uint32_t tags_ = 0;             ///< CommandCompletes since the last ReadyForQuery
    bool only_rollback_ = false;         ///< the one tag since then was ROLLBACK
    std::uint32_t errors_ = 0;           ///< ErrorResponses since the last ReadyForQuery
    bool failed_early_ = false;          ///< the last of them was raised over the text
    /// Cycles plus one, 0 for none: the last that may end the transaction, and the last that holds
    /// more than one statement.
    std::uint64_t ending_cycle_ = 0;
    std::uint64_t crowded_cycle_ = 0;
    std::uint64_t probed_cycle_ = 0;   ///< plus one, 0 for none: its locks were asked for
    std::uint64_t refused_probe_ = 0;  ///< the catalog's generation when PostgreSQL refused
    /// In this transaction the counters that tell of DDL may have been off for a while.
    bool hides_counts_ = false;
    boost::container::small_vector<dirty_slot, 8> dirty_;
    /// The oldest catalog generation that a marked write was resolved with; 0: none.
    std::uint64_t write_generation_ = 0;
};

}  // namespace weir::querycache

// A logged-in client of a pool: takes its messages to a server and the replies back, and gives the
// server away again as soon as the pool's rule allows. The hot path of the daemon. Who a reply
// belongs to is the pipeline's knowledge, what may be answered from memory the cache's, what may be
// reused reusable()'s; here the pieces meet. What has to be remembered between messages is kept by
// classes of their own, which do not know the relay:
//   query_account    what was asked and answered, for statistics and the slow log
//   session_effects  settings, pins and other traces of statements; our own SETs under way
//   statement_names  what a name of a prepared statement means
//   open_portals     what a portal will run
//   repeatable_group whether what was asked last may be asked once more
//   replaced_errors  what is told in place of a server's error
//   parser_question  the text that a parser's thread is looking at
//   flight_wait      who fetches the same reply at this moment
//   text_trust       whether the server reads a text as our lexer does
//   cache_settings   the settings under which the cache knows the session
//   sequence_watch   what currval() may tell the client
//   schema_watch     which copies of its statements may have another result by now
//   last_cache       what became of the last statement with the cache
//   last_cache_batch what extended messages ask about that
//   request_batch    what the front of the input asks for
//   time_limits      which of its times is up
// The relay's own functions are in
//   relay.cpp            greeting, query groups, cancel, end
//   relay_servers.cpp    link, settings, release
//   relay_limits.cpp     what is looked at from time to time: long waits, limits of time
//   relay_units.cpp      a client without a server begins something; facts
//   relay_cache.cpp      what memory answers, and what it is told
//   relay_last_cache.cpp SHOW LAST CACHE
//   relay_lock_probe.cpp what a transaction has written, before its COMMIT
//   relay_requests.cpp   client -> server
//   relay_extended.cpp   the same: Parse, Bind, Describe, Execute, Close
//   relay_statements.cpp names of statements
//   relay_sql_names.cpp  names that SQL speaks of
//   relay_sequences.cpp  currval() and lastval()
//   relay_advice.cpp     what would go wrong in transaction mode
//   relay_replies.cpp    server -> client
//   relay_repeat.cpp     a prepared statement whose result has changed its type
// One thread: the client's worker.
#pragma once

#include "daemon/error_reply.hpp"
#include "daemon/session/cache_settings.hpp"
#include "daemon/session/client_phase.hpp"
#include "daemon/session/client_session.hpp"
#include "daemon/session/flight_wait.hpp"
#include "daemon/session/last_cache.hpp"
#include "daemon/session/open_portals.hpp"
#include "daemon/session/parser_question.hpp"
#include "daemon/session/query_account.hpp"
#include "daemon/session/repeatable_group.hpp"
#include "daemon/session/replaced_errors.hpp"
#include "daemon/session/request_batch.hpp"
#include "daemon/session/request_tag.hpp"
#include "daemon/session/schema_watch.hpp"
#include "daemon/session/sequence_watch.hpp"
#include "daemon/session/session_effects.hpp"
#include "daemon/session/statement_facts.hpp"
#include "daemon/session/statement_names.hpp"
#include "daemon/session/text_trust.hpp"
#include "daemon/session/time_limits.hpp"
#include "daemon/session/unseen_traces.hpp"
#include "daemon/user_places.hpp"
#include "pool/cancel_registry.hpp"
#include "pool/pool.hpp"
#include "pool/prepared_statements.hpp"
#include "pool/server_connection.hpp"
#include "pool/session_settings.hpp"
#include "protocol/error_fields.hpp"
#include "protocol/frame.hpp"
#include "protocol/query.hpp"
#include "protocol/startup.hpp"
#include "querycache/session.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace weir::daemon {

class worker;

class relay final : public client_phase, public pool::server_user {
public:
    /// What the client does, as SHOW CLIENTS prints it.
    enum class state : std::uint8_t {
        greeting,  ///< waits for a server that tells what to greet the client with
        idle,      ///< no server, nothing owed
        waiting,   ///< in the pool's queue
        linked,    ///< has a server
        closed,
    };

    relay(
        client_session& session,
        std::shared_ptr<pool::pool> pool,
        user_places::place place,
        protocol::startup_parameters parameters
    );
    ~relay() override;

    // client_phase
    void on_start() override;
    void on_input() override;
    void on_writable() override;
    void on_closed(std::string_view reason) override;
    void on_cancel() override;
    void on_drain(drain_call call) override;
    void on_end(const client_error& why) override;
    void on_tick(time_point now) override;
    void on_facts(std::uint64_t ticket, std::shared_ptr<const void> facts) override;
    bool wants_input() const override;
    std::string_view served_database() const override { return database(); }

    // lease_waiter
    void on_lease(pool::server_ptr server) override;
    void on_put_back(pool::waiting_ticket ticket) override;
    void on_lease_failed(const pool::lease_error& error) override;

    // server_user
    void on_server_input(pool::server_connection& server) override;
    void on_server_writable(pool::server_connection& server) override;
    void on_server_lost(pool::server_connection& server, std::string_view reason) override;

    /// Before it is started, of a session of the daemon's own: the client whom it asks for has
    /// these.
    void take_settings(const pool::settings& all) { effects_.take_settings(all); }

    /// The cache of this client's database has become known, or the rules have changed.
    void adopt_cache();
    /// The limits of its pool may have changed.
    void adopt_limits();

    state current() const { return state_; }
    const std::string& user() const { return pool_->user(); }
    const std::string& database() const { return pool_->database(); }
    std::string_view application() const { return effects_.application_name(); }
    const pool::server_ptr& server() const { return server_; }
    /// What keeps the client on its server.
    pool::left_behind pins() const { return effects_.pins(); }
    std::uint32_t process_id() const { return key_.process_id(); }
    time_point started_at() const { return account_.started(); }
    const std::shared_ptr<pool::pool>& owner() const { return pool_; }
    pool::pool_mode mode() const { return mode_; }
    std::size_t prepared_count() const { return names_.size(); }

private:
    // A statement up to this size is looked at as a whole; a longer one passes as one that may do
    // anything.
    static constexpr std::size_t longest_query = 1U << 20U;

    /// What became of one message of the client.
    enum class step : std::uint8_t {
        done,     ///< taken; the next one, please
        more,     ///< the message is not complete: read
        blocked,  ///< something must come first: facts, a server, a reply
        ended,    ///< the session is closed or closing
    };
    /// Of a unit that was refused: what is dropped before its one ReadyForQuery. As in PostgreSQL,
    /// an error of the extended protocol swallows everything up to Sync, other queries included.
    enum class skipping : std::uint8_t { nothing, one_message, up_to_sync };
    // --- relay.cpp ---
    worker& home() const { return session_->home(); }
    void greet();
    void send_greeting();
    void make_cancel_key();
    void cancel_on_server(int tries);
    void cancel_again(std::uint64_t lease, time_point statement, int tries);
    bool needs_server_to_greet();
    void finish_query();
    void fail_query(std::string_view sqlstate);
    void fail_query_under_way(std::string_view sqlstate);
    query_account::asker asker() const;
    query_account::standing standing() const;
    void note_text(std::string_view text);
    void note_waiting();
    void fatal(const client_error& error);
    /// Servers are the client's for a transaction, not for its session.
    bool is_transaction_mode() const { return mode_ != pool::pool_mode::session; }
    bool is_statement_mode() const { return mode_ == pool::pool_mode::statement; }
    /// The server is where a reload has moved the database away from.
    bool is_on_old_place() const { return server_ && !pool_->leads_to(*server_->session().target); }

    // --- relay_servers.cpp ---
    step acquire();
    void link(pool::server_ptr server);
    void send_own_query(std::string_view sql);
    void send_settings();
    void settings_applied();
    bool after_own_query();
    void note_sent(const text_facts& facts, change_tag tag, std::string_view text = {});
    database_code& code_here();
    void retire_servers();
    void leave_databases(const querycache::sql::statement& statement);
    void look_for_traces();
    bool has_statement_waiting() const;
    void end_look();
    void tell_of_failed_look(std::string_view error);
    std::function<void(char type, std::string_view body)> learn_later();
    bool learn_names(session_inventory& found);
    bool may_give_back() const;
    void forget_server();
    void note_server_left(time_point now);
    void end_doubt();
    bool restores_first(const protocol::reply_verdict& verdict);
    void settings_restored();
    void settings_failed(std::string_view body);
    void fail_statement(const client_error& error);
    void maybe_release();
    bool hears_more() const;
    void release(time_point now);
    void abandon_server();

    // --- relay_limits.cpp ---
    bool take_place();
    void adopt_slow_threshold();
    void start_ticking();
    void watch_waiting(time_point now);
    void watch_flight(time_point now);
    void watch_times(time_point now);
    time_limits::sight see() const;
    client_error canceled_by() const;
    client_error query_overdue(bool ended) const;
    std::optional<client_error> told_instead(
        const protocol::reply_verdict& verdict, std::string_view body
    );

    // --- relay_cache.cpp ---
    void refresh_cache_settings();
    std::string_view look_of(std::string_view name, std::string& buffer) const;
    void check_looks();
    void learn_form(const querycache::entry& kept);
    void settle(const querycache::settlement& settlement);
    bool is_read_alike(std::string_view text) const;
    void note_prepared(std::string_view text);
    bool serve_query_from_cache(std::string_view text);
    /// Views into the input and, of a prepared statement, into names_.
    struct batch_question {
        querycache::request request;
        bool parses = false;
        protocol::parse_message parse;                  ///< with parses
        const pool::client_statement* known = nullptr;  ///< else
    };
    std::optional<batch_question> read_question(const request_batch& whole) const;
    bool serve_batch_from_cache(const request_batch& whole);
    bool leaves_traces() const;
    bool may_answer_linked() const;
    bool awaits_flight(const querycache::request& request, const text_facts& facts);
    bool awaits_flight_of(const request_batch& whole, const text_facts& facts);
    bool cancel_flight_wait();
    void on_landing(std::uint64_t ticket, querycache::landing how);
    bool answer_stale();
    void tell_hit(const querycache::hit& hit, std::string_view text, std::string_view before);
    std::optional<querycache::bypass_reason> refusal(bool whole_unit) const;
    void begin_cached(
        const querycache::request& request,
        const text_facts& facts,
        std::optional<querycache::bypass_reason> refused
    );
    void count_unwatched(const text_facts& facts);
    std::optional<querycache::bypass_reason> reason_without_cache(const text_facts& facts) const;
    bool is_in_own_world() const;
    void note_parameters(const querycache::request& request, const text_facts& facts);
    void begin_known(
        const querycache::request& request,
        const text_facts& facts,
        std::optional<querycache::bypass_reason> refused
    );
    static querycache::request unknown_extended();

    // --- relay_last_cache.cpp ---
    std::optional<step> answer_last_cache(std::string_view text, std::size_t size);
    std::optional<step> answer_last_cache(const request_batch& whole);
    std::optional<step> answer_last_cache_batch(const protocol::frame_header& header);
    bool may_ask_last_cache(const protocol::frame_header& header) const;
    bool is_last_cache(std::string_view name) const;
    bool prepare_last_cache(const protocol::parse_message& parse);
    std::optional<step> begin_own_answer();
    bool is_in_failed_transaction() const;
    void end_own_answer(std::size_t size, bool is_synced);

    // --- relay_lock_probe.cpp ---
    step probe_locks(const text_facts& facts);
    bool runs_at_once() const;
    bool end_lock_probe();

    // --- relay_units.cpp, relay_requests.cpp, relay_statements.cpp, relay_sql_names.cpp ---
    void count_sent();
    void process();
    step take_request();
    step begin_unit(const protocol::frame_header& header);
    step skip_refused(const protocol::frame_header& header);
    step begin_query(const protocol::frame_header& header);
    step begin_batch();
    std::optional<step> answer_linked_batch();
    bool read_batch(request_batch& out);
    bool answer_locally(const request_batch& whole);
    bool opens_block(const text_facts& facts) const;
    step refuse_block(const protocol::frame_header& header, const text_facts& facts);
    step need_whole(const protocol::frame_header& header);
    step bad_message(const protocol::frame_header& header);
    step forward_one(const protocol::frame_header& header);
    step forward_query(const protocol::frame_header& header);
    bool speaks_of_names(const text_facts& facts) const;
    bool means_name(const querycache::sql::session_step& did) const;
    step tell_names(const text_facts& facts);
    void close_foreign_statements();
    void tell_name(const std::string& name);
    bool tells_names() const;
    pool::statement_ptr named_statement(std::string_view name, const pool::shared_statement& like);
    void sync_own();
    std::optional<step> deallocate(const text_facts& facts, std::string& instead);
    std::optional<step> write_deallocate(
        const std::vector<std::string>& names, std::string& instead
    );
    void deallocate_here(const std::vector<std::string>& names);
    std::string_view foreign_name(const text_facts& facts) const;
    void stage_deallocate(const text_facts& facts, change_tag tag);
    bool deallocate_portal(const text_facts& facts);
    step forward_parse(const protocol::frame_header& header);
    step forward_long_parse(const protocol::frame_header& header);
    step forward_bind(const protocol::frame_header& header);
    step forward_describe(const protocol::frame_header& header);
    step forward_close(const protocol::frame_header& header);
    step forward_execute(const protocol::frame_header& header);
    step forward_plain(const protocol::frame_header& header);
    step refuse_unknown(std::string_view name, const protocol::frame_header& header);
    void close_foreign_unnamed();
    bool owes_ready() const;
    bool awaits_answers() const;
    step stream(const protocol::frame_header& header);
    void refuse_parse(std::error_code error, std::string_view name);
    void refuse_in_stream(const client_error& error, bool is_parse);
    void refuse_query(const client_error& error, bool yields_to_failed_transaction = false);
    std::string_view prepared_over(const text_facts& facts) const;
    bool is_prepared_by_sql(std::string_view name) const;
    static client_error unknown_statement(std::string_view name);
    static client_error duplicate_statement(std::string_view name);
    void close_surplus();
    bool prepare_on_server(std::string_view name, const pool::client_statement& statement);
    bool prepare_unnamed(const pool::client_statement& statement);
    pool::server_statements::presence look_up(
        const pool::shared_statement& statement, pool::schema_age since
    );
    pool::schema_age schema_now() const;
    void end_schema_changes(bool is_last = true);
    void parse_on_server(
        const pool::shared_statement& statement, change_tag tag, protocol::reply_action action
    );
    bool close_on_server(std::uint64_t id);
    std::optional<step> check_shape(
        const protocol::bind_message& bind,
        const pool::client_statement& known,
        const text_facts& facts,
        const protocol::frame_header& header
    );
    bool ask_shape(const pool::shared_statement& statement);
    /// It is a question of ask_shape().
    static bool asks_shape(const protocol::owed& request) {
        return request.action == protocol::reply_action::swallow &&
               request.kind == protocol::request_kind::describe_statement;
    }
    bool is_told_anew(const protocol::bind_message& bind, const protocol::frame_header& header)
        const;
    void note_shape(const protocol::owed& request, char type, std::string_view body);
    bool has_run_nothing() const;
    void keep_for_repeat(const protocol::bind_message& bind, std::string_view body);
    void keep_for_repeat(std::string_view described);
    bool may_repeat(const protocol::reply_verdict& verdict, std::string_view error) const;
    std::optional<bool> is_taken_back(std::string_view bytes, const protocol::frame_header& header);
    void distrust(const protocol::owed& request);
    bool begin_repeat(const protocol::reply_verdict& verdict);
    void repeat_group();
    void repeat_bind(std::string_view body);
    void repeat_describe(std::string_view name, bool ends_in_flush);
    void end_repeated();
    pool::settings_signature settings_now() const;
    pool::statement_ptr statement_of_now(std::string_view text, std::string_view parameter_types);
    bool known_facts(const pool::client_statement& known, text_facts& facts);
    void begin_bound(
        const protocol::bind_message& bind,
        const pool::client_statement* known,
        text_facts facts,
        bool whole,
        std::uint32_t untold
    );
    pool::client_statement make_client_statement(
        const protocol::parse_message& parse, text_facts facts
    );
    bool find_facts(std::string_view text, text_facts& out);
    void ask_parser(std::string_view text, querycache::sql::hash128 hash);
    /// Of a Bind or Describe of a statement under a name of ours: the tag is the statement's
    /// number, not a change.
    static bool names_statement(const protocol::owed& request) {
        if (request.action != protocol::reply_action::forward) return false;
        return request.kind == protocol::request_kind::bind ||
               request.kind == protocol::request_kind::describe_statement ||
               request.kind == protocol::request_kind::describe_portal;
    }
    bool push(protocol::request_kind kind, protocol::reply_action action, change_tag tag);
    void emit_made_here();
    void resolve_dropped();
    void resolve(const protocol::owed& request, pool::change_outcome outcome);

    // --- relay_sequences.cpp ---
    bool has_values_of_others() const;
    bool asks_of_others(const text_facts& facts) const;
    step clean_sequences(const text_facts& facts);
    std::optional<client_error> refuse_sequence(const text_facts& facts);
    void note_sequences(const text_facts& facts);
    void learn_habit(pool::sequence_habit habit);
    std::string_view sequences_to_discard();
    bool tell_of_lost_sequence(const protocol::reply_verdict& verdict, std::string_view error);
    void tell_instead(const protocol::error_fields& fields);

    // --- relay_advice.cpp ---
    void advise(const text_facts& facts, pool::sequence_habit asks);
    bool executes_by_sql(const text_facts& facts) const;

    // --- relay_replies.cpp ---
    void take_replies();
    void read_replies(pool::input_buffer& input);
    bool take_rows(std::string_view bytes);
    bool take_message(const protocol::frame_header& header, std::string_view here);
    void forward(char type, std::size_t size, std::string_view here, protocol::reply_action action);
    void lose_server(std::string_view reason);
    void resolve_ended(const protocol::reply_verdict& verdict);
    bool after_ready(bool ours);
    bool is_of_own_statement() const;
    bool after_asynchronous();
    bool tells_parameter(std::string_view body);
    bool is_last(const protocol::owed& request) const;
    void note_defaults(std::string_view command_tag);
    void on_command_complete(const protocol::owed& request, std::string_view body);
    bool tell_by_clients_name(const protocol::reply_verdict& verdict, std::string_view error);
    void on_error_response(const protocol::reply_verdict& verdict, std::string_view body);
    void on_ready_for_query(char status);

    client_session* session_;  // null once it is closed
    std::shared_ptr<pool::pool> pool_;
    insight::pool_counters& counters_;
    user_places::place place_;
    user_places::place database_place_;
    protocol::startup_parameters parameters_;  // until the greeting
    pool::cancel_registry::registration key_;

    // Where the client is.
    // For as long as it lives, whatever a reload says: its statements are named by it.
    const pool::pool_mode mode_;
    state state_ = state::greeting;
    skipping skip_ = skipping::nothing;
    bool is_ticking_ = false;
    bool in_process_ = false;
    bool has_asked_ = false;        // anything since its login
    bool leaving_ = false;          // drain: close at the end of the unit
    bool told_fatal_ = false;       // PostgreSQL's own FATAL went to the client
    bool cancel_is_held_ = false;   // until our own statement has ended: it is not meant for that
    bool is_overdue_ = false;       // what runs was cancelled for pool.query_timeout
    bool defaults_asked_ = false;   // ALTER ROLE, ALTER DATABASE .. SET was sent
    bool defaults_change_ = false;  // and has succeeded in this transaction
    bool is_advising_ = false;      // pool.advise
    bool awaits_catalog_ = false;   // a rule may apply, and no cache_ is here yet
    // The large message that is under way in either direction.
    bool drops_rest_ = false;  // of a refused request: nobody gets the rest
    bool reply_forwards_ = false;
    bool rows_forward_ = false;     // the last message was a DataRow that was forwarded
    std::size_t request_rest_ = 0;  // bytes that still go to the server
    std::size_t reply_rest_ = 0;    // bytes that are still to come

    // Its server.
    pool::server_ptr server_;
    pool::waiting_ticket ticket_ = 0;   // 0: not in the queue
    pool::waiting_ticket noticed_ = 0;  // of the wait that the client was told about
    std::uint64_t lease_ = 0;
    std::uint64_t counted_to_client_ = 0;
    std::uint64_t counted_to_server_ = 0;  // in this lease

    // What it has said.
    query_account account_;
    session_effects effects_;
    unseen_traces traces_;
    statement_names names_;
    open_portals portals_;
    replaced_errors refusals_;
    parser_question question_;
    repeatable_group last_group_;
    text_trust texts_;
    sequence_watch sequences_;
    schema_watch schemas_;
    std::uint64_t asked_shape_ = 0;  // the statement whose result we ask the server for; 0: none
    std::optional<std::uint64_t> told_in_;  // the segment whose server was told the client's names
    std::unique_ptr<time_limits> limits_;   // null: its pool has none

    // What memory knows of it.
    std::optional<querycache::reply_shape> unit_shape_;  // the batch is one that memory may answer
    cache_settings cached_;                              // those that cache_ was told
    std::unique_ptr<querycache::cache_session> cache_;   // null: no rule concerns the client
    std::unique_ptr<querycache::capture> capture_;
    last_cache last_;
    std::unique_ptr<querycache::lock_probe> locks_;  // while its transaction is asked
    flight_wait flight_;
};

}  // namespace weir::daemon

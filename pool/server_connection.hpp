// Our connection to PostgreSQL: the driver that connects, logs in, tests, resets and watches a
// server, and lends its buffers to the client's relay while it is linked. Decisions are elsewhere:
// server_login (authentication), pipeline (whose reply is this), reusable (may it go back). One
// thread: that of its loop.
#pragma once

#include "pool/cancel_registry.hpp"
#include "pool/connect_plan.hpp"
#include "pool/lease.hpp"
#include "pool/pool_options.hpp"
#include "pool/prepared_statements.hpp"
#include "pool/sequence_record.hpp"
#include "pool/server_login.hpp"
#include "pool/server_state.hpp"
#include "pool/session_settings.hpp"
#include "pool/stream_socket.hpp"
#include "protocol/pipeline.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace weir::pool {

class pool;

/// Who a linked server tells what happens. Implemented by the client's session.
class server_user {
public:
    /// New bytes are in `server.input()`.
    virtual void on_server_input(server_connection& server) = 0;
    /// What was blocked in `server.output()` is sent.
    virtual void on_server_writable(server_connection& server) = 0;
    /// The connection is gone; the server has left its pool and must not be used again.
    virtual void on_server_lost(server_connection& server, std::string_view reason) = 0;

protected:
    ~server_user() = default;
};

/// What of a server lives on when it moves to another loop: the PostgreSQL session, not the socket
/// object.
struct server_session {
    std::uint32_t process_id = 0;
    std::string secret_key;  // never logged
    upstream_address address;
    connect_target_ptr target;
    upstream_host_ptr host;
    session_role role;      // as its login has found it
    bool was_lent = false;  // some client has had it
    server_settings settings;
    server_statements statements{200};
    // Key of the client's unnamed statement that the server holds now; 0 = none of ours.
    std::uint64_t unnamed_statement = 0;
    std::chrono::steady_clock::time_point connected_at;
    std::chrono::steady_clock::time_point idle_since;
    std::uint64_t id = 0;  // for SHOW SERVERS
    std::uint64_t retire_generation = 0;
    // Code that nobody has read ran here since the last reset: it may have left a temporary table.
    bool ran_unknown_code = false;
    // A statement was prepared here since the last reset whose text the server may have read by
    // other rules than its client's facts were made with.
    bool read_otherwise = false;
    sequence_record sequences;
    // Body of the last Bind, or the name in the last Describe, that its client's relay may have to
    // send once more, and nobody else.
    std::string repeatable;
    bool on_standby =
        false;  // at login it said in_hot_standby: its answers may lag behind the primary
    // ParameterStatus of the login, for greeting clients.
    std::shared_ptr<const std::vector<std::pair<std::string, std::string>>> greeting;
};

class server_connection final
    : public boost::intrusive_ref_counter<server_connection, boost::thread_unsafe_counter>,
      private stream_socket::owner {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// A new connection in state login; connect() starts it.
    server_connection(event_loop& loop, std::shared_ptr<pool> owner, connect_target_ptr target);
    ~server_connection();

    /// Resolves, connects and logs in, host after host of the plan; ends in pool::on_connected or
    /// on_connect_failed.
    void connect(connect_plan plan, time_point now);

    /// The parts of an idle server, to be attached to another loop. The object is closed and done
    /// afterwards.
    struct detached {
        int descriptor = -1;
        server_state state{};
        std::unique_ptr<server_session> session;
        std::unique_ptr<tls_session> tls;  // null: plain
    };
    detached detach();
    static server_ptr attach(event_loop& loop, std::shared_ptr<pool> owner, detached parts);

    // --- linked ---
    void link(server_user& user);
    /// Ends the link. The server is not in its pool yet: pool::release() does that.
    void unlink();
    input_buffer& input() { return socket_.input(); }
    output_queue& output() { return socket_.output(); }
    protocol::pipeline& pipeline() { return pipeline_; }
    server_session& session() { return *session_; }
    cancel_gate& cancels() { return cancels_; }
    /// Sends what is in output(); when the socket is full, on_server_writable() follows later.
    output_queue::result flush() { return socket_.flush(); }
    /// The same, with what the other connections of the loop send in this turn.
    output_queue::result flush_soon() { return socket_.flush_soon(); }
    bool is_write_blocked() const { return socket_.is_blocked(); }
    /// Stops reading until resume_reading(): back-pressure of a slow client.
    void pause_reading() { reading_paused_ = true; }
    void resume_reading();

    /// Sends a simple query whose replies nobody sees (reset query, check), then pool::on_tested().
    /// Behind a reset query, which undoes it, the connect_query is run again.
    void test(std::string_view query);

    /// The daemon has asked something for the client that is linked no more. The rest of the
    /// answer, up to its ReadyForQuery, goes to `hears` while the server is tested. Before
    /// pool::release().
    void tell_rest(std::function<void(char type, std::string_view body)> hears) {
        hears_rest_ = std::move(hears);
    }

    /// Its client left in the middle of something: nobody uses the server again, but it counts
    /// against the pool until PostgreSQL has ended it. A cancel request should follow, then
    /// hang_up().
    void abandon();
    /// Tells PostgreSQL that nothing more comes. An abandoned server closes when PostgreSQL has
    /// ended its side, or does not within some seconds.
    void hang_up();

    /// Leaves the pool and closes the socket. Says Terminate when the server is at peace.
    /// Idempotent.
    void close(std::string_view reason);

    /// Where the connection leads; for a cancel request, which goes to the same place.
    stream_socket::endpoint_type remote_endpoint() const { return socket_.remote_endpoint(); }
    /// nullptr: the connection is plain.
    const tls_session* tls() const { return socket_.tls(); }

    server_state state() const { return state_; }
    void set_state(server_state state) { state_ = state; }
    /// The pool has taken the server out of its numbers already, before close(): under its lock, so
    /// that two loops do not both close what only one of them should.
    void set_uncounted() { counted_ = false; }
    bool is_counted() const { return counted_; }
    /// PostgreSQL was promoted since the login, and it matters which role it has.
    bool has_changed_role() const;
    bool is_closed() const { return state_ == server_state::closing; }
    event_loop& loop() { return loop_; }
    const std::shared_ptr<pool>& owner() const { return owner_; }
    const connect_target_ptr& target() const { return target_; }
    time_point started_at() const { return started_at_; }

    /// Starts watching an idle server for bytes or its end.
    void start_reading();
    /// Bytes, or the end of the connection, have arrived that nobody has looked at.
    bool has_input() const {
        return !socket_.input().empty() || socket_.has_received() ||
               (tls() != nullptr && tls()->has_pending());
    }
    /// The same, or they are still the kernel's: asks it, which costs a system call.
    bool has_unheard() const { return has_input() || socket_.has_unread(); }

    /// Ends a login or a test that takes longer than connect_timeout. Called from time to time.
    void check_deadline(time_point now);

private:
    bool is_at(unsigned attempt) const;
    void resolve_next();
    void connect_to(const boost::asio::generic::stream_protocol::endpoint& endpoint);
    void try_next_address(std::error_code error, lease_error why);
    bool try_other_encryption();
    void on_connected();
    void ask_for_tls();
    void on_tls_answer();
    void begin_handshake();
    void continue_handshake();
    void on_handshake(tls_session::progress progress, std::unique_ptr<tls_session> session);
    void tls_failed(lease_error why);
    void start_login();
    void feed_connecting();
    void feed_login();
    void perform(server_login::action action);
    void derive_keys();
    void finish_login();
    void judge_role();
    void ask_for_role();
    void read_role();
    void accept_session();
    void begin_connect_query();
    void read_connect_query();
    void end_connect_query(std::string_view ready_body);
    void enter_pool();
    void tell_connect_query_failed(std::string_view error_body);
    void on_tested_reset();
    void login_failed();
    void on_received(const boost::system::error_code& error) override;
    void on_drained() override;
    void on_send_failed(const std::error_code& error) override;
    void keep() override { intrusive_ptr_add_ref(this); }
    void let_go() override { intrusive_ptr_release(this); }
    void read_unlinked();
    bool take_all_unlinked();
    bool take_unlinked(char type, std::string_view body);
    bool take_tested(char type, std::string_view body);
    void end_test();
    void lost(std::string_view reason);
    lease_error unreachable(std::string_view reason) const;

    event_loop& loop_;
    std::shared_ptr<pool> owner_;
    connect_target_ptr target_;
    std::unique_ptr<server_session> session_;
    stream_socket socket_;
    protocol::pipeline pipeline_;
    cancel_gate cancels_;
    server_user* user_ = nullptr;
    server_state state_;
    bool reading_ = false;
    bool reading_paused_ = false;
    bool is_receive_stale_ = false;  // the receive under way is of a host that was given up
    bool counted_ = true;
    bool abandoned_ = false;  // closing, but PostgreSQL is still busy with it
    bool test_failed_ = false;
    bool tested_with_reset_ = false;  // the running test is the reset query, not just a check
    std::function<void(char type, std::string_view body)> hears_rest_;  // see tell_rest()
    bool forgets_sequences_ = false;  // and PostgreSQL forgets what sequences it has moved

    // Only while it connects.
    struct connecting;
    std::unique_ptr<connecting> connecting_;
    time_point started_at_;
    time_point deadline_ = time_point::max();  // of login and test
};

}  // namespace weir::pool

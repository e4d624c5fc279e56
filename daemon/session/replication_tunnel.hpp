// A client with `replication` in its start-up packet: it gets a server connection of its own, to
// which its start-up parameters went word for word, and every byte is passed on as it came, in both
// directions. What it says is nobody's business: no cache, no settings, no statements, and the
// server is never used again. One thread: the client's worker.
#pragma once

#include "daemon/session/client_phase.hpp"
#include "daemon/session/client_session.hpp"
#include "daemon/user_places.hpp"
#include "pool/cancel_registry.hpp"
#include "pool/pool.hpp"
#include "pool/server_connection.hpp"
#include "protocol/message_walker.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace weir::daemon {

namespace insight {
class pool_counters;
}

/// What the servers of that target are for, as SHOW SERVERS prints it: none, physical or logical.
std::string_view replication_kind(const pool::connect_target& target);

class replication_tunnel final : public client_phase, public pool::server_user {
public:
    enum class state : std::uint8_t {
        connecting,  ///< waits for its server
        idle,        ///< the last message was ReadyForQuery
        busy,        ///< a command runs: it ends with ReadyForQuery
        streaming,   ///< CopyBoth: the write-ahead log, without an end
        closed,
    };

    /// `pool`: made for this client alone, see pool_directory::make_dedicated().
    replication_tunnel(
        client_session& session, std::shared_ptr<pool::pool> pool, user_places::place place
    );

    // client_phase
    void on_start() override;
    void on_input() override { pass_to_server(); }
    void on_writable() override;
    void on_closed(std::string_view reason) override;
    void on_cancel() override;
    /// A command may end; a stream, which never does, is cut off: its reader connects again.
    void on_drain(drain_call call) override;
    void on_end(const client_error& why) override;
    bool wants_input() const override;
    std::string_view served_database() const override { return database(); }

    // lease_waiter
    void on_lease(pool::server_ptr server) override;
    void on_put_back(pool::waiting_ticket ticket) override { ticket_ = ticket; }
    void on_lease_failed(const pool::lease_error& error) override;

    // server_user
    void on_server_input(pool::server_connection& server) override;
    void on_server_writable(pool::server_connection& server) override;
    void on_server_lost(pool::server_connection& server, std::string_view reason) override;

    state current() const { return state_; }
    const std::string& user() const { return pool_->user(); }
    const std::string& database() const { return pool_->database(); }
    const pool::server_ptr& server() const { return server_; }
    const std::shared_ptr<pool::pool>& owner() const { return pool_; }
    std::uint32_t process_id() const { return key_.process_id(); }

private:
    bool take_place();
    void greet();
    void pass_to_server();
    void follow(char type);
    void end_with(const client_error& why);
    void let_go(std::string_view reason);

    client_session* session_;  // null once it is closed
    std::shared_ptr<pool::pool> pool_;
    insight::pool_counters& counters_;
    user_places::place place_;
    user_places::place database_place_;
    pool::cancel_registry::registration key_;
    pool::server_ptr server_;
    pool::waiting_ticket ticket_ = 0;  // 0: not in the queue
    std::uint64_t lease_ = 0;
    state state_ = state::connecting;
    bool leaving_ = false;                // drain: the end comes with ReadyForQuery
    protocol::message_walker to_client_;  // where an error of ours may stand
};

}  // namespace weir::daemon
